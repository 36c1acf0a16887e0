"""Which sequences of a shard are computed together: by their lengths alone, so that a shard's digits never change.

What is computed with others may differ in its last digit from what is computed alone or with other ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from app.batching import CPU_LIMITS, GPU_LIMITS, BatchLimits
from app.bundle import Manifest


def shard_limits(manifest: Manifest, *, on_cpu: bool) -> BatchLimits:
    """How large and how padded the batches of a shard are; unlike a service's, whatever the model's speed today."""
    limits = CPU_LIMITS if on_cpu else GPU_LIMITS
    masked = manifest.input.encoding == "tokens"  # other graphs have no mask, so nothing may be padded
    return limits if masked else replace(limits, max_padding=0.0)


def form_batches(tokens: Sequence[int], limits: BatchLimits) -> Iterator[list[int]]:
    """Batches of neighbours in length, the longest first, so that no long one is left for the end.

    Args:
        tokens: length of each sequence.

    Returns:
        Their indices.
    """
    batch: list[int] = []
    total = 0
    for index in sorted(range(len(tokens)), key=lambda index: -tokens[index]):
        if batch and not _fits(tokens[batch[0]], len(batch) + 1, total + tokens[index], limits):
            yield batch
            batch, total = [], 0
        batch.append(index)
        total += tokens[index]
    if batch:
        yield batch


def _fits(longest: int, rows: int, tokens: int, limits: BatchLimits) -> bool:
    padded = longest * rows
    small = rows <= limits.max_sequences and padded <= limits.max_tokens
    return small and 1 - tokens / padded <= limits.max_padding

"""Batches of mixed lengths, as they come and as the service forms them: pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.batching import BatchLimits, Job, choose_batch
from app.encoding import Ids
from training.recipe import ModelConfig

MULTIPLY_ADD = 2


@dataclass(frozen=True)
class Batches:
    """What is computed, in turn."""

    name: str
    rows: tuple[tuple[Ids, ...], ...]

    @property
    def tokens(self) -> int:
        """Real ones."""
        return sum(len(row) for batch in self.rows for row in batch)

    @property
    def padding(self) -> float:
        """Share of what the device computes that is padding."""
        return 1 - self.tokens / sum(len(batch) * max(map(len, batch)) for batch in self.rows)


def as_they_come(rows: Sequence[Ids], size: int) -> Batches:
    """Batches of so many rows in order of arrival, each padded to its longest."""
    cut = tuple(tuple(rows[start : start + size]) for start in range(0, len(rows), size))
    return Batches(f"padded, {size} as they come", cut)


def as_the_service_forms_them(rows: Sequence[Ids], limits: BatchLimits) -> Batches:
    """Batches of rows of nearly equal length."""
    return Batches("packed, nearly equal lengths", tuple(_formed([Job(row, 0.0, 0.0) for row in rows], limits)))


def _formed(waiting: list[Job], limits: BatchLimits) -> Iterator[tuple[Ids, ...]]:
    while waiting:
        chosen = choose_batch(waiting, limits)
        yield tuple(job.ids for job in chosen)
        taken = set(map(id, chosen))
        waiting = [job for job in waiting if id(job) not in taken]


def operations(config: ModelConfig, rows: Sequence[Ids]) -> int:
    """Floating-point operations of the matrix products of a DNABERT-2 on these rows, without padding.

    Of a token's layer: queries, keys and values (3 w x w), the projection (w x w) and the gated MLP (2 i x w, w x i);
    of its attention, scores and mixture over every token (2 w each).
    """
    per_token = 4 * config.width**2 + 3 * config.width * config.inner_width
    tokens, squares = sum(map(len, rows)), sum(len(row) ** 2 for row in rows)
    return MULTIPLY_ADD * config.layers * (tokens * per_token + 2 * config.width * squares)

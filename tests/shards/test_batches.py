"""Batches of a shard: every sequence once, by length alone, within the limits."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from app.batching import CPU_LIMITS, GPU_LIMITS, BatchLimits
from app.bundle import read_manifest
from app.shards.batches import form_batches, shard_limits
from tests.toy import write_token_bundle, write_toy_bundle


def test_without_padding_a_batch_is_of_one_length() -> None:
    batches = list(form_batches([3, 5, 3, 5, 3], BatchLimits(max_sequences=2)))
    assert batches == [[1, 3], [0, 2], [4]]


def test_padding_is_taken_up_to_its_share() -> None:
    batches = list(form_batches([10, 4, 8, 9], BatchLimits(max_padding=0.2)))
    assert batches == [[0, 3, 2], [1]]  # 3 of 30 are padding; with the fourth it would be 9 of 40


@given(st.lists(st.integers(1, 40)), st.integers(1, 8), st.integers(1, 100), st.sampled_from([0.0, 0.2, 0.5]))
def test_every_sequence_is_in_one_batch_within_the_limits(
    tokens: list[int], most: int, most_tokens: int, padding: float
) -> None:
    limits = BatchLimits(max_sequences=most, max_tokens=most_tokens, max_padding=padding)
    batches = list(form_batches(tokens, limits))
    assert sorted(index for batch in batches for index in batch) == list(range(len(tokens)))
    for batch in batches:
        lengths = [tokens[index] for index in batch]
        padded = max(lengths) * len(lengths)
        assert len(batch) <= most
        assert len(batch) == 1 or padded <= most_tokens
        assert 1 - sum(lengths) / padded <= padding


def test_limits_follow_the_device_and_whether_the_graph_has_a_mask(tmp_path: Path) -> None:
    tokens, one_hot = read_manifest(write_token_bundle(tmp_path)), read_manifest(write_toy_bundle(tmp_path))
    assert shard_limits(tokens, on_cpu=True) == CPU_LIMITS
    assert shard_limits(tokens, on_cpu=False) == GPU_LIMITS
    assert shard_limits(one_hot, on_cpu=False).max_padding == 0

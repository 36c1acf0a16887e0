"""Batches keep their limits, never starve the oldest job, and pad as little as they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.batching import Batch, BatchLimits, Job, choose_batch, is_full

EQUAL = BatchLimits(max_sequences=4, max_tokens=100, window_jobs=10)
PADDED = BatchLimits(max_sequences=4, max_tokens=100, max_padding=0.25, window_jobs=10)

limits = st.builds(
    BatchLimits,
    max_sequences=st.integers(1, 8),
    max_tokens=st.integers(1, 64),
    max_padding=st.sampled_from([0.0, 0.1, 0.5, 0.9]),
    worthwhile_padding_tokens=st.sampled_from([0.0, 2.5, 20.0]),
    worthwhile_tokens=st.sampled_from([0, 50, 500]),
    window_jobs=st.integers(1, 16),
)
lengths = st.lists(st.integers(1, 40), min_size=1, max_size=24)


def _jobs(*lengths: int) -> list[Job]:
    return [Job(np.zeros(length, dtype=np.uint8), 0.0, 10.0) for length in lengths]


def _chosen(lengths: list[int], limits: BatchLimits) -> list[int]:
    jobs = _jobs(*lengths)
    return [jobs.index(job) for job in choose_batch(jobs, limits)]


def test_equal_lengths_travel_together_past_others() -> None:
    assert _chosen([5, 7, 5, 5, 7], EQUAL) == [0, 2, 3]


def test_a_batch_has_at_most_max_sequences() -> None:
    assert _chosen([5] * 9, EQUAL) == [0, 1, 2, 3]


def test_a_batch_has_at_most_max_tokens() -> None:
    assert _chosen([40] * 9, EQUAL) == [0, 1]


@pytest.mark.parametrize(("rows", "full"), [((10, 9), False), ((10, 9, 8, 8), True), ((20, 11), True)])
def test_a_batch_is_full_when_one_more_row_would_be_too_much(rows: tuple[int, ...], *, full: bool) -> None:
    limits = BatchLimits(max_sequences=4, max_tokens=59)
    assert is_full(_jobs(*rows), limits) is full


def test_a_job_longer_than_max_tokens_goes_alone() -> None:
    assert _chosen([500, 500], EQUAL) == [0]
    assert _chosen([500, 400], PADDED) == [0]


def test_with_padding_allowed_the_nearest_lengths_join() -> None:
    # 10 beside 9 pads 1 of 20; 20 beside them would pad half
    assert _chosen([10, 20, 9], PADDED) == [0, 2]


def test_padding_stops_where_the_limit_is() -> None:
    # 10 + 8 + 5 of 30 is 23 % padding; a 4 more would make 27 of 40, 32 %
    assert _chosen([10, 4, 8, 5], PADDED) == [0, 2, 3]


@pytest.mark.parametrize(
    ("lengths", "chosen"),
    [
        ([20, 17, 16], [0, 1]),  # 3 tokens of padding are worth it, 4 are not
        ([20, 24, 23], [0, 2, 1]),  # the 23 brings 3; the 24 makes both a token longer, and brings 2
        ([20, 21, 18, 19], [0, 1, 3, 2]),  # the 21 makes both others bring more: 2 and 3
        ([10, 11, 11, 13], [0, 1, 2]),  # the 13 would make three of them longer by 2
        ([20, 21, 21], [0, 1, 2]),
        ([20, 20, 20, 19, 20], [0, 1, 2, 4]),  # 100 tokens gain nothing by company, but equal lengths cost nothing
        ([10, 40, 39, 10], [0, 3]),
        ([20, 23, 17, 24], [0, 1, 3]),  # beside the 23 the 17 brings 6, but the 24, which is farther off, 2
    ],
)
def test_who_brings_less_padding_than_his_company_saves_joins(lengths: list[int], chosen: list[int]) -> None:
    limits = BatchLimits(worthwhile_padding_tokens=3, worthwhile_tokens=84)
    assert _chosen(lengths, limits) == chosen


def test_jobs_beyond_the_window_wait() -> None:
    assert _chosen([5, *[6] * 9, 5], EQUAL) == [0]


@given(lengths, limits)
def test_the_oldest_always_leads_and_every_limit_holds(lengths: list[int], limits: BatchLimits) -> None:
    jobs = _jobs(*lengths)
    batch = Batch(tuple(choose_batch(jobs, limits)))
    assert batch.jobs[0] is jobs[0]
    assert len(set(batch.jobs)) == len(batch.jobs) <= limits.max_sequences
    assert set(batch.jobs) <= set(jobs[: limits.window_jobs])
    assert batch.padded_tokens <= limits.max_tokens or len(batch.jobs) == 1
    padding = batch.padded_tokens - batch.tokens
    worthwhile = limits.worthwhile_padding_tokens * (len(batch.jobs) - 1) if limits.worthwhile_tokens else 0
    assert padding <= limits.max_padding * batch.padded_tokens + worthwhile + 1e-9


@given(lengths, limits)
def test_taking_batches_again_and_again_empties_the_queue_once(lengths: list[int], limits: BatchLimits) -> None:
    waiting = _jobs(*lengths)
    everything, taken = set(waiting), []
    while waiting:
        chosen = choose_batch(waiting, limits)
        taken += chosen
        waiting = [job for job in waiting if job not in set(chosen)]
    assert len(taken) == len(everything)
    assert set(taken) == everything


def test_a_batch_knows_what_it_costs() -> None:
    batch = Batch(tuple(_jobs(3, 5)))
    assert (batch.tokens, batch.padded_tokens) == (8, 10)


def test_halves_keep_order_and_lose_nothing() -> None:
    batch = Batch(tuple(_jobs(1, 2, 3)))
    first, second = batch.halves()
    assert first.jobs + second.jobs == batch.jobs


@pytest.mark.parametrize("wrong", [{"max_sequences": 0}, {"max_tokens": 0}, {"window_jobs": 0}, {"max_padding": 1.0}])
def test_limits_that_cannot_make_progress_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        BatchLimits(**wrong)

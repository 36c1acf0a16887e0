"""What is learned of a model's speed, in numbers that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.batching import Batch, Job
from app.errors import InferenceFailed
from app.queue.pace import Pace
from tests.queue_forms import answer


def batch(*tokens: int, others_wait: bool = False) -> Batch:
    return Batch(tuple(Job(np.zeros(it, dtype=np.uint8), 0, 10) for it in tokens), others_wait)


def compute(pace: Pace, it: Batch, seconds: float, now: float = 0) -> None:
    pace.taken([it], now)
    pace.settled(it, [answer(1, seconds)] * len(it.jobs), now)


def test_nothing_is_known_at_first() -> None:
    pace = Pace(threads=1)
    assert (pace.seconds_per_token, pace.full_batch_seconds, pace.batch_seconds(10)) == (0, 0, 0)


def test_a_fixed_part_and_a_part_for_each_token_are_told_apart() -> None:
    pace = Pace(threads=1)
    for tokens in (10, 20, 40):
        compute(pace, batch(tokens), 0.5 + 0.01 * tokens)
    assert pace.batch_seconds(100) == pytest.approx(1.5)
    assert pace.seconds_per_token == pytest.approx(0.01)  # how large batches become is not known yet
    compute(pace, batch(50, 50, others_wait=True), 1.5)
    assert pace.seconds_per_token == pytest.approx(0.015)
    assert pace.full_batch_seconds == pytest.approx(1.5)


def test_batches_of_one_size_say_nothing_of_larger_ones_until_others_wait() -> None:
    pace = Pace(threads=1)
    for _ in range(3):
        compute(pace, batch(10), 2)
    assert (pace.batch_seconds(10), pace.batch_seconds(1000), pace.seconds_per_token) == (2, 2, 0)
    compute(pace, batch(10, others_wait=True), 2)
    assert pace.seconds_per_token == pytest.approx(0.2)


def test_one_small_batch_under_load_does_not_make_all_look_small() -> None:
    pace = Pace(threads=1)
    compute(pace, batch(28), 0.05)
    compute(pace, batch(4, others_wait=True), 0.05)
    assert pace.full_tokens == pytest.approx(16)  # the mean of all
    for tokens in (32, 36):
        compute(pace, batch(tokens, others_wait=True), 0.05)
    assert pace.full_tokens == pytest.approx(25)  # now that of all four; those under load alone have 24


def test_a_batch_that_failed_teaches_nothing() -> None:
    pace = Pace(threads=1)
    pace.taken([batch(10)], 0)
    pace.settled(batch(10), [InferenceFailed()], 1)
    assert (pace.batch_seconds(10), pace.in_hand) == (0, 0)


@given(st.lists(st.tuples(st.integers(1, 1000), st.floats(1e-4, 10), st.booleans()), min_size=1))
def test_whatever_was_measured_more_tokens_never_take_less_time(measured: list[tuple[int, float, bool]]) -> None:
    pace = Pace(threads=1)
    for tokens, seconds, others_wait in measured:
        compute(pace, batch(tokens, others_wait=others_wait), seconds)
    times = [pace.batch_seconds(tokens) for tokens in (0, 1, 10, 100, 1000)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= 1001 * max(seconds for _, seconds, _ in measured)
    assert pace.seconds_per_token >= 0


def test_a_thread_is_free_when_what_is_in_hand_is_done() -> None:
    pace = Pace(threads=2)
    compute(pace, batch(10), 4)
    pace.taken([batch(10)], now=100)
    assert pace.free_in_seconds(100) == 0  # the other thread
    pace.taken([batch(10), batch(10)], now=101)
    assert pace.free_in_seconds(103) == pytest.approx(3 / 2 * 4 - 2)
    assert pace.free_in_seconds(200) == 0
    pace.given_back([batch(10), batch(10)])
    assert (pace.in_hand, pace.free_in_seconds(103)) == (1, 0)

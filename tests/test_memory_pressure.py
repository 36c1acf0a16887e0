"""Batches shrink where memory runs out twice within a minute, and only then."""

from __future__ import annotations

import numpy as np
import pytest

from app.batching import Batch, BatchLimits, Job
from app.memory_pressure import MemoryPressure
from tests.queue_forms import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pressure(clock: Clock) -> MemoryPressure:
    return MemoryPressure(BatchLimits(max_tokens=1000), clock)


def _batch(rows: int, tokens: int) -> Batch:
    return Batch(tuple(Job(np.zeros(tokens, dtype=np.uint8), 0.0, 1.0) for _ in range(rows)))


def test_once_is_bad_luck(pressure: MemoryPressure) -> None:
    pressure.exceeded(_batch(8, 100))
    assert pressure.limits.max_tokens == 1000


def test_twice_within_a_minute_halves_what_did_not_fit(pressure: MemoryPressure, clock: Clock) -> None:
    pressure.exceeded(_batch(8, 100))
    clock.now += 59
    pressure.exceeded(_batch(6, 100))
    assert pressure.limits.max_tokens == 300  # half of 600


def test_a_minute_later_it_is_forgotten(pressure: MemoryPressure, clock: Clock) -> None:
    pressure.exceeded(_batch(8, 100))
    clock.now += 61
    pressure.exceeded(_batch(8, 100))
    assert pressure.limits.max_tokens == 1000


def test_an_item_too_large_by_itself_says_nothing_of_batches(pressure: MemoryPressure) -> None:
    for _ in range(5):
        pressure.exceeded(_batch(1, 900))
    assert pressure.limits.max_tokens == 1000


def test_limits_fall_to_one_token_and_no_further(pressure: MemoryPressure) -> None:
    for _ in range(50):
        pressure.exceeded(_batch(2, 1))
    assert pressure.limits.max_tokens == 1


def test_limits_never_grow(pressure: MemoryPressure) -> None:
    for rows in (4, 4, 2, 2):
        pressure.exceeded(_batch(rows, 100))
    assert pressure.limits.max_tokens == 100  # half of 400 first, then half of 200


def test_a_batch_taken_before_the_limits_fell_does_not_lower_them_further(pressure: MemoryPressure) -> None:
    for rows in (4, 4, 8, 8):
        pressure.exceeded(_batch(rows, 100))
    assert pressure.limits.max_tokens == 200

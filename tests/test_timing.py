"""Candidates take turns, and the time that all of them may take is kept."""

from __future__ import annotations

import pytest

from app.errors import DeviceLost, OutOfMemory
from app.timing import Budget, interleaved, row_seconds

MINUTE = Budget(60)


class Clock:
    """Stands still unless something takes time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_disturbance_does_not_count() -> None:
    clock, runs = Clock(), []

    def run(rows: int) -> None:
        runs.append(rows)
        disturbed = len(runs) == 6  # the group of 8 in the second round
        clock.now += 1.0 + rows + (5.0 if disturbed else 0.0)

    assert row_seconds(run, (2, 8), Budget(600), clock) == {2: 1.5, 8: 1.125}
    assert runs[:6] == [2, 2, 8, 8, 2, 8]


def test_sizes_are_compared_within_a_round_since_a_machine_may_be_slow_for_longer() -> None:
    clock, runs = Clock(), []

    def run(rows: int) -> None:
        runs.append(rows)
        quick = len(runs) in (1, 2)  # to begin with, and in the first round; never for a group of 8
        clock.now += (1.0 + rows) * (1 if quick else 2)

    assert row_seconds(run, (2, 8), Budget(600), clock) == {2: 1.5, 8: 1.125}


def test_without_time_only_the_smallest_group_is_measured() -> None:
    clock, runs = Clock(), []

    def run(rows: int) -> None:
        runs.append(rows)
        clock.now += rows

    assert row_seconds(run, (2, 8), Budget(0), clock) == {2: 1.0}
    assert runs == [2]


def test_a_slow_device_is_given_so_many_times_what_its_first_group_takes() -> None:
    clock = Clock()

    def run(rows: int) -> None:
        clock.now += 100.0 * rows

    # 200 for the first, so 800: 200, 100 to warm up, 100, then 200 and 100; the 100 that are left are too few for 200
    assert row_seconds(run, (2, 1), Budget(60, firsts=4), clock) == {2: 100.0, 1: 100.0}
    assert clock.now == 200 + 700


def test_what_costs_too_much_is_left_out_and_the_others_go_on() -> None:
    clock, runs = Clock(), []

    def run(rows: int) -> None:
        runs.append(rows)
        clock.now += rows

    # 2 to begin with, then 2 + 2 x 1 to warm up and measure; 32 would take 64 of the 56 that are left
    assert row_seconds(run, (2, 1, 32), MINUTE, clock) == {2: 1.0, 1: 1.0}
    assert runs == [2, 2, 1, 1, *([2, 1] * 4)]


def test_what_does_not_fit_is_no_candidate_and_a_lost_device_is_an_error() -> None:
    def full(rows: int) -> None:
        if rows > 2:
            raise OutOfMemory(retry_after_ms=1)

    def lost(rows: int) -> None:
        if rows > 2:
            raise DeviceLost("gone")

    assert list(row_seconds(full, (2, 8, 32), MINUTE, Clock())) == [2]
    with pytest.raises(DeviceLost):
        row_seconds(lost, (2, 8, 32), MINUTE, Clock())


def test_candidates_take_turns_after_one_run_each_to_warm_up() -> None:
    order = []
    shares: list[float] = []
    found = interleaved({name: lambda name=name: order.append(name) for name in "ab"}, 0.01, Clock(), shares.append)
    assert order[:6] == ["a", "b", "a", "b", "a", "b"]
    assert len(found["a"]) - len(found["b"]) in (0, 1)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_each_candidate_is_measured_however_little_time_there_is() -> None:
    found = interleaved({name: lambda: None for name in "abc"}, 0, Clock(), print)
    assert [len(rounds) for rounds in found.values()] == [1, 1, 1]

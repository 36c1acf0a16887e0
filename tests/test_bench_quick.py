"""The regression guard tells a ratio that fell from one that only wavers."""

from __future__ import annotations

import math

import pytest

from benchmarks.quick.ratios import compare, from_json, to_json

RATIO, ADDED = "lists: tokens/s of bare", "one caller: p50 added, ms"


def _fell(name: str, before: list[float], now: list[float]) -> bool:
    (verdict,) = compare({name: before}, {name: now})
    return verdict.fell


@pytest.mark.parametrize(
    ("now", "fell"),
    [(0.9, False), (0.861, False), (0.849, True), (1.2, False)],  # 5 % of 0.9 is 0.045
    ids=["the same", "within", "beyond", "faster"],
)
def test_a_ratio_falls_by_more_than_quiet_runs_differ(now: float, fell: bool) -> None:
    assert _fell(RATIO, [0.9, 0.9, 0.9], [now] * 3) is fell


def test_what_the_recorded_rounds_differ_by_is_no_fall() -> None:
    # from 0.8 to 1.0: 0.2, so down to 0.7
    assert not _fell(RATIO, [0.8, 0.9, 1.0], [0.71])
    assert _fell(RATIO, [0.8, 0.9, 1.0], [0.69])


def test_the_median_of_the_rounds_counts() -> None:
    assert not _fell(RATIO, [0.9], [0.1, 0.9, 0.9])
    assert _fell(RATIO, [0.9], [0.1, 0.1, 0.9])


@pytest.mark.parametrize(("now", "fell"), [(0.5, False), (0.59, False), (0.61, True), (0.1, False)])
def test_a_time_is_better_lower(now: float, fell: bool) -> None:
    assert _fell(ADDED, [0.5], [now]) is fell


def test_what_is_not_measured_any_more_has_fallen() -> None:
    (verdict,) = compare({RATIO: [0.9]}, {})
    assert verdict.fell
    assert math.isnan(verdict.now)


def test_what_is_measured_for_the_first_time_has_not() -> None:
    (verdict,) = compare({}, {RATIO: [0.9]})
    assert not verdict.fell


def test_what_is_recorded_is_read_again() -> None:
    assert from_json(to_json({RATIO: [0.91234567, 0.9]}, "a machine")) == ("a machine", {RATIO: [0.9123, 0.9]})

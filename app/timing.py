"""What takes how long: candidates take turns, so that a noisy neighbour disturbs all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from app.errors import DeviceLost

Clock = Callable[[], float]
Name = TypeVar("Name")

REPEATS = 5
WALL_SHARE = 3  # others may have the core two thirds of the time
SHORTEST_SECONDS = 1e-6  # a clock may have no finer ticks


def timed(run: Callable[[], object], clock: Clock) -> float:
    """Seconds that it takes by a clock."""
    started = clock()
    run()
    return clock() - started


class Budget(NamedTuple):
    """How long groups are measured for, by the clock; three times as long by the wall.

    Attributes:
        firsts: in place of `seconds` so many times as long as the first group takes, where that is longer.
    """

    seconds: float
    firsts: int = 0


def row_seconds(run: Callable[[int], object], sizes: Sequence[int], budget: Budget, clock: Clock) -> dict[int, float]:
    """What a row takes in groups of each size where nothing disturbs, as far as time and device allow.

    Sizes are compared within a round, for a shared machine may slow down for longer than one takes.

    Args:
        run: computes a group of so many rows.
        sizes: the first is measured in any case, and `run` is warm for it.
        budget: for all of it.
        clock: by which a group is measured.

    Raises:
        DeviceLost: the device does not work any more.
    """
    started_on_the_wall, first = time.perf_counter(), sizes[0]
    least = {first: _per_row(run, first, clock)}
    seconds = max(budget.seconds, budget.firsts * least[first] * first)
    ends, ends_on_the_wall = clock() + seconds, started_on_the_wall + WALL_SHARE * seconds
    rounds: list[dict[int, float]] = [dict(least)]
    for size in list(sizes) * REPEATS:
        too_long = time.perf_counter() > ends_on_the_wall or _cost(least, size) > ends - clock()
        if size == first:
            if too_long:
                break  # there is nothing to compare the others with
            rounds.append({})
        elif too_long:
            continue
        try:
            if size not in least:
                run(size)
            spent = _per_row(run, size, clock)
        except DeviceLost:
            raise
        except Exception:  # noqa: BLE001 - one that is too large for the device, say, is no candidate
            break
        rounds[-1][size] = spent
        least[size] = min(spent, least.get(size, spent))
    return {size: least[first] * _beside(rounds, size, first) for size in least}


def _beside(rounds: Sequence[Mapping[int, float]], size: int, first: int) -> float:
    """What one size takes beside the first: the middle of the rounds that have it."""
    return statistics.median(each[size] / each[first] for each in rounds if size in each)


def _per_row(run: Callable[[int], object], size: int, clock: Clock) -> float:
    return max(timed(lambda: run(size), clock), SHORTEST_SECONDS) / size


def _cost(found: Mapping[int, float], size: int) -> float:
    """Of a group, about; twice where it has to warm up first."""
    return size * min(found.values()) * (1 if size in found else 2)


def interleaved(
    candidates: Mapping[Name, Callable[[], object]],
    seconds: float,
    clock: Clock,
    progress: Callable[[float], object],
) -> dict[Name, list[float]]:
    """Seconds of each candidate in each round, until the time is up; of each at least one, after one to warm up.

    Args:
        progress: told the share of the time that has passed.
    """
    for run in candidates.values():
        run()
    found: dict[Name, list[float]] = {name: [] for name in candidates}
    started = time.perf_counter()
    while True:
        for name, run in candidates.items():
            found[name].append(timed(run, clock))
            passed = (time.perf_counter() - started) / max(seconds, SHORTEST_SECONDS)
            progress(min(passed, 1.0))
            if passed >= 1 and all(found.values()):
                return found

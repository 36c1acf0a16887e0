"""What takes how long: candidates take turns, so that a noisy neighbour disturbs all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

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


def row_seconds(run: Callable[[int], object], sizes: Sequence[int], seconds: float, clock: Clock) -> dict[int, float]:
    """The least that a row took in groups of each size, as far as time and device allow.

    Args:
        run: computes a group of so many rows.
        sizes: the first is measured in any case, and `run` is warm for it.
        seconds: for all of it by the clock, and three times as long by the wall.
        clock: by which a group is measured.

    Raises:
        DeviceLost: the device does not work any more.
    """
    ends, ends_on_the_wall = clock() + seconds, time.perf_counter() + WALL_SHARE * seconds
    found = {sizes[0]: _per_row(run, sizes[0], clock)}
    for size in list(sizes) * REPEATS:
        if time.perf_counter() > ends_on_the_wall or _cost(found, size) > ends - clock():
            continue
        try:
            if size not in found:
                run(size)
            spent = _per_row(run, size, clock)
        except DeviceLost:
            raise
        except Exception:  # noqa: BLE001 - one that is too large for the device, say, is no candidate
            break
        found[size] = min(spent, found.get(size, spent))
    return found


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

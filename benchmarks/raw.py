"""The bar: the same bundle in a bare loop around `session.run`, on the core that the server gets.

Run as a program: encodes the sequences first, then times only the model. Throughput is the
better of two packings: one by one, and groups of equal length of up to 32. With `passes` it computes every sequence
that often in each packing, so that the work is the same however fast the machine is, and times are put in terms of a
yardstick's pace where one is given. Prints JSON.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from app.encoding import Ids
from app.engine import OnnxModel
from benchmarks.yardstick import encoded, reading

GROUP = 32
WARMING = 8  # batches before the first pass is timed
SLICE_SECONDS = 0.5  # between two readings of a yardstick


def measure(
    bundle_folder: Path,
    sequences: Sequence[str],
    seconds: float = 0.0,
    passes: int = 0,
    yardstick: Sequence[str] = (),
    yardstick_per_second: float = 1.0,
) -> dict[str, float | list[float]]:
    """Sequences a second, one by one and packed, and what one takes alone in milliseconds: the median, and each.

    Args:
        seconds: for both packings together.
        passes: in place of it, how often each of them takes all sequences.
        yardstick: sequences that are computed in between; none leaves times as they are.
        yardstick_per_second: of them, where the pace is 1.
    """
    model, every_row = encoded(bundle_folder, [*sequences, *yardstick])
    rows, probes = every_row[: len(sequences)], every_row[len(sequences) :]
    singles, groups = [[row] for row in rows], _equal_lengths(rows)
    if passes:
        alone, packed = (
            _passes(model, batches, passes, lambda: reading(model, probes) / yardstick_per_second if probes else 1.0)
            for batches in (singles, groups)
        )
    else:
        alone, packed = _times(model, singles, seconds / 2), _times(model, groups, seconds / 2)
    return {
        "alone_per_second": len(alone) / sum(time_s for _, time_s in alone),
        "packed_per_second": sum(size for size, _ in packed) / sum(time_s for _, time_s in packed),
        "p50_ms": statistics.median(time_s for _, time_s in alone) * 1000,
        "alone_ms": [time_s * 1000 for _, time_s in alone[: len(rows)]],
    }


def _equal_lengths(rows: Sequence[Ids]) -> list[list[Ids]]:
    by_length: dict[int, list[Ids]] = defaultdict(list)
    for row in rows:
        by_length[len(row)].append(row)
    return [group[start : start + GROUP] for group in by_length.values() for start in range(0, len(group), GROUP)]


def _times(model: OnnxModel, batches: Sequence[list[Ids]], seconds: float) -> list[tuple[int, float]]:
    """(rows, seconds) of each run, over and over the batches until the time is up."""
    measured: list[tuple[int, float]] = []
    end = time.perf_counter() + seconds
    for batch in itertools.cycle(batches):
        measured.append(_time(model, batch))
        if time.perf_counter() > end:
            break
    return measured


def _passes(
    model: OnnxModel, batches: Sequence[list[Ids]], passes: int, pace: Callable[[], float]
) -> list[tuple[int, float]]:
    """(rows, seconds at the pace of 1) of each run."""
    for batch in batches[:WARMING]:
        model.predict(batch)
    measured: list[tuple[int, float]] = []
    before, work = pace(), itertools.chain.from_iterable(itertools.repeat(batches, passes))
    while slice_ := _slice(model, work):
        after = pace()
        measured += [(rows, seconds * (before + after) / 2) for rows, seconds in slice_]
        before = after
    return measured


def _slice(model: OnnxModel, work: Iterator[list[Ids]]) -> list[tuple[int, float]]:
    """(rows, seconds) of as much of the work as one slice holds; empty at its end."""
    measured: list[tuple[int, float]] = []
    spent = 0.0
    for batch in work:
        measured.append(_time(model, batch))
        spent += measured[-1][1]
        if spent > SLICE_SECONDS:
            break
    return measured


def _time(model: OnnxModel, batch: list[Ids]) -> tuple[int, float]:
    start = time.perf_counter()
    model.predict(batch)
    return len(batch), time.perf_counter() - start


if __name__ == "__main__":
    given = json.load(sys.stdin)
    os.sched_setaffinity(0, {given.pop("core")})
    json.dump(measure(Path(given.pop("bundle")), **given), sys.stdout)

"""The bar: the same bundle in a bare loop around `session.run`, on the core that the server gets.

Run as a program by `benchmarks.measure`: encodes the sequences first, then times only the model. Throughput is the
better of two packings: one by one, and groups of equal length of up to 32. Prints JSON.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from app.bundle import read_bundle
from app.encoding import EncodedSequence, Ids, SequenceEncoder
from app.engine import OnnxModel

GROUP = 32


def measure(bundle_folder: Path, sequences: Sequence[str], seconds: float) -> dict[str, float]:
    """Sequences a second, one by one and packed, and the median time of one alone in milliseconds."""
    bundle = read_bundle(bundle_folder)
    model = OnnxModel(bundle)
    encoded = SequenceEncoder(bundle.manifest, bundle.files).encode(sequences)
    rows = [row.ids for row in encoded if isinstance(row, EncodedSequence)]
    alone = _times(model, [[row] for row in rows], seconds / 2)
    packed = _times(model, _equal_lengths(rows), seconds / 2)
    return {
        "alone_per_second": len(alone) / sum(time_s for _, time_s in alone),
        "packed_per_second": sum(size for size, _ in packed) / sum(time_s for _, time_s in packed),
        "p50_ms": statistics.median(time_s for _, time_s in alone) * 1000,
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
    while True:
        for batch in batches:
            start = time.perf_counter()
            model.predict(batch)
            now = time.perf_counter()
            measured.append((len(batch), now - start))
            if now > end:
                return measured


if __name__ == "__main__":
    given = json.load(sys.stdin)
    os.sched_setaffinity(0, {given["core"]})
    json.dump(measure(Path(given["bundle"]), given["sequences"], given["seconds"]), sys.stdout)

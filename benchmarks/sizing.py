"""`python -m benchmarks.sizing`: how much one core computes of each bundle; writes the tables of docs/sizing.md.

Counted is the processor time of the thread that computes, so that what else the machine does hardly matters.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.bundle import Bundle, find_bundles, read_bundle
from app.encoding import EncodedSequence, Ids, SequenceEncoder
from app.engine import OnnxModel
from benchmarks.random_bundle import FULL, MODEL, write_random_bundle
from benchmarks.report import machine
from benchmarks.sizing_tables import Sized, rewrite, tables
from benchmarks.workload import random_sequences

MODELS = Path("models")
ROUNDS = 5
CPU_SECONDS = 1.0
GROUP = 32  # as much as the service puts into a batch of equal lengths, on a CPU
SEQUENCES = 64
PAGE = Path("docs/sizing.md")


@dataclass(frozen=True)
class Subject:
    """What is measured: a bundle, with sequences of one length."""

    name: str
    bundle: Bundle
    bases: int


def subjects(scratch: Path) -> Iterator[Subject]:
    """Every bundle that reads sequences whole, and DNABERT-2's architecture in two sizes.

    What segments cost depends on how many people share them: benchmarks/people.py measures that.
    """
    for bundle in map(read_bundle, find_bundles(MODELS)):
        rules = bundle.manifest.input
        if rules.reads_sequences and not rules.segments:
            yield Subject(f"`{bundle.manifest.name}`", bundle, (rules.min_bases + rules.max_bases) // 2)
    small = read_bundle(write_random_bundle(scratch / "small", MODEL))
    full = read_bundle(write_random_bundle(scratch / "full", FULL))
    for bases in (250, 1000):
        yield Subject("DNABERT-2's architecture, 4 layers of 256, random weights", small, bases)
        yield Subject("DNABERT-2's architecture, 12 layers of 768 as published, random weights", full, bases)


def sized(subject: Subject) -> Sized:
    """Measure one: the better of one by one and in groups, as the service too takes what is faster."""
    encoder = SequenceEncoder(subject.bundle.manifest, subject.bundle.files)
    encoded = encoder.encode(random_sequences(SEQUENCES, subject.bases, subject.bases))
    rows = sorted((it.ids for it in encoded if isinstance(it, EncodedSequence)), key=len)
    model = OnnxModel(subject.bundle)
    rates = sorted(
        max(_per_second(model, [[it] for it in rows]), _per_second(model, _groups(rows))) for _ in range(ROUNDS)
    )
    median = statistics.median(rates)
    tokens = statistics.mean(map(len, rows))
    return Sized(subject.name, subject.bases, tokens, median, (rates[-1] - rates[0]) / median)


def _groups(rows: Sequence[Ids]) -> list[list[Ids]]:
    of_length = [[row for row in rows if len(row) == length] for length in sorted(set(map(len, rows)))]
    return [group[start : start + GROUP] for group in of_length for start in range(0, len(group), GROUP)]


def _per_second(model: OnnxModel, batches: Sequence[list[Ids]]) -> float:
    """Sequences in a second of the thread's processor time, over and over the batches."""
    done, began = 0, time.thread_time()
    while True:
        for batch in batches:
            model.predict(batch)
            done += len(batch)
            if (spent := time.thread_time() - began) > CPU_SECONDS:
                return done / spent


def main() -> None:
    """Measure all, and write the tables."""
    measured = []
    with tempfile.TemporaryDirectory() as scratch:
        for subject in subjects(Path(scratch)):
            measured.append(sized(subject))
            print(measured[-1], flush=True)
    rewrite(PAGE, {"machine": machine(["onnxruntime"]), **tables(measured)})


if __name__ == "__main__":
    main()

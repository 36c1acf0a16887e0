"""How fast the machine is just now: a few sequences in bare ONNX Runtime, computed between what is measured.

Neighbours on a shared machine slow a core down to a half for seconds at a time, and whoever is measured then looks
that much worse. So what takes place between two readings is put in terms of the pace at the start. Run as a program it
reads JSON, a line, and then answers each line with a reading.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from app.bundle import read_bundle
from app.encoding import EncodedSequence, Ids, SequenceEncoder
from app.engine import OnnxModel

READING_SECONDS = 0.25
FIRST_READINGS = 5
HERE = Path(sys.executable)


class Yardstick:
    """Reads the pace of cores that do nothing else meanwhile.

    Args:
        programs: of each core, this module.

    Attributes:
        sequences_per_second: of a core at the start, the median of some readings.
        paces: all readings since, 1 for as fast as at the start.
    """

    def __init__(self, programs: Sequence[subprocess.Popen[str]]) -> None:
        self._programs = programs
        self.sequences_per_second = statistics.median(self._read() for _ in range(FIRST_READINGS))
        self.paces: list[float] = []

    def pace(self) -> float:
        """How fast the cores are, together."""
        self.paces.append(self._read() / self.sequences_per_second)
        return self.paces[-1]

    def _read(self) -> float:
        for program in self._programs:
            pipe(program.stdin).write("\n")
            pipe(program.stdin).flush()
        return statistics.mean(float(pipe(program.stdout).readline()) for program in self._programs)


@contextmanager
def yardstick(bundle: Path, texts: Sequence[str], cores: Collection[int], python: Path = HERE) -> Iterator[Yardstick]:
    """A yardstick of these sequences on these cores, until the context ends."""
    with ExitStack() as stack:
        module = "benchmarks.yardstick"
        yield Yardstick(
            [stack.enter_context(program_of(module, bundle, texts, core, python)) for core in sorted(cores)]
        )


@contextmanager
def program_of(
    module: str, bundle: Path, texts: Sequence[str], core: int, python: Path
) -> Iterator[subprocess.Popen[str]]:
    """A module that computes these sequences by itself on a core and answers lines, until the context ends."""
    command = [str(python), "-m", module]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        pipe(program.stdin).write(json.dumps({"bundle": str(bundle), "texts": list(texts), "core": core}) + "\n")
        yield program
        pipe(program.stdin).close()  # it ends with its input


def pipe(end: IO[str] | None) -> IO[str]:
    """One that is there: of a process that was started with pipes."""
    assert end is not None
    return end


def sample(texts: Sequence[str], count: int) -> list[str]:
    """So many of these, of every length alike."""
    ordered = sorted(texts, key=len)
    return [ordered[(2 * index + 1) * len(ordered) // (2 * count)] for index in range(count)]


def encoded(bundle: Path, texts: Sequence[str]) -> tuple[OnnxModel, list[Ids]]:
    """A bundle's model, and what it reads of these sequences."""
    read = read_bundle(bundle)
    rows = SequenceEncoder(read.manifest, read.files).encode(texts)
    return OnnxModel(read), [row.ids for row in rows if isinstance(row, EncodedSequence)]


def reading(model: OnnxModel, rows: Sequence[Ids], seconds: float = READING_SECONDS) -> float:
    """Sequences a second, one by one, in as many whole passes as it takes to fill the time."""
    began, passes, taken = time.perf_counter(), 0, 0.0
    while taken < seconds:
        for row in rows:
            model.predict([row])
        passes, taken = passes + 1, time.perf_counter() - began
    return passes * len(rows) / taken


def _main() -> None:
    given: dict[str, Any] = json.loads(sys.stdin.readline())
    os.sched_setaffinity(0, {given["core"]})
    model, rows = encoded(Path(given["bundle"]), given["texts"])
    for _ in sys.stdin:
        print(reading(model, rows), flush=True)


if __name__ == "__main__":
    _main()

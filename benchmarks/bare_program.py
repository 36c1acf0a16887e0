"""Bare ONNX Runtime on one core, which computes what it is told: between what servers are asked.

Run as a program it reads JSON, a line, and then answers each line of batches with the seconds that each one took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.yardstick import HERE, encoded, pipe, program_of

Batch = Sequence[int]  # which sequences


class BareProgram:
    """A bundle's model in a process of its own.

    Args:
        process: this module as a program.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def seconds(self, batches: Sequence[Batch]) -> list[float]:
        """Compute these one after the other; what each took."""
        pipe(self._process.stdin).write(json.dumps([list(batch) for batch in batches]) + "\n")
        pipe(self._process.stdin).flush()
        answer: list[float] = json.loads(pipe(self._process.stdout).readline())
        return answer


@contextmanager
def bare_program(bundle: Path, texts: Sequence[str], core: int, python: Path = HERE) -> Iterator[BareProgram]:
    """Bare ONNX Runtime with these sequences, encoded already, until the context ends."""
    with program_of("benchmarks.bare_program", bundle, texts, core, python) as process:
        yield BareProgram(process)


def _main() -> None:
    given: dict[str, Any] = json.loads(sys.stdin.readline())
    os.sched_setaffinity(0, {given["core"]})
    model, rows = encoded(Path(given["bundle"]), given["texts"])
    for line in sys.stdin:
        taken = []
        for batch in json.loads(line):
            began = time.perf_counter()
            model.predict([rows[index] for index in batch])
            taken.append(time.perf_counter() - began)
        print(json.dumps(taken), flush=True)


if __name__ == "__main__":
    _main()

"""Which Python the measured servers run on: the quickest that this machine has.

Container images hold a Python that was built with optimisation (PGO and LTO), and so do distributions. One that was
built without it, as pyenv does where it is told nothing, is two thirds as fast, which says nothing of any server.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

NAMES = ("python3", "python3.11", "python3.12", "python3.13", "python3.14")
FOLDERS = ("/usr/bin", "/usr/local/bin")
TURNS = 9
CLEARLY = 0.9
TRIAL = """
import sys, time
if sys.version_info[:2] != tuple(map(int, sys.argv[1].split("."))):
    sys.exit("another release")

def count():
    total = 0
    for number in range(200_000):
        total += number
    return total

def seconds():
    began = time.perf_counter()
    count()
    return time.perf_counter() - began

print(min(seconds() for _ in range(20)))
"""


def quickest() -> Path:
    """The interpreter that counts fastest, of the same release as this one: others get other wheels.

    This one itself, unless another is clearly faster.
    """
    seconds = _seconds_of({_own(), *_interpreters()})
    best = min(seconds, key=seconds.__getitem__)
    return best if seconds[best] < CLEARLY * seconds[_own()] else _own()


def is_of_this_release(python: Path) -> bool:
    """Whether an interpreter is of the same minor release as this one, and runs."""
    return _trial_seconds(python) < math.inf


def times_as_fast(python: Path) -> float:
    """How fast an interpreter counts beside the one that runs this."""
    seconds = _seconds_of({_own(), python})
    return seconds[_own()] / seconds[python]


def told(python: Path) -> str:
    """What a page tells of the servers' interpreter."""
    release = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return (
        f"All servers, and bare ONNX Runtime, run on one interpreter, {release}, which counts\n"
        f"{times_as_fast(python):.1f} times as fast as the one that ran the benchmark itself. "
        "Container images' Python is built with optimisation;\none that is not makes every server slower."
    )


def _interpreters() -> Iterator[Path]:
    for name in NAMES:
        found = [shutil.which(name), *(f"{folder}/{name}" for folder in FOLDERS)]
        yield from (Path(path).resolve() for path in found if path and Path(path).exists())


def _own() -> Path:
    """The one that this environment was made with."""
    return Path(sys.executable).resolve()


def _seconds_of(pythons: Iterable[Path]) -> dict[Path, float]:
    """The least that the trial takes each; they take turns, for the machine may change its pace meanwhile."""
    ordered = sorted(pythons)
    turns = [[_trial_seconds(python) for python in ordered] for _ in range(TURNS)]
    return {python: min(found) for python, found in zip(ordered, zip(*turns, strict=True), strict=True)}


def _trial_seconds(python: Path) -> float:
    """What the trial takes; infinite where it does not run."""
    release = f"{sys.version_info.major}.{sys.version_info.minor}"
    done = subprocess.run([python, "-c", TRIAL, release], capture_output=True, text=True, check=False)
    return float(done.stdout) if done.returncode == 0 else math.inf

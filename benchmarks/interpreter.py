"""Which Python the measured servers run on: the quickest that this machine has.

Container images hold a Python that was built with optimisation (PGO and LTO), and so do distributions. One that was
built without it, as pyenv does where it is told nothing, is two thirds as fast, which says nothing of any server.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

NAMES = ("python3", "python3.11", "python3.12", "python3.13", "python3.14")
FOLDERS = ("/usr/bin", "/usr/local/bin")
TRIALS = 3
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
    others = {python: _trial_seconds(python) for python in sorted(set(_interpreters()))}
    best = min(others, key=others.__getitem__)
    return best if others[best] < CLEARLY * _trial_seconds(_own()) else _own()


def is_of_this_release(python: Path) -> bool:
    """Whether an interpreter is of the same minor release as this one, and runs."""
    return _trial_seconds(python) < float("inf")


def times_as_fast(python: Path) -> float:
    """How fast an interpreter counts beside the one that runs this."""
    return _trial_seconds(_own()) / _trial_seconds(python)


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


def _trial_seconds(python: Path) -> float:
    """What the trial takes, the best of some; infinite where it does not run."""
    release = f"{sys.version_info.major}.{sys.version_info.minor}"
    run = partial(subprocess.run, [python, "-c", TRIAL, release], capture_output=True, text=True, check=False)
    trials = [run() for _ in range(TRIALS)]
    return min(float(done.stdout) if done.returncode == 0 else float("inf") for done in trials)

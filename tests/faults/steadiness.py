"""Whether the machine stood still while something was measured."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

ATTEMPTS, MOST_LATE_SECONDS = 3, 0.3
# A process of its own: in one that is busy a thread is late by itself.
SLEEPER = """
import select, sys, time
latest, before = 0.0, time.monotonic()
while not select.select([sys.stdin], [], [], 0.01)[0]:
    now = time.monotonic()
    latest, before = max(latest, now - before - 0.01), now
print(latest)
"""


def steadily(measure: Callable[[], T]) -> T:
    """What is measured while the machine runs evenly, or at the last attempt."""
    for _ in range(ATTEMPTS - 1):
        with _watched() as latest_seconds:
            found = measure()
        if latest_seconds[0] <= MOST_LATE_SECONDS:
            return found
    return measure()


@contextmanager
def _watched() -> Iterator[list[float]]:
    """Holds, once the context has ended, by how much somebody was late at worst who sleeps and wakes."""
    latest_seconds: list[float] = []
    with subprocess.Popen([sys.executable, "-c", SLEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sleeper:
        yield latest_seconds
        latest_seconds.append(float(sleeper.communicate()[0]))

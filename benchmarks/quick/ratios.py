"""Ratios that hold on any machine, and when one of them has fallen: pure functions."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# Two runs of the same code differ by this much on a machine that does nothing else.
LEAST_TOLERANCE = 0.05  # of a ratio
LEAST_TOLERANCE_MS = 0.1

Figures = Mapping[str, Sequence[float]]  # by name, one a round; a name that ends in `ms` is better lower


@dataclass(frozen=True)
class Verdict:
    """One figure, then and now.

    Attributes:
        before, now: medians over the rounds; not a number where there is none.
        tolerance: how much worse is still the same.
    """

    name: str
    before: float
    now: float
    tolerance: float

    @property
    def fell(self) -> bool:
        """Whether it is worse than the tolerance allows, or was not measured."""
        if self.before != self.before:  # not recorded yet
            return False
        worse = self.now - self.before if is_time(self.name) else self.before - self.now
        return not worse <= self.tolerance

    def row(self) -> tuple[str, ...]:
        """For a table."""
        change = self.now - self.before
        return self.name, f"{self.before:.3f}", f"{self.now:.3f}", f"{change:+.3f}", f"{self.tolerance:.3f}"


def is_time(name: str) -> bool:
    """Whether a figure of this name is a time, and better lower."""
    return name.endswith("ms")


def compare(before: Figures, now: Figures) -> list[Verdict]:
    """Every figure of either side.

    The tolerance is what the recorded rounds differed by among themselves, and at least what two quiet runs do.
    """
    return [_verdict(name, before.get(name, ()), now.get(name, ())) for name in dict.fromkeys((*before, *now))]


def _verdict(name: str, before: Sequence[float], now: Sequence[float]) -> Verdict:
    least = LEAST_TOLERANCE_MS if is_time(name) else LEAST_TOLERANCE * _median(before)
    spread = max(before, default=0.0) - min(before, default=0.0)
    return Verdict(name, _median(before), _median(now), max(least, spread) if before else 0.0)


def _median(figures: Sequence[float]) -> float:
    return statistics.median(figures) if figures else float("nan")


class Recorded(NamedTuple):
    """What was measured earlier, and where."""

    machine: str
    figures: Figures


def to_json(figures: Figures, machine: str) -> str:
    """What is committed."""
    rounded = {name: [round(figure, 4) for figure in each] for name, each in figures.items()}
    return json.dumps({"machine": machine, "figures": rounded}, indent=1) + "\n"


def from_json(text: str) -> Recorded:
    """What was committed."""
    return Recorded(**json.loads(text))

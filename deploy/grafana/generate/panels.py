"""What a dashboard is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["timeseries", "stat", "heatmap", "table"]

GREEN, ORANGE, RED = "green", "orange", "red"

# Units, as Grafana names them.
SECONDS, BYTES, SHARE, COUNT = "s", "bytes", "percentunit", "short"
PER_SECOND, REQUESTS, CORES = "cps", "reqps", "short"


@dataclass(frozen=True)
class Query:
    """One expression and how its series are called."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Levels:
    """From which values on a panel is green, orange or red.

    Attributes:
        steps: (from, colour); the first colour holds below all.
    """

    steps: tuple[tuple[float | None, str], ...]


def at_most(warning: float, bad: float) -> Levels:
    """Green below the warning, red from what is bad."""
    return Levels(((None, GREEN), (warning, ORANGE), (bad, RED)))


def at_least(good: float) -> Levels:
    """Red below what is good."""
    return Levels(((None, RED), (good, GREEN)))


def within(warning: float, bad: float) -> Levels:
    """Green around 0."""
    return Levels(((None, RED), (-bad, ORANGE), (-warning, GREEN), (warning, ORANGE), (bad, RED)))


NEVER = Levels(((None, GREEN), (1e-9, RED)))  # anything above 0 is bad
ANY = Levels(((None, GREEN),))  # no value is good or bad by itself


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        description: what it shows, and from when on somebody should look.
        width, height: of the grid's 24 columns and rows of 30 pixels.
        hidden: columns of a table that say nothing.
        missing: what is shown where there is no series.
    """

    title: str
    description: str
    queries: Sequence[Query]
    kind: Kind = "timeseries"
    unit: str = COUNT
    levels: Levels = ANY
    width: int = 8
    height: int = 8
    stacked: bool = False
    lowest: float | None = 0
    highest: float | None = None
    hidden: Sequence[str] = ()
    missing: str = "none"


@dataclass(frozen=True)
class Row:
    """Panels under a heading, laid out from left to right."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Variable:
    """A choice at the top of a dashboard.

    Attributes:
        label_of: the metric whose label it is.
        several: more than one can be chosen, and all are at first.
    """

    name: str
    label_of: str
    several: bool = True


@dataclass(frozen=True)
class Dashboard:
    """Rows of panels."""

    uid: str
    title: str
    description: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = field(default=())

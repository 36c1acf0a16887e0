"""Scores, printed for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table as Grid

from app.bundle import Estimate, Score

SHOWN = ("pearson", "spearman", "mse")


def show_scores(scores: Sequence[Score], console: Console) -> None:
    """Print a table for each target and subset, the models side by side.

    R2 has its bootstrap 95 % interval, and so has the first model's lead: by how much R2 it is ahead of another.
    """
    seen = dict.fromkeys((score.target, score.split, score.subset, score.rows) for score in scores)
    for target, split, subset, rows in sorted(seen):
        grid = Grid(title=f"{target}, {split}: {subset} ({rows:,} rows)", title_justify="left", box=SIMPLE)
        for heading, width in {"model": 11, "r2 (95 %)": 22, **dict.fromkeys(SHOWN, 3), "lead in r2": 26}.items():
            grid.add_column(heading, no_wrap=True, min_width=width)
        for score in scores:
            if (score.target, score.split, score.subset) == (target, split, subset):
                grid.add_row(score.model, _as_text(score.metrics["r2"]), *_figures(score), _lead(score))
        console.print(grid)


def _figures(score: Score) -> list[str]:
    return [f"{score.metrics[name].value:.3f}" for name in SHOWN]


def _lead(score: Score) -> str:
    return _as_text(score.difference["r2"], "+") if score.difference else ""


def _as_text(estimate: Estimate, sign: str = "") -> str:
    return f"{estimate.value:{sign}.3f} ({estimate.low:{sign}.3f} to {estimate.high:{sign}.3f})"

"""The report's tables, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from training.ceiling import Ceiling
from training.report.published import Published
from training.report.tasks import Task
from training.resampling import Figures, Interval
from training.scoring import Measure, fold_values

SHOWN = ("r2", "pearson", "spearman", "mse")
HEADINGS = {"r2": "R2", "pearson": "Pearson", "spearman": "Spearman", "mse": "MSE", "mae": "MAE", "rmse": "RMSE"}


def score_table(task: Task, figures: Mapping[str, Figures], ceiling: Ceiling | None) -> str:
    """The models of one target and subset, best R2 first.

    Args:
        task: tells baselines from the others.
        figures: model to figures, all on the same resamples.
        ceiling: of these rows; None: not known.
    """
    best = best_baseline(task, figures)
    headings = ["model", *(HEADINGS[name] for name in SHOWN)]
    headings += [f"R2 minus {best}'s"] if best else []
    headings += ["share of the ceiling"] if ceiling else []
    return markdown_table(headings, (_score_row(model, figures, best, ceiling) for model in by_r2(figures)))


def fold_table(task: Task, measure: Measure, figures: Mapping[str, Figures]) -> str:
    """Mean and standard deviation of each model's figures over the folds."""
    rows = []
    for model in by_r2(figures):
        values = fold_values(task.predictions, model, measure)
        rows.append([model, *(f"{values[name].mean():.3f} ± {values[name].std(ddof=1):.3f}" for name in SHOWN)])
    return markdown_table(["model", *(HEADINGS[name] for name in SHOWN)], rows)


def published_table(entries: Sequence[Published]) -> str:
    """What others reported."""
    headings = ["system", "measured on", "figures", "what may be compared", "source"]
    rows = [
        [
            entry.system + (f" ({entry.target})" if entry.target else ""),
            entry.measured_on,
            ", ".join(f"{HEADINGS[name]} {value}" for name, value in entry.figures.items()),
            entry.comparable.strip(),
            entry.source,
        ]
        for entry in entries
    ]
    return markdown_table(headings, rows)


def best_baseline(task: Task, figures: Mapping[str, Figures]) -> str:
    """The baseline with the largest R2; empty text when there is none."""
    return max(task.baselines, key=lambda model: figures[model].values["r2"], default="")


def by_r2(figures: Mapping[str, Figures]) -> list[str]:
    """The models, best R2 first."""
    return sorted(figures, key=lambda model: figures[model].values["r2"], reverse=True)


def interval_text(interval: Interval, sign: str = "") -> str:
    """A figure with its interval in brackets."""
    return "{:{sign}.3f} ({:{sign}.3f} to {:{sign}.3f})".format(*interval, sign=sign)


def markdown_table(headings: Sequence[str], rows: Iterator[list[str]] | Sequence[list[str]]) -> str:
    """A table; a bar inside a cell is escaped."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _score_row(model: str, figures: Mapping[str, Figures], best: str, ceiling: Ceiling | None) -> list[str]:
    intervals = figures[model].intervals()
    row = [model, *(interval_text(intervals[name]) for name in SHOWN)]
    if best:
        row.append("" if model == best else interval_text(figures[model].minus(figures[best])["r2"], "+"))
    if ceiling:
        row.append(f"{intervals['r2'][0] / ceiling.r2[0]:.0%}")
    return row

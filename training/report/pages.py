"""Writing the report: one page per task with its pictures, and an index."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from training.checkpoint import write_atomically
from training.config import Config
from training.crossvalidation import split_in_words
from training.predictions import ALL_ROWS
from training.report.ceilings import Ceilings, ceilings_of
from training.report.pictures.learning import draw_curves, read_curves
from training.report.pictures.measured import draw_measured
from training.report.pictures.residuals import draw_residuals, has_counts
from training.report.pictures.scores import AllFigures, draw_scores
from training.report.pictures.style import require_matplotlib
from training.report.pictures.tokens import draw_tokens, token_lengths
from training.report.published import published_for, read_published
from training.report.tables import by_r2, fold_table, interval_text, markdown_table, published_table, score_table
from training.report.tasks import Task, read_tasks
from training.resampling import FEWEST_GROUPS, Figures
from training.scoring import Measure, figures_of, measures

INDEX = "README.md"
MODELS_IN_PICTURES = 3


@dataclass
class Page:
    """A page in the making.

    Attributes:
        folder: of the report.
        slug: of the task; names the page and its folder of pictures.
        parts: Markdown blocks.
    """

    folder: Path
    slug: str
    parts: list[str] = field(default_factory=list)

    def picture(self, name: str, what: str) -> Path:
        """Show a picture here, and say where to write it."""
        (self.folder / self.slug).mkdir(parents=True, exist_ok=True)
        self.parts.append(f"![{what}]({self.slug}/{name}.png)")
        return self.folder / self.slug / f"{name}.png"

    def write(self) -> Path:
        """Write the page."""
        path = self.folder / f"{self.slug}.md"
        write_atomically(path, ("\n\n".join(self.parts) + "\n").encode())
        return path


def write_report(
    configs: Sequence[Config],
    runs: Path,
    data: Path,
    output: Path,
    baselines: Collection[str] = (),
    more: Sequence[str] = (),
) -> list[Path]:
    """Write a page per task, its pictures, and the index.

    Args:
        configs: whose runs are reported; those of one data set and split share a page.
        runs: folder of the runs.
        data: folder of the data sets, for the ceilings; may be missing.
        output: folder of the report.
        baselines: names of models beside them that are baselines.
        more: Markdown of other pages for the index.

    Returns:
        The pages, the index first.

    Raises:
        DataError: a configuration was not evaluated yet.
        ReportError: two runs do not compare, or matplotlib is missing.
    """
    require_matplotlib()
    output.mkdir(parents=True, exist_ok=True)
    tasks = read_tasks(configs, runs, baselines)
    figures = [_all_figures(task) for task in tasks]
    pages = [
        _write_page(task, of_task, ceilings_of(task, data), output)
        for task, of_task in zip(tasks, figures, strict=True)
    ]
    index = output / INDEX
    write_atomically(index, ("\n\n".join([*_index(tasks, figures), *more]) + "\n").encode())
    return [index, *pages]


def _all_figures(task: Task) -> AllFigures:
    seed = task.config.evaluation.seed
    return {(m.target, m.subset): figures_of(task.predictions, m, seed) for m in measures(task.predictions)}


def _write_page(task: Task, figures: AllFigures, ceilings: Ceilings, output: Path) -> Path:
    page = Page(output, task.slug, [f"# {task.title}", _how(task)])
    draw_scores(page.picture("scores", "R2 of every model with its interval"), task, figures, ceilings)
    for measure in measures(task.predictions):
        page.parts += _scores(task, measure, figures[measure.target, measure.subset], ceilings)
    if ceilings:
        page.parts.append(CEILING)
    _add_measured(page, task, figures)
    if has_counts(task):
        page.parts += ["## Residuals by count", RESIDUALS]
        models = _pictured(task, next(iter(figures.values())))
        draw_residuals(page.picture("residuals", "Residuals by count"), task, models)
    if curves := read_curves(task.runs):
        page.parts += ["## Learning curves", CURVES]
        draw_curves(page.picture("learning", "Learning curves"), curves)
    if lengths := token_lengths(task.runs):
        page.parts += ["## Token lengths", "Tokens per sequence, special tokens included."]
        draw_tokens(page.picture("tokens", "Token lengths"), lengths)
    page.parts += _published(task)
    return page.write()


RESIDUALS = (
    "Root mean squared residual in tenths of the rows by how many molecules were counted for them, with its 95 % band. "
    "The dashed line is the spread of the measured values, which predicting their mean would leave."
)
CURVES = (
    "Loss after each epoch, one pair of lines per fold; the dot is the epoch whose weights were kept. Training rows "
    "are augmented, or labelled by teachers, where the recipe says so, so the two losses need not be of one kind."
)
CEILING = (
    "The ceiling is the largest R2 that counting noise leaves to any model on these rows: one minus the variance that "
    "Poisson counting gives the label, over the label's variance. Rates are known only through one count each, so "
    "their distribution is estimated from all counts (`training/ceiling.py`). Other noise of the assay is not in it, "
    "so what can truly be reached is less."
)


def _how(task: Task) -> str:
    """Which rows, which split, and what the intervals are."""
    predictions = task.predictions
    texts = [f"{len(predictions.ids):,} test rows that every model predicted"]
    if task.left_out:
        texts.append(f"{task.left_out:,} more were predicted by some models only and are left out")
    if task.config.split.folds:
        seen = f"{split_in_words(task.config)}; {task.folds} of {task.config.split.folds} folds measured"
        texts.append(f"{seen}, the predictions pooled: each row by models that never saw it")
    else:
        texts.append(f"split: {task.config.split.description}")
    groups = len(np.unique(predictions.groups))
    drawn = (
        "related rows are drawn together"
        if groups >= FEWEST_GROUPS
        else f"single rows are drawn, since the {groups} groups of related rows are too few: they are too narrow"
    )
    return (
        "; ".join(texts) + f". In brackets bootstrap 95 % intervals, for which {drawn}; a difference is taken on the "
        "same resamples for both models."
    )


def _scores(task: Task, measure: Measure, figures: Mapping[str, Figures], ceilings: Ceilings) -> Iterator[str]:
    ceiling = ceilings.get((measure.target, measure.subset))
    rows = "all rows" if measure.subset == ALL_ROWS else f"rows with {measure.subset}"
    yield f"## {measure.target}: {rows} ({int(measure.kept.sum()):,})"
    if ceiling:
        yield f"Ceiling of R2 by counting noise: {interval_text(ceiling.r2)}."
    yield score_table(task, figures, ceiling)
    if task.folds > 1:
        yield "Mean over the folds, ± the standard deviation between them:"
        yield fold_table(task, measure, figures)


def _add_measured(page: Page, task: Task, figures: AllFigures) -> None:
    page.parts.append("## Measured against predicted")
    for measure in measures(task.predictions):
        if measure.subset == ALL_ROWS:
            of_measure = figures[measure.target, measure.subset]
            path = page.picture(f"measured-{measure.target}", f"Measured against predicted {measure.target}")
            draw_measured(path, task, measure, _pictured(task, of_measure), of_measure)


def _pictured(task: Task, figures: Mapping[str, Figures]) -> list[str]:
    """The best models and the best baseline, best first."""
    order = by_r2(figures)
    others = [model for model in order if model not in task.baselines][: MODELS_IN_PICTURES - 1]
    baselines = [model for model in order if model in task.baselines][: MODELS_IN_PICTURES - len(others)]
    return [model for model in order if model in {*others, *baselines}]


def _published(task: Task) -> list[str]:
    entries = published_for(task.config.data.folder, task.predictions.targets, read_published())
    return ["## Published figures", published_table(entries)] if entries else []


def _index(tasks: Sequence[Task], figures: Sequence[AllFigures]) -> Iterator[str]:
    yield "# Accuracy"
    yield (
        "Written by `python -m training report`. R2 on test rows with bootstrap 95 % intervals; within a task all "
        "models are measured on the same rows. Each task's page has the other figures, paired differences and pictures."
    )
    for task, of_task in zip(tasks, figures, strict=True):
        yield f"## [{task.title}]({task.slug}.md)"
        first = next(iter(of_task.values()))
        headings = ["model", *(f"{target}, {subset}" for target, subset in of_task)]
        rows = [
            [model, *(interval_text(models[model].intervals()["r2"]) for models in of_task.values())]
            for model in by_r2(first)
        ]
        yield markdown_table(headings, rows)
        yield f"![R2 of every model]({task.slug}/scores.png)"

"""The page of docs/accuracy on people: every regime and the elastic net on the same folds, published anchors beside."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.checkpoint import FACTS
from training.datasets.people import Gene, load_people
from training.evaluate import THIS_BUNDLE
from training.people.evaluation import SHUFFLED
from training.people.fitting import MODEL_FOLDER
from training.personal.card import gene_rows, in_words, summary_rows
from training.personal.config import PersonalConfig
from training.personal.evaluation import ELASTIC_NET, correlations, level_correlation, name_of, summarise
from training.personal.preparation import PEOPLE
from training.predictions import Predictions, load_predictions, predictions_path
from training.report.pages import Page
from training.report.pictures.style import BLUE, GREY, INK, PALE, VERMILION, picture
from training.report.published import published_for, read_published
from training.report.tables import published_table

LEAST_LABELLED = 0.15
MARGIN = 0.05


@dataclass(frozen=True, eq=False)
class PersonalRun:
    """A personal model that was evaluated."""

    config: PersonalConfig
    genes: tuple[Gene, ...]
    predictions: Predictions
    epochs: tuple[int, ...]
    levels: tuple[int, float]


def read_personal_run(config: PersonalConfig, runs: Path) -> PersonalRun:
    """Read what the evaluate step left.

    Raises:
        DataError: it was not evaluated yet.
    """
    folder = runs / config.bundle.name
    predictions = load_predictions(predictions_path(folder, "test"))
    facts = json.loads((folder / MODEL_FOLDER / FACTS).read_bytes())
    genes = load_people(folder / PEOPLE).genes
    return PersonalRun(config, genes, predictions, tuple(facts["epochs_of_folds"]), level_correlation(folder))


def write_personal_page(run: PersonalRun, output: Path) -> tuple[Path, str]:
    """Write the page, and say what the index shows of it.

    Returns:
        The page, and Markdown for the index.
    """
    folder, name = run.config.data.folder, run.config.bundle.name
    page = Page(output, folder, [f"# People: {folder}, {run.config.split_in_words}", _how(run)])
    table = "\n".join(summary_rows(summarise(run.predictions, run.genes), run.config))
    page.parts += ["## Every model", table, _reading(run), "## Gene by gene"]
    draw_genes(page.picture("genes", "Each gene's correlation, the elastic net's against this model's"), run)
    page.parts.append("\n".join(gene_rows(run.genes, run.predictions)))
    if entries := published_for(folder, (), read_published()):
        page.parts += ["## Published figures", published_table(entries)]
    index = f"## [People: {folder}]({folder}.md)\n\nCorrelation across held-out people, {name}.\n\n{table}"
    return page.write(), index


def _how(run: PersonalRun) -> str:
    epochs = ", ".join(map(str, run.epochs))
    return (
        f"{len(run.predictions.ids)} people, {len(run.genes)} genes. Pearson correlation of predicted and measured "
        "expression across people, each predicted by models that neither learnt from nor stopped by anybody of the "
        f"same fold; the folds' heads stopped after {epochs} epochs. They have seen 60 % of the people, the elastic "
        "net 80 %."
    )


def _reading(run: PersonalRun) -> str:
    genes, correlation = run.levels
    shuffled = in_words(SHUFFLED, run.config)
    return (
        "Genes held out: a fifth of the genes at a time, everybody's values for them predicted by heads that saw no "
        "difference between people in these genes. Across genes, the regime that learns from references predicts the "
        f"level (log2 RPKM) of {genes} genes that were held out with r {correlation:.2f}. The control is: {shuffled}. "
        "A gene without signal comes out somewhat below 0 in all of them, since a fold whose people are above the mean "
        "is predicted with the mean of the others."
    )


def draw_genes(path: Path, run: PersonalRun) -> None:
    """Draw a dot for each gene: the elastic net's correlation across, this model's upwards."""
    across, up = (correlations(run.predictions, model) for model in (ELASTIC_NET, THIS_BUNDLE))
    control = correlations(run.predictions, SHUFFLED)
    low = float(min(across.min(), up.min(), control.min())) - MARGIN
    high = float(max(across.max(), up.max())) + 3 * MARGIN
    with picture(path, 1, columns=1, panel_inches=6.4) as (panel,):
        panel.plot((low, high), (low, high), color=GREY, linewidth=1, zorder=1)
        panel.axhline(0, color=PALE, linewidth=1, zorder=0)
        panel.axvline(0, color=PALE, linewidth=1, zorder=0)
        panel.scatter(across, control, s=18, color=VERMILION, alpha=0.6, label="shuffled genotypes", linewidths=0)
        panel.scatter(across, up, s=30, color=BLUE, label="own genotypes", linewidths=0)
        for row in np.flatnonzero(np.maximum(across, up) > LEAST_LABELLED):
            panel.annotate(
                name_of(run.genes[row]),
                (across[row], up[row]),
                xytext=(6, -3),
                textcoords="offset points",
                fontsize=8,
                color=INK,
            )
        panel.set_xlim(low, high)
        panel.set_ylim(low, high)
        panel.set_aspect("equal")
        panel.set_xlabel("r across held-out people, elastic net")
        panel.set_ylabel(f"r across held-out people, {run.config.bundle.name}")
        panel.legend(frameon=False, loc="upper left")

"""The steps of `python -m training` for a configuration of people."""

from __future__ import annotations

from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table as Grid

from training.evaluate import THIS_BUNDLE, Evaluation
from training.export import Export
from training.people.config import PeopleConfig, read_people_config
from training.people.evaluation import SHUFFLED, evaluate_people
from training.people.export import export_people
from training.people.fitting import fit_people
from training.people.preparation import PreparedPeople, load_prepared_people, prepare_people
from training.watching import Watcher


class PeopleSteps:
    """One configuration of people and where its runs lie.

    Args:
        path: of the configuration.
        runs: folder of the runs.
        console: where progress and figures are shown.
    """

    def __init__(self, path: Path, runs: Path, console: Console) -> None:
        self._config: PeopleConfig = read_people_config(path)
        self._folder, self._console = runs / self._config.bundle.name, console

    def prepare(self, data: Path) -> None:
        """Read the data set and deal its people into folds."""
        people = prepare_people(self._config, data, self._folder).people
        counts = f"{len(people.ids):,} people, {len(people.genes):,} genes, {len(people.variants):,} variants"
        self._console.print(f"{self._config.bundle.name}: {counts}; table {people.sha256()[:12]}")

    def fit(self) -> None:
        """Fit every gene to everybody."""
        fit_people(self._config, self._prepared, self._folder, Watcher(self._console))

    def evaluate(self) -> None:
        """Score everybody held out."""
        evaluation = evaluate_people(self._config, self._prepared, self._folder, Watcher(self._console))
        show_genes(evaluation, self._console)

    def export(self, models: Path, command: str) -> Export:
        """Write the bundle."""
        return export_people(self._config, self._prepared, self._folder, models, command)

    @property
    def _prepared(self) -> PreparedPeople:
        return load_prepared_people(self._config, self._folder)


def show_genes(evaluation: Evaluation, console: Console) -> None:
    """Print a line for each gene, the best first."""
    figures = {(score.target, score.model): score.metrics for score in evaluation.scores}
    genes = list(dict.fromkeys(score.target for score in evaluation.scores))
    genes.sort(key=lambda gene: figures[gene, THIS_BUNDLE]["pearson"].value, reverse=True)
    grid = Grid("gene", "pearson", "r2", f"pearson, {SHUFFLED}", box=SIMPLE)
    for gene in genes:
        own, control = figures[gene, THIS_BUNDLE], figures[gene, SHUFFLED]
        grid.add_row(gene, *(f"{figure.value:.3f}" for figure in (own["pearson"], own["r2"], control["pearson"])))
    console.print(grid)

"""The report says what the runs measured, for the same rows of every model, and draws it."""

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from training.__main__ import app
from training.config import Config, read_config
from training.datasets.table import Table
from training.datasets.utrseq import COUNTS_APLUS
from training.errors import DataError, ReportError
from training.evaluate import (
    KMER_RIDGE,
    THIS_BUNDLE,
    Evaluation,
    config_sha256,
    evaluation_path,
    weights_sha256,
)
from training.folds import all_folds, run_folder
from training.predictions import ALL_ROWS, Answer, Predictions, predictions_path
from training.preparation import _origin, prepare
from training.report.ceilings import ceilings_of
from training.report.pages import write_report
from training.report.tables import best_baseline, fold_table
from training.report.tasks import read_tasks
from training.scoring import figures_of, measures

WriteRun = Callable[..., Config]
FOLDS = '[split]\nby = "group"\nfolds = 3\ndescription = "dealt by pairs"\n'
WELL_COUNTED = ">= 20 UMIs at 1 h and 2 h"


def predicted(rows: Table, fold: int, noise: dict[str, float]) -> Predictions:
    """What models with so much noise predict."""
    generator = np.random.default_rng(fold)
    measured = rows.targets.values
    return Predictions(
        ids=rows.ids,
        targets=rows.targets.names,
        measured=measured,
        coverage=rows.coverage,
        groups=rows.groups,
        folds=np.full(len(rows), fold),
        subsets={ALL_ROWS: np.ones(len(rows), dtype=np.bool_), WELL_COUNTED: rows.coverage >= 20},
        answers=tuple(
            Answer(model, "", measured + generator.normal(0, sd, measured.shape).astype(np.float32))
            for model, sd in noise.items()
        ),
    )


@pytest.fixture(autouse=True)
def _coarse_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at these pictures, so they are drawn with few dots."""
    monkeypatch.setattr("training.report.pictures.style.DOTS_PER_INCH", 30)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def write_run(tmp_path: Path, runs: Path, toy_data: Path) -> WriteRun:
    """Write what a configuration's run leaves behind, without training anything."""

    def write(toml: str, name: str, noise: dict[str, float], rows: slice = slice(None)) -> Config:
        path = tmp_path / f"{name}.toml"
        path.write_text(toml.replace("toy-decay", name))
        for config in all_folds(read_config(path)):
            folder = run_folder(config, runs)
            test = prepare(config, toy_data, folder).table.split("test")
            chosen = test.rows(np.arange(len(test))[rows])
            predicted(chosen, config.split.fold, noise).save(predictions_path(folder, "test"))
            (folder / "model").mkdir()
            (folder / "model" / "best.pt").write_bytes(name.encode())
            Evaluation(weights_sha256(folder), "test", (), config_sha256(config)).save(evaluation_path(folder, "test"))
            (folder / "model" / "metrics.csv").write_text("epoch,train_loss,valid_loss\n1,1,0.9\n2,0.8,0.7\n")
        return read_config(path)

    return write


@pytest.fixture
def ours(write_run: WriteRun, toy_toml: str) -> Config:
    return write_run(toy_toml, "ours", {THIS_BUNDLE: 0.1, KMER_RIDGE: 0.3})


@pytest.fixture
def theirs(write_run: WriteRun, toy_token_toml: str) -> Config:
    return write_run(toy_token_toml, "theirs", {THIS_BUNDLE: 0.2, "ours": 9.0})


def test_a_page_holds_every_model_once_and_every_picture(
    ours: Config, theirs: Config, runs: Path, tmp_path: Path
) -> None:
    index, page = write_report([ours, theirs], runs, tmp_path, tmp_path / "out")

    text = page.read_text()
    first = text.split("\n## ")[1]
    assert first.startswith("log2_change_8h_2h: all rows (20)")
    assert re.findall(r"^\| ([a-z]\S+(?: ridge)?) \|", first, re.MULTILINE)[1:] == ["ours", "theirs", "k-mer ridge"]
    pictures = re.findall(r"\]\((\S+\.png)\)", text)
    assert [Path(picture).stem for picture in pictures] == [
        "scores",
        "measured-log2_change_8h_2h",
        "measured-half_log2_change_6h_1h",
        "residuals",
        "learning",
        "tokens",
    ]
    for picture in pictures:
        assert (page.parent / picture).read_bytes().startswith(b"\x89PNG")
    assert f"({page.name})" in index.read_text()


def test_a_model_is_reported_as_its_own_run_measured_it(ours: Config, theirs: Config, runs: Path) -> None:
    (task,) = read_tasks([theirs, ours], runs)
    (everything, *_) = measures(task.predictions)

    figures = figures_of(task.predictions, everything, seed=0)

    assert list(figures) == ["theirs", "ours", "k-mer ridge"]
    assert figures["ours"].values["rmse"] < 0.2  # and not 9, as it stood beside `theirs`


def test_the_lead_is_over_the_best_baseline_on_the_same_resamples(ours: Config, runs: Path, tmp_path: Path) -> None:
    (task,) = read_tasks([ours], runs)
    figures = figures_of(task.predictions, measures(task.predictions)[0], task.config.evaluation.seed)

    page = write_report([ours], runs, tmp_path, tmp_path / "out")[1].read_text()

    assert best_baseline(task, figures) == "k-mer ridge"
    value, low, high = figures["ours"].minus(figures["k-mer ridge"])["r2"]
    assert f"| {value:+.3f} ({low:+.3f} to {high:+.3f}) |" in page


def test_without_a_baseline_no_lead_is_claimed(write_run: WriteRun, toy_toml: str, runs: Path, tmp_path: Path) -> None:
    alone = write_run(toy_toml, "alone", {THIS_BUNDLE: 0.1})

    assert "R2 minus" not in write_report([alone], runs, tmp_path, tmp_path / "out")[1].read_text()


def test_folds_are_pooled_and_their_spread_is_told(
    write_run: WriteRun, toy_toml: str, runs: Path, tmp_path: Path
) -> None:
    folds = toy_toml.replace('[split]\ndescription = "disjoint by pairs"\n', FOLDS)
    config = write_run(folds, "ours", {THIS_BUNDLE: 0.1, KMER_RIDGE: 0.3})
    (task,) = read_tasks([config], runs)
    measure = measures(task.predictions)[0]

    page = write_report([config], runs, tmp_path, tmp_path / "out")[1]

    assert (len(task.predictions.ids), task.folds) == (160, 3)
    assert "3-fold cross-validation, dealt by pairs; 3 of 3 folds measured" in page.read_text()
    assert fold_table(task, measure, figures_of(task.predictions, measure, seed=1)) in page.read_text()


def test_folds_that_were_not_measured_are_counted(
    write_run: WriteRun, toy_toml: str, runs: Path, tmp_path: Path
) -> None:
    folds = toy_toml.replace('[split]\ndescription = "disjoint by pairs"\n', FOLDS)
    config = write_run(folds, "ours", {THIS_BUNDLE: 0.1})
    predictions_path(runs / "ours" / "fold-1", "test").unlink()

    assert "2 of 3 folds measured" in write_report([config], runs, tmp_path, tmp_path / "out")[1].read_text()


def test_rows_that_one_model_lacks_are_left_out_for_all(
    ours: Config, write_run: WriteRun, toy_token_toml: str, runs: Path, tmp_path: Path
) -> None:
    some = write_run(toy_token_toml, "some", {THIS_BUNDLE: 0.2}, slice(4, None))

    page = write_report([ours, some], runs, tmp_path, tmp_path / "out")[1].read_text()

    assert "16 test rows that every model predicted; 4 more were predicted by some models only" in page


def test_runs_without_a_common_row_are_not_compared(write_run: WriteRun, toy_toml: str, runs: Path) -> None:
    first = write_run(toy_toml, "first", {THIS_BUNDLE: 0.1}, slice(0, 10))
    second = write_run(toy_toml, "second", {THIS_BUNDLE: 0.1}, slice(10, 20))

    with pytest.raises(ReportError, match="first, second: their test rows have no row in common"):
        read_tasks([first, second], runs)


def test_runs_measured_against_other_values_are_not_compared(ours: Config, theirs: Config, runs: Path) -> None:
    path = predictions_path(run_folder(theirs, runs), "test")
    (task,) = read_tasks([theirs], runs)
    replace(task.predictions, measured=task.predictions.measured + 1).save(path)

    with pytest.raises(ReportError, match="theirs and ours were measured against other values"):
        read_tasks([ours, theirs], runs)


def test_splits_have_pages_of_their_own(ours: Config, write_run: WriteRun, toy_toml: str, runs: Path) -> None:
    random = write_run(toy_toml.replace("[split]", '[split]\nby = "random"'), "leaky", {THIS_BUNDLE: 0.1})
    other = write_run(toy_toml.replace("by pairs", "by twos"), "other", {THIS_BUNDLE: 0.1})

    assert [task.slug for task in read_tasks([ours, random, other], runs)] == [
        "toy-column",
        "toy-random",
        "toy-column-2",
    ]


def test_two_tables_of_one_folder_have_pages_of_their_own(ours: Config, theirs: Config, runs: Path) -> None:
    tables = [
        replace(run, data=replace(run.data, table=replace(run.data.table, file=f"{number}.csv")))
        for number, run in enumerate([ours, theirs])
    ]
    for run in tables:
        folder = run_folder(run, runs)
        Evaluation(weights_sha256(folder), "test", (), config_sha256(run)).save(evaluation_path(folder, "test"))
        (folder / "prepared.json").write_text(json.dumps(_origin(run)))

    assert len(read_tasks(tables, runs)) == 2


def test_a_run_that_was_not_evaluated_is_named(toy_toml: str, tmp_path: Path) -> None:
    path = tmp_path / "toy.toml"
    path.write_text(toy_toml)

    with pytest.raises(DataError, match=r"predictions-test.npz is missing: run `python -m training evaluate` first"):
        read_tasks([read_config(path)], tmp_path)


def test_figures_of_other_weights_or_of_another_configuration_are_not_reported(ours: Config, runs: Path) -> None:
    stale = "ours was configured or trained otherwise since; run evaluate once more"
    assert ours.fit is not None
    with pytest.raises(ReportError, match=stale):
        read_tasks([replace(ours, fit=replace(ours.fit, epochs=9))], runs)
    best = runs / "ours" / "model" / "best.pt"

    best.write_bytes(b"trained again")
    with pytest.raises(ReportError, match=stale):
        read_tasks([ours], runs)
    best.unlink()
    with pytest.raises(ReportError, match="no trained weights here"):
        read_tasks([ours], runs)


def test_intervals_of_few_groups_are_called_too_narrow(
    write_run: WriteRun, toy_toml: str, runs: Path, tmp_path: Path
) -> None:
    few = write_run(toy_toml, "few", {THIS_BUNDLE: 0.1})
    many = write_run(
        toy_toml.replace('[split]\ndescription = "disjoint by pairs"\n', FOLDS), "many", {THIS_BUNDLE: 0.1}
    )

    _, page_of_few, page_of_many = write_report([few, many], runs, tmp_path, tmp_path / "out")

    assert "the 10 groups of related rows are too few: they are too narrow" in page_of_few.read_text()
    assert "for which related rows are drawn together" in page_of_many.read_text()


def test_other_words_on_the_model_card_leave_the_figures_as_they_are(ours: Config, runs: Path) -> None:
    assert read_tasks([replace(ours, bundle=replace(ours.bundle, card="Now with a remark."))], runs)


def test_a_data_set_without_counts_or_curves_has_no_such_pictures(
    write_run: WriteRun, toy_toml: str, runs: Path, tmp_path: Path
) -> None:
    config = write_run(toy_toml, "plain", {THIS_BUNDLE: 0.1})
    path = predictions_path(runs / "plain", "test")
    (task,) = read_tasks([config], runs)
    replace(task.predictions, coverage=np.full(20, np.nan, dtype=np.float32)).save(path)
    (runs / "plain" / "model" / "metrics.csv").unlink()

    page = write_report([config], runs, tmp_path, tmp_path / "out")[1].read_text()

    assert "Residuals by count" not in page
    assert "Learning curves" not in page
    assert "Token lengths" not in page


def test_without_matplotlib_one_line_says_what_to_install(
    ours: Config, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)

    with pytest.raises(ReportError, match=re.escape("pip install 'basecast[plot]'")):
        write_report([ours], runs, tmp_path, tmp_path / "out")


def test_the_command_names_what_it_wrote(ours: Config, runs: Path, tmp_path: Path) -> None:
    arguments = ["report", str(tmp_path / "ours.toml"), "--runs", str(runs), "--output", str(tmp_path / "out")]

    result = CliRunner().invoke(app, arguments, catch_exceptions=False)

    assert result.exit_code == 0
    assert "toy-column.md:written" in "".join(result.output.split())


def test_the_ceiling_of_counted_rows_stands_beside_the_figures(ours: Config, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "toy").mkdir(parents=True)
    counts = np.random.default_rng(0).poisson(30, size=(160, 10))
    lines = ["\t" * 10, *("\t".join([f"R{row}", *map(str, counts[row])]) for row in range(160))]
    with gzip.open(tmp_path / "data" / "toy" / COUNTS_APLUS, "wt") as file:
        file.write("\n".join(lines) + "\n")
    (task,) = read_tasks([ours], runs)

    ceilings = ceilings_of(task, tmp_path / "data")
    page = write_report([ours], runs, tmp_path / "data", tmp_path / "out")[1].read_text()

    assert set(ceilings) == {(measure.target, measure.subset) for measure in measures(task.predictions)}
    assert f"Ceiling of R2 by counting noise: {ceilings['log2_change_8h_2h', ALL_ROWS].r2[0]:.3f}" in page
    assert "share of the ceiling" in page
    assert ceilings_of(task, tmp_path) == {}  # no such data set here

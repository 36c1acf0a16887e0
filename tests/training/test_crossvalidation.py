"""Every fold is trained and measured once, however often the command is started."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from training.__main__ import app
from training.config import read_config
from training.crossvalidation import combine, is_done, with_pooled_scores
from training.errors import ConfigError, ExportRefused, TrainingError
from training.evaluate import load_evaluation
from training.folds import all_folds, run_folder, with_fold
from training.preparation import load_prepared

FOLDS = """
[split]
by = "group"
folds = 2
description = "dealt by pairs"
"""


@pytest.fixture
def config(toy_toml: str, tmp_path: Path) -> Path:
    path = tmp_path / "toy.toml"
    path.write_text(
        toy_toml.replace('[split]\ndescription = "disjoint by pairs"\n', FOLDS).replace("epochs = 3", "epochs = 1")
    )
    return path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def crossvalidate(config: Path, data: Path, runs: Path) -> Result:
    arguments = ["crossvalidate", str(config), "--data", str(data), "--runs", str(runs), "--device", "cpu"]
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_all_folds_are_measured_and_pooled(config: Path, toy_data: Path, runs: Path) -> None:
    assert crossvalidate(config, toy_data, runs).exit_code == 0

    settings = read_config(config)
    folds = [load_prepared(fold, run_folder(fold, runs)).table.split("test").ids for fold in all_folds(settings)]
    assert [len(ids) for ids in folds] == [80, 80]
    assert len(set(folds[0]) | set(folds[1])) == 160
    document = json.loads((runs / "toy-decay" / "crossvalidation.json").read_bytes())
    assert {score["rows"] for score in document["scores"] if score["subset"] == "all"} == {160}
    assert {score["split"] for score in document["scores"]} == {"2-fold cross-validation, dealt by pairs"}


def test_a_second_start_does_only_what_is_missing(config: Path, toy_data: Path, runs: Path) -> None:
    crossvalidate(config, toy_data, runs)
    weights = [runs / "toy-decay" / f"fold-{fold}" / "model" / "best.pt" for fold in range(2)]
    written = [path.stat().st_mtime_ns for path in weights]
    (runs / "toy-decay" / "fold-1" / "evaluation.json").unlink()

    again = crossvalidate(config, toy_data, runs)

    assert "fold 0: done before" in again.output
    assert "fold 1: done before" not in again.output
    assert [path.stat().st_mtime_ns for path in weights] == written


def test_a_fold_of_another_configuration_is_not_done(config: Path, toy_data: Path, runs: Path) -> None:
    crossvalidate(config, toy_data, runs)
    assert is_done(read_config(config), runs)

    config.write_text(config.read_text().replace("half_weight_umis = 20.0", "half_weight_umis = 10.0"))

    assert not is_done(read_config(config), runs)


def test_a_fold_is_not_done_when_a_model_beside_it_was_trained_again(config: Path, toy_data: Path, runs: Path) -> None:
    beside = config.with_name("beside.toml")
    beside.write_text(config.read_text().replace("toy-decay", "beside"))
    config.write_text(config.read_text().replace("kmer_ridge = false", 'kmer_ridge = false\nbeside = ["beside.toml"]'))
    crossvalidate(config, toy_data, runs)
    settings, other = read_config(config), read_config(beside)
    assert is_done(settings, runs, [other])

    weights = run_folder(other, runs) / "model" / "best.pt"
    weights.write_bytes(weights.read_bytes() + b"trained again")

    assert not is_done(settings, runs, [other])


def test_the_exported_fold_carries_the_pooled_figures(config: Path, toy_data: Path, runs: Path) -> None:
    crossvalidate(config, toy_data, runs)
    settings = with_fold(read_config(config), 1)
    evaluation = load_evaluation(run_folder(settings, runs))

    scores = with_pooled_scores(evaluation, settings, runs).scores

    assert scores == (*evaluation.scores, *combine(settings, runs).scores)


def test_pooled_figures_of_other_weights_are_not_exported(config: Path, toy_data: Path, runs: Path) -> None:
    crossvalidate(config, toy_data, runs)
    path = runs / "toy-decay" / "crossvalidation.json"
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps(document | {"weights_sha256": ["0" * 64, "0" * 64]}))
    settings = read_config(config)

    with pytest.raises(ExportRefused, match="run crossvalidate once more"):
        with_pooled_scores(load_evaluation(run_folder(settings, runs)), settings, runs)


def test_a_fold_alone_is_exported_with_its_own_figures(config: Path, toy_data: Path, runs: Path) -> None:
    crossvalidate(config, toy_data, runs)
    (runs / "toy-decay" / "crossvalidation.json").unlink()
    settings = read_config(config)
    evaluation = load_evaluation(run_folder(settings, runs))

    assert with_pooled_scores(evaluation, settings, runs) == evaluation


@pytest.mark.parametrize("fold", [-1, 2])
def test_a_fold_that_is_not_there_is_refused(config: Path, fold: int) -> None:
    with pytest.raises(ConfigError, match=f"--fold {fold}: toy-decay has folds 0 to 1"):
        with_fold(read_config(config), fold)


def test_without_folds_there_is_nothing_to_cross_validate(toy_toml: str, tmp_path: Path, toy_data: Path) -> None:
    path = tmp_path / "toy.toml"
    path.write_text(toy_toml)

    with pytest.raises(TrainingError, match=r"split\.folds is 0"):
        crossvalidate(path, toy_data, tmp_path)
    with pytest.raises(ConfigError, match="toy-decay has no folds"):
        with_fold(read_config(path), 0)
    assert run_folder(read_config(path), tmp_path) == tmp_path / "toy-decay"

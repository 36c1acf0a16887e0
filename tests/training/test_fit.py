"""A run can be killed at any moment and ends with the weights of one that was not."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from tests.training.conftest import KilledAfter
from training.config import Config
from training.errors import FitError
from training.feeder import predict
from training.fit import Run
from training.metrics import pearson
from training.pipeline import Pipeline
from training.watching import Watcher

CPU = torch.device("cpu")
QUIET = Watcher(Console(quiet=True))


def test_a_killed_run_resumes_to_the_same_weights(
    trained: Pipeline, untrained: Pipeline, killed_after: KilledAfter
) -> None:
    with killed_after(10):  # an epoch has 7 steps: killed in the second
        untrained.fit(CPU, QUIET)

    resumed = untrained.fit(CPU, QUIET).state_dict()

    for name, weights in trained.load().state_dict().items():
        assert torch.equal(weights, resumed[name]), name


def test_a_finished_run_is_not_trained_again(trained: Pipeline) -> None:
    history = (trained.stage.folder / "metrics.csv").stat()

    trained.fit(CPU, QUIET)

    assert (trained.stage.folder / "metrics.csv").stat() == history


def test_figures_of_each_epoch_stand_beside_the_checkpoint(trained: Pipeline) -> None:
    rows = list(csv.DictReader((trained.stage.folder / "metrics.csv").read_text().splitlines()))

    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[2]["valid_loss"]) < float(rows[0]["valid_loss"])
    assert set(rows[0]) >= {"r2_log2_change_8h_2h", "r2_half_log2_change_6h_1h"}


def test_training_learns_the_toy_rule(trained: Pipeline) -> None:
    train = trained.prepared.table.split("train")

    predicted = predict(trained.load(), trained.feeder, train.sequences)

    assert pearson(train.targets.values[:, 0], predicted[:, 0]) > 0.5


def test_a_run_folder_belongs_to_one_configuration(trained: Pipeline, toy_config: Config) -> None:
    other = Pipeline(replace(toy_config, seed=2), trained.prepared, trained.folder)

    with pytest.raises(FitError, match="another seed"):
        other.fit(CPU, QUIET)


@pytest.mark.parametrize("name", ["checkpoint.pt", "best.pt"])
def test_a_truncated_checkpoint_is_refused_by_name(trained: Pipeline, tmp_path: Path, name: str) -> None:
    pipeline = Pipeline(trained.config, trained.prepared, tmp_path)
    shutil.copytree(trained.folder, tmp_path, dirs_exist_ok=True)
    whole = (pipeline.stage.folder / name).read_bytes()
    (pipeline.stage.folder / name).write_bytes(whole[: len(whole) // 2])

    with pytest.raises(FitError, match=f"{name} is damaged: remove its folder"):
        pipeline.fit(CPU, QUIET)


def test_a_loss_that_explodes_ends_the_run(toy_config: Config, trained: Pipeline, tmp_path: Path) -> None:
    pipeline = Pipeline(toy_config, trained.prepared, tmp_path)
    run = Run(pipeline.stage, pipeline.feeder, CPU)
    with torch.no_grad():
        next(run.model.head.parameters()).fill_(float("nan"))

    with pytest.raises(FitError, match=r"model: the loss is no longer finite at step 1; lower fit\.learning_rate"):
        list(run.train_one_epoch(pipeline.examples("train")))

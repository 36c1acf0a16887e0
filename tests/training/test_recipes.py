"""What a recipe asks for is what the run does, and a kill changes nothing about it."""

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor

from tests.training.conftest import KilledAfter
from training.config import read_config
from training.errors import FitError
from training.feeder import predict
from training.fit import Run
from training.pipeline import Pipeline
from training.precision import Precision
from training.preparation import prepare
from training.recipe import LoraConfig
from training.tensorboard import tensorboard_log
from training.watching import Watcher

CPU = torch.device("cpu")
QUIET = Watcher(Console(quiet=True))

Recipe = Callable[..., Pipeline]


@pytest.fixture
def recipe(toy_token_toml: str, toy_data: Path, tmp_path: Path) -> Recipe:
    """Make the token toy, without dropout, with changes to how it is fitted."""
    path = tmp_path / "toy.toml"
    path.write_text(toy_token_toml.replace("dropout = 0.1", "dropout = 0.0"))
    config = read_config(path)
    prepared = prepare(config, toy_data, tmp_path / "prepared")

    def make(folder: str = "run", steps: int = 0, **changes: object) -> Pipeline:
        changed = replace(config, fit=replace(config.fit, **changes))  # type: ignore[arg-type]
        return Pipeline(changed, prepared, tmp_path / folder, steps)

    return make


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


RECIPES = {
    "parts": {"accumulate": 3},
    "adapters": {"lora": LoraConfig(rank=2), "gradient_checkpointing": True},
    "no average": {"average_decay": 0.0, "layer_decay": 0.5, "schedule": "linear", "loss": "huber"},
}


@pytest.mark.parametrize("changes", RECIPES.values(), ids=RECIPES)
def test_a_killed_run_of_any_recipe_resumes_to_the_same_weights(
    recipe: Recipe, killed_after: KilledAfter, changes: dict[str, object]
) -> None:
    whole = recipe("whole", **changes).fit(CPU, QUIET).state_dict()
    killed = recipe("killed", **changes)

    with killed_after(10):  # an epoch has 7 steps: killed in the second
        killed.fit(CPU, QUIET)

    assert equal(killed.fit(CPU, QUIET).state_dict(), whole)


def test_the_scale_of_fp16_gradients_survives_a_kill(recipe: Recipe) -> None:
    pipeline = recipe()
    first = Run(pipeline.stage, pipeline.feeder, CPU)
    first.scaler = Precision(CPU, torch.float16).scaler()
    list(first.train_one_epoch(pipeline.examples("train")))
    first.validate(pipeline.examples("valid"))
    first.save()

    scaler = Precision(CPU, torch.float16).scaler()
    scaler.load_state_dict(first.folder.load().scaler)  # type: ignore[union-attr]

    assert scaler.state_dict()["_growth_tracker"] == 7


def test_a_step_in_parts_has_the_gradient_of_the_whole_step(recipe: Recipe) -> None:
    plain = {"augmentation": replace(recipe().config.fit.augmentation, cut_rate=0.0, mutation_rate=0.0)}
    figures = []
    for number, accumulate in enumerate((1, 3)):
        pipeline = recipe(f"run-{number}", accumulate=accumulate, **plain)
        run = Run(pipeline.stage, pipeline.feeder, CPU)
        figures.append([row["loss"] for row in run.train_one_epoch(pipeline.examples("train"))])

    assert figures[0] == pytest.approx(figures[1], abs=1e-5)


def test_a_run_keeps_the_merged_model(recipe: Recipe) -> None:
    pipeline = recipe(lora=LoraConfig(rank=2))
    kept = pipeline.fit(CPU, QUIET)
    run = Run(pipeline.stage, pipeline.feeder, CPU)
    sequences = pipeline.prepared.table.split("test").sequences

    with run.average.applied(run.model):
        adapted = predict(run.model, pipeline.feeder, sequences)

    assert run.latest["valid_loss"] == min(row["valid_loss"] for row in run.history)
    assert predict(kept, pipeline.feeder, sequences) == pytest.approx(adapted, abs=1e-6)


def test_a_dry_run_ends_after_its_steps_and_leaves_the_real_run_alone(recipe: Recipe) -> None:
    dry = recipe(steps=9)  # an epoch has 7
    dry.fit(CPU, QUIET)
    again = dry.fit(CPU, QUIET)  # starts anew, instead of finding itself finished

    facts = json.loads((dry.stage.folder / "run.json").read_bytes())
    assert dry.stage.folder.name == "model-dry-run"
    assert (facts["steps"], facts["epochs"], facts["finished"]) == (9, 2, True)
    assert equal(again.state_dict(), dry.load().state_dict())
    with pytest.raises(FitError, match="no trained weights"):
        recipe().load()


def test_a_run_says_beside_its_checkpoint_how_it_came_to_be(recipe: Recipe) -> None:
    pipeline = recipe(lora=LoraConfig(rank=2))
    pipeline.fit(CPU, QUIET)

    facts = json.loads((pipeline.stage.folder / "run.json").read_bytes())
    rows = list(csv.DictReader((pipeline.stage.folder / "metrics.csv").read_text().splitlines()))

    assert facts["data_sha256"] == pipeline.data_sha256
    assert facts["code_version"].startswith("0.")
    assert (facts["device"], facts["precision"], facts["processes"]) == ("cpu", "float32", 1)
    assert facts["trained_parameters"] < facts["parameters"]
    assert facts["best_epoch"]["valid_loss"] == min(float(row["valid_loss"]) for row in rows)
    assert facts["seconds"] == pytest.approx(sum(float(row["seconds"]) for row in rows), abs=1e-3)
    assert float(rows[-1]["learning_rate"]) < float(rows[0]["learning_rate"])


def test_figures_go_to_tensorboard_with_their_steps(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with tensorboard_log(tmp_path, 0) as log:
        log(1, {"loss": 0.5})
        log(2, {"loss": 0.25})

    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 0.5), (2, 0.25)]


def test_only_one_process_writes_a_log(tmp_path: Path) -> None:
    with tensorboard_log(tmp_path, 0, wanted=False) as log:
        log(1, {"loss": 0.5})

    assert list(tmp_path.iterdir()) == []


def test_without_tensorboard_there_is_no_log_and_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)

    with tensorboard_log(tmp_path, 0) as log:
        log(1, {"loss": 0.5})

    assert list(tmp_path.iterdir()) == []


def test_more_parts_than_rows_are_refused(recipe: Recipe) -> None:
    pipeline = recipe(batch=1000, accumulate=500)

    with pytest.raises(FitError, match=r"a step has 120 rows, too few for 1 processes with fit\.accumulate = 500"):
        pipeline.fit(CPU, QUIET)


def test_fp16_on_a_cpu_is_said_once_and_trained_in_fp32(recipe: Recipe, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = recipe(precision="fp16", epochs=1)

    pipeline.fit(CPU, Watcher(Console(width=200)))

    assert capsys.readouterr().out.count("model: fp16: emulated on this device (cpu), so fp32 is used") == 1

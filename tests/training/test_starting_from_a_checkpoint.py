"""Training that starts from published weights, or shows that a recipe runs before they are there."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from tests.training.published import (
    DNABERT2_VOCABULARY,
    V2_VOCABULARY,
    dnabert2_language_head,
    dnabert2_shapes,
    dnabert2_tokenizer,
    random_weights,
    v2_language_head,
    v2_shapes,
    write_dnabert2,
    write_v2,
)
from training.__main__ import app
from training.config import Config, read_config
from training.errors import CheckpointError, ConfigError, DataError
from training.pipeline import Pipeline
from training.preparation import prepare
from training.tokenizers.recipe import TokenizerConfig
from training.tokenizers.six_mer import six_mer_tokenizer
from training.watching import Watcher

RUNNER = CliRunner()
DNABERT2 = """
[model]
backbone = "dnabert2"
checkpoint = "CHECKPOINT"
width = 12
layers = 2
heads = 3
inner_width = 8
pooling = "cls"
head = "pooler"

[fit]
epochs = 1
batch = 40
learning_rate = 0.001
"""
V2 = DNABERT2.replace('"dnabert2"', '"nucleotide_transformer"').replace("heads = 3", "heads = 2")


@pytest.fixture
def bundle_toml(toy_toml: str) -> str:
    """Everything of a configuration but its model."""
    return toy_toml[: toy_toml.index("[model]")].replace("Apache-2.0", "CC-BY-NC-SA-4.0")


def test_training_starts_from_the_checkpoint_and_then_needs_it_no_more(
    bundle_toml: str, toy_data: Path, tmp_path: Path
) -> None:
    checkpoint = write_dnabert2(tmp_path / "checkpoint")
    pipeline = prepared(bundle_toml + DNABERT2.replace("CHECKPOINT", str(checkpoint)), toy_data, tmp_path)

    started = pipeline.stage.new_model(pipeline.feeder.vocabulary).backbone.state_dict()

    published = random_weights(dnabert2_shapes() | dnabert2_language_head())
    assert all(torch.equal(value, published[key]) for key, value in started.items())
    assert pipeline.feeder.files == {"tokenizer.json": dnabert2_tokenizer()}

    trained = pipeline.fit(torch.device("cpu"), Watcher(Console(quiet=True)))
    shutil.rmtree(checkpoint)
    again = pipeline.load()
    assert all(torch.equal(value, trained.state_dict()[key]) for key, value in again.state_dict().items())


def test_a_six_mer_checkpoint_brings_its_vocabulary(bundle_toml: str, toy_data: Path, tmp_path: Path) -> None:
    checkpoint = write_v2(tmp_path / "checkpoint")
    pipeline = prepared(bundle_toml + V2.replace("CHECKPOINT", str(checkpoint)), toy_data, tmp_path)

    started = pipeline.stage.new_model(pipeline.feeder.vocabulary).backbone.state_dict()

    key = "esm.encoder.layer.1.intermediate.dense.weight"
    assert torch.equal(started[key], random_weights(v2_shapes() | v2_language_head())[key])
    assert pipeline.feeder.files == {"tokenizer.json": six_mer_tokenizer(V2_VOCABULARY)}
    assert pipeline.feeder.rules.pad_token_id == 1


@pytest.mark.parametrize("model", [DNABERT2, V2])
def test_a_recipe_runs_before_its_weights_are_there(
    model: str, bundle_toml: str, toy_data: Path, tmp_path: Path
) -> None:
    config = tmp_path / "toy.toml"
    config.write_text(bundle_toml + model.replace("CHECKPOINT", "/not/here/yet"))
    runs = ["--runs", str(tmp_path / "runs")]
    dry = [*runs, "--random-weights"]

    RUNNER.invoke(app, ["prepare", str(config), "--data", str(toy_data), *dry], catch_exceptions=False)
    RUNNER.invoke(app, ["fit", str(config), "--device", "cpu", *dry], catch_exceptions=False)

    assert (tmp_path / "runs" / "toy-decay" / "model" / "best.pt").is_file()
    with pytest.raises(
        DataError, match=r"prepared with another .*model\.checkpoint"
    ):  # nobody takes it for the real one
        RUNNER.invoke(app, ["fit", str(config), "--device", "cpu", *runs], catch_exceptions=False)


def test_a_checkpoint_is_not_trained_with_the_tokenizer_of_a_dry_run(
    bundle_toml: str, toy_data: Path, tmp_path: Path
) -> None:
    checkpoint = write_dnabert2(tmp_path / "checkpoint")
    real = read(bundle_toml + DNABERT2.replace("CHECKPOINT", str(checkpoint)), tmp_path)
    entries = len(DNABERT2_VOCABULARY)
    stand_in = replace(real.with_random_weights(), tokenizer=TokenizerConfig(entries))
    dry = Pipeline(stand_in, prepare(stand_in, toy_data, tmp_path / "run"), tmp_path / "run", steps=1)
    assert dry.feeder.vocabulary == entries  # as many as the checkpoint has

    dry.fit(torch.device("cpu"), Watcher(Console(quiet=True)))

    with pytest.raises(DataError, match=r"not the one of .*checkpoint.*; run `python -m training prepare` again"):
        Pipeline(real, dry.prepared, tmp_path / "run").fit(torch.device("cpu"), Watcher(Console(quiet=True)))


def test_a_checkpoint_that_is_not_there_is_refused_at_once(bundle_toml: str, toy_data: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="/not/here/yet: no such folder, and not a Hub id"):
        prepared(bundle_toml + DNABERT2.replace("CHECKPOINT", "/not/here/yet"), toy_data, tmp_path)


def test_a_checkpoint_brings_its_own_tokenizer(bundle_toml: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a checkpoint brings its own; leave the"):
        read(bundle_toml + DNABERT2 + "\n[tokenizer]\nvocabulary = 32\n", tmp_path)


def test_a_convolution_has_no_checkpoint_and_no_first_token(toy_toml: str, tmp_path: Path) -> None:
    for line in ('checkpoint = "x/y"', 'pooling = "cls"\nhead_width = 0'):
        changed = toy_toml.replace('pooling = "attention"\n', "").replace("head_width = 8", line)
        with pytest.raises(ConfigError, match="no published checkpoint and no first token"):
            read(changed, tmp_path)


@pytest.mark.parametrize(
    ("model", "description"),
    [
        (DNABERT2, "DNABERT-2's architecture (ALiBi, gated MLP) at {sizes} over tokens, "),
        (V2, "Nucleotide Transformer v2 (rotary positions, gated MLP) at {sizes} over tokens, "),
    ],
)
def test_the_manifest_says_where_a_model_started(
    model: str, description: str, bundle_toml: str, tmp_path: Path
) -> None:
    config = read(bundle_toml + model, tmp_path)

    end = "; state of the first token."
    description = description.format(sizes=f"2 layers of width 12 and {config.model.heads} heads")
    assert config.model.description == f"{description}weights from CHECKPOINT{end}"
    assert config.with_random_weights().model.description == f"{description}trained from scratch{end}"


def prepared(toml: str, data: Path, folder: Path) -> Pipeline:
    config = read(toml, folder)
    return Pipeline(config, prepare(config, data, folder / "run"), folder / "run")


def read(toml: str, folder: Path) -> Config:
    path = folder / "toy.toml"
    path.write_text(toml)
    return read_config(path)

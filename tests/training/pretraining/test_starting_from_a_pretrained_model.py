"""A folder that pre-training wrote is a checkpoint that fine-tuning starts from."""

from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from typer.testing import CliRunner

from tests.training.pretraining.conftest import CONFIG
from training.__main__ import app
from training.config import read_config
from training.pipeline import Pipeline
from training.preparation import load_prepared
from training.pretraining.run import pretrain

MODEL = """
[model]
backbone = "dnabert2"
checkpoint = "CHECKPOINT"
width = 32
layers = 2
heads = 4
inner_width = 48
dropout = 0.0

[fit]
epochs = 1
batch = 40
learning_rate = 1e-8
"""


@pytest.fixture(scope="module")
def pretrained(toy_genome: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    pretrain(CONFIG, toy_genome, folder, torch.device("cpu"), Console(quiet=True))
    return folder / "pretrained"


def test_fine_tuning_starts_from_pretrained_weights_and_their_tokenizer(
    pretrained: Path, toy_head: str, toy_data: Path, tmp_path: Path
) -> None:
    config, runs = tmp_path / "toy.toml", tmp_path / "runs"
    config.write_text(toy_head + MODEL.replace("CHECKPOINT", str(pretrained)))

    for command in (["prepare", "--data", str(toy_data)], ["fit", "--device", "cpu"]):
        arguments = [command[0], str(config), *command[1:], "--runs", str(runs)]
        assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0

    settings = read_config(config)
    folder = runs / "toy-decay"
    pipeline = Pipeline(settings, load_prepared(settings, folder), folder)
    assert pipeline.feeder.files == {"tokenizer.json": (pretrained / "tokenizer.json").read_bytes()}

    published = load_file(pretrained / "model.safetensors")
    fitted = pipeline.load().backbone.state_dict()  # after three steps too small to see
    assert fitted.keys() == {key for key in published if key.startswith("bert.")}
    assert all(torch.allclose(value, published[key], atol=1e-6) for key, value in fitted.items())

"""A configuration is refused by the key that is wrong; the command reads it and writes the folder."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.training.pretraining.conftest import CONFIG, TOML
from training.__main__ import app
from training.errors import ConfigError
from training.pretraining.config import read_pretrain_config

SHIPPED = sorted((Path(__file__).parents[3] / "training" / "configs" / "pretraining").glob("*.toml"))


def test_a_file_is_read_into_its_dataclasses(tmp_path: Path) -> None:
    path = tmp_path / "toy.toml"
    path.write_text(TOML)

    assert read_pretrain_config(path) == CONFIG


def test_there_are_shipped_configurations() -> None:
    assert [path.stem for path in SHIPPED] == ["pf-pretrain"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_configurations_are_valid_and_named_after_their_run(path: Path) -> None:
    assert read_pretrain_config(path).name == path.stem


@pytest.mark.parametrize(
    ("line", "changed", "message"),
    [
        ('held_out = ["held-out"]', "held_out = []", "genome.held_out: name at least one contig"),
        ('held_out = ["held-out"]', 'heldout = ["x"]', "genome: unknown key heldout"),
        ("entries = 24", "entries = 8", "vocabulary: entries must lie between 9 and 32,768"),
        ("entries = 24", "entries = 40000", "vocabulary: entries must lie between 9 and 32,768"),
        ("entries = 24", "entries = 24\nsample_bases = 0", "sample_bases above 0"),
        ("heads = 4", "heads = 5", "heads must divide width"),
        ("layers = 2", "layers = 0", "every size must be above 0"),
        ("steps = 6", "steps = 0", "set steps, minutes or both"),
        ("steps = 6", "steps = -1", "set steps, minutes or both"),
        ("batch = 8", "batch = 0", "batch, learning_rate, save_every_steps and valid_rows must be above 0"),
        ("learning_rate = 0.01", "learning_rate = 0", "must be above 0"),
        ("context_tokens = 32", "context_tokens = 2", r"context_tokens: \[CLS\] and \[SEP\] leave no room in 2"),
        ("valid_rows = 8", "masking_rate = 1.0", "masking_rate must lie above 0 and below 1"),
        ("valid_rows = 8", "warmup_fraction = 1.0", "warmup_fraction from 0 to below 1"),
        ("valid_rows = 8", 'precision = "fp8"', "'fp8' is none of fp32, bf16"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, line: str, changed: str, message: str) -> None:
    path = tmp_path / "changed.toml"
    path.write_text(TOML.replace(line, changed, 1))

    with pytest.raises(ConfigError, match=message):
        read_pretrain_config(path)


def test_limits_on_the_command_line_replace_those_of_the_file() -> None:
    limited = CONFIG.limited(steps=None, minutes=2.5)

    assert (limited.fit.steps, limited.fit.minutes) == (6, 2.5)
    assert CONFIG.limited(steps=0, minutes=1.0).fit.steps == 0
    with pytest.raises(ConfigError, match="set steps, minutes or both"):
        CONFIG.limited(steps=0, minutes=None)


def test_the_command_goes_from_fasta_to_folder(toy_genome: Path, tmp_path: Path) -> None:
    path = tmp_path / "toy.toml"
    path.write_text(TOML)
    options = ["--data", str(toy_genome), "--runs", str(tmp_path / "runs"), "--device", "cpu", "--steps", "2"]

    result = CliRunner().invoke(app, ["pretrain", str(path), *options], catch_exceptions=False)

    assert result.exit_code == 0
    assert "written; perplexity" in " ".join(result.output.split())
    assert {path.name for path in (tmp_path / "runs" / "toy-pretrain" / "pretrained").iterdir()} == {
        "README.md", "config.json", "metrics.json", "model.safetensors", "provenance.json", "tokenizer.json",
        "tokenizer_config.json",
    }  # fmt: skip

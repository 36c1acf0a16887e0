"""8 bits from the command line: at export, and of a finished bundle."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.bundle import Manifest, read_bundle
from training.__main__ import app
from training.config import BundleConfig, read_config
from training.errors import ConfigError
from training.importing import ImportCard

RUNNER = CliRunner()


def run(*arguments: object) -> str:
    done = RUNNER.invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0
    return " ".join(done.output.split())


def measured(folder: Path) -> tuple[str, int]:
    manifest: Manifest = read_bundle(folder).manifest
    assert manifest.quantised is not None
    return manifest.precision, manifest.quantised.calibration_rows


def test_export_and_quantise_write_what_they_are_asked_for(wide_config: Path, toy_data: Path, tmp_path: Path) -> None:
    wide_config = write_with(wide_config, tmp_path / "toy.toml", 'precision = "int8"')
    runs, models = ["--runs", tmp_path / "runs"], tmp_path / "models"
    run("prepare", wide_config, "--data", toy_data, *runs)
    run("fit", wide_config, *runs)
    run("evaluate", wide_config, *runs)

    shown = run("export", wide_config, "--models", models, *runs)
    assert "from fp32 it differs by" in shown
    assert measured(models / "toy-decay") == ("int8", 120)

    run("export", wide_config, "--models", models, "--precision", "fp32", *runs)
    single = read_bundle(models / "toy-decay").manifest
    assert (single.precision, single.quantised) == ("fp32", None)

    run("quantise", models / "toy-decay", "--precision", "int8-weights")
    assert measured(models / "toy-decay-int8-weights") == ("int8-weights", 0)
    run("quantise", models / "toy-decay", "--precision", "int8", "--config", wide_config, "-o", models / "small", *runs)
    assert measured(models / "small") == ("int8", 120)


def test_an_import_is_in_fp32(wide_config: Path, tmp_path: Path) -> None:
    bundle: BundleConfig = read_config(write_with(wide_config, tmp_path / "toy.toml", 'precision = "int8"')).bundle
    with pytest.raises(ConfigError, match="an import is in fp32; `python -m training quantise` goes on from there"):
        ImportCard(bundle, ())


def write_with(config: Path, path: Path, line: str) -> Path:
    path.write_text(config.read_text().replace("[bundle]", f"[bundle]\n{line}"))
    return path

"""The commands, as a person runs them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.bundle import read_bundle
from app.errors import BundleError
from training.__main__ import app, main
from training.errors import ConfigError, DataError

RUNNER = CliRunner()


@pytest.fixture
def config(toy_toml: str, tmp_path: Path) -> Path:
    path = tmp_path / "toy.toml"
    path.write_text(toy_toml)
    return path


def test_run_goes_from_data_to_bundle(config: Path, toy_data: Path, tmp_path: Path) -> None:
    runs, models = tmp_path / "runs", tmp_path / "models"
    options = ["--data", str(toy_data), "--runs", str(runs), "--models", str(models), "--device", "cpu"]

    result = RUNNER.invoke(app, ["run", str(config), *options], catch_exceptions=False)

    assert result.exit_code == 0
    manifest = read_bundle(models / "toy-decay").manifest
    assert manifest.provenance.command == "python -m training run toy.toml"
    written = {path.name for path in (runs / "toy-decay").iterdir()}
    assert written == {"table.npz", "prepared.json", "predictions-test.npz", "evaluation.json", "model"}


def test_a_recipe_in_development_is_scored_on_validation_rows(config: Path, toy_data: Path, tmp_path: Path) -> None:
    runs = ["--runs", str(tmp_path / "runs")]
    for command in (
        ["prepare", str(config), "--data", str(toy_data), *runs],
        ["fit", str(config), *runs],
        ["evaluate", str(config), "--split", "valid", *runs],
    ):
        assert RUNNER.invoke(app, command, catch_exceptions=False).exit_code == 0

    written = {path.name for path in (tmp_path / "runs" / "toy-decay").iterdir()}
    assert written == {"table.npz", "prepared.json", "predictions-valid.npz", "evaluation-valid.json", "model"}


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("half_weight_umis = 20.0", "half_weight_umis = 5.0", "another data than"),
        ("[split]", '[split]\nby = "random"', "another split than"),
    ],
)
def test_a_table_of_another_configuration_is_not_trained_on(
    config: Path, toy_data: Path, tmp_path: Path, old: str, new: str, named: str
) -> None:
    runs = ["--runs", str(tmp_path / "runs")]
    RUNNER.invoke(app, ["prepare", str(config), "--data", str(toy_data), *runs], catch_exceptions=False)
    config.write_text(config.read_text().replace(old, new))

    with pytest.raises(DataError, match=f"{named} toy-decay has now: run `python -m training prepare` again"):
        RUNNER.invoke(app, ["fit", str(config), *runs], catch_exceptions=False)

    (tmp_path / "runs" / "toy-decay" / "prepared.json").unlink()
    with pytest.raises(DataError, match=r"prepared\.json is missing: run `python -m training prepare` again"):
        RUNNER.invoke(app, ["fit", str(config), *runs], catch_exceptions=False)


def test_a_dry_run_shows_whether_a_recipe_works_here(config: Path, toy_data: Path, tmp_path: Path) -> None:
    runs = ["--runs", str(tmp_path / "runs")]
    for command in (["prepare", str(config), "--data", str(toy_data)], ["fit", str(config), "--steps", "2"]):
        assert RUNNER.invoke(app, [*command, *runs], catch_exceptions=False).exit_code == 0

    written = {path.name for path in (tmp_path / "runs" / "toy-decay" / "model-dry-run").iterdir()}
    assert written >= {"best.pt", "checkpoint.pt", "config.json", "metrics.csv", "run.json"}


def test_a_refusal_is_one_line_and_status_1(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["training", "prepare", str(config), "--data", str(tmp_path)])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 1
    assert "no such folder; name the folder that holds toy/ with --data" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConfigError("leave the [tokenizer] table out [/x]"), "ConfigError: leave the [tokenizer] table out [/x]\n"),
        (BundleError("no [PAD]"), "BundleError: no [PAD]\n"),
        (PermissionError(13, "Permission denied", "runs"), "PermissionError: runs: Permission denied\n"),
        (OSError("a long way " * 20), f"OSError: {'a long way ' * 20}\n"),
    ],
)
def test_an_error_is_one_line_as_it_was_written(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise error

    monkeypatch.setattr("training.__main__.app", refuse)

    with pytest.raises(SystemExit):
        main()

    assert capsys.readouterr().err == line


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_here_is_refused_before_a_run_is_touched(
    config: Path, tmp_path: Path, device: str
) -> None:
    result = RUNNER.invoke(app, ["fit", str(config), "--runs", str(tmp_path / "runs"), "--device", device])

    assert str(result.exception).startswith(f"--device {device}: not usable here (")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "command", ["prepare", "pretrain", "fit", "evaluate", "export", "run", "crossvalidate", "report"]
)
def test_every_command_explains_itself(command: str) -> None:
    result = RUNNER.invoke(app, [command, "--help"])

    assert result.exit_code == 0
    assert "CONFIG.toml" in result.output

"""From people to a bundle, by the commands that a person runs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.bundle import read_bundle
from app.dosage import read_variants
from app.engine import OnnxModel
from tests.training.people.conftest import CONFIG
from training.__main__ import app
from training.errors import ConfigError, DataError, ExportRefused, FitError
from training.people.config import is_of_people, read_people_config
from training.predictions import load_predictions

RUNNER = CliRunner()


def run(config: Path, data: Path, *commands: str) -> None:
    folder = config.parent
    options = {
        "prepare": ["--data", data, "--runs", folder / "runs"],
        "fit": ["--runs", folder / "runs"],
        "evaluate": ["--runs", folder / "runs"],
        "export": ["--runs", folder / "runs", "--models", folder / "models"],
    }
    for command in commands:
        RUNNER.invoke(app, [command, str(config), *map(str, options[command])], catch_exceptions=False)


@pytest.fixture(scope="module")
def trained(toy_people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with `runs` and `models`, all steps done."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "toy-people.toml").write_text(CONFIG)
    run(folder / "toy-people.toml", toy_people, "prepare", "fit", "evaluate", "export")
    return folder


def test_the_bundle_holds_the_genes_that_can_be_predicted(trained: Path, dosages: np.ndarray) -> None:
    bundle = read_bundle(trained / "models" / "toy-people")
    assert bundle.manifest.target_names == ("ENSG01", "ENSG02")  # ENSG03 is noise
    variants = read_variants(bundle.manifest, bundle.files)
    rows = dosages[:, np.array(variants.positions) // 1000 - 1].astype(np.float32)
    values = OnnxModel(bundle).predict(list(rows))
    assert np.allclose(values[:, 0], 1 + dosages[:, 1], atol=0.5)
    assert variants.region("ENSG01")[0] == "chr22"


def test_the_manifest_and_the_card_say_how_it_was_measured(trained: Path) -> None:
    manifest = read_bundle(trained / "models" / "toy-people").manifest
    first = manifest.targets[0]
    assert first.description.startswith("APPLE, chr22:2,000 (-): simulated expression; depends on ")
    scores = {(score.target, score.model): score for score in manifest.scores}
    assert scores["ENSG01", "this bundle"].metrics["pearson"].value > 0.9
    assert abs(scores["ENSG01", "shuffled genotypes"].metrics["pearson"].value) < 0.4
    assert scores["ENSG01", "this bundle"].split.startswith("5-fold cross-validation across people")
    card = (trained / "models" / "toy-people" / "README.md").read_text()
    assert "60 people, 3 genes. Correlation across held-out people: mean" in card
    assert "Only the 2 genes above the least correlation" in card


def test_nobodys_genotypes_are_in_the_bundle(trained: Path) -> None:
    bundle = read_bundle(trained / "models" / "toy-people")
    variants = read_variants(bundle.manifest, bundle.files)
    in_turn = [float(place % 3) for place in range(len(variants))]
    examples = [list(example.dosage or ()) for example in bundle.manifest.golden.examples]
    assert examples == [[0.0] * len(variants), variants.mean_dosages.tolist(), in_turn]


def test_what_was_predicted_for_each_person_is_kept_with_their_fold(trained: Path) -> None:
    folder = trained / "runs" / "toy-people"
    predictions = load_predictions(folder / "predictions-test.npz")
    stored = dict(line.split("\t") for line in (folder / "folds.tsv").read_text().splitlines()[1:])
    assert predictions.targets == ("ENSG01", "ENSG02", "ENSG03")
    assert {name: str(fold) for name, fold in zip(predictions.ids, predictions.folds, strict=True)} == stored
    assert predictions.models == ["this bundle", "shuffled genotypes"]
    best = (folder / "genes.tsv").read_text().splitlines()[1].split("\t")
    assert best[:2] == ["ENSG01", "APPLE"]


def test_a_step_out_of_order_says_which_comes_first(config_file: Path, toy_people: Path) -> None:
    with pytest.raises(DataError, match="run `python -m training prepare` first"):
        run(config_file, toy_people, "fit")
    run(config_file, toy_people, "prepare")
    with pytest.raises(FitError, match="run `python -m training fit` first"):
        run(config_file, toy_people, "evaluate")
    run(config_file, toy_people, "fit")
    with pytest.raises(DataError, match="run `python -m training evaluate` first"):
        run(config_file, toy_people, "export")


def test_people_of_another_configuration_are_not_fitted(config_file: Path, toy_people: Path) -> None:
    run(config_file, toy_people, "prepare")
    config_file.write_text(config_file.read_text() + "\n[folds]\ncount = 4\n")
    with pytest.raises(DataError, match=r"prepared with another \[data\] or \[folds\]"):
        run(config_file, toy_people, "fit")


def test_figures_of_other_weights_and_a_bundle_without_genes_are_refused(
    trained: Path, toy_people: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(trained, tmp_path / "copy")
    config = folder / "toy-people.toml"
    config.write_text(config.read_text().replace("0.4", "0.999"))
    with pytest.raises(ExportRefused, match=r"no gene is predicted with a correlation above 0\.999"):
        run(config, toy_people, "export")
    evaluation = folder / "runs" / "toy-people" / "evaluation.json"
    evaluation.write_text(json.dumps(json.loads(evaluation.read_text()) | {"weights_sha256": "0" * 64}))
    with pytest.raises(ExportRefused, match="run evaluate once more"):
        run(config, toy_people, "export")


def test_a_missing_folder_is_named_with_where_to_get_its_files(config_file: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such folder; name the folder that holds toy/ .*fastqtl"):
        run(config_file, tmp_path / "nowhere", "prepare")


def test_a_configuration_of_people_is_told_apart_by_its_table(config_file: Path, tmp_path: Path) -> None:
    assert is_of_people(config_file)
    assert not is_of_people(tmp_path / "missing.toml")
    config_file.write_text(config_file.read_text() + "\n[folds]\ncount = 2\n")
    with pytest.raises(ConfigError, match=r"folds\.count must be at least 3"):
        read_people_config(config_file)

"""From people's sequences to a bundle, by the commands that a person runs."""

import json
from pathlib import Path

import onnxruntime as ort
import pytest
from typer.testing import CliRunner

from app.bundle import read_bundle
from app.engine import feed
from app.genome.genes import read_genes
from tests.training.personal.conftest import CONFIG
from training.__main__ import app
from training.errors import CheckpointError, ConfigError, DataError, ExportRefused
from training.personal.backbone import load_embedder
from training.personal.config import is_personal, read_personal_config
from training.personal.embedding import segment_feeder
from training.personal.evaluation import correlations
from training.predictions import load_predictions

RUNNER = CliRunner()


def run(config: Path, data: Path, *commands: str) -> str:
    folder, shown = config.parent, ""
    options = {
        "prepare": ["--data", data, "--runs", folder / "runs"],
        "fit": ["--runs", folder / "runs"],
        "evaluate": ["--runs", folder / "runs"],
        "export": ["--runs", folder / "runs", "--models", folder / "models"],
    }
    for command in commands:
        shown += RUNNER.invoke(app, [command, str(config), *map(str, options[command])], catch_exceptions=False).output
    return shown


@pytest.fixture(scope="module")
def trained(toy_people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with `runs` and `models`, all steps done."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "toy-personal.toml").write_text(CONFIG)
    run(folder / "toy-personal.toml", toy_people, "prepare", "fit", "evaluate", "export")
    return folder


def test_the_golden_windows_are_answered_by_the_two_graphs(trained: Path) -> None:
    bundle = read_bundle(trained / "models" / "toy-personal")
    backbone = load_embedder(trained / "runs" / "toy-personal" / "backbone")
    feeder = segment_feeder(read_personal_config(trained / "toy-personal.toml").segments, backbone)
    embedder, head = (ort.InferenceSession(bundle.files[name]) for name in ("embedder.onnx", "head.onnx"))
    assert [each.name for each in embedder.get_inputs()] == ["input_ids", "attention_mask"]
    assert [each.name for each in embedder.get_outputs()] == ["embedding"]
    for example in bundle.manifest.golden.examples:
        window = example.sequence or ""
        segments = [window[start : start + 60] for start in range(0, 240, 60)]
        (embeddings,) = embedder.run(["embedding"], feed(feeder.encode(segments), feeder.rules))
        (values,) = head.run(["values"], {"embeddings": embeddings[None]})
        assert values[0, 0] == pytest.approx(example.values["expression"], abs=1e-4)
    assert bundle.manifest.parity.largest_difference <= 1e-5


def test_held_out_people_are_predicted_and_shuffled_ones_are_not(trained: Path) -> None:
    predictions = load_predictions(trained / "runs" / "toy-personal" / "predictions-test.npz")
    assert predictions.targets == ("ENSG01", "ENSG02")  # the window of ENSG03 is not on the reference
    assert predictions.models == [
        "this bundle",
        "elastic net",
        "shuffled genotypes",
        "reference only",
        "people only",
        "genes held out",
    ]
    found = {model: correlations(predictions, model)[0] for model in predictions.models}
    assert found["this bundle"] > 0.5
    assert found["people only"] > 0.5
    assert abs(found["shuffled genotypes"]) < 0.5


def test_manifest_card_and_gene_table_say_what_a_user_needs(trained: Path) -> None:
    folder = trained / "models" / "toy-personal"
    manifest = read_bundle(folder).manifest
    assert {(score.model, score.subset) for score in manifest.scores} == {
        (model, gene)
        for model in ("this bundle", "elastic net", "shuffled genotypes")
        for gene in ("APPLE (ENSG01)", "ENSG02")
    }
    assert manifest.target_names == ("expression",)
    genes = read_genes(folder / "genes.gtf")
    assert genes.find("APPLE").tss == 999
    assert genes.find("ENSG02").tss == 2999
    card = (folder / "README.md").read_text()
    assert "--genes models/toy-personal/genes.gtf" in card
    assert "| elastic net on the same folds |" in card


def test_what_was_computed_is_not_computed_again(trained: Path, toy_people: Path) -> None:
    kept = trained / "runs" / "toy-personal" / "held-out" / "people-only.npz"
    before = kept.stat().st_mtime_ns
    assert "elastic net" in run(trained / "toy-personal.toml", toy_people, "evaluate")
    assert kept.stat().st_mtime_ns == before


def test_steps_of_another_configuration_or_out_of_order_are_refused(
    trained: Path, config_file: Path, toy_people: Path
) -> None:
    with pytest.raises(DataError, match="run `python -m training prepare`"):
        run(config_file, toy_people, "fit")
    evaluation = trained / "runs" / "toy-personal" / "evaluation.json"
    content = evaluation.read_text()
    evaluation.write_text(json.dumps(json.loads(content) | {"weights_sha256": "0" * 64}))
    with pytest.raises(ExportRefused, match="run evaluate once more"):
        run(trained / "toy-personal.toml", toy_people, "export")
    evaluation.write_text(content)


def test_a_published_checkpoint_is_asked_for_by_name(config_file: Path, toy_people: Path, tmp_path: Path) -> None:
    config_file.write_text(f'checkpoint = "{tmp_path / "nowhere"}"\n{CONFIG}')
    with pytest.raises(CheckpointError, match="no such folder"):
        run(config_file, toy_people, "prepare")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('source = "geuvadis"', 'source = "eqtl_catalogue"', "eqtl_catalogue has none"),
        ("count = 4", "count = 3", "count must be even"),
        ("heads = 2", "heads = 3", "heads must divide width"),
        ("epochs = 5", "epochs = 0", "epochs must be at least 1"),
        ("steps = 2", "steps = 0", "steps must be at least 1"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(config_file: Path, old: str, new: str, message: str) -> None:
    config_file.write_text(CONFIG.replace(old, new))
    assert is_personal(config_file)
    with pytest.raises(ConfigError, match=message):
        read_personal_config(config_file)


def test_the_report_sets_every_model_beside_the_elastic_net(trained: Path, tmp_path: Path) -> None:
    config = trained / "toy-personal.toml"
    options = ["--runs", str(trained / "runs"), "--output", str(tmp_path), "--data", str(tmp_path)]
    RUNNER.invoke(app, ["report", str(config), *options], catch_exceptions=False)
    page = (tmp_path / "toy.md").read_text()
    assert "40 people, 2 genes." in page
    assert "| gene | window's centre | this bundle | elastic net | shuffled genotypes |" in page
    assert "| APPLE (`ENSG01`) | chr22:1,000 (+) |" in page
    assert (tmp_path / "toy" / "genes.png").stat().st_size > 1000
    assert "## [People: toy](toy.md)" in (tmp_path / "README.md").read_text()

"""From a trained model to a bundle that the service loads and that predicts what was trained."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnxruntime import InferenceSession

from app.bundle import Bundle, Estimate, Manifest, read_bundle
from app.encoding import EncodedSequence, SequenceEncoder
from app.engine import OnnxModel
from training.card import model_card
from training.config import Config, read_config
from training.errors import DataError, ExportRefused, FitError
from training.evaluate import Evaluation, load_evaluation
from training.export import export
from training.feeder import Feeder, input_rules, predict
from training.graph import export_graph
from training.parity import measure_parity
from training.pipeline import Pipeline
from training.regressor import Regressor, ScaledModel


def test_a_bundle_predicts_what_the_trained_model_predicts(trained: Pipeline, bundle_folder: Path) -> None:
    bundle = read_bundle(bundle_folder)
    sequences = [*trained.prepared.table.split("test").sequences[:5]]

    served = np.vstack([serve(bundle, [sequence]) for sequence in sequences])

    assert np.allclose(served, predict(trained.load(), trained.feeder, sequences), atol=1e-5)


def test_a_prediction_does_not_depend_on_its_batch(trained: Pipeline, bundle_folder: Path) -> None:
    bundle = read_bundle(bundle_folder)
    sequences = [*trained.prepared.table.split("test").sequences[:8]]

    together = serve(bundle, sequences)

    assert np.allclose(together, np.vstack([serve(bundle, [sequence]) for sequence in sequences]), atol=1e-5)


def test_a_bundle_says_how_it_was_made_and_measured(trained: Pipeline, bundle_folder: Path) -> None:
    manifest = read_bundle(bundle_folder).manifest

    assert manifest.provenance.data_sha256 == trained.prepared.table.sha256()
    assert manifest.provenance.config["seed"] == 1
    assert manifest.parity.largest_difference <= 1e-5
    assert {score.split for score in manifest.scores} == {"test, disjoint by pairs"}
    assert {score.subset for score in manifest.scores} == {"all", ">= 20 UMIs at 1 h and 2 h"}


def test_more_weights_than_a_graph_can_hold_are_refused_before_they_are_traced(trained: Pipeline) -> None:
    model = ScaledModel(1, 1)
    model.register_buffer("weights", torch.empty(2**30, device="meta"))

    with pytest.raises(ExportRefused, match=r"the weights are 4\.3 GB, and one graph holds 2\.1 GB: about 530 million"):
        export_graph(model, trained.feeder)


def test_the_model_card_says_what_the_manifest_says(bundle_folder: Path) -> None:
    manifest = read_bundle(bundle_folder).manifest

    card = (bundle_folder / "README.md").read_text()

    assert card.startswith("# Toy decay\n")
    assert "Trained again by: `make toy`" in card
    assert f"{manifest.scores[0].metrics['r2'].value:.3f}" in card
    assert f"Licence: {manifest.licence}" in card


def test_the_model_card_says_how_far_ahead_the_bundle_is_and_keeps_splits_apart(bundle_folder: Path) -> None:
    manifest = read_bundle(bundle_folder).manifest
    own = manifest.scores[0]
    lead = Estimate(value=0.1, low=-0.02, high=0.21)
    ridge = own.model_copy(update={"model": "k-mer ridge", "difference": {"r2": lead}})
    pooled = own.model_copy(update={"split": "5-fold cross-validation, disjoint by pairs"})

    card = model_card(manifest.model_copy(update={"scores": (own, ridge, pooled)}), "Toy", "").decode()

    assert "+0.100 (-0.020 to +0.210) |" in card
    assert card.count("| model |") == 2
    assert "5-fold cross-validation, disjoint by pairs, rows: all" in card


def test_the_same_run_writes_the_same_bytes_in_the_place_of_the_old_ones(
    trained: Pipeline, evaluation: Evaluation, bundle_folder: Path
) -> None:
    before = digests(bundle_folder)

    export(trained, evaluation, bundle_folder.parent, "make toy")

    assert digests(bundle_folder) == before
    assert [path.name for path in bundle_folder.parent.iterdir()] == ["toy-decay"]


def test_a_graph_names_no_path_of_the_machine_that_wrote_it(bundle_folder: Path) -> None:
    graph = (bundle_folder / "model.onnx").read_bytes()

    assert b"site-packages" not in graph
    assert b"training/" not in graph


def test_batch_and_length_are_free_axes(bundle_folder: Path) -> None:
    graph = onnx.load(bundle_folder / "model.onnx").graph

    for value in graph.input:
        assert [axis.dim_param for axis in value.type.tensor_type.shape.dim][:2] == ["batch", "length"]
    (values,) = graph.output
    assert values.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert values.type.tensor_type.shape.dim[1].dim_value == 2


def test_a_graph_may_average_both_strands(toy_toml: str, tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_text(toy_toml)
    config = read_config(tmp_path / "toy.toml")
    shape = replace(config.model, reverse_complement_averaged=True)
    model = Regressor(shape, outputs=1, targets=1).eval()
    feeder = Feeder(input_rules(shape, config.bundle, None), {})

    session = InferenceSession(export_graph(model, feeder))
    strands = [feeder.tensors(feeder.encode([sequence]))[0] for sequence in ("AACGTTACGGTCA", "TGACCGTAACGTT")]
    first, second = (session.run(["values"], {"bases": strand.numpy()})[0] for strand in strands)

    assert feeder.rules.reverse_complement_averaged
    assert np.allclose(first, second, atol=1e-6)
    assert np.allclose(first, model(strands[0]).detach().numpy(), atol=1e-6)


def test_figures_of_other_weights_are_not_exported(trained: Pipeline, evaluation: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(ExportRefused, match="run evaluate once more"):
        export(trained, replace(evaluation, weights_sha256="0" * 64), tmp_path, "make toy")


def test_a_graph_that_predicts_something_else_is_not_exported(trained: Pipeline, bundle_folder: Path) -> None:
    model = trained.load()
    with torch.no_grad():
        model.mean += 2e-5 * model.standard_deviation

    with pytest.raises(ExportRefused, match="differ by"):
        measure_parity(model, trained.feeder, OnnxModel(read_bundle(bundle_folder)))


def test_each_step_names_the_one_that_comes_before_it(untrained: Pipeline) -> None:
    with pytest.raises(FitError, match="training fit"):
        untrained.load()
    with pytest.raises(DataError, match="training evaluate"):
        load_evaluation(untrained.folder)


def serve(bundle: Bundle, sequences: list[str]) -> np.ndarray:
    manifest: Manifest = bundle.manifest
    encoded = SequenceEncoder(manifest, bundle.files).encode(sequences)
    return OnnxModel(bundle).predict([row.ids for row in encoded if isinstance(row, EncodedSequence)])


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_golden_examples_may_be_rows_of_the_table(trained: Pipeline) -> None:
    table, written_down = trained.prepared.table, trained.config.bundle.golden_sequences

    named = Pipeline(with_golden_rows(trained.config, table.ids[3]), trained.prepared, trained.folder)

    assert named.golden_sequences == (*written_down, table.sequences[3])
    with pytest.raises(DataError, match="golden_rows: no row of the table is called elsewhere"):
        _ = Pipeline(with_golden_rows(trained.config, "elsewhere"), trained.prepared, trained.folder).golden_sequences


def with_golden_rows(config: Config, *names: str) -> Config:
    return replace(config, bundle=replace(config.bundle, golden_rows=names))

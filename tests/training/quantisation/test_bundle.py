"""A finished bundle in 8 bits: what it answers, what it says of itself, and which are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from app.bundle import Bundle, Manifest, read_bundle
from app.engine import OnnxModel
from tests.toy import write_dosage_bundle, write_toy_bundle
from training.config import read_config
from training.errors import DataError, ExportRefused
from training.evaluate import THIS_BUNDLE, evaluate
from training.export import export
from training.feeder import predict
from training.pipeline import Pipeline
from training.preparation import prepare
from training.quantisation.bundle import EightBits, quantise
from training.quantisation.material import Material, material_of
from training.quantisation.scores import IN_FP32
from training.watching import Watcher

PRECISIONS: list[EightBits] = ["int8-weights", "int8"]


@pytest.fixture(scope="module")
def trained_wide(wide_config: Path, toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    config, folder = read_config(wide_config), tmp_path_factory.mktemp("wide")
    pipeline = Pipeline(config, prepare(config, toy_data, folder), folder)
    pipeline.fit(torch.device("cpu"), Watcher(Console(quiet=True)))
    return pipeline


@pytest.fixture(scope="module")
def single(trained_wide: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return read_bundle(
        export(trained_wide, evaluate(trained_wide, {}), tmp_path_factory.mktemp("models"), "make toy").folder
    )


@pytest.fixture(scope="module")
def material(trained_wide: Pipeline) -> Material:
    return material_of(trained_wide.config, trained_wide.prepared.table)


@pytest.fixture(scope="module", params=PRECISIONS)
def quantised(
    request: pytest.FixtureRequest, single: Bundle, material: Material, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    folder = tmp_path_factory.mktemp("models") / f"toy-{request.param}"
    return read_bundle(quantise(single, request.param, folder, material).folder)


def test_it_answers_nearly_what_the_trained_model_does(trained_wide: Pipeline, quantised: Bundle) -> None:
    sequences = trained_wide.prepared.table.split("test").sequences
    feeder = trained_wide.feeder
    served = OnnxModel(quantised)

    apart = np.vstack([served.predict([row]) for row in feeder.encode(sequences)])
    apart = (apart - predict(trained_wide.load(), feeder, sequences)) / spread(quantised.manifest)

    said = quantised.manifest.quantised
    assert said is not None
    assert said.compared_rows == len(sequences)
    assert np.abs(apart).max() == pytest.approx(said.largest_difference, rel=0.02, abs=1e-4)
    assert 0 < said.rms_difference < said.largest_difference < 0.1


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(1, 20), min_size=2, max_size=9), seed=st.integers(0, 2**32 - 1))
def test_a_row_is_answered_the_same_alone_and_in_any_batch(quantised: Bundle, lengths: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = [generator.integers(5, 32, size=length).astype(np.uint16) for length in lengths]
    served = OnnxModel(quantised)

    alone = np.vstack([served.predict([row]) for row in rows])

    apart = np.abs(served.predict(rows) - alone) / spread(quantised.manifest)
    assert apart.max() <= quantised.manifest.golden.tolerance


def test_its_figures_are_taken_again_beside_those_in_fp32(single: Bundle, quantised: Bundle) -> None:
    before = {(score.target, score.subset): score for score in single.manifest.scores}
    own, in_fp32 = (
        {(score.target, score.subset): score for score in quantised.manifest.scores if score.model == name}
        for name in (THIS_BUNDLE, IN_FP32)
    )

    assert own.keys() == in_fp32.keys() == before.keys()
    for key, score in before.items():
        assert in_fp32[key].metrics["mse"].value == pytest.approx(score.metrics["mse"].value, rel=1e-4)
        lead = own[key].metrics["r2"].value - in_fp32[key].metrics["r2"].value
        assert in_fp32[key].difference["r2"].value == pytest.approx(lead, abs=1e-9)


def test_manifest_and_card_say_what_it_is_and_where_it_comes_from(single: Bundle, quantised: Bundle) -> None:
    manifest, card = quantised.manifest, quantised.files["README.md"].decode()

    assert manifest.name == f"toy-{manifest.precision}"
    assert manifest.golden.tolerance == 1e-2
    assert manifest.quantised is not None
    assert manifest.quantised.fp32_sha256 == single.sha256
    assert manifest.quantised.calibration_rows == {"int8": 120, "int8-weights": 0}[manifest.precision]
    assert manifest.provenance.command.startswith("make toy && python -m training quantise toy-decay --precision int8")
    assert card.startswith("# Toy decay\n")
    assert f"over {manifest.quantised.compared_rows} test rows" in card
    assert len(quantised.files["model.onnx"]) < len(single.files["model.onnx"])


def test_scales_come_from_training_rows_and_figures_from_test_rows(material: Material) -> None:
    assert set(material.train.splits) == {"train"}
    assert set(material.test.splits) == {"test"}


def test_a_table_that_only_words_set_apart_gives_the_same_figures(
    single: Bundle, material: Material, tmp_path: Path
) -> None:
    reworded = replace(material, table_sha256="0" * 64)
    manifest = quantise(single, "int8-weights", tmp_path / "toy", reworded).manifest
    assert THIS_BUNDLE in {score.model for score in manifest.scores}


def test_without_rows_random_inputs_are_compared_and_no_figure_is_its_own(single: Bundle, tmp_path: Path) -> None:
    manifest = quantise(single, "int8-weights", tmp_path / "toy-small", None).manifest

    assert manifest.quantised is not None
    assert (manifest.quantised.compared, manifest.quantised.compared_rows) == ("random inputs", 256)
    assert {score.model for score in manifest.scores} == {IN_FP32}


def test_the_same_bundle_gives_the_same_bytes(single: Bundle, tmp_path: Path) -> None:
    first, second = (quantise(single, "int8-weights", tmp_path / name / "toy", None).folder for name in "ab")
    assert (first / "manifest.json").read_bytes() == (second / "manifest.json").read_bytes()


def test_what_8_bits_are_not_for_is_refused(
    single: Bundle, quantised: Bundle, material: Material, tmp_path: Path
) -> None:
    genotypes, plain = read_bundle(write_dosage_bundle(tmp_path)), read_bundle(write_toy_bundle(tmp_path))
    for bundle, precision, rows, reason in (
        (quantised, "int8-weights", None, r"is in int8.*; quantise the bundle in fp32"),
        (single, "int8", None, "takes the scales of activations from training rows"),
        (genotypes, "int8-weights", None, "reads genotypes"),
        (plain, "int8-weights", None, "would hold 0% of the numbers"),
    ):
        with pytest.raises(ExportRefused, match=reason):
            quantise(bundle, precision, tmp_path / "refused", rows)
    with pytest.raises(ExportRefused, match="is no name of a bundle"):
        quantise(single, "int8-weights", tmp_path / "Capital", None)
    others = replace(material, table_sha256="0" * 64, test=material.test.rows(np.arange(4)))
    with pytest.raises(DataError, match="trained on another table"):
        quantise(single, "int8", tmp_path / "refused", others)
    assert not (tmp_path / "refused").exists()


def spread(manifest: Manifest) -> np.ndarray:
    return np.array([target.standard_deviation for target in manifest.targets])

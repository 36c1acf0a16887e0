"""An Enformer's folder becomes a bundle that answers chosen tracks around the anchor, or is refused with a reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from app.bundle import Window, read_bundle
from app.encoding import EncodedSequence, SequenceEncoder
from app.engine import ONE_HOT, OnnxModel
from tests.training.enformers import BASES, BINS, TARGET_BINS, write_enformer
from training.__main__ import app
from training.enformer.card import EnformerCard, read_enformer_card
from training.enformer.importing import find_enformer, import_enformer, load_regressor
from training.errors import CheckpointError, ConfigError, TrainingError
from training.published.enformer import load_enformer, read_enformer_shape

RUNNER = CliRunner()
CARD = """
[bundle]
name = "enformer-small"
version = "1.0.0"
title = "Enformer"
summary = "Predicts."
task = "expression"
organism = "none"
licence = "CC-BY-4.0"
citation = "Nobody."
intended_use = "Tests."
limits = "Means nothing."
min_bases = 256
max_bases = 256
ambiguous = "n"
golden_sequences = ["ACGTTGCAAGGCTATACCGATTGACCTAGG"]

[readout]
gamma_peak = "feature"

[[targets]]
name = "first"
unit = "log2 count"
scale = "log2"
pseudocount = 1.0
higher_means = "more"
description = "Made up."
tracks = [1, 4]

[[targets]]
name = "second"
unit = "count"
scale = "linear"
higher_means = "more"
description = "Made up."
tracks = [4]
standard_deviation = 2.0
"""
SEQUENCE = "".join(np.random.default_rng(1).choice(list("ACGTN"), size=BASES))


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of bundles, beside the checkpoint's."""
    folder = write_enformer(tmp_path_factory.mktemp("enformer") / "weights")
    (folder / "card.toml").write_text(CARD)
    result = RUNNER.invoke(app, ["import", str(folder), "--models", str(folder.parent)], catch_exceptions=False)
    assert result.exit_code == 0
    return folder.parent


def test_the_service_answers_the_mean_of_tracks_around_the_anchor(imported: Path) -> None:
    model = load_enformer(imported / "weights", read_enformer_shape(imported / "weights"), BASES)
    bundle = read_bundle(imported / "enformer-small")  # its golden examples are checked by OnnxModel
    (row,) = SequenceEncoder(bundle.manifest, bundle.files).encode([SEQUENCE])
    assert isinstance(row, EncodedSequence)

    served = OnnxModel(bundle).predict([row.ids, row.ids])

    with torch.no_grad():
        tracks = model.tracks(torch.from_numpy(ONE_HOT[row.ids[None]]))[0].numpy()
    anchor_bin = BASES // 2 // 16 - (BINS - TARGET_BINS) // 2  # among the target bins
    around = tracks[anchor_bin - 1 : anchor_bin + 2]
    expected = [np.log2(around[:, [1, 4]].mean() + 1), around[:, 4].mean()]
    assert served == pytest.approx(np.array([expected, expected]), abs=1e-5)


def test_a_bundle_says_its_window_and_where_its_weights_are_from(imported: Path) -> None:
    manifest = read_bundle(imported / "enformer-small").manifest

    assert manifest.input.encoding == "one_hot"
    assert manifest.input.window == Window(
        anchor="tss", upstream_bases=128, downstream_bases=128, strand_specific=False
    )
    assert (manifest.input.min_bases, manifest.input.max_bases, manifest.input.ambiguous) == (256, 256, "n")
    assert [target.standard_deviation for target in manifest.targets] == [1, 2]
    assert manifest.parity.largest_difference <= 1e-5
    assert (8, 256) in manifest.parity.shapes
    assert manifest.provenance.config["tracks"] == {"first": [1, 4], "second": [4]}
    assert set(manifest.provenance.config["files"]) == {"pytorch_model.bin"}
    assert manifest.provenance.command == "python -m training import weights"
    assert str(imported) not in manifest.to_json().decode()


def test_a_golden_sequence_fills_the_window(imported: Path) -> None:
    (example,) = read_bundle(imported / "enformer-small").manifest.golden.examples

    assert example.sequence == ("ACGTTGCAAGGCTATACCGATTGACCTAGG" * 9)[:256]


def test_the_graph_holds_no_track_that_is_not_read(imported: Path) -> None:
    graph = onnx.load_from_string(read_bundle(imported / "enformer-small").files["model.onnx"]).graph

    shapes = {tuple(weight.dims) for weight in graph.initializer}
    assert (48, 2) in shapes or (2, 48) in shapes  # tracks 1 and 4
    assert not {(5, 48), (48, 5), (3, 48), (48, 3)} & shapes


def test_the_gammas_are_scaled_as_the_card_says(tmp_path: Path) -> None:
    found = find_enformer(str(write_enformer(tmp_path / "weights")))
    card = card_of(CARD, tmp_path)
    other = replace(card, readout=replace(card.readout, gamma_peak="distance"))
    bases = torch.from_numpy(ONE_HOT[np.random.default_rng(2).integers(0, 4, size=(1, BASES))])

    with torch.no_grad():
        answers = [load_regressor(found, each)[0](bases) for each in (card, other)]

    assert not torch.allclose(*answers, atol=1e-3)


def test_an_answer_is_standardised_by_its_spread(tmp_path: Path) -> None:
    model, feeder = load_regressor(find_enformer(str(write_enformer(tmp_path / "w"))), card_of(CARD, tmp_path))
    inputs = feeder.tensors(feeder.encode([SEQUENCE]))

    with torch.no_grad():
        assert model.standardised(*inputs)[0].tolist() == pytest.approx(
            (model(*inputs)[0] / torch.tensor([1, 2])).tolist()
        )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tracks = [1, 4]", "tracks = []", "targets: first: tracks must be one number or more"),
        ("tracks = [1, 4]", "tracks = [1, 1]", "targets: first: tracks must be one number or more, from 0, each once"),
        ("tracks = [1, 4]", "tracks = [-1]", "targets: first: tracks must be"),
        ("tracks = [1, 4]\n", "", r"card\.toml: targets\[0\]: tracks is missing"),
        ("tracks = [1, 4]", "tracks = [5]", "targets: first: the model has 5 tracks, 0 to 4; not 5"),
        ('scale = "log2"', 'scale = "other"', "targets: first: scale must be linear, log2, log10 or ln"),
        ("pseudocount = 1.0", "pseudocount = 0.0", "targets: first: a logarithm of counts needs a pseudocount"),
        ("deviation = 2.0", "deviation = 0.0", "targets: second: standard_deviation must be finite and above 0"),
        ('name = "second"', 'name = "first"', "targets: first stands there twice"),
        ("min_bases = 256", "min_bases = 240", "set min_bases and max_bases to it"),
        ("_bases = 256", "_bases = 112", "a window of 112 bases; it must be a multiple of 16 bases, and at least 128"),
        ('licence = "CC-BY-4.0"', 'licence = " "', r"bundle\.licence: name the one that the weights are under"),
        ('gamma_peak = "feature"', "", r"card\.toml: readout: gamma_peak is missing"),
        ("[readout]", "[readout]\nbins = 2", r"readout\.bins must be odd"),
        ("[readout]", "[readout]\nbins = 9", r"readout\.bins: the model answers for 8 bins"),
        ("[readout]", '[readout]\norganism = "rat"', "'rat' is none of the model's, which are human, mouse"),
        ('["ACGTTGCAAGGCTATACCGATTGACCTAGG"]', '[""]', r"bundle\.golden_sequences: one of them is empty"),
    ],
)
def test_a_card_that_does_not_belong_to_the_model_is_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    found = find_enformer(str(write_enformer(tmp_path / "weights")))
    count = -1 if old == "_bases = 256" else 1

    with pytest.raises(TrainingError, match=message):
        import_enformer(found, card_of(CARD.replace(old, new, count), tmp_path), tmp_path, "again")


def test_a_card_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"card\.toml: No such file .*; --template prints a card to fill in"):
        read_enformer_card(tmp_path / "card.toml")


def test_damaged_weights_end_the_command_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_enformer(tmp_path / "weights")
    (folder / "card.toml").write_text(CARD)
    path = folder / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:-1000])

    result = RUNNER.invoke(app, ["import", str(folder), "--models", str(tmp_path)])

    assert isinstance(result.exception, CheckpointError)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "enformer-small").exists()


def test_the_template_is_a_card(tmp_path: Path) -> None:
    folder = write_enformer(tmp_path / "weights")

    result = RUNNER.invoke(app, ["import", str(folder), "--template"], catch_exceptions=False)

    made = card_of(result.stdout, tmp_path)
    assert made.bundle.max_bases == 1536 * 16
    assert made.targets[0].tracks == (0,)
    load_regressor(find_enformer(str(folder)), made)


def test_the_template_names_a_published_track_and_window(tmp_path: Path) -> None:
    sizes = {"num_downsamples": 7, "output_heads": {"human": 5313, "mouse": 1643}}
    folder = write_enformer(tmp_path / "weights", {}, **sizes)

    result = RUNNER.invoke(app, ["import", str(folder), "--template"], catch_exceptions=False)

    made = card_of(result.stdout, tmp_path)
    assert (made.bundle.max_bases, made.targets[0].tracks) == (196_608, (5110,))


def card_of(toml: str, folder: Path) -> EnformerCard:
    path = folder / "card.toml"
    path.write_text(toml)
    return read_enformer_card(path)

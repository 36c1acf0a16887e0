"""Our Enformer: the published keys, and the answers of enformer-pytorch for the same weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from app.engine import ONE_HOT
from tests.training.enformers import (
    BASES,
    BINS,
    ORACLE,
    SHAPES,
    TARGET_BINS,
    enformer_weights,
    second_name,
    under_both_names,
    write_enformer,
)
from tests.training.published import write_weights
from training.backbones.enformer import AttentionPooling, Enformer, EnformerShape
from training.backbones.relative_attention import by_place
from training.errors import CheckpointError, ConfigError
from training.published.enformer import is_enformer, load_enformer, read_enformer_shape

SMALL = EnformerShape(
    width=24,
    layers=2,
    heads=2,
    key_width=4,
    downsamples=4,
    width_step=4,
    target_bins=TARGET_BINS,
    tracks={"human": 5, "mouse": 3},
)


def test_the_keys_are_the_published_ones() -> None:
    ours = {key: tuple(value.shape) for key, value in Enformer(SMALL, BASES).state_dict().items()}
    counters = {key for key in ours if key.endswith("num_batches_tracked")}

    assert {key: shape for key, shape in ours.items() if key not in counters} == SHAPES
    assert {name for key in ours for name in (key, second_name(key))} == set(ORACLE["keys"])


@pytest.mark.parametrize("organism", ["human", "mouse"])
def test_the_answers_are_those_of_enformer_pytorch(organism: str, tmp_path: Path) -> None:
    folder = write_enformer(tmp_path)
    # The oracle's use_tf_gamma is off: its table is for 1,536 bins only.
    model = load_enformer(folder, replace(read_enformer_shape(folder), gamma_peak="distance"), BASES)

    with torch.no_grad():
        answers = model.tracks(torch.from_numpy(ONE_HOT[ORACLE["codes"]]), organism).numpy()

    assert answers.shape == (2, TARGET_BINS, SMALL.tracks[organism])
    assert np.abs(answers - ORACLE[organism]).max() < 1e-5


@pytest.mark.parametrize("form", ["bin", "safetensors", "bin shards"])
def test_weights_are_read_under_either_name_or_both(form, tmp_path: Path) -> None:
    weights = enformer_weights()
    forms = (weights, {second_name(key): value for key, value in weights.items()})
    if form != "safetensors":  # which holds no tensor twice
        forms = (*forms, under_both_names(weights))

    for number, named in enumerate(forms):
        folder = write_enformer(tmp_path / str(number), named, form)
        read = load_enformer(folder, read_enformer_shape(folder), BASES).state_dict()
        assert all(torch.equal(read[key], value) for key, value in weights.items())


def test_the_backbone_answers_states_of_the_target_bins(tmp_path: Path) -> None:
    folder = write_enformer(tmp_path)
    model = load_enformer(folder, read_enformer_shape(folder), BASES)
    bases = torch.from_numpy(ONE_HOT[ORACLE["codes"]])

    with torch.no_grad():
        states, mask = model(bases)
        part = model.states_of(bases, 7, 10)

    assert states.shape == (2, TARGET_BINS, 48)
    assert mask.tolist() == [[1.0] * TARGET_BINS] * 2
    first_target = (BINS - TARGET_BINS) // 2
    assert torch.allclose(part, states[:, 7 - first_target : 10 - first_target], atol=1e-6)
    assert len(model.layers) == 2


def test_pooling_is_a_softmax_over_each_two_neighbours() -> None:
    pooling, states = AttentionPooling(3), torch.randn(2, 3, 8)

    pairs = states.reshape(2, 3, 4, 2)
    weights = torch.softmax(pooling.to_attn_logits(pairs), dim=-1)

    assert torch.allclose(pooling(states), (weights * pairs).sum(-1), atol=1e-6)


def test_scores_by_distance_go_to_the_keys_place() -> None:
    distances = torch.arange(-2.0, 3.0).expand(1, 1, 3, 5)  # columns: 2 bins to the left to 2 to the right

    assert by_place(distances)[0, 0].tolist() == [[0, 1, 2], [-1, 0, 1], [-2, -1, 0]]


def test_the_published_sizes() -> None:
    shape = EnformerShape()

    assert shape.tower_widths == [768, 768, 896, 1024, 1152, 1280, 1536]
    assert (shape.bin_bases, shape.position_features) == (128, 192)


def test_windows_that_the_model_cannot_read_are_refused() -> None:
    for bases in (BASES + 1, 7 * 16):
        with pytest.raises(ConfigError, match=rf"a window of {bases} bases; .* multiple of 16 bases, and at least 128"):
            Enformer(SMALL, bases)
    assert Enformer(replace(SMALL, target_bins=None), 64).target_bins == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dim": None}, r"config\.json: dim is missing"),
        ({"depth": 0}, r"config\.json: depth is no size"),
        ({"target_length": "896"}, "target_length is no size"),
        ({"output_heads": {"human": 0}}, "output_heads names no organisms"),
        ({"output_heads": None}, "output_heads names no organisms"),
        ({"use_convnext": True}, "use_convnext is true"),
        ({"num_downsamples": 2}, "sizes that belong to no model .*at least 3 poolings"),
        ({"dim": 32}, "sizes that belong to no model .*a multiple of 6 times the heads"),
    ],
)
def test_a_configuration_of_no_model_is_refused(change: dict[str, object], message: str, tmp_path: Path) -> None:
    folder = write_enformer(tmp_path, **change)

    with pytest.raises(CheckpointError, match=message):
        read_enformer_shape(folder)


def test_without_a_target_length_all_bins_are_answered(tmp_path: Path) -> None:
    assert read_enformer_shape(write_enformer(tmp_path, target_length=-1)).target_bins is None


def test_a_folder_is_known_by_its_configuration(tmp_path: Path) -> None:
    assert is_enformer(write_enformer(tmp_path / "one"))
    assert not is_enformer(write_enformer(tmp_path / "other", model_type="esm"))
    assert not is_enformer(tmp_path)


@pytest.mark.parametrize(
    ("lacking", "added", "message"),
    [
        (
            "transformer.1.0.fn.1.to_rel_k",
            {},
            r"transformer\.1\.0\.fn\.1\.to_rel_k\.weight is missing .*\(1 keys are\)",
        ),
        ("", {"extra.weight": torch.ones(2)}, r"extra\.weight is no part of this model"),
        ("", {"stem.0.weight": torch.ones(12, 4, 13)}, r"has the shape \(12, 4, 13\), expected \(12, 4, 15\)"),
        ("", {"_heads.human.0.bias": torch.ones(6)}, r"_heads\.human\.0\.bias has the shape \(6,\), expected \(5,\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_key(
    lacking: str, added: dict[str, Tensor], message: str, tmp_path: Path
) -> None:
    weights = {key: value for key, value in enformer_weights().items() if not lacking or lacking not in key}
    folder = write_enformer(tmp_path, weights | added)

    with pytest.raises(CheckpointError, match=message):
        load_enformer(folder, SMALL, BASES)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    folder = write_enformer(tmp_path)
    path = folder / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:-1000])

    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin: cannot be read as weights .* truncated or damaged"):
        load_enformer(folder, SMALL, BASES)

    write_weights(path, {})
    with pytest.raises(CheckpointError, match=r"_heads\.human\.0\.bias is missing"):
        load_enformer(folder, SMALL, BASES)

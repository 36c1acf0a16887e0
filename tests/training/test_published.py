"""A published checkpoint is read whole or refused by the name of its folder and key."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training import published
from tests.training.published import (
    Format,
    dnabert2_config,
    dnabert2_language_head,
    dnabert2_regression_head,
    dnabert2_shapes,
    random_weights,
    v2_config,
    v2_regression_head,
    v2_shapes,
    write_checkpoint,
    write_dnabert2,
    write_v2,
)
from tests.training.references import dnabert2_states
from training.errors import CheckpointError, ConfigError
from training.published.families import check_shape, read_shape
from training.published.loading import load_backbone, load_weights
from training.published.naming import published_names
from training.published.source import checkpoint_folder
from training.published.weights import read_adapter_weights, read_weights
from training.recipe import ModelConfig
from training.regressor import Regressor

DNABERT2 = ModelConfig(backbone="dnabert2", width=12, layers=2, heads=3, inner_width=8)
V2 = ModelConfig(backbone="nucleotide_transformer", version="v2", width=12, layers=2, heads=2, inner_width=8)
FORMATS: tuple[Format, ...] = ("safetensors", "bin", "safetensors shards", "bin shards")


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_of_weights_gives_the_same_states(form: Format, tmp_path: Path) -> None:
    model = loaded(replace(DNABERT2, checkpoint=str(write_dnabert2(tmp_path, form=form))), vocabulary=12)
    ids = [1, 11, 5, 10, 2]

    states, _ = model.backbone(torch.tensor([ids]), torch.ones(1, 5, dtype=torch.int64))

    weights = {key: value.double().numpy() for key, value in random_weights(everything()).items()}
    expected = dnabert2_states(weights, ids, layers=2, slopes=[2**-4, 2**-8, 2**-2])
    assert np.allclose(states[0].detach().numpy(), expected, atol=1e-5)


def test_weights_of_torch_before_archives_are_read(tmp_path: Path) -> None:
    torch.save(random_weights(everything()), tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=False)

    assert read_weights(tmp_path).keys() == everything().keys()


def test_half_precision_is_computed_in_single(tmp_path: Path) -> None:
    weights = {key: value.half() for key, value in random_weights(everything()).items()}
    write_checkpoint(tmp_path, dnabert2_config(), weights, "safetensors")

    model = loaded(replace(DNABERT2, checkpoint=str(tmp_path)), vocabulary=12)

    kept = model.backbone.state_dict()["bert.embeddings.LayerNorm.bias"]
    assert kept.dtype == torch.float32
    assert torch.equal(kept, weights["bert.embeddings.LayerNorm.bias"].float())


def test_a_head_that_is_not_in_the_checkpoint_stays_random(tmp_path: Path) -> None:
    config = replace(DNABERT2, checkpoint=str(write_dnabert2(tmp_path)), pooling="cls", head="pooler")
    torch.manual_seed(5)
    untouched = Regressor(config, 1, 1, 12).head.state_dict()
    torch.manual_seed(5)

    model = loaded(config, vocabulary=12)

    assert all(torch.equal(value, untouched[key]) for key, value in model.head.state_dict().items())


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "model-00002-of-00002.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused_by_name(name: str, share: float, tmp_path: Path) -> None:
    form = next(form for form in FORMATS if (write_dnabert2(tmp_path / form, form=form) / name).is_file())
    damaged = tmp_path / form / name
    damaged.write_bytes(damaged.read_bytes()[: int(share * damaged.stat().st_size)])

    with pytest.raises(CheckpointError, match=rf"{name}: cannot be read as weights .* truncated or damaged"):
        read_weights(tmp_path / form)


def test_a_pickle_that_runs_code_is_not_run(tmp_path: Path) -> None:
    class Planted:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"bert": Planted()}, protocol=2))

    with pytest.raises(CheckpointError, match="cannot be read as weights"):
        read_weights(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_something_else_than_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "pytorch_model.bin")

    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin: holds something else than tensors"):
        read_weights(tmp_path)


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"neither model\.safetensors nor pytorch_model\.bin is here"):
        read_weights(tmp_path)
    with pytest.raises(CheckpointError, match=r"neither adapter_model\.safetensors nor adapter_model\.bin is here"):
        read_adapter_weights(tmp_path)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"x": "model-00003-of-00003.safetensors"}, r"model-00003-of-00003\.safetensors: no such file"),
        ({"x": "../other.safetensors"}, "names a file outside its folder"),
        ({}, "names no weights"),
        ({"bert.pooler.dense.weight": "model-00001-of-00002.safetensors"}, r"lacks bert\.pooler\.dense\.weight"),
    ],
)
def test_an_index_that_does_not_fit_its_shards_is_refused(places: dict[str, str], message: str, tmp_path: Path) -> None:
    write_dnabert2(tmp_path, form="safetensors shards")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))

    with pytest.raises(CheckpointError, match=message):
        read_weights(tmp_path)


@given(key=st.sampled_from(sorted(dnabert2_shapes())))
def test_any_missing_key_is_named(key: str) -> None:
    weights = random_weights({name: shape for name, shape in everything().items() if name != key})

    with pytest.raises(CheckpointError, match=rf"^folder: {key} is missing from the weights \(1 keys are\)"):
        load_weights(published_names(Regressor(DNABERT2, 1, 1, 12)), weights, Path("folder"))


@given(key=st.sampled_from(sorted(dnabert2_shapes())), axis=st.integers(0, 1))
def test_any_wrong_shape_is_named(key: str, axis: int) -> None:
    shape = list(dnabert2_shapes()[key])
    shape[min(axis, len(shape) - 1)] += 1
    weights = random_weights(everything() | {key: tuple(shape)})

    with pytest.raises(CheckpointError, match=rf"^folder: {key} has the shape .*, expected"):
        load_weights(published_names(Regressor(DNABERT2, 1, 1, 12)), weights, Path("folder"))


@pytest.mark.parametrize("key", ["bert.pooler.dense.weight", "bert.encoder.layer.2.mlp.wo.bias", "extra"])
def test_an_unexpected_key_is_named(key: str) -> None:
    with pytest.raises(CheckpointError, match=rf"^folder: {key} is no part of this model \(1 keys are not\)"):
        load_weights(
            published_names(Regressor(DNABERT2, 1, 1, 12)), random_weights(everything() | {key: (1,)}), Path("folder")
        )


def test_version_2_takes_its_frequencies_and_leaves_its_positions(tmp_path: Path) -> None:
    weights = random_weights(v2_shapes())
    for key in weights:
        if key.endswith("inv_freq"):
            weights[key] = weights[key].half()  # as saved with a model that was trained in half precision
    write_checkpoint(tmp_path, v2_config(), weights, "bin")

    model = loaded(replace(V2, checkpoint=str(tmp_path)), vocabulary=4107)

    frequencies = model.backbone.state_dict()["esm.rotary_embeddings.inv_freq"]
    assert frequencies.tolist() == pytest.approx([1.0, 10000 ** (-1 / 3), 10000 ** (-2 / 3)], rel=1e-3)
    assert frequencies.tolist() == frequencies.half().tolist()


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (dnabert2_config(), DNABERT2),
        ({**dnabert2_config(), "auto_map": None, "model_type": "bert"}, DNABERT2),
        ({key: value for key, value in dnabert2_config().items() if key != "alibi_starting_size"}, DNABERT2),
        (v2_config(), replace(V2, dropout=0.0)),
        ({**v2_config(), "model_type": "esm", "auto_map": None}, replace(V2, dropout=0.0)),
        ({key: value for key, value in v2_config().items() if key != "add_bias_fnn"}, replace(V2, dropout=0.0)),
        (
            {
                **v2_config(),
                "model_type": "esm",
                "position_embedding_type": "absolute",
                "max_position_embeddings": 1002,
            },
            replace(V2, version="v1", positions=1002, dropout=0.0),
        ),
    ],
)
def test_a_family_is_known_by_its_config(document: dict[str, object], expected: ModelConfig, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(document))

    assert read_shape(tmp_path) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "bert", "auto_map": None, "alibi_starting_size": None}, "no other family is read"),
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"hidden_size": "wide"}, "hidden_size is no size"),
        ({"num_attention_heads": 5}, "sizes that belong to no model"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps is 1e-05; only 1e-12 is read"),
        ({"hidden_act": "relu"}, "hidden_act is relu; only gelu is read"),
    ],
)
def test_a_config_that_cannot_be_meant_is_refused_by_key(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    document = {key: value for key, value in {**dnabert2_config(), **changes}.items() if value is not None}
    (tmp_path / "config.json").write_text(json.dumps(document))

    with pytest.raises(CheckpointError, match=message):
        read_shape(tmp_path)


def test_a_protein_model_is_none_of_the_families(tmp_path: Path) -> None:
    document = {key: value for key, value in v2_config().items() if key not in {"add_bias_fnn", "auto_map"}}
    (tmp_path / "config.json").write_text(json.dumps({**document, "model_type": "esm"}))

    with pytest.raises(CheckpointError, match="no other family is read"):
        read_shape(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON; the file is damaged"), ("[]", "holds no JSON object"), (None, "No such file")],
)
def test_a_config_that_is_no_json_object_is_refused(text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)

    with pytest.raises(CheckpointError, match=rf"config\.json: {message}"):
        read_shape(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (replace(V2, width=16), "hidden_size makes width 12, the configuration says 16; set model.width = 12"),
        (
            replace(V2, version="v1", positions=1002),
            "position_embedding_type makes version v2, .* set model.version = ",
        ),
        (
            replace(V2, token_dropout=True),
            "token_dropout makes token_dropout False, .* set model.token_dropout = false",
        ),
        (DNABERT2, "its family makes backbone nucleotide_transformer"),
    ],
)
def test_a_checkpoint_of_other_sizes_than_the_recipe_is_refused_by_key(
    wanted: ModelConfig, message: str, tmp_path: Path
) -> None:
    write_v2(tmp_path)

    with pytest.raises(CheckpointError, match=message):
        check_shape(wanted, tmp_path)


def test_names_are_the_published_ones() -> None:
    dnabert2 = Regressor(replace(DNABERT2, pooling="cls", head="pooler"), 2, 2, 12)
    assert shapes_of(dnabert2) == dnabert2_shapes() | dnabert2_regression_head(2)

    v2 = Regressor(replace(V2, pooling="cls", head="pooler"), 3, 3, 4107)
    besides = ("position_embeddings.weight", "inv_freq", "regression.weight", "regression.bias")
    published_part = {key: shape for key, shape in v2_shapes().items() if not key.endswith(besides)}
    shared = {"esm.rotary_embeddings.inv_freq": (3,)}  # once, and not in each layer
    assert shapes_of(v2) == published_part | v2_regression_head(3) | shared


def test_a_convolution_has_no_published_names() -> None:
    with pytest.raises(ConfigError, match="no published checkpoint"):
        published_names(Regressor(ModelConfig(backbone="convolution", width=4), 1, 1))


def test_a_source_is_a_folder_or_a_hub_id(tmp_path: Path) -> None:
    assert checkpoint_folder(str(tmp_path)) == tmp_path
    with pytest.raises(CheckpointError, match="/no/such/folder: no such folder, and not a Hub id"):
        checkpoint_folder("/no/such/folder")


@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_what_the_hub_client_keeps_is_read_without_a_network(
    form: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "models--owner--name"
    write_dnabert2(kept / "snapshots" / ("a" * 40), form=form)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("a" * 40)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    assert len(read_weights(checkpoint_folder("owner/name"))) == len(everything())
    assert checkpoint_folder("owner/name@" + "a" * 40) == checkpoint_folder("owner/name")
    with pytest.raises(CheckpointError, match="owner/other@v2: the Hub does not give it"):
        checkpoint_folder("owner/other@v2")


def test_heavy_libraries_are_imported_only_for_models_that_need_them() -> None:
    code = (
        "import sys, training.__main__; "
        "print([name for name in ('transformers', 'peft', 'huggingface_hub', 'sklearn') if name in sys.modules])"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"


def everything() -> published.Shapes:
    return dnabert2_shapes() | dnabert2_language_head()


def loaded(config: ModelConfig, vocabulary: int) -> Regressor:
    model = Regressor(config, 1, 1, vocabulary).eval()
    load_backbone(model, config)
    return model


def shapes_of(model: Regressor) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in published_names(model).state_dict().items()}

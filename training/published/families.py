"""Which family a checkpoint is of, and its sizes as a configuration says them: `config.json` read as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.errors import CheckpointError, ConfigError
from training.published.source import CONFIG, read_json, read_size
from training.recipe import ModelConfig

SIZES = {
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "inner_width": "intermediate_size",
}
LAYER_NORM_EPSILON = 1e-12


def read_shape(folder: Path) -> ModelConfig:
    """The backbone that a checkpoint holds, its head left open.

    Raises:
        CheckpointError: `config.json` is missing, of a family that is not read, or lacks a size.
    """
    document = read_json(folder / CONFIG)
    family = family_of(document, folder)
    sizes: dict[str, Any] = {ours: read_size(document, theirs, folder) for ours, theirs in SIZES.items()}
    _check_constants(document, family, folder)
    try:
        if family == "dnabert2":
            return ModelConfig(backbone="dnabert2", dropout=float(document.get("hidden_dropout_prob", 0.1)), **sizes)
        if family == "v1":
            sizes["positions"] = read_size(document, "max_position_embeddings", folder)
        return ModelConfig(
            backbone="nucleotide_transformer",
            version="v1" if family == "v1" else "v2",
            token_dropout=bool(document.get("token_dropout", False)),
            dropout=float(document.get("hidden_dropout_prob", 0.0)),
            **sizes,
        )
    except ConfigError as error:
        raise CheckpointError(f"{folder / CONFIG}: sizes that belong to no model ({error})") from None


def family_of(document: Mapping[str, Any], folder: Path) -> str:
    """`dnabert2`, or `v1` or `v2` of Nucleotide Transformer.

    DNABERT-2 names no `model_type`, so it is known by its own code's file or by ALiBi; Nucleotide Transformer v2 by
    rotary positions with a bias-free MLP or its own code, which ESM's protein models do not have.

    Raises:
        CheckpointError: it is neither.
    """
    own_code = " ".join(str(value) for value in (document.get("auto_map") or {}).values())
    if "bert_layers." in own_code or "alibi_starting_size" in document:
        return "dnabert2"
    rotary = document.get("position_embedding_type") == "rotary"
    if rotary and (document.get("add_bias_fnn") is False or "esm" in own_code):
        return "v2"
    if document.get("model_type") == "esm" and not rotary:
        return "v1"
    raise CheckpointError(
        f"{folder / CONFIG}: neither DNABERT-2 (auto_map with bert_layers, or alibi_starting_size) nor Nucleotide "
        "Transformer v1 (model_type esm) or v2 (rotary, add_bias_fnn false); no other family is read"
    )


def check_shape(wanted: ModelConfig, folder: Path) -> None:
    """Refuse a checkpoint of another family or of other sizes than the configuration's.

    Raises:
        CheckpointError: they differ; the message names the key.
    """
    found = read_shape(folder)
    for ours, theirs in _compared(wanted).items():
        expected, there = getattr(wanted, ours), getattr(found, ours)
        if expected != there:
            raise CheckpointError(
                f"{folder / CONFIG}: {theirs} makes {ours} {there}, the configuration says {expected}; "
                f"set model.{ours} = {_as_toml(there)} or name another checkpoint"
            )


def _compared(wanted: ModelConfig) -> dict[str, str]:
    """Our key to theirs, of what a checkpoint has to agree in."""
    keys = {"backbone": "its family"} | SIZES
    if wanted.backbone == "nucleotide_transformer":
        keys |= {"version": "position_embedding_type", "token_dropout": "token_dropout"}
        keys |= {"positions": "max_position_embeddings"} if wanted.version == "v1" else {}
    return keys


def _as_toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def _check_constants(document: Mapping[str, Any], family: str, folder: Path) -> None:
    """What the modules take for granted; a file may leave it out, but not contradict it."""
    expected: dict[str, Any] = {"layer_norm_eps": LAYER_NORM_EPSILON, "hidden_act": "gelu"}
    if family != "dnabert2":
        expected = {
            "layer_norm_eps": LAYER_NORM_EPSILON,
            "emb_layer_norm_before": False,
            "pad_token_id": 1,
            "mask_token_id": 2,
        }
    for key, value in expected.items():
        found = document.get(key)
        if found is not None and found != value:
            raise CheckpointError(f"{folder / CONFIG}: {key} is {found}; only {value} is read")

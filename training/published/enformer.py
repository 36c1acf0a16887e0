"""Enformer's checkpoint, as enformer-pytorch writes it: `config.json` and weights, each module under two names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.backbones.enformer import Enformer, EnformerShape
from training.errors import CheckpointError, ConfigError
from training.published.loading import load_weights
from training.published.source import CONFIG, read_json, read_size
from training.published.weights import Weights, read_weights

FAMILY = "enformer"
SIZES = {
    "width": "dim",
    "layers": "depth",
    "heads": "heads",
    "key_width": "attn_dim_key",
    "downsamples": "num_downsamples",
    "width_step": "dim_divisible_by",
}
SECOND_NAMES = {"_trunk.1": "stem", "_trunk.2": "conv_tower", "_trunk.4": "transformer", "_trunk.6": "final_pointwise"}
"""The published module registers its parts once more in a row, so files hold them under either name or both."""

BATCHES_SEEN = "num_batches_tracked"
"""What counts the batches of training, and is not read after it."""


def is_enformer(folder: Path) -> bool:
    """Whether a folder holds an Enformer, by what its configuration says.

    Raises:
        CheckpointError: the configuration is damaged.
    """
    return (folder / CONFIG).is_file() and read_json(folder / CONFIG).get("model_type") == FAMILY


def read_enformer_shape(folder: Path) -> EnformerShape:
    """The sizes that a checkpoint's configuration says, with the published model's positions.

    Its `use_tf_gamma` is not read: enformer-pytorch saves false whichever positions the weights were loaded with.

    Raises:
        CheckpointError: a size is missing, or they belong to no model.
    """
    document = read_json(folder / CONFIG)
    if document.get("use_convnext"):
        raise CheckpointError(f"{folder / CONFIG}: use_convnext is true; only the published architecture is read")
    sizes: dict[str, Any] = {ours: read_size(document, theirs, folder) for ours, theirs in SIZES.items()}
    try:
        return EnformerShape(
            **sizes,
            target_bins=_target_bins(document, folder),
            tracks=_tracks(document, folder),
        )
    except ConfigError as error:
        raise CheckpointError(f"{folder / CONFIG}: sizes that belong to no model ({error})") from None


def load_enformer(folder: Path, shape: EnformerShape, window_bases: int) -> Enformer:
    """The model with a checkpoint's weights, in evaluation mode.

    Raises:
        CheckpointError: the weights are damaged, a key is missing or unexpected, or a shape is another.
        ConfigError: the window is not the model's.
    """
    model = Enformer(shape, window_bases)
    counters = {key for key in model.state_dict() if key.endswith(BATCHES_SEEN)}
    load_weights(model, once_named(read_weights(folder)), folder, may_lack=counters)
    return model.eval()


def once_named(weights: Weights) -> Weights:
    """The weights without their second names."""
    named: Weights = {}
    for key, value in weights.items():
        second = next((name for name in SECOND_NAMES if key.startswith(f"{name}.")), None)
        named[SECOND_NAMES[second] + key.removeprefix(second) if second else key] = value
    return named


def _target_bins(document: Mapping[str, Any], folder: Path) -> int | None:
    return None if document.get("target_length") == -1 else read_size(document, "target_length", folder)


def _tracks(document: Mapping[str, Any], folder: Path) -> dict[str, int]:
    heads = document.get("output_heads")
    if not isinstance(heads, dict) or not heads or any(type(count) is not int or count < 1 for count in heads.values()):
        raise CheckpointError(f"{folder / CONFIG}: output_heads names no organisms with their numbers of tracks")
    return heads

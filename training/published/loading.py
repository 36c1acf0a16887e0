"""Published weights into a model: every key accounted for, every shape the expected one."""

from __future__ import annotations

import re
from collections.abc import Set
from pathlib import Path

from torch import nn

from training.errors import CheckpointError
from training.published.families import check_shape
from training.published.naming import head_keys, published_names
from training.published.source import checkpoint_folder
from training.published.weights import Weights, read_weights
from training.recipe import ModelConfig
from training.regressor import Regressor

# Parts of published checkpoints that no state depends on: language-model heads, ESM's contacts, a buffer of 0, 1, 2 ...
UNUSED = re.compile(r"cls\.predictions\..*|lm_head\..*|esm\.contact_head\..*|esm\.embeddings\.position_ids")
# Version 2 of Nucleotide Transformer has rotary positions, and does not read the learnt ones it carries besides.
POSITIONS = "esm.embeddings.position_embeddings.weight"
FREQUENCIES = "esm.rotary_embeddings.inv_freq"
LAYER_FREQUENCIES = re.compile(r"esm\.encoder\.layer\.\d+\.attention\.self\.rotary_embeddings\.inv_freq")
# Names of TensorFlow's days, which transformers 5 still writes and accepts.
LAYER_NORM = re.compile(r"LayerNorm\.(?P<name>gamma|beta)$")


def load_backbone(model: Regressor, config: ModelConfig) -> None:
    """Load the weights of the configuration's checkpoint; a head that it does not have stays as it is.

    Raises:
        CheckpointError: the checkpoint cannot be read, or is not of the configuration's family and sizes.
    """
    folder = checkpoint_folder(config.checkpoint)
    check_shape(config, folder)
    named, weights = published_names(model), read_weights(folder)
    load_weights(named, weights, folder, may_lack=head_keys(named) - set(weights))


def load_weights(named: nn.Module, weights: Weights, folder: Path, may_lack: Set[str] = frozenset()) -> None:
    """Load weights by their published keys.

    Args:
        named: a module under published names.
        weights: as read from the folder.
        folder: for messages.
        may_lack: keys that may stay as they are.

    Raises:
        CheckpointError: a key is missing or unexpected, or a shape is another.
    """
    expected = named.state_dict()
    read = _with_shared_frequencies(weights) if FREQUENCIES in expected else weights
    read = {LAYER_NORM.sub(_new_name, key): value for key, value in read.items()}
    # Frequencies follow from the sizes where a checkpoint leaves them out.
    if missing := sorted(set(expected) - set(read) - may_lack - {FREQUENCIES}):
        raise CheckpointError(f"{folder}: {missing[0]} is missing from the weights ({len(missing)} keys are)")
    if unexpected := sorted(key for key in set(read) - set(expected) if not UNUSED.fullmatch(key)):
        raise CheckpointError(f"{folder}: {unexpected[0]} is no part of this model ({len(unexpected)} keys are not)")
    used = {key: read[key] for key in set(expected) & set(read)}
    for key, value in sorted(used.items()):
        if value.shape != expected[key].shape:
            wanted, found = tuple(expected[key].shape), tuple(value.shape)
            raise CheckpointError(f"{folder}: {key} has the shape {found}, expected {wanted}")
    named.load_state_dict(used, strict=False)


def _new_name(old: re.Match[str]) -> str:
    return {"gamma": "LayerNorm.weight", "beta": "LayerNorm.bias"}[old["name"]]


def _with_shared_frequencies(weights: Weights) -> Weights:
    """Older checkpoints hold the rotary frequencies once a layer, all the same, and positions that are not read."""
    read = {key: value for key, value in weights.items() if key != POSITIONS and not LAYER_FREQUENCIES.fullmatch(key)}
    held = sorted(filter(LAYER_FREQUENCIES.fullmatch, weights))
    return read | ({FREQUENCIES: weights[held[0]]} if held else {})

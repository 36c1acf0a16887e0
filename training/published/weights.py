"""The weights of a checkpoint: one file or several, safetensors or torch's own format, never unpickled as code."""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from training.errors import CheckpointError
from training.published.source import read_json

Weights = dict[str, Tensor]
SAFE, PICKLED = "model.safetensors", "pytorch_model.bin"
SAFE_ADAPTER, PICKLED_ADAPTER = "adapter_model.safetensors", "adapter_model.bin"


def read_weights(folder: Path) -> Weights:
    """Read all weights of a checkpoint.

    Args:
        folder: holds `model.safetensors` or `pytorch_model.bin`, or the shards that such a file's index names.

    Returns:
        Key to tensor, on the CPU, in the precision they were saved in.

    Raises:
        CheckpointError: no such file, or one is missing, truncated, or not what its name says.
    """
    for name in (SAFE, PICKLED):
        if (folder / name).is_file():
            return read_weight_file(folder / name)
        if (folder / f"{name}.index.json").is_file():
            return _read_shards(folder, f"{name}.index.json")
    raise CheckpointError(f"{folder}: neither {SAFE} nor {PICKLED} is here, nor an index of either")


def read_adapter_weights(folder: Path) -> Weights:
    """Read the weights of a PEFT adapter; arguments, result and errors are those of `read_weights`."""
    for name in (SAFE_ADAPTER, PICKLED_ADAPTER):
        if (folder / name).is_file():
            return read_weight_file(folder / name)
    raise CheckpointError(f"{folder}: neither {SAFE_ADAPTER} nor {PICKLED_ADAPTER} is here")


def read_weight_file(path: Path) -> Weights:
    """Read one file of weights.

    Raises:
        CheckpointError: it is missing, truncated, or holds something else than tensors by name.
    """
    try:
        weights: object = load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file, though the index names it") from None
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        reason = type(error).__name__
        raise CheckpointError(f"{path}: cannot be read as weights ({reason}); it is truncated or damaged") from None
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise CheckpointError(f"{path}: holds something else than tensors by name")
    return dict(weights)


def weight_digests(*folders: Path) -> dict[str, str]:
    """SHA-256 of each file of weights in some folders, by name, so that a bundle can be traced to them."""
    patterns = ("*.safetensors", "*.bin")
    files = [path for folder in folders for pattern in patterns for path in sorted(folder.glob(pattern))]
    return {path.name: _sha256(path) for path in files}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpickled(path: Path) -> object:
    # Files of torch before 1.6 are no archives, and cannot be mapped into memory.
    return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path) or None)


def _read_shards(folder: Path, index: str) -> Weights:
    places = read_json(folder / index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise CheckpointError(f"{folder / index}: names no weights (`weight_map`)")
    weights: Weights = {}
    for name in sorted(set(places.values())):
        if Path(name).name != name:
            raise CheckpointError(f"{folder / index}: names a file outside its folder")
        weights |= read_weight_file(folder / name)
    if absent := sorted(set(places) - set(weights)):
        raise CheckpointError(f"{folder}: {places[absent[0]]} lacks {absent[0]}, which {index} says it holds")
    return weights

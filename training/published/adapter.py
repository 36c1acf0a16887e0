"""A PEFT adapter on its base: read and merged by the peft library, with every key of the adapter accounted for."""

from __future__ import annotations

import warnings
from pathlib import Path

from torch import nn

from training.errors import CheckpointError
from training.published.source import ADAPTER_CONFIG, read_json
from training.published.weights import Weights, read_adapter_weights

PREFIX = "base_model.model."
LOW_RANK = "lora_"
"""What the names of an adapter's own weights start with."""


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds an adapter instead of a whole model."""
    return (folder / ADAPTER_CONFIG).is_file()


def base_of(folder: Path) -> str:
    """The base that the adapter was trained on: a folder or a Hub id.

    Raises:
        CheckpointError: the adapter does not say.
    """
    document = read_json(folder / ADAPTER_CONFIG)
    base, revision = document.get("base_model_name_or_path"), document.get("revision")
    if not isinstance(base, str) or not base:
        raise CheckpointError(f"{folder / ADAPTER_CONFIG}: names no base model; name it with --base")
    is_on_hub = not Path(base).expanduser().is_dir()
    return f"{base}@{revision}" if revision and is_on_hub else base


def saved_whole(weights: Weights) -> Weights:
    """The parts of an adapter that were trained in full, such as its head, by their published keys."""
    return {key.removeprefix(PREFIX): value for key, value in weights.items() if not _is_low_rank(key)}


def merge_adapter(named: nn.Module, folder: Path) -> Weights:
    """Put an adapter on its base and merge the two.

    Args:
        named: the base, under published names; it is changed.
        folder: the adapter's.

    Returns:
        All weights by their published keys.

    Raises:
        CheckpointError: the adapter is damaged, does not fit the base, or is of a kind that cannot be merged.
    """
    # Slow to import, and only needed here.
    from peft import PeftModel, get_peft_model_state_dict  # noqa: PLC0415

    if (kind := read_json(folder / ADAPTER_CONFIG).get("peft_type")) != "LORA":
        raise CheckpointError(f"{folder / ADAPTER_CONFIG}: peft_type is {kind}; only LORA is merged")
    weights = read_adapter_weights(folder)
    try:
        with warnings.catch_warnings():
            # Of missing keys, which are checked below.
            warnings.simplefilter("ignore")
            adapted = PeftModel.from_pretrained(named, str(folder))
            taken = set(get_peft_model_state_dict(adapted))
    except Exception as error:  # noqa: BLE001 - the library raises many kinds for an adapter that does not fit
        raise CheckpointError(f"{folder}: the adapter does not fit its base ({_first_line(error)})") from None
    if odd := sorted(taken ^ set(weights)):
        held = "missing from the adapter" if odd[0] in taken else "no part of its base"
        raise CheckpointError(f"{folder}: {odd[0]} is {held}")
    merged: nn.Module = adapted.merge_and_unload()
    return dict(merged.state_dict())


def _is_low_rank(key: str) -> bool:
    return any(part.startswith(LOW_RANK) for part in key.split("."))


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"

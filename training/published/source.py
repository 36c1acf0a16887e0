"""Where a checkpoint's files are: a folder of this machine, or one that the Hub's own client keeps."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.errors import CheckpointError

CONFIG = "config.json"
ADAPTER_CONFIG = "adapter_config.json"
DESCRIPTIONS = (CONFIG, ADAPTER_CONFIG, "tokenizer.json", "vocab.txt")
SAFE_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "model-*.safetensors", "adapter_model.safetensors")
PICKLED_WEIGHTS = ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*.bin", "adapter_model.bin")
HUB_ID = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


def checkpoint_folder(source: str) -> Path:
    """Find a checkpoint, downloading what is read of it when it is on the Hub and not here yet.

    Args:
        source: a folder, or `owner/name` or `owner/name@revision` on the Hub.

    Raises:
        CheckpointError: it is neither, or the Hub does not give it.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    hub_id = HUB_ID.fullmatch(source)
    if hub_id is None:
        raise CheckpointError(f"{source}: no such folder, and not a Hub id (owner/name or owner/name@revision)")
    folder = _downloaded(hub_id, (*DESCRIPTIONS, *SAFE_WEIGHTS))
    if any(folder.glob("*.safetensors")):
        return folder
    return _downloaded(hub_id, (*DESCRIPTIONS, *PICKLED_WEIGHTS))


def shown_source(source: str) -> str:
    """A source as a manifest names it: a path of this machine says nothing to whoever reads that."""
    return Path(source).resolve().name if Path(source).expanduser().is_dir() else source


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CheckpointError: the file is missing, or something else.
    """
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from None
    except ValueError:
        raise CheckpointError(f"{path}: not JSON; the file is damaged or truncated") from None
    if not isinstance(document, dict):
        raise CheckpointError(f"{path}: holds no JSON object")
    return document


def read_size(document: Mapping[str, Any], key: str, folder: Path) -> int:
    """One size of a `config.json`.

    Raises:
        CheckpointError: it is missing, or no whole number of at least 1.
    """
    value = document.get(key)
    if type(value) is not int or value < 1:
        raise CheckpointError(f"{folder / CONFIG}: {key} is {'missing' if value is None else 'no size'}")
    return value


def _downloaded(hub_id: re.Match[str], files: Sequence[str]) -> Path:
    # Slow to import, and only needed here.
    from huggingface_hub import snapshot_download  # noqa: PLC0415

    try:
        return Path(snapshot_download(hub_id["name"], revision=hub_id["revision"], allow_patterns=list(files)))
    except (OSError, ValueError) as error:  # the Hub client's errors are kinds of these
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointError(
            f"{hub_id.string}: the Hub does not give it ({type(error).__name__}: {reason}); "
            "name a folder that holds its files instead"
        ) from None

"""The tokenizer of a checkpoint, as the `tokenizer.json` that the service reads."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from training.errors import CheckpointError
from training.recipe import ModelConfig
from training.tokenizers.six_mer import BASES_PER_TOKEN, PADDING, START, UNKNOWN, six_mer_tokenizer
from training.tokenizers.special import padding_id

TOKENIZER, VOCABULARY = "tokenizer.json", "vocab.txt"


def checkpoint_tokenizer(folder: Path, model: ModelConfig) -> bytes:
    """Read DNABERT-2's own `tokenizer.json`, or make one of Nucleotide Transformer's `vocab.txt`.

    Raises:
        CheckpointError: the file is missing, damaged, or not the family's.
    """
    if model.backbone == "dnabert2":
        return _own(folder / TOKENIZER)
    return _six_mers(folder / VOCABULARY)


def _own(path: Path) -> bytes:
    content = _read(path)
    try:
        padding_id(Tokenizer.from_buffer(content))
    except Exception as error:  # noqa: BLE001 - tokenizers raises bare Exception for a broken file
        raise CheckpointError(f"{path}: not a tokenizer with a padding token ({error})") from None
    return content


def _six_mers(path: Path) -> bytes:
    lines = _read(path).decode("utf-8", "replace").split()
    if absent := {UNKNOWN, PADDING, START, *"ACGTN", "A" * BASES_PER_TOKEN} - set(lines):
        raise CheckpointError(f"{path}: not a vocabulary of six-mers; {min(absent)} is missing")
    if lines.index(PADDING) != 1:
        raise CheckpointError(f"{path}: {PADDING} is on line {lines.index(PADDING) + 1}; the model counts on line 2")
    return six_mer_tokenizer(lines)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}; copy it from where the weights come from") from None

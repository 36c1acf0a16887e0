"""The tokenizer that a model brings with it, as the `tokenizer.json` that the service reads."""

from __future__ import annotations

from pathlib import Path

from app.bundle import TOKENIZER
from training.errors import CheckpointError, DataError
from training.published.source import checkpoint_folder
from training.recipe import ModelConfig
from training.tokenizers.building import TrainedTokenizer, six_mers
from training.tokenizers.layout import read_layout
from training.tokenizers.six_mer import PAD, six_mer_tokenizer

VOCABULARY = "vocab.txt"
PADDING_LINE = 2
"""Where every published vocabulary has its padding token: Nucleotide Transformer counts positions by its id, 1."""


def brought_tokenizer(model: ModelConfig) -> TrainedTokenizer:
    """The tokenizer of a model that needs no `[tokenizer]` table.

    Args:
        model: with a checkpoint, or Nucleotide Transformer with random weights.

    Raises:
        CheckpointError: the checkpoint has none that can be read.
    """
    if model.checkpoint:
        return checkpoint_tokenizer(checkpoint_folder(model.checkpoint), model)
    return six_mers(model.version)


def checkpoint_tokenizer(folder: Path, model: ModelConfig) -> TrainedTokenizer:
    """Read DNABERT-2's own `tokenizer.json`, or make one of Nucleotide Transformer's `vocab.txt`.

    Raises:
        CheckpointError: the file is missing, damaged, or not the family's.
    """
    if model.backbone == "nucleotide_transformer":
        content, said = _six_mers(folder / VOCABULARY), "six-mers"
    else:
        content, said = _own(folder / TOKENIZER), "byte pairs"
    entries = read_layout(content).vocabulary
    return TrainedTokenizer({TOKENIZER: content}, f"The published model's own {said}, {entries:,} entries.")


def _own(path: Path) -> bytes:
    content = _read(path)
    try:
        read_layout(content)
    except Exception as error:  # noqa: BLE001 - tokenizers raises bare Exception for a broken file
        raise CheckpointError(f"{path}: not a tokenizer with a padding token ({error})") from None
    return content


def _six_mers(path: Path) -> bytes:
    lines = _read(path).decode("utf-8", "replace").split()
    try:
        content = six_mer_tokenizer(lines)
    except DataError as error:
        raise CheckpointError(f"{path.parent}/{error}") from None
    if (line := lines.index(PAD) + 1) != PADDING_LINE:
        raise CheckpointError(f"{path}: {PAD} is on line {line}; the model counts on line {PADDING_LINE}")
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}; copy it from where the weights come from") from None

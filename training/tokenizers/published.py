"""The tokenizer that lies beside published weights."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from app.bundle import TOKENIZER
from training.errors import DataError
from training.tokenizers.six_mer import six_mer_tokenizer

VOCABULARY = "vocab.txt"


def read_published(folder: Path) -> bytes:
    """Read `tokenizer.json`, or build the six-mer tokenizer of a `vocab.txt`.

    Args:
        folder: a published model, as it was downloaded.

    Returns:
        The content of `tokenizer.json`.

    Raises:
        DataError: neither file is there, or it cannot be read.
    """
    try:
        if (folder / TOKENIZER).is_file():
            return _checked((folder / TOKENIZER).read_bytes(), folder / TOKENIZER)
        return six_mer_tokenizer((folder / VOCABULARY).read_text(encoding="utf-8").split())
    except FileNotFoundError:
        raise DataError(f"{folder}: has neither {TOKENIZER} nor {VOCABULARY}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{folder}: the tokenizer cannot be read ({type(error).__name__})") from None
    except DataError as error:
        raise DataError(f"{folder}/{error}") from None


def _checked(content: bytes, path: Path) -> bytes:
    try:
        Tokenizer.from_buffer(content)
    except Exception as error:  # noqa: BLE001 - tokenizers raises bare Exception for a broken file
        raise DataError(f"{path.name}: not a tokenizer ({type(error).__name__})") from None
    return content

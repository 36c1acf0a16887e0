"""Opening a data set's files: plain, gzip or xz, by their ending; and saying which are missing."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from training.errors import DataError

OPENERS: dict[str, Callable[..., IO[str]]] = {".gz": gzip.open, ".xz": lzma.open}


@contextmanager
def opened(path: Path) -> Iterator[IO[str]]:
    """The text of a file; `.gz` and `.xz` are inflated."""
    with OPENERS.get(path.suffix, open)(path, "rt", encoding="utf-8") as text:
        yield text


def read_cells(path: Path, separator: str = "\t") -> Iterator[list[str]]:
    """The cells of each line, for files without quotes."""
    with opened(path) as lines:
        for line in lines:
            yield line.rstrip("\r\n").split(separator)


def require(folder: Path, names: tuple[str, ...], obtained: str) -> None:
    """Check that files are there.

    Args:
        folder: where they should be.
        names: of the files.
        obtained: a sentence on where a person gets them.

    Raises:
        DataError: some are missing; it names them.
    """
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise DataError(f"{folder} lacks {', '.join(missing)}. {obtained}")

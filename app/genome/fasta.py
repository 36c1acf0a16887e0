"""Opening a FASTA that may lack its index, in a folder that may be read-only."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pysam

from app.errors import SettingsError


def open_fasta(path: Path) -> pysam.FastaFile:
    """Open a FASTA, plain or bgzip, making its index where there is none.

    A missing index is made in a private folder, which is deleted once it has been read into memory; it is then laid
    beside the FASTA if that folder can be written to, so that the next start need not make it again.

    Raises:
        SettingsError: it cannot be read as a FASTA, or is compressed otherwise than with bgzip.
    """
    if not path.is_file():
        raise SettingsError("reference: there is no such file")
    try:
        return pysam.FastaFile(str(path)) if _is_indexed(path) else _open_and_index(path)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"reference: not a FASTA that can be indexed, plain or bgzip ({type(error).__name__}); "
            "compress it with bgzip, not gzip"
        ) from None


def _indexes(path: Path) -> list[Path]:
    return [Path(f"{path}{ending}") for ending in ((".fai", ".gzi") if _is_compressed(path) else (".fai",))]


def _is_compressed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _is_indexed(path: Path) -> bool:
    return all(index.is_file() for index in _indexes(path))


def _open_and_index(path: Path) -> pysam.FastaFile:
    with tempfile.TemporaryDirectory(prefix="basecast-") as folder:
        linked = Path(folder) / path.name
        linked.symlink_to(path.resolve())
        fasta = pysam.FastaFile(str(linked))
        for made, kept in zip(_indexes(linked), _indexes(path), strict=True):
            _lay_beside(made, kept)
    return fasta


def _lay_beside(made: Path, kept: Path) -> None:
    """Copy and rename, so that another process never reads half an index."""
    partial = kept.with_name(f".{kept.name}.{made.parent.name}")
    try:
        shutil.copyfile(made, partial)
        partial.replace(kept)
    except OSError:
        partial.unlink(missing_ok=True)

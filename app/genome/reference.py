"""The reference that the operator configured: a FASTA, plain or bgzip, read through its index."""

from __future__ import annotations

import base64
import hashlib
import threading
from pathlib import Path
from typing import NamedTuple

import pysam

from app.errors import ItemError, Unprocessable
from app.genome.contigs import resolve
from app.genome.fasta import open_fasta
from app.genome.intervals import Interval
from app.genome.stretch import Stretch

DIGEST_STEP_BASES = 4 << 20


class Piece(NamedTuple):
    """One sequence of the FASTA: a whole contig, or a part of it as its name `contig:first-last` says."""

    name: str
    start: int
    end: int


class Reference:
    """A FASTA and its index; safe to use from several threads, which read in turn.

    Args:
        path: the operator's; never anything that a client sent.

    Raises:
        SettingsError: it cannot be read as a FASTA, or is compressed otherwise than with bgzip.
    """

    def __init__(self, path: Path) -> None:
        self._fasta = open_fasta(path)
        self._lock = threading.Lock()
        self._digests: dict[Piece, str] = {}
        self._pieces = _pieces_by_contig(self._fasta)

    def contig_bases(self, contig: str) -> int | None:
        """The length of a contig by the reference's own name; None where the FASTA holds a part of it only."""
        pieces = self._pieces[contig]
        return pieces[0].end if len(pieces) == 1 and pieces[0].name == contig else None

    def bases_by_any_name(self, contig: str) -> int | None:
        """The same by any name of the contig; None too where there is no such contig."""
        known = resolve(contig, self._pieces)
        return None if known is None else self.contig_bases(known)

    def contig(self, name: str, pointer: str = "/region") -> str:
        """The reference's own name of a contig, which may be given with or without `chr`.

        Raises:
            Unprocessable: there is no such contig.
        """
        known = resolve(name, self._pieces)
        if known is None:
            detail = "The reference has no contig of this name, with or without chr."
            raise Unprocessable(detail, items=[ItemError(pointer, "invalid_value", detail)])
        return known

    def stretch(self, interval: Interval, pointer: str = "/region", margin_bases: int = 0) -> Stretch:
        """The bases of an interval as the FASTA writes them, or those of them that it has.

        Args:
            interval: its contig may have any of its names.
            margin_bases: so many more at either side.

        Raises:
            Unprocessable: there is no such contig, or nothing of the interval on it.
        """
        contig = self.contig(interval.contig, pointer)
        piece = self._piece(contig, interval, pointer)
        start = max(interval.start - margin_bases, piece.start)
        end = min(interval.end + margin_bases, piece.end)
        bases = self._read(piece, start, end)
        return Stretch(contig, start, bases, piece.start, piece.end)

    def refget(self, interval: Interval) -> str:
        """The digest that names the sequence an interval lies on, after GA4GH refget: `SQ.` and 32 characters.

        It is computed once from all bases of the contig, which takes about a second for a human chromosome, so ask in
        a thread.

        Raises:
            Unprocessable: there is no such contig, or nothing of the interval on it.
        """
        piece = self._piece(self.contig(interval.contig), interval, "/region")
        if piece not in self._digests:
            self._digests[piece] = self._digest(piece)
        return self._digests[piece]

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._fasta.close()

    def _piece(self, contig: str, interval: Interval, pointer: str) -> Piece:
        for piece in self._pieces[contig]:
            if piece.start < interval.end and interval.start < piece.end:
                return piece
        detail = f"The interval lies outside what the reference has of {contig}."
        raise Unprocessable(detail, items=[ItemError(pointer, "invalid_value", detail)])

    def _read(self, piece: Piece, start: int, end: int) -> bytes:
        with self._lock:
            text: str = self._fasta.fetch(piece.name, start - piece.start, end - piece.start)
        return text.encode("ascii", "replace")

    def _digest(self, piece: Piece) -> str:
        sha512 = hashlib.sha512()
        for start in range(piece.start, piece.end, DIGEST_STEP_BASES):
            sha512.update(self._read(piece, start, min(start + DIGEST_STEP_BASES, piece.end)).upper())
        return "SQ." + base64.urlsafe_b64encode(sha512.digest()[:24]).decode("ascii")


def _pieces_by_contig(fasta: pysam.FastaFile) -> dict[str, tuple[Piece, ...]]:
    pieces: dict[str, list[Piece]] = {}
    for name, length in zip(fasta.references, fasta.lengths, strict=True):
        contig, start = _place(name, length)
        pieces.setdefault(contig, []).append(Piece(name, start, start + length))
    return {contig: tuple(sorted(several, key=lambda piece: piece.start)) for contig, several in pieces.items()}


def _place(name: str, length: int) -> tuple[str, int]:
    """Contig and 0-based start of a sequence; a name that only looks like a part is a contig's own."""
    contig, _, places = name.rpartition(":")
    first, _, last = places.partition("-")
    if contig and first.isdecimal() and last.isdecimal() and int(last) - int(first) + 1 == length:
        return contig, int(first) - 1
    return name, 0

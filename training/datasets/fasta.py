"""Contigs of a FASTA file, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from training.datasets.files import opened


def read_contigs(path: Path) -> Iterator[tuple[str, str]]:
    """Each contig's name, up to the first blank, and its bases in the file's case."""
    name, lines = "", list[str]()
    with opened(path) as text:
        for line in text:
            if not line.startswith(">"):
                lines.append(line.strip())
                continue
            if name:
                yield name, "".join(lines)
            name, lines = line[1:].split(maxsplit=1)[0], []
    if name:
        yield name, "".join(lines)

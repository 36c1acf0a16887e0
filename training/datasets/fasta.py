"""Windows of a FASTA file, by its index where there is one, else contig by contig."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from training.datasets.files import OPENERS, opened, read_cells
from training.datasets.windows import Window


@dataclass(frozen=True)
class IndexLine:
    """Where a contig is in its file: a line of a `.fai`.

    Attributes:
        offset: of its first base, in bytes.
        line_bases, line_bytes: of each of its lines but the last, without and with the line's end.
    """

    bases: int
    offset: int
    line_bases: int
    line_bytes: int

    def byte_of(self, position: int) -> int:
        """Offset of a base in the file; 0-based."""
        line, column = divmod(position, self.line_bases)
        return self.offset + line * self.line_bytes + column


def read_windows(path: Path, windows: Mapping[str, Window]) -> dict[str, str]:
    """The bases of the windows that lie on the file's contigs.

    Args:
        path: FASTA; an index beside it (`.fai`) is used when the file is not compressed.
        windows: by name.

    Returns:
        By name, 5' to 3' along the window's strand and in the file's case.
    """
    index = path.with_name(f"{path.name}.fai")
    if path.suffix not in OPENERS and index.is_file():
        return _by_index(path, _read_index(index), windows)
    return _by_contig(path, windows)


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


def _by_contig(path: Path, windows: Mapping[str, Window]) -> dict[str, str]:
    names_of: dict[str, list[str]] = {}
    for name, window in windows.items():
        names_of.setdefault(window.contig, []).append(name)
    return {
        name: windows[name].along_strand(contig[windows[name].start : windows[name].end])
        for contig_name, contig in read_contigs(path)
        for name in names_of.get(contig_name, [])
        if windows[name].fits(len(contig))
    }


def _by_index(path: Path, index: Mapping[str, IndexLine], windows: Mapping[str, Window]) -> dict[str, str]:
    with path.open("rb") as file:
        return {
            name: window.along_strand(_slice(file, index[window.contig], window))
            for name, window in windows.items()
            if window.contig in index and window.fits(index[window.contig].bases)
        }


def _slice(file: IO[bytes], line: IndexLine, window: Window) -> str:
    start = line.byte_of(window.start)
    file.seek(start)
    return b"".join(file.read(line.byte_of(window.end - 1) + 1 - start).split()).decode("ascii")


def _read_index(path: Path) -> dict[str, IndexLine]:
    return {name: IndexLine(*map(int, numbers[:4])) for name, *numbers in read_cells(path)}

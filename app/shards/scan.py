"""One pass over an input: its digest, and where its shards lie.

The records are those of the very reader that will read the shards, so both agree on where one ends.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import IO, BinaryIO, cast

from app.records import FASTA_MARK, delimiter_of, explained, is_zipped, name_of, open_source, parse, text_of
from app.shards.plan import Cutter, Input, Shard

READ_BYTES = 1024 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Scanned:
    """An input, and its shards."""

    input: Input
    shards: tuple[Shard, ...]


def scan(source: str, shard_records: int, copy: IO[bytes] | None = None) -> Scanned:
    """Read an input once.

    Args:
        source: a path, or `-` for standard input.
        shard_records: the most records of a shard.
        copy: takes the plain text, where the input cannot be read from any place in it.

    Raises:
        TableError: it cannot be read, or is neither FASTA nor a table with a column `sequence`.
    """
    with ExitStack() as opened:
        digested = Digested(opened.enter_context(open_source(source)))
        raw = cast("BinaryIO", io.BufferedReader(digested, READ_BYTES))
        start = _mark_bytes(raw) if copy is None else 0
        text = opened.enter_context(text_of(raw))
        opened.enter_context(explained(name_of(source)))
        lines = CountedLines(text, start, copy)
        head, head_lines = _read_head(lines)
        shards = tuple(_cut(lines, head_lines, head, shard_records))
        facts = Input(size_bytes=digested.size, sha256=digested.hexdigest(), text_bytes=lines.position, head=head)
    return Scanned(facts, shards)


def is_seekable(source: str) -> bool:
    """Whether a part of an input can be read without all before it: a plain file it is, then."""
    if name_of(source) != source:
        return False
    with open_source(source) as raw:
        return raw.seekable() and not is_zipped(raw)


class Digested(io.RawIOBase):
    """Bytes whose digest is taken as they are read.

    Attributes:
        size: how many have been.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = cast("io.BufferedIOBase", source)
        self._sha256 = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # a writable buffer of any kind
        size = self._source.readinto(buffer)
        self._sha256.update(memoryview(buffer)[:size])
        self.size += size
        return size

    def hexdigest(self) -> str:
        """Of what has been read."""
        return self._sha256.hexdigest()


class CountedLines:
    """Lines of text that tell where in its bytes they are.

    Attributes:
        line_start, position: where the line that was read last begins and ends.
        ended: whether it was the last.
    """

    def __init__(self, lines: Iterator[str], start: int, copy: IO[bytes] | None = None) -> None:
        self._lines, self._copy = lines, copy
        self.line_start = self.position = start
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines, None)
        if line is None:
            self.ended = True
            raise StopIteration
        encoded = line.encode()
        self.line_start, self.position = self.position, self.position + len(encoded)
        if self._copy is not None:
            self._copy.write(encoded)
        return line


def _mark_bytes(raw: BinaryIO) -> int:
    mark = cast("io.BufferedReader", raw).peek(len(BYTE_ORDER_MARK))
    return len(BYTE_ORDER_MARK) if mark.startswith(BYTE_ORDER_MARK) else 0


def _read_head(lines: CountedLines) -> tuple[tuple[int, int], list[str]]:
    """The lines up to the first that says something, of a table all those that name its columns, and where they are."""
    start, read = lines.position, list[str]()
    for line in lines:
        read.append(line)
        if line.strip():
            break
    if not read or read[-1].startswith(FASTA_MARK):
        return (start, start), read

    def header() -> Iterator[str]:
        yield read[-1]
        for line in lines:
            read.append(line)
            yield line

    next(csv.reader(header(), delimiter=delimiter_of(read[-1]), strict=True))
    return (start, lines.position), read


def _cut(lines: CountedLines, head_lines: list[str], head: tuple[int, int], shard_records: int) -> Iterator[Shard]:
    is_fasta = head[0] == head[1]
    cutter = Cutter(head[1], shard_records)
    for _ in parse(chain(head_lines, lines)):
        # A record of a FASTA is known to have ended when the next one's header has been read.
        at_next_header = is_fasta and not lines.ended
        yield from cutter.add(lines.line_start if at_next_header else lines.position)
    yield from cutter.rest()

"""The records of one shard, read from its place in the input."""

from __future__ import annotations

import io
from pathlib import Path

from app.errors import ShardError
from app.records import Record, explained, parse
from app.shards.plan import Input, Shard


def read_shard(text: Path, facts: Input, shard: Shard) -> list[Record]:
    """The records of a shard.

    Args:
        text: the plain text of the input.
        facts: what the plan knows of it.

    Raises:
        ShardError: it is not the text that the plan was made for.
        TableError: it cannot be read.
    """
    with explained(str(text)), text.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        content = _between(file, *facts.head) + _between(file, shard.start, shard.end)
        records = list(parse(io.StringIO(content.decode(), newline=""), shard.first_number))
    if size != facts.text_bytes or len(records) != shard.records:
        raise ShardError(
            f"{text} is not what the plan was made for; it has changed, or is another file on this machine"
        )
    return records


def _between(file: io.BufferedReader, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)

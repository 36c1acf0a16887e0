"""POST /predict/individual seen from outside: a file as a multipart body, server-sent events as they arrive."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

CHUNK_BYTES = 256 * 1024


@contextmanager
def upload(request: bytes, vcf: Path) -> Iterator[tuple[Mapping[str, str], Iterator[bytes]]]:
    """Header fields and body that carry a request and a file, whose name stays here.

    Raises:
        OSError: the file cannot be read.
    """
    boundary = secrets.token_hex(16)
    before = _head(boundary, "request", "application/json") + request + b"\r\n"
    before += _head(boundary, "vcf", "application/octet-stream")
    after = f"\r\n--{boundary}--\r\n".encode()
    with vcf.open("rb") as file:
        length = len(before) + vcf.stat().st_size + len(after)
        fields = {"content-type": f"multipart/form-data; boundary={boundary}", "content-length": str(length)}
        yield fields, _body(before, file, after)


def read_events(lines: Iterable[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and data of each event, as the service writes them: one line of data each."""
    name = ""
    for line in lines:
        field, _, value = line.decode().rstrip("\r\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def _head(boundary: str, name: str, kind: str) -> bytes:
    disposition = f'form-data; name="{name}"; filename="{name}"' if name == "vcf" else f'form-data; name="{name}"'
    return f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {kind}\r\n\r\n".encode()


def _body(before: bytes, file: IO[bytes], after: bytes) -> Iterator[bytes]:
    yield before
    while chunk := file.read(CHUNK_BYTES):
        yield chunk
    yield after

"""Request bodies: read within limits, then parsed strictly.

JSON is parsed by the standard library with hooks, because it must refuse what faster parsers wave through: duplicate
keys, NaN, numbers beyond any use.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from app.api.exchange import Exchange
from app.api.fields import Fields
from app.errors import (
    BodyTooLarge,
    ClientGone,
    ItemError,
    MalformedJson,
    MalformedRequest,
    Unprocessable,
)
from app.errors import UnsupportedMediaType as Unsupported

JSON = "application/json"
FASTA = "text/x-fasta"
MAX_DEPTH = 20
MAX_DIGITS = 18
MAX_KEYS = 16
DISCARD_SECONDS = 2.0

Receive = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How large a body may be, and how many sequences it may hold."""

    max_bytes: int = 8 * 1024 * 1024
    max_sequences: int = 4096


def media_type(fields: Fields, accepted: tuple[str, ...]) -> str:
    """The body's media type.

    Raises:
        UnsupportedMediaType: it is not one of `accepted`, or is compressed or not in UTF-8.
    """
    encodings = fields.get("content-encoding")
    if encodings is not None and any(it.strip().lower() != "identity" for it in encodings.split(",")):
        raise Unsupported("Compressed bodies are not read here; send it without Content-Encoding.")
    return _media_type(fields.get("content-type", ""), accepted)


@lru_cache(maxsize=256)
def _media_type(content_type: str, accepted: tuple[str, ...]) -> str:
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    if kind not in accepted:
        raise Unsupported(f"Send {' or '.join(accepted)} and say so in Content-Type.")
    if kind.startswith("multipart/"):
        return kind  # each part may have a charset; it is read as bytes
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise Unsupported("Send the body in UTF-8.")
    return kind


async def read_body(exchange: Exchange, receive: Receive, limits: BodyLimits) -> bytes:
    """The whole body, of which nothing has been received.

    Raises:
        BodyTooLarge: by its declared or its real length.
        ClientGone: it ended early.
    """
    here = exchange.line.take_body() if exchange.line is not None else None
    if here is not None:
        if len(here) > limits.max_bytes:
            raise _too_large(limits)
        return here
    return await _received(exchange.fields.get("content-length", "0"), receive, limits)


async def _received(declared: str, receive: Receive, limits: BodyLimits) -> bytes:
    try:
        if declared.isdigit() and int(declared) > limits.max_bytes:
            raise _too_large(limits)
        return await _collect(receive, limits)
    except BodyTooLarge:
        await discard(receive, 2 * limits.max_bytes)
        raise


async def chunks(receive: Receive) -> AsyncIterator[bytes]:
    """A body as it arrives.

    Raises:
        ClientGone: it ended early.
    """
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        more = message.get("more_body", False)
        yield message.get("body", b"")


async def _collect(receive: Receive, limits: BodyLimits) -> bytes:
    body = bytearray()
    async for chunk in chunks(receive):
        body += chunk
        if len(body) > limits.max_bytes:
            raise _too_large(limits)
    return bytes(body)


async def discard(receive: Receive, max_bytes: int) -> None:
    """Take what is still on its way, up to a limit: many clients read no answer before they have sent everything."""
    seen = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while seen < max_bytes:
                message = await receive()
                seen += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def _too_large(limits: BodyLimits) -> BodyTooLarge:
    return BodyTooLarge(f"A body has at most {limits.max_bytes} bytes here. Send several requests.")


def parse_json(body: bytes) -> Any:  # noqa: ANN401 - JSON is any value
    """One JSON document.

    Raises:
        MalformedJson: not UTF-8, not JSON, a key given twice, or nested out of all bounds.
        Unprocessable: half of a surrogate pair, or a number that is not finite or has too many digits.
    """
    try:
        text = body.decode("utf-8")
        decoder = _COUNTING_DECODER if _has_many_digits(body, text) else _DECODER
        document = decoder.decode(text)
    except UnicodeDecodeError:
        raise MalformedJson("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise MalformedJson(f"The body is not JSON: {error.msg} at character {error.pos}.") from None
    except RecursionError:
        raise MalformedJson(f"The body is nested more than {MAX_DEPTH} deep.") from None
    if "\\u" in text:
        _refuse_half_surrogates(document)
    return document


def _refuse_half_surrogates(document: object) -> None:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        detail = "A string has half of a surrogate pair, which is no character."
        raise Unprocessable(detail, items=[ItemError("", "invalid_value", detail)]) from None


def refuse_too_many(sequences: int, max_sequences: int, pointer: str = "/sequences") -> None:
    """Refuse a long list before each of its items is looked at.

    Raises:
        Unprocessable: longer than `max_sequences`.
    """
    if sequences > max_sequences:
        detail = f"{sequences} sequences; one request takes at most {max_sequences}. Send several."
        raise Unprocessable(detail, items=[ItemError(pointer, "too_many", detail)])


def check_depth(document: object) -> None:
    """Refuse documents that are nested deeper than any request can be.

    Raises:
        MalformedJson: deeper than `MAX_DEPTH`.
    """
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise MalformedJson(f"The body is nested more than {MAX_DEPTH} deep.")


def _children(node: object) -> list[object]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(pairs) > MAX_KEYS:
        detail = f"An object here has at most {MAX_KEYS} keys."
        raise Unprocessable(detail, items=[ItemError("", "invalid_field", detail)])
    document = dict(pairs)
    if len(document) < len(pairs):
        raise MalformedJson("An object has the same key twice.")
    return document


def _whole(digits: str) -> int:
    return int(digits) if len(digits.lstrip("-")) <= MAX_DIGITS else _refuse_number()


def _fraction(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        _refuse_number()
    # To JSON, 3.0 and 3 are the same number.
    return int(number) if number.is_integer() and abs(number) < 10**MAX_DIGITS else number


def _refuse_number(_: str = "") -> NoReturn:
    detail = f"Numbers here are finite and have at most {MAX_DIGITS} digits."
    raise Unprocessable(detail, items=[ItemError("", "invalid_value", detail)])


def _decoder(parse_int: Callable[[str], int]) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_unique, parse_int=parse_int, parse_float=_fraction, parse_constant=_refuse_number
    )


# A body may hold millions of numbers, so each is looked at by itself only where one of them might be too long.
_DECODER, _COUNTING_DECODER = _decoder(int), _decoder(_whole)
_MANY_DIGITS = re.compile(rf"[0-9]{{{MAX_DIGITS + 1}}}")


def _has_many_digits(body: bytes, text: str) -> bool:
    """Whether so many digits stand together; a body of bases has hardly any, which is seen without looking at each."""
    digits = len(body) - len(body.translate(None, b"0123456789"))
    return digits > MAX_DIGITS and _MANY_DIGITS.search(text) is not None


@dataclass(frozen=True, slots=True)
class NamedSequence:
    """A sequence and the caller's name for it."""

    id: str
    sequence: str


def parse_fasta(body: bytes, max_sequences: int) -> list[NamedSequence]:
    """The records of a FASTA document; a record without a name gets its index.

    Raises:
        MalformedRequest: not UTF-8, or text before the first header line.
        Unprocessable: too many records.
    """
    refuse_too_many(body.count(b"\n>") + 1, max_sequences)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedRequest("The FASTA body is not UTF-8.") from None
    before, *records = f"\n{text}".replace("\r\n", "\n").split("\n>")
    if before.strip() or not records:
        raise MalformedRequest("The body is not FASTA: its first line must begin with '>'.")
    return [_fasta_record(record, index) for index, record in enumerate(records)]


def _fasta_record(record: str, index: int) -> NamedSequence:
    header, _, lines = record.partition("\n")
    name = header.split(maxsplit=1)[0] if header.strip() else str(index)
    return NamedSequence(name, lines.replace("\n", "").replace(" ", ""))

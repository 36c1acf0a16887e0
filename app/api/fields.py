"""The header fields of a request, read once: a route looks up several of them, and each look costs a scan otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Fields = Mapping[str, str]  # by name, in lower case


def header_fields(given: Iterable[tuple[bytes, bytes]]) -> Fields:
    """The fields by name.

    What comes several times is one list with commas (RFC 9110, section 5.3), so a field that is no list, and was sent
    twice, has no value that anybody takes.

    Args:
        given: names, in lower case, and values, as ASGI has them.
    """
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in given]
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else _joined(pairs)


def _joined(pairs: Iterable[tuple[str, str]]) -> Fields:
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields

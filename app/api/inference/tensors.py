"""Tensors in bytes: what stands behind the JSON of a request or reply, as Triton's binary extension has it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.errors import MalformedRequest

LENGTH_BYTES = 4


def read_strings(data: memoryview) -> list[str]:
    """The elements of a BYTES tensor: each a little-endian length in 4 bytes, and that many bytes.

    Returns:
        One character a byte, so that a position in the one is a position in the other.

    Raises:
        MalformedRequest: the data end within an element.
    """
    elements, start = [], 0
    while start < len(data):
        first = start + LENGTH_BYTES
        end = first + int.from_bytes(data[start:first], "little")
        if end > len(data) or first > len(data):
            raise MalformedRequest("A BYTES tensor ends within an element: each is its length in 4 bytes, then itself.")
        elements.append(str(data[first:end], "latin-1"))
        start = end
    return elements


def write_floats(rows: Sequence[Sequence[float]]) -> bytes:
    """A FP32 tensor, row by row, little-endian."""
    return np.asarray(rows, dtype="<f4").tobytes()

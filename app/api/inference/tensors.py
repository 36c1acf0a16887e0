"""Tensors in bytes: what stands behind the JSON of a request or reply, as Triton's binary extension has it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.errors import ItemError, MalformedRequest, Unprocessable

LENGTH_BYTES = 4
INTEGERS: dict[str, str] = {"INT64": "<i8", "INT32": "<i4"}


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


def read_integers(data: memoryview, datatype: str) -> npt.NDArray[np.int64]:
    """The elements of an INT64 or INT32 tensor, row by row, little-endian.

    Raises:
        MalformedRequest: the data end within an element.
    """
    dtype: np.dtype[np.signedinteger] = np.dtype(INTEGERS[datatype])
    if len(data) % dtype.itemsize:
        raise MalformedRequest(f"An {datatype} tensor ends within an element: each has {dtype.itemsize} bytes.")
    return np.frombuffer(data, dtype=dtype).astype(np.int64)


def flat_integers(elements: Sequence[object], pointer: str) -> npt.NDArray[np.int64]:
    """The elements of a tensor's JSON.

    Raises:
        Unprocessable: one of them is no whole number.
    """
    for index, element in enumerate(elements):
        if type(element) is not int:  # a truth is one by inheritance
            raise refused(f"{pointer}/data", f"The element at index {index} is not a whole number.")
    return np.array(elements, dtype=np.int64)  # JSON with more than 18 digits is not read at all


def refused(pointer: str, detail: str) -> Unprocessable:
    """The refusal of one field."""
    return Unprocessable(detail, items=[ItemError(pointer, "invalid_value", detail)])


def write_floats(rows: Sequence[Sequence[float]]) -> bytes:
    """A FP32 tensor, row by row, little-endian."""
    return np.asarray(rows, dtype="<f4").tobytes()

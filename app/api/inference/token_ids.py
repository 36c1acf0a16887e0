"""Sequences that the caller has encoded: the tensors `input_ids` and `attention_mask`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.api.inference.messages import ATTENTION_MASK, INPUT_IDS, InputTensor
from app.api.inference.tensors import INTEGERS, flat_integers, read_integers, refused

Rows = npt.NDArray[np.int64]  # (sequences, length)


def read_rows(ids: Rows, mask: Rows | None, pointer: str) -> list[Rows]:
    """The token ids of each sequence, without padding.

    Args:
        mask: the same shape, 1 for a token and 0 for padding; none where nothing is padding.
        pointer: to the mask's data.

    Raises:
        Unprocessable: the mask holds something else, or padding that is not at the end.
    """
    if mask is None:
        return list(ids)
    wrong = ((mask != 0) & (mask != 1)).any(axis=1)
    if wrong.any():
        raise refused(f"{pointer}/{wrong.argmax()}", f"`{ATTENTION_MASK}` is 1 for a token and 0 for padding.")
    holes = (np.diff(mask, axis=1) > 0).any(axis=1)
    if holes.any():
        detail = f"`{ATTENTION_MASK}` has a token after padding; padding stands at the end of a row."
        raise refused(f"{pointer}/{holes.argmax()}", detail)
    return [row[:length] for row, length in zip(ids, mask.sum(axis=1).tolist(), strict=True)]


def read_tensor(tensor: InputTensor, behind: memoryview, pointer: str) -> Rows:
    """A tensor of integers as rows; one of one dimension is one row.

    Args:
        behind: its bytes, where it has no data.
        pointer: to the tensor.

    Raises:
        Unprocessable: its datatype, shape or data are not those of token ids.
    """
    if tensor.datatype not in INTEGERS:
        raise refused(f"{pointer}/datatype", f"`{tensor.name}` is of the datatype {' or '.join(INTEGERS)}.")
    rows, length = (1, *tensor.shape)[-2:]
    numbers = _numbers(tensor, behind, (rows, length), pointer)
    if numbers.size != rows * length:
        detail = f"The shape says {rows} rows of {length} numbers, and there are {numbers.size} numbers."
        raise refused(f"{pointer}/shape", detail)
    return numbers.reshape(rows, length)


def _numbers(tensor: InputTensor, behind: memoryview, shape: tuple[int, int], pointer: str) -> Rows:
    if tensor.data is None:
        return read_integers(behind, tensor.datatype)
    return flat_integers(_joined(tensor.data, shape, pointer), pointer)


def _joined(data: list[object], shape: tuple[int, int], pointer: str) -> Sequence[object]:
    """The elements of a list that is flat, or that holds a list for each row."""
    if not any(isinstance(row, list) for row in data):
        return data
    joined: list[object] = []
    for index, row in enumerate(data):
        if not isinstance(row, list) or len(row) != shape[1]:
            raise refused(f"{pointer}/data/{index}", f"Each row is a list of {shape[1]} numbers, as the shape says.")
        joined += row
    return joined


def check_names(tensors: Sequence[InputTensor]) -> None:
    """Whether tensors are those of token ids.

    Raises:
        Unprocessable: there is another, or one twice.
    """
    names = [tensor.name for tensor in tensors]
    for index, name in enumerate(names):
        if name not in (INPUT_IDS, ATTENTION_MASK) or name in names[:index]:
            detail = f"Send `sequences` alone, or `{INPUT_IDS}` with or without `{ATTENTION_MASK}`."
            raise refused(f"/inputs/{index}/name", detail)
    if INPUT_IDS not in names:
        raise refused("/inputs", f"`{ATTENTION_MASK}` says which of `{INPUT_IDS}` are padding; send both.")

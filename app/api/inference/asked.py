"""What an inference request asks for: its JSON and its tensors, read strictly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from app.api.bodies import MAX_DIGITS, BodyLimits, parse_json, refuse_too_many
from app.api.fields import Fields
from app.api.inference.messages import (
    ATTENTION_MASK,
    INPUT_IDS,
    SEQUENCES,
    VALUES,
    InferRequest,
    InputTensor,
    Parameters,
)
from app.api.inference.tensors import read_strings, refused
from app.api.inference.token_ids import Rows, check_names, read_rows, read_tensor
from app.api.strict import validated
from app.batching import Priority
from app.errors import MalformedRequest

HEAD_LENGTH = "inference-header-content-length"
SIZE = "binary_data_size"
GIVES_WAY = 2  # Triton's highest priority is 1; what the caller puts below that waits for the rest
MICROSECONDS_PER_MS = 1000
DATA_POINTER = "/inputs/{}/data"


@dataclass(frozen=True, slots=True)
class TokenIds:
    """Sequences that the caller has encoded: of each its token ids, (length,), without padding."""

    rows: list[Rows]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Asked:
    """An inference request.

    Attributes:
        sequences: as text, or as token ids.
        pointer: to the data of their tensor.
        binary: the values are to stand behind the JSON.
    """

    id: str | None
    sequences: list[str] | TokenIds
    pointer: str
    priority: Priority
    deadline_ms: int | None
    binary: bool


def read_request(body: bytes, fields: Fields, limits: BodyLimits) -> Asked:
    """A whole body as a request.

    Raises:
        MalformedJson: its head is not JSON.
        MalformedRequest: head and tensors do not make up the body.
        Unprocessable: a field is refused.
    """
    head, tensors = _split(body, fields.get(HEAD_LENGTH))
    request = validated(InferRequest, parse_json(head))
    pieces = _pieces(request.inputs, memoryview(tensors))
    names = [tensor.name for tensor in request.inputs]
    return Asked(
        request.id,
        _text(request.inputs[0], pieces[0], limits) if names == [SEQUENCES] else _token_ids(request, pieces, limits),
        DATA_POINTER.format(names.index(INPUT_IDS) if INPUT_IDS in names else 0),
        _priority(request.parameters),
        _deadline_ms(request.parameters),
        _wants_binary(request),
    )


def _split(body: bytes, length: str | None) -> tuple[bytes, bytes]:
    if length is None:
        return body, b""
    end = int(length) if length.isascii() and length.isdigit() and len(length) <= MAX_DIGITS else len(body) + 1
    if end > len(body):
        raise MalformedRequest("Inference-Header-Content-Length is the length of the JSON, at most the body's.")
    return body[:end], body[end:]


def _pieces(tensors: Sequence[InputTensor], behind: memoryview) -> list[memoryview]:
    """The bytes of each tensor, which stand one after the other; none for one with data."""
    pieces, start = [], 0
    for index, tensor in enumerate(tensors):
        size = tensor.parameters.get(SIZE)
        if (size is None) == (tensor.data is None):
            raise refused(f"/inputs/{index}", f"A tensor has either `data` or the parameter `{SIZE}`.")
        if size is not None and (type(size) is not int or size < 0):
            raise refused(f"/inputs/{index}/parameters", f"`{SIZE}` is a number of bytes.")
        pieces.append(behind[start : start + int(size or 0)])
        start += int(size or 0)
    if start != len(behind):
        raise MalformedRequest(f"`{SIZE}` is {start} in all, and {len(behind)} bytes stand behind the JSON.")
    return pieces


def _token_ids(request: InferRequest, pieces: Sequence[memoryview], limits: BodyLimits) -> TokenIds:
    check_names(request.inputs)
    read = {}
    for index, (tensor, piece) in enumerate(zip(request.inputs, pieces, strict=True)):
        if len(tensor.shape) > 1:
            refuse_too_many(tensor.shape[0], limits.max_sequences, f"/inputs/{index}/shape")
        read[tensor.name] = index, read_tensor(tensor, piece, f"/inputs/{index}")
    _, ids = read[INPUT_IDS]
    place, mask = read.get(ATTENTION_MASK, (0, None))
    if mask is not None and mask.shape != ids.shape:
        raise refused(f"/inputs/{place}/shape", f"`{ATTENTION_MASK}` has the shape of `{INPUT_IDS}`.")
    return TokenIds(read_rows(ids, mask, DATA_POINTER.format(place)))


def _text(tensor: InputTensor, behind: memoryview, limits: BodyLimits) -> list[str]:
    _check_text(tensor, limits)
    elements = read_strings(behind) if tensor.data is None else list(_flat(tensor.data))
    if len(elements) != tensor.shape[0]:
        detail = f"The shape says {tensor.shape[0]} sequences, and there are {len(elements)}."
        raise refused("/inputs/0/shape", detail)
    return elements


def _check_text(tensor: InputTensor, limits: BodyLimits) -> None:
    if tensor.datatype != "BYTES":
        raise refused("/inputs/0/datatype", f"`{SEQUENCES}` is of the datatype BYTES.")
    if tensor.shape[1:] not in ([], [1]):
        raise refused("/inputs/0/shape", f"`{SEQUENCES}` has the shape [n] or [n, 1].")
    refuse_too_many(tensor.shape[0], limits.max_sequences, "/inputs/0/shape")


def _flat(data: list[object]) -> Iterator[str]:
    """The elements of a list that is flat or, for the shape [n, 1], holds lists of one."""
    for index, element in enumerate(data):
        inner = element[0] if isinstance(element, list) and len(element) == 1 else element
        if not isinstance(inner, str):
            raise refused(f"{DATA_POINTER.format(0)}/{index}", "A sequence is a string.")
        yield inner


def _priority(parameters: Parameters) -> Priority:
    priority = parameters.get("priority", 0)
    if isinstance(priority, str):
        if priority in get_args(Priority):
            return priority  # type: ignore[return-value] # one of them
        raise refused("/parameters/priority", f"The priority is a number, {' or '.join(get_args(Priority))}.")
    return "bulk" if priority >= GIVES_WAY else "interactive"


def _deadline_ms(parameters: Parameters) -> int | None:
    """The protocol counts microseconds, and 0 is no timeout."""
    timeout = parameters.get("timeout", 0)
    if isinstance(timeout, str) or timeout < 0:
        raise refused("/parameters/timeout", "A timeout is a number of microseconds.")
    return math.ceil(timeout / MICROSECONDS_PER_MS) or None


def _wants_binary(request: InferRequest) -> bool:
    binary = bool(request.parameters.get("binary_data_output", False))
    for output in request.outputs:
        if output.name != VALUES:
            raise refused("/outputs/0/name", f"A model here answers one tensor, `{VALUES}`.")
        if "classification" in output.parameters:
            raise refused("/outputs/0/parameters", "The models here are regressors: there are no classes.")
        binary = bool(output.parameters.get("binary_data", binary))
    return binary

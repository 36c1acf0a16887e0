"""What an inference request asks for: its JSON and its tensors, read strictly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from starlette.datastructures import Headers

from app.api.bodies import MAX_DIGITS, BodyLimits, parse_json, refuse_too_many
from app.api.inference.messages import SEQUENCES, VALUES, InferRequest, InputTensor, Parameters
from app.api.inference.tensors import read_strings
from app.api.strict import validated
from app.batching import Priority
from app.errors import ItemError, MalformedRequest, Unprocessable

HEAD_LENGTH = "inference-header-content-length"
SIZE = "binary_data_size"
GIVES_WAY = 2  # Triton's highest priority is 1; what the caller puts below that waits for the rest
MICROSECONDS_PER_MS = 1000
DATA_POINTER = "/inputs/0/data"


@dataclass(frozen=True, slots=True)
class Asked:
    """An inference request.

    Attributes:
        binary: the values are to stand behind the JSON.
    """

    id: str | None
    sequences: list[str]
    priority: Priority
    deadline_ms: int | None
    binary: bool


def read_request(body: bytes, headers: Headers, limits: BodyLimits) -> Asked:
    """A whole body as a request.

    Raises:
        MalformedJson: its head is not JSON.
        MalformedRequest: head and tensors do not make up the body.
        Unprocessable: a field is refused.
    """
    head, tensors = _split(body, headers.get(HEAD_LENGTH))
    request = validated(InferRequest, parse_json(head))
    tensor = request.inputs[0]
    _check_tensor(tensor, limits)
    return Asked(
        request.id,
        _sequences(tensor, memoryview(tensors)),
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


def _check_tensor(tensor: InputTensor, limits: BodyLimits) -> None:
    if tensor.name != SEQUENCES:
        raise _refused("/inputs/0/name", f"A model here reads one tensor, `{SEQUENCES}`.")
    if tensor.datatype != "BYTES":
        raise _refused("/inputs/0/datatype", f"`{SEQUENCES}` is of the datatype BYTES.")
    if tensor.shape[1:] not in ([], [1]):
        raise _refused("/inputs/0/shape", f"`{SEQUENCES}` has the shape [n] or [n, 1].")
    refuse_too_many(tensor.shape[0], limits.max_sequences, "/inputs/0/shape")


def _sequences(tensor: InputTensor, behind: memoryview) -> list[str]:
    size = tensor.parameters.get(SIZE)
    if (size is None) == (tensor.data is None):
        raise _refused("/inputs/0", f"A tensor has either `data` or the parameter `{SIZE}`.")
    if len(behind) != (size or 0):
        raise MalformedRequest(f"`{SIZE}` is {size or 0}, and {len(behind)} bytes stand behind the JSON.")
    elements = read_strings(behind) if tensor.data is None else list(_flat(tensor.data))
    if len(elements) != tensor.shape[0]:
        detail = f"The shape says {tensor.shape[0]} sequences, and there are {len(elements)}."
        raise _refused("/inputs/0/shape", detail)
    return elements


def _flat(data: list[object]) -> Iterator[str]:
    """The elements of a list that is flat or, for the shape [n, 1], holds lists of one."""
    for index, element in enumerate(data):
        inner = element[0] if isinstance(element, list) and len(element) == 1 else element
        if not isinstance(inner, str):
            raise _refused(f"{DATA_POINTER}/{index}", "A sequence is a string.")
        yield inner


def _priority(parameters: Parameters) -> Priority:
    priority = parameters.get("priority", 0)
    if isinstance(priority, str):
        if priority in get_args(Priority):
            return priority  # type: ignore[return-value] # one of them
        raise _refused("/parameters/priority", f"The priority is a number, {' or '.join(get_args(Priority))}.")
    return "bulk" if priority >= GIVES_WAY else "interactive"


def _deadline_ms(parameters: Parameters) -> int | None:
    """The protocol counts microseconds, and 0 is no timeout."""
    timeout = parameters.get("timeout", 0)
    if isinstance(timeout, str) or timeout < 0:
        raise _refused("/parameters/timeout", "A timeout is a number of microseconds.")
    return math.ceil(timeout / MICROSECONDS_PER_MS) or None


def _wants_binary(request: InferRequest) -> bool:
    binary = bool(request.parameters.get("binary_data_output", False))
    for output in request.outputs:
        if output.name != VALUES:
            raise _refused("/outputs/0/name", f"A model here answers one tensor, `{VALUES}`.")
        if "classification" in output.parameters:
            raise _refused("/outputs/0/parameters", "The models here are regressors: there are no classes.")
        binary = bool(output.parameters.get("binary_data", binary))
    return binary


def _refused(pointer: str, detail: str) -> Unprocessable:
    return Unprocessable(detail, items=[ItemError(pointer, "invalid_value", detail)])

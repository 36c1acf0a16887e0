"""The JSON of an inference request."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from app.api.schemas import SequenceId, Strict

SEQUENCES, VALUES = "sequences", "values"
INPUT_IDS, ATTENTION_MASK = "input_ids", "attention_mask"

Parameters = dict[str, bool | int | float | str]


class InputTensor(Strict):
    """What a model is to read, in JSON or behind it: `sequences`, or `input_ids` with or without `attention_mask`.

    `sequences` is BYTES of the shape [n] or [n, 1]; the others are INT64 or INT32 of the shape [n, length] or [length],
    the mask 1 for a token and 0 for padding, which stands at the end.
    """

    name: str
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=2)]
    datatype: str
    parameters: Annotated[Parameters, Field(default={})]
    data: Annotated[list[Any] | None, Field(default=None)]


class RequestedOutput(Strict):
    """What is to be answered: the tensor `values`, in JSON or behind it."""

    name: str
    parameters: Annotated[Parameters, Field(default={})]


class InferRequest(Strict):
    """The JSON of POST /v2/models/{name}/infer."""

    id: Annotated[SequenceId | None, Field(default=None, description="Comes back with the answer.")]
    parameters: Annotated[
        Parameters,
        Field(
            default={},
            description="`timeout` in microseconds; `priority`, of which 2 and more give way; `binary_data_output`.",
        ),
    ]
    inputs: Annotated[list[InputTensor], Field(min_length=1, max_length=2)]
    outputs: Annotated[list[RequestedOutput], Field(default=[], max_length=1)]


class Tensor(BaseModel):
    """A tensor of values; its `data` stand behind the JSON where the parameter `binary_data_size` says so."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None
    data: list[float] | None = None


class InferResponse(BaseModel):
    """The JSON of an answer: row by row the targets of each sequence, in their units."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[Tensor]


class TensorMetadata(BaseModel):
    """What a model reads or answers; -1 is any number of sequences, or of tokens.

    An input whose parameters have `instead_of` stands in the place of another; with `optional` it may be left out.
    """

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None


class ModelMetadata(BaseModel):
    """The answer of GET /v2/models/{name}; the parameter `targets` of an output names its columns."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(BaseModel):
    """The answer of GET /v2."""

    name: str
    version: str
    extensions: list[str]

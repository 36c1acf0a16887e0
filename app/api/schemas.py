"""The wire: what POST /predict takes, what it answers, and how a refusal points at the culprit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from app.api.bodies import check_depth, refuse_too_many
from app.batching import Priority
from app.errors import ItemError, Unprocessable

MIN_DEADLINE_MS = 10
TAG_PLACE = 2
EXAMPLE_SEQUENCE = (
    "TGTCCCCGGGTCTTCCAACGGACTGGCGTTGCCCCGGTTCACTGGGGACTGCCCTTGGGGTCTCGCTCACCTTCAGCACACATTATCGGGAGCAGTGTCTTCCATAATGT"
)

SequenceId = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]


# The pattern is only documented: what a model accepts its manifest says, and its encoder checks.
DocumentedSequence = Annotated[
    str,
    Field(
        description="DNA or RNA, either case; U is read as T. More letters where the model's manifest allows them.",
        json_schema_extra={"pattern": "^[ACGTUacgtu]+$"},
    ),
]


class Strict(BaseModel):
    """Base of request models: exact types, no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SequenceItem(Strict):
    """A sequence under the caller's own id."""

    id: SequenceId
    sequence: DocumentedSequence


def _kind(item: object) -> str:
    return "sequence" if isinstance(item, str) else "item"


SequenceOrItem = Annotated[
    Annotated[DocumentedSequence, Tag("sequence")] | Annotated[SequenceItem, Tag("item")], Discriminator(_kind)
]


class PredictRequest(Strict):
    """The body of POST /predict."""

    model: Annotated[
        str | None, Field(default=None, description="`name` or `name@version`; may be left out when one is loaded.")
    ]
    sequences: Annotated[list[SequenceOrItem], Field(min_length=1)]
    priority: Annotated[Priority, Field(default="interactive", description="`bulk` gives way to `interactive` work.")]
    deadline_ms: Annotated[
        int | None,
        Field(default=None, ge=MIN_DEADLINE_MS, description="Time for the whole request; wins over X-Deadline-Ms."),
    ]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "utrseq-decay", "sequences": [EXAMPLE_SEQUENCE]}]}
    )


class TargetInfo(BaseModel):
    """A predicted quantity, as every answer names it."""

    name: str
    unit: str
    scale: str
    higher_means: str


class ModelInfo(BaseModel):
    """Which model answered, exactly."""

    name: str
    version: str
    sha256: Annotated[str, Field(description="Digest of the bundle's manifest, which holds all others.")]
    licence: str
    targets: list[TargetInfo]


class Prediction(BaseModel):
    """One sequence's answer."""

    id: str
    bases: int
    tokens: int
    values: dict[str, float]


class PredictResponse(BaseModel):
    """The reply of POST /predict, in the request's order."""

    model: ModelInfo
    predictions: list[Prediction]


class ProblemItem(BaseModel):
    """One refused item."""

    pointer: Annotated[str, Field(description="JSON pointer into the request.")]
    code: str
    detail: str
    position: int | None = None


class Problem(BaseModel):
    """An error (RFC 9457); it never repeats what was sent."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    retryable: bool
    retry_after_ms: int | None = None
    errors: list[ProblemItem] | None = None


class ModelSummary(ModelInfo):
    """A loaded bundle, in short."""

    summary: str
    task: str
    organism: str
    min_bases: int
    max_bases: int


class ModelList(BaseModel):
    """The loaded bundles."""

    models: list[ModelSummary]


class Health(BaseModel):
    """The reply of the probes."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, str]


def parse_predict_request(document: object, max_sequences: int) -> PredictRequest:
    """Validate a parsed JSON body.

    Raises:
        Unprocessable: with a pointer to each item at fault.
        MalformedJson: it is nested out of all bounds.
    """
    sequences = document.get("sequences") if isinstance(document, dict) else None
    if isinstance(sequences, list):
        refuse_too_many(len(sequences), max_sequences)
    try:
        return PredictRequest.model_validate(document)
    except ValidationError as error:
        check_depth(document)
        raise _unprocessable(error) from None


def _unprocessable(error: ValidationError) -> Unprocessable:
    faults = error.errors(include_url=False, include_context=False)
    items = [ItemError(_pointer(fault), code_of(fault), _detail(fault)) for fault in faults]
    return Unprocessable("The request has fields that are missing, unknown or out of range.", items=items)


def check_sequence_ids(ids: list[str]) -> None:
    """Hold ids that did not come as JSON to the same rules.

    Raises:
        Unprocessable: with a pointer to each item at fault.
    """
    try:
        _IDS.validate_python(ids)
    except ValidationError as error:
        detail = "The name of a record is its first word: at most 256 characters, none of them a control character."
        items = [ItemError(f"/sequences/{fault['loc'][0]}", "invalid_value", detail) for fault in error.errors()]
        raise Unprocessable("The names of some records are refused.", items=items) from None


_IDS = TypeAdapter(list[SequenceId])


def _pointer(fault: ErrorDetails) -> str:
    """`("sequences", 3, "item", "id")` is `/sequences/3/id`: the third part only says which form the item has."""
    location = fault["loc"]
    if fault["type"] == "extra_forbidden":  # the unknown key is the caller's text
        location = location[:-1]
    return "".join(f"/{part}" for place, part in enumerate(location) if place != TAG_PLACE)


def code_of(fault: ErrorDetails) -> str:
    """The code on the wire for what pydantic found at fault."""
    if fault["type"] == "too_short":
        return "empty"
    wrong_shape = fault["type"] in ("missing", "extra_forbidden", "model_type", "model_attributes_type", "list_type")
    return "invalid_field" if wrong_shape or isinstance(fault["input"], (list, dict, type(None))) else "invalid_value"


def _detail(fault: ErrorDetails) -> str:
    if fault["type"] == "extra_forbidden":
        known = SequenceItem if len(fault["loc"]) > 1 else PredictRequest
        return f"There is an unknown field here; known are {', '.join(known.model_fields)}."
    if fault["type"] in ("model_type", "model_attributes_type"):
        return "A request is an object; a sequence is a string, or an object with `id` and `sequence`."
    return f"{fault['msg']}."

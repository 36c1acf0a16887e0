"""The wire of POST /predict/mutagenesis."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.api.places import MAX_POSITION, IntervalOrText, WindowInfo
from app.api.schemas import EXAMPLE_SEQUENCE, MIN_DEADLINE_MS, DocumentedSequence, ModelInfo, Strict
from app.genome.intervals import Strand

Place = Annotated[int | None, Field(default=None, ge=0, le=MAX_POSITION)]


class MutagenesisRequest(Strict):
    """The body of POST /predict/mutagenesis; exactly one of `sequence`, `interval` and `gene`."""

    model: Annotated[
        str | None, Field(default=None, description="`name` or `name@version`; may be left out when one is loaded.")
    ]
    sequence: DocumentedSequence | None = None
    interval: Annotated[
        IntervalOrText | None,
        Field(
            default=None, description="Of the reference; a model with a window reads it around the interval's centre."
        ),
    ]
    gene: Annotated[str | None, Field(default=None, max_length=256, description="Name or id in the gene table.")]
    strand: Annotated[Strand, Field(default="+", description="What is read of an interval.")]
    start: Annotated[Place, Field(description="First position to change, 0-based; along the contig for an interval.")]
    end: Annotated[Place, Field(description="Behind the last position to change.")]
    most_positions: Annotated[
        int | None,
        Field(
            default=None, ge=1, le=MAX_POSITION, description="Change so many at the most; `remaining` tells the rest."
        ),
    ]
    centre: Annotated[
        bool, Field(default=False, description="Take the mean of a position's substitutions from each of them.")
    ]
    deadline_ms: Annotated[
        int | None,
        Field(default=None, ge=MIN_DEADLINE_MS, description="Time for the whole request; wins over X-Deadline-Ms."),
    ]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"model": "utrseq-decay", "sequence": EXAMPLE_SEQUENCE, "start": 20, "end": 30}]
        }
    )


class MutagenesisResponse(BaseModel):
    """The reply of POST /predict/mutagenesis."""

    model: ModelInfo
    window: Annotated[WindowInfo | None, Field(default=None, description="What was read, for an interval or gene.")]
    positions: Annotated[list[int], Field(description="0-based; along the contig for an interval.")]
    remaining: Annotated[int, Field(description="Positions of the part that follow these; 0 without `most_positions`.")]
    reference: Annotated[str, Field(description="What stands at these positions, on the plus strand.")]
    alphabet: Annotated[str, Field(description="The order of each row of `values`.")]
    centred: bool
    reference_values: dict[str, float]
    values: Annotated[
        dict[str, list[list[float]]],
        Field(description="Target to a row of four values a position; the reference's base has the reference's value."),
    ]

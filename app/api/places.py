"""Places of the reference on the wire: intervals as callers write them, windows as answers tell them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Field, Tag

from app.api.schemas import Strict
from app.api.strict import OBJECT, TEXT, text_or_object
from app.errors import ItemError, Unprocessable
from app.genome.intervals import Interval, Strand, Window, parse_interval
from app.genomes import Genomes

MAX_POSITION = 2**31 - 1

Contig = Annotated[str, Field(min_length=1, max_length=256)]


class IntervalItem(Strict):
    """An interval, 0-based, end exclusive."""

    contig: Contig
    start: Annotated[int, Field(ge=0, le=MAX_POSITION)]
    end: Annotated[int, Field(ge=1, le=MAX_POSITION)]


IntervalText = Annotated[
    str, Field(max_length=300, description="1-based and inclusive, as in chr22:37,200,001-37,300,000.")
]
IntervalOrText = Annotated[
    Annotated[IntervalText, Tag(TEXT)] | Annotated[IntervalItem, Tag(OBJECT)], Discriminator(text_or_object)
]


class WindowInfo(BaseModel):
    """What the model reads of the reference, 0-based, end exclusive."""

    contig: str
    start: int
    end: int
    strand: Strand
    anchor: Annotated[int, Field(description="The base that keeps its place, 0-based.")]
    assembly: str | None = None
    refget: Annotated[str, Field(description="GA4GH refget digest of the sequence that the contig is of.")]


def interval_of(given: str | IntervalItem, strand: Strand, pointer: str) -> Interval:
    """An interval as it was sent.

    Raises:
        Unprocessable: it is no interval, or an empty one.
    """
    if isinstance(given, str):
        return parse_interval(given, strand, pointer)
    if given.start >= given.end:
        detail = "An interval has its end behind its start."
        raise Unprocessable(detail, items=[ItemError(pointer, "invalid_value", detail)])
    return Interval(given.contig, given.start, given.end, strand)


def window_info(genomes: Genomes, window: Window) -> dict[str, Any]:
    """A window as answers tell it; computing a digest takes its time, so ask in a thread."""
    interval = window.interval
    told = {
        "contig": interval.contig,
        "start": interval.start,
        "end": interval.end,
        "strand": interval.strand,
        "anchor": window.anchor,
    }
    assembly = genomes.assembly_at(interval.contig)
    named = told if assembly is None else told | {"assembly": assembly}
    return named | {"refget": genomes.reference.refget(interval)}

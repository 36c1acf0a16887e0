"""The wire of POST /predict/individual: what it takes, and what it answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.places import IntervalOrText, interval_of
from app.api.schemas import MIN_DEADLINE_MS, ModelInfo, Strict
from app.api.strict import validated
from app.errors import ItemError, Unprocessable
from app.genome.haplotypes.policies import Filter, Missing, Policies, Unphased
from app.genome.intervals import Interval, Strand
from app.individual.question import Question

SampleName = Annotated[str, Field(min_length=1, max_length=1024)]
Values = dict[str, float]


class IndividualRequest(Strict):
    """The body of POST /predict/individual; exactly one of `cohort` and `vcf`, exactly one of `region` and `gene`."""

    model: Annotated[
        str | None, Field(default=None, description="`name` or `name@version`; may be left out when one is loaded.")
    ]
    cohort: Annotated[str | None, Field(default=None, description="A cohort that the operator configured.")]
    vcf: Annotated[str | None, Field(default=None, description="A VCF as text; larger ones as multipart/form-data.")]
    region: Annotated[
        IntervalOrText | None,
        Field(default=None, description="`contig:first-last`, 1-based and inclusive, or an object, 0-based half-open."),
    ]
    gene: Annotated[str | None, Field(default=None, max_length=256, description="Name or id in the gene table.")]
    samples: Annotated[
        list[SampleName] | None, Field(default=None, min_length=1, description="Whose values; everybody's if left out.")
    ]
    unphased: Annotated[Unphased, Field(default="as_listed", description="Calls of two alleles without phase.")]
    missing: Annotated[Missing, Field(default="reference", description="Alleles that were not called.")]
    filter: Annotated[Filter, Field(default="pass", description="Records that passed their filters, or any.")]
    strand: Annotated[
        Strand | None, Field(default=None, description="Of a region, `+` if left out; a gene has its own.")
    ]
    tile: Annotated[bool, Field(default=False, description="Read a longer region in windows side by side.")]
    deadline_ms: Annotated[
        int | None,
        Field(
            default=None, ge=MIN_DEADLINE_MS, description="Time from the last byte of the body; wins over the header."
        ),
    ]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "human-promoter-expression", "cohort": "example", "gene": "EX1"}]}
    )


class Skipped(BaseModel):
    """A variant that a haplotype carries and that was not applied."""

    position: int
    reason: str


class HaplotypeValues(BaseModel):
    """One haplotype of a person."""

    index: Literal[1, 2]
    values: Values
    applied: Annotated[int, Field(description="Variants that make it.")]
    skipped: list[Skipped]
    anchor_offset: Annotated[int, Field(description="How far right of the anchor the base lies in its place.")]


class Individual(BaseModel):
    """One person's answer."""

    sample: str
    values: Annotated[Values, Field(description="Of both haplotypes: the mean on the linear scale.")]
    difference: Annotated[Values, Field(description="To the reference, in the target's unit.")]
    log2_fold_change: Annotated[Values | None, Field(default=None, description="Where the scale makes it meaningful.")]
    haplotypes: list[HaplotypeValues]
    phased: bool
    notes: list[str]


class ReferenceInfo(BaseModel):
    """Where the window lies, 0-based and half-open, and on which sequence."""

    assembly: str | None
    refget: str
    contig: str
    start: int
    end: int
    strand: Strand
    anchor: int


class WindowCounts(BaseModel):
    """What the answer was made from."""

    samples: int
    haplotypes: int
    distinct_haplotypes: int
    records: int
    applied: int
    filtered: int
    distinct_segments: Annotated[int | None, Field(default=None, description="Of a model that reads segments.")]


class WindowResponse(BaseModel):
    """Everybody's values over one window."""

    reference: ReferenceInfo
    reference_values: Values
    counts: WindowCounts
    individuals: list[Individual]


class CompanionIndividual(BaseModel):
    """One person's values by another model."""

    sample: str
    values: Values


class Companion(BaseModel):
    """What a model of dosages says of the same people; of nobody where none of its variants was found."""

    model: str
    version: str
    variants_in_model: int
    variants_found: int
    individuals: list[CompanionIndividual]


class IndividualResponse(WindowResponse):
    """The reply of POST /predict/individual."""

    model: ModelInfo
    variants_in_model: Annotated[int | None, Field(default=None, description="Of a model of dosages.")]
    variants_found: int | None = None
    companions: list[Companion]
    caveat: str


class TiledResponse(BaseModel):
    """The reply to a request with `tile`."""

    model: ModelInfo
    windows: list[WindowResponse]
    caveat: str


def parse_individual_request(document: object) -> IndividualRequest:
    """Validate a parsed JSON body.

    Raises:
        Unprocessable: with a pointer to each field at fault.
        MalformedJson: it is nested out of all bounds.
    """
    return validated(IndividualRequest, document)


def question_of(request: IndividualRequest) -> Question:
    """What is asked.

    Raises:
        Unprocessable: not exactly one of region and gene, a region that is none, or a gene with a strand.
    """
    if (request.region is None) == (request.gene is None):
        raise exactly_one("region", "gene")
    if request.gene is not None and request.strand is not None:
        raise _refused("/strand", "invalid_field", "A gene has its own strand; leave `strand` out.")
    if request.gene is not None and request.tile:
        raise _refused("/tile", "invalid_field", "A gene is read in one window; leave `tile` out.")
    policies = Policies(unphased=request.unphased, missing=request.missing, filter=request.filter)
    samples = None if request.samples is None else tuple(request.samples)
    return Question(request.model, _interval(request), request.gene, samples, policies, request.tile)


def exactly_one(*names: str) -> Unprocessable:
    """The refusal of a request that has none of some fields, or several."""
    return _refused("", "invalid_field", f"Send exactly one of {' and '.join(f'`{name}`' for name in names)}.")


def _interval(request: IndividualRequest) -> Interval | None:
    return None if request.region is None else interval_of(request.region, request.strand or "+", "/region")


def _refused(pointer: str, code: str, detail: str) -> Unprocessable:
    return Unprocessable(detail, items=[ItemError(pointer, code, detail)])

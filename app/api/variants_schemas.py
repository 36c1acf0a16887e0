"""The wire of POST /predict/variants."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from app.api.places import MAX_POSITION, Contig, IntervalOrText, WindowInfo
from app.api.schemas import MIN_DEADLINE_MS, ModelInfo, Strict
from app.api.strict import OBJECT, TEXT, text_or_object
from app.batching import Priority
from app.genome.haplotypes.policies import Filter
from app.genome.intervals import Strand
from app.genome.variants import MAX_ALLELE_BASES

Allele = Annotated[str, Field(min_length=1, max_length=MAX_ALLELE_BASES, pattern="^[ACGTNacgtn]+$")]
Values = dict[str, float]


class VariantItem(Strict):
    """A variant; its position is 1-based."""

    contig: Contig
    position: Annotated[int, Field(ge=1, le=MAX_POSITION)]
    reference_bases: Allele
    alternate_bases: Allele


VariantText = Annotated[str, Field(description="Such as chr22:39399925:A>G, 22:39399925:A:G or chr22_39399925_A_G.")]
VariantOrText = Annotated[
    Annotated[VariantText, Tag(TEXT)] | Annotated[VariantItem, Tag(OBJECT)], Discriminator(text_or_object)
]


class VariantsRequest(Strict):
    """The body of POST /predict/variants; exactly one of `variants` and `vcf`, at most one of `gene` and `window`."""

    model: Annotated[
        str | None, Field(default=None, description="`name` or `name@version`; may be left out when one is loaded.")
    ]
    variants: Annotated[list[VariantOrText] | None, Field(default=None, min_length=1)]
    vcf: Annotated[str | None, Field(default=None, description="A VCF as text; genotypes are not read.")]
    filter: Annotated[
        Filter, Field(default="pass", description="Records of the VCF that passed their filters, or any.")
    ]
    gene: Annotated[str | None, Field(default=None, max_length=256, description="Name or id in the gene table.")]
    window: Annotated[
        IntervalOrText | None,
        Field(default=None, description="What is read; without it and `gene` a window around each variant."),
    ]
    strand: Annotated[Strand, Field(default="+", description="What is read of a window.")]
    priority: Annotated[Priority, Field(default="interactive", description="`bulk` gives way to `interactive` work.")]
    deadline_ms: Annotated[
        int | None,
        Field(default=None, ge=MIN_DEADLINE_MS, description="Time for the whole request; wins over X-Deadline-Ms."),
    ]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"model": "human-promoter-expression", "variants": ["chr22:39399925:A>G"], "gene": "EX1"}]
        }
    )


class VariantEffect(BaseModel):
    """One variant's answer: values of the window without it and with it."""

    variant: Annotated[str, Field(description="In the text form, its contig as the reference names it.")]
    contig: str
    position: int
    reference_bases: str
    alternate_bases: str
    index: Annotated[int | None, Field(default=None, description="In the request's list, from 0.")]
    line: Annotated[int | None, Field(default=None, description="Of the VCF, from 1.")]
    allele: Annotated[int | None, Field(default=None, description="Of the VCF's record, from 1.")]
    window: WindowInfo
    reference: Values
    alternate: Values
    difference: Annotated[Values, Field(description="The alternate's value less the reference's.")]
    log2_fold_change: Annotated[Values | None, Field(default=None, description="Where the scale makes it meaningful.")]


class SkippedVariant(BaseModel):
    """What was not scored: one of the list, or of the VCF."""

    index: Annotated[int | None, Field(default=None, description="In the request's list, from 0.")]
    line: Annotated[int | None, Field(default=None, description="Of the VCF, from 1.")]
    allele: Annotated[int | None, Field(default=None, description="From 1; 0 stands for the whole record.")]
    reason: Annotated[str, Field(description="outside_window, unsupported_allele, no_change or filtered.")]


class VariantCounts(BaseModel):
    """What the answer was made from."""

    variants: int
    skipped: int
    distinct_sequences: int


class VariantsResponse(BaseModel):
    """The reply of POST /predict/variants, in the request's order."""

    model: ModelInfo
    counts: VariantCounts
    variants: list[VariantEffect]
    skipped: list[SkippedVariant]

"""Where genotypes come from: a cohort, read by region as often as needed, or an upload, read once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from app.errors import ItemError, Unprocessable, VcfRefused
from app.genome.cohort import Cohort
from app.genome.genotypes import Genotypes
from app.genome.intervals import Interval
from app.genome.narrowing import narrowed
from app.genome.upload.reading import Children, read_upload
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.query import GenotypeQuery

# An upload cannot be read twice, so as much around the region is kept as deletions may pull in.
MARGIN_BASES = 100_000

GenotypesIn = Callable[[Interval], Genotypes]


class GenotypeSource(Protocol):
    """Some people's genotypes."""

    async def genotypes(self, query: GenotypeQuery) -> GenotypesIn:
        """A function from an interval to the records that overlap it; to be called in a thread.

        Raises:
            ServiceError: they cannot be read.
        """


@dataclass(frozen=True)
class CohortSource:
    """A cohort that is indexed."""

    cohort: Cohort

    async def genotypes(self, query: GenotypeQuery) -> GenotypesIn:
        def within(interval: Interval) -> Genotypes:
            return self.cohort.read(replace(query, start=interval.start, end=interval.end))

        return within


@dataclass(frozen=True)
class UploadSource:
    """A VCF as it arrives, under no name.

    Attributes:
        children: how many processes may read uploads at once.
    """

    chunks: AsyncGenerator[bytes, None]
    limits: VcfLimits
    children: Children

    async def genotypes(self, query: GenotypeQuery) -> GenotypesIn:
        start, end = max(query.start - MARGIN_BASES, 0), query.end + MARGIN_BASES
        async with aclosing(self.chunks) as chunks:
            read = await read_upload(chunks, replace(query, start=start, end=end), self.limits, self.children)
        if not read.samples:
            raise VcfRefused("vcf_samples", "The VCF has no genotypes of anybody.")

        def within(interval: Interval) -> Genotypes:
            if interval.start < start or interval.end > end:
                detail = f"A deletion would pull in bases from more than {MARGIN_BASES:,} bases around the region."
                raise Unprocessable(detail, items=[ItemError("/region", "region_too_long", detail)])
            return narrowed(read, interval.start, interval.end)

        return within

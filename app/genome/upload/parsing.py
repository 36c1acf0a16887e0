"""One upload, from its bytes as they came to the genotypes asked for."""

from __future__ import annotations

from collections.abc import Iterable

from app.genome.genotypes import Genotypes
from app.genome.upload.inflate import text_of
from app.genome.upload.lines import lines_of
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.query import GenotypeQuery
from app.genome.vcf.reading import read_vcf


def parse_upload(chunks: Iterable[bytes], query: GenotypeQuery, limits: VcfLimits) -> Genotypes:
    """Read text, gzip or bgzip.

    Raises:
        UnsupportedMediaType: it is of another format.
        DecompressedTooLarge: it inflates to more than the limits.
        Unprocessable: it is refused as a VCF, or lacks a sample.
    """
    return read_vcf(lines_of(text_of(chunks, limits), limits), query, limits)

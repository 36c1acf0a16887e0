"""Small VCFs to read, and how to read them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from app.errors import ServiceError, Unprocessable
from app.genome.genotypes import Genotypes
from app.genome.upload.parsing import parse_upload
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.query import GenotypeQuery

LIMITS = VcfLimits()
FIRST_KILOBASE = GenotypeQuery("chr1", 0, 1000)


def vcf(*records: str, samples: str = "a b", header: str = "##contig=<ID=chr1,length=1000>") -> bytes:
    """A VCF; spaces stand for tabs in records and samples."""
    columns = "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT " + samples
    lines = [*header.split("\n"), *(line.strip().replace(" ", "\t") for line in (columns, *records))]
    return "\n".join(["##fileformat=VCFv4.2", *lines, ""]).encode()


def sites(*records: str, header: str = "##contig=<ID=chr1,length=1000>") -> bytes:
    """A VCF without samples."""
    return vcf(*records, samples="", header=header).replace(b"\tFORMAT", b"")


def read(text: bytes, query: GenotypeQuery = FIRST_KILOBASE, limits: VcfLimits = LIMITS) -> Genotypes:
    return parse_upload([text], query, limits)


def refusal(text: bytes, query: GenotypeQuery = FIRST_KILOBASE, limits: VcfLimits = LIMITS) -> tuple[str, str]:
    """Code and detail of what the VCF is refused for."""
    try:
        read(text, query, limits)
    except Unprocessable as error:
        return error.problem_code, error.detail
    raise AssertionError("the VCF is accepted")


def outcome(text: bytes) -> tuple[int, str]:
    """Status and code of an upload; 200 and nothing for one that is read."""
    try:
        read(text)
    except ServiceError as error:
        return error.status, error.problem_code
    return 200, ""


def assert_equal_genotypes(one: Genotypes, other: Genotypes) -> None:
    for field in Genotypes.__slots__:
        before, after = getattr(one, field), getattr(other, field)
        assert type(before) is type(after), field
        assert np.array_equal(before, after) if isinstance(before, np.ndarray) else before == after, field
        assert getattr(before, "dtype", None) == getattr(after, "dtype", None), field


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))

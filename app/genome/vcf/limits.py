"""How much of a VCF is read, before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

MEBI = 1024 * 1024


@dataclass(frozen=True, slots=True)
class VcfLimits:
    """Limits of one VCF; those of an upload hold for a file of the command line too.

    Attributes:
        max_vcf_upload_bytes: as it arrives, compressed or not.
        max_vcf_bytes: after inflating.
        max_ratio: inflated to compressed bytes, after the first MiB.
        max_members: gzip members, or blocks of bgzip.
        max_alternates: per record.
        max_genotypes: records of the region times samples asked for.
        max_memory_bytes: address space of the process that reads an upload.
        max_seconds: of processor time, and of wall-clock time, for one upload.
    """

    max_vcf_upload_bytes: int = 256 * MEBI
    max_vcf_bytes: int = 2048 * MEBI
    max_ratio: int = 200
    max_members: int = 131_072
    max_vcf_line_bytes: int = 4 * MEBI
    max_header_lines: int = 100_000
    max_vcf_records: int = 1_000_000
    max_samples: int = 10_000
    max_alternates: int = 1_000
    max_allele_bases: int = 100_000
    max_genotypes: int = 32 * MEBI
    max_memory_bytes: int = 2048 * MEBI
    max_seconds: int = 60

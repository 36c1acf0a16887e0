"""Uploads that somebody sends by mistake or on purpose, and what each of them is answered."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile

from tests.genome.test_upload_inflate import bgzip, block
from tests.genome.vcfs import sites, vcf

GOOD = vcf("chr1 5 . A C . PASS . GT 0|1 1|1", "chr1 9 . G T . PASS . GT 0|0 0|1")
MEBI = 2**20


def one(record: str) -> bytes:
    return vcf(record)


def zipped() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.vcf", GOOD)
    return archive.getvalue()


TABLE = {
    "not VCF": (b'{"vcf": 1}', 422, "vcf_header"),
    "empty": (b"", 422, "vcf_header"),
    "blank": (b"\n\n", 422, "vcf_header"),
    "header only": (vcf(), 200, ""),
    "no #CHROM": (b"##fileformat=VCFv4.2\n##source=x\n", 422, "vcf_header"),
    "spaces for tabs": (GOOD.replace(b"\t", b" "), 422, "vcf_header"),
    "spaces for tabs in a record": (GOOD.replace(b"chr1\t9", b"chr1 9"), 422, "vcf_columns"),
    "a column short": (GOOD.removesuffix(b"\t0|1\n"), 422, "vcf_columns"),
    "a column more": (GOOD.removesuffix(b"\n") + b"\t0|1\n", 422, "vcf_columns"),
    "CRLF": (GOOD.replace(b"\n", b"\r\n"), 200, ""),
    "no final newline": (GOOD.removesuffix(b"\n"), 200, ""),
    "gzip": (gzip.compress(GOOD), 200, ""),
    "bgzip": (bgzip(GOOD), 200, ""),
    "gzip truncated": (gzip.compress(GOOD)[:-9], 422, "vcf_truncated"),
    "bgzip truncated at a block": (block(GOOD), 422, "vcf_truncated"),
    "CRC wrong": (gzip.compress(GOOD)[:-8] + bytes(4) + gzip.compress(GOOD)[-4:], 422, "vcf_damaged"),
    "trailing garbage": (gzip.compress(GOOD) + b"garbage", 422, "vcf_damaged"),
    "data behind the end of bgzip": (bgzip(GOOD) + block(GOOD), 422, "vcf_damaged"),
    "concatenated members": (gzip.compress(GOOD[:50]) + gzip.compress(GOOD[50:]), 200, ""),
    "concatenated files": (gzip.compress(GOOD) + gzip.compress(GOOD), 422, "vcf_columns"),
    "BCF": (bgzip(b"BCF\x02\x02\x10\x00"), 415, "unsupported_media_type"),
    "CRAM": (b"CRAM\x03\x00", 415, "unsupported_media_type"),
    "zip": (zipped(), 415, "unsupported_media_type"),
    "xz": (lzma.compress(GOOD), 415, "unsupported_media_type"),
    "bzip2": (bz2.compress(GOOD), 415, "unsupported_media_type"),
    "double gzip": (gzip.compress(gzip.compress(GOOD)), 415, "unsupported_media_type"),
    "UTF-16": (GOOD.decode().encode("utf-16"), 422, "vcf_encoding"),
    "NUL": (GOOD.replace(b"chr1\t9\t.", b"chr1\t9\t\0"), 422, "vcf_encoding"),
    "POS 0": (one("chr1 0 . A C . . . GT 0|1 1|1"), 422, "vcf_position"),
    "POS -1": (one("chr1 -1 . A C . . . GT 0|1 1|1"), 422, "vcf_position"),
    "POS 2^31": (one("chr1 2147483648 . A C . . . GT 0|1 1|1"), 422, "vcf_position"),
    "POS 2^63": (one("chr1 9223372036854775808 . A C . . . GT 0|1 1|1"), 422, "vcf_position"),
    "POS text": (one("chr1 five . A C . . . GT 0|1 1|1"), 422, "vcf_position"),
    "REF N": (one("chr1 5 . N C . . . GT 0|1 1|1"), 200, ""),
    "REF lower case": (one("chr1 5 . acgt C . . . GT 0|1 1|1"), 200, ""),
    "REF IUPAC": (one("chr1 5 . R C . . . GT 0|1 1|1"), 200, ""),
    "REF no base": (one("chr1 5 . - C . . . GT 0|1 1|1"), 422, "vcf_allele"),
    "ALT *": (one("chr1 5 . A * . . . GT 0|1 1|1"), 200, ""),
    "ALT <DEL>": (one("chr1 5 . A <DEL> . . END=9 GT 0|1 1|1"), 200, ""),
    "ALT breakend": (one("chr1 5 . A A[chr2:5[ . . . GT 0|1 1|1"), 200, ""),
    "ALT .": (one("chr1 5 . A . . . . GT 0|0 0|0"), 200, ""),
    "> max ALT": (one(f"chr1 5 . A {','.join(['C'] * 1001)} . . . GT 0|1 1|1"), 422, "vcf_too_many"),
    "allele too long": (one(f"chr1 5 . A {'C' * 100_001} . . . GT 0|1 1|1"), 422, "vcf_allele"),
    "GT ./. and 0": (one("chr1 5 . A C . . . GT ./. 0"), 200, ""),
    "GT 0/9": (one("chr1 5 . A C . . . GT 0/9 0|1"), 422, "vcf_genotype"),
    "GT 20-ploid": (one("chr1 5 . A C . . . GT 0|1 " + "/".join("0" * 20)), 422, "vcf_ploidy"),
    "GT phased mix": (one("chr1 5 . A C . . . GT 0|1 0/1"), 200, ""),
    "GT missing from FORMAT": (one("chr1 5 . A C . . . DP 7 9"), 422, "vcf_format"),
    "unknown contig": (GOOD.replace(b"chr1", b"chr7"), 422, "vcf_contig"),
    "unsorted": (vcf("chr1 9 . A C . . . GT 0|1 1|1", "chr1 5 . A C . . . GT 0|1 1|1"), 422, "vcf_unsorted"),
    "duplicate": (vcf(*["chr1 9 . A C . . . GT 0|1 1|1"] * 2), 200, ""),
    "10 MB INFO": (sites(f"chr1 5 . A C . . X={'x' * 10_000_000}"), 422, "vcf_too_long"),
    "1 M samples": (vcf(samples=" ".join(map(str, range(1_000_000)))), 422, "vcf_too_long"),
    "10,001 samples": (vcf(samples=" ".join(map(str, range(10_001)))), 422, "vcf_too_many"),
    "10^6 header lines": (vcf(header="\n".join(["##x=y"] * 1_000_000)), 422, "vcf_too_many"),
}  # fmt: skip

BOMBS = {
    "gzip": (413, "decompressed_too_large"),
    "bgzip": (413, "decompressed_too_large"),
    "one allele": (413, "decompressed_too_large"),
    "records": (413, "decompressed_too_large"),
    "members": (413, "decompressed_too_large"),
    "allele as text": (422, "vcf_too_long"),
}


def bomb(kind: str) -> bytes:
    match kind:
        case "gzip":
            return gzip.compress(bytes(64 * MEBI))
        case "bgzip":
            return block(b"A" * 60_000) * 1_000
        case "one allele":
            return gzip.compress(sites("chr1 5 . A C . . .") + b"chr1\t6\t.\t" + b"A" * 64 * MEBI)
        case "records":
            return gzip.compress(GOOD + GOOD.splitlines(keepends=True)[-1] * MEBI)
        case "members":
            return gzip.compress(b"") * 1_000_000
        case "allele as text":
            return sites("chr1 5 . A C . . .") + b"chr1\t6\t.\t" + b"A" * 64 * MEBI
    raise AssertionError(kind)

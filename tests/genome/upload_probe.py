"""Reads one upload in a fresh process and prints what it came to and what it took: for limits and for strace."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from app.errors import ServiceError
from app.genome.upload.reading import read_upload
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.query import GenotypeQuery

BEGIN = "/the-upload-begins-here"


async def chunks_of(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 65_536):
        yield data[start : start + 65_536]


async def outcome(data: bytes) -> tuple[int, str]:
    try:
        await read_upload(chunks_of(data), GenotypeQuery("chr1", 0, 1000), VcfLimits())
    except ServiceError as error:
        return error.status, error.problem_code
    return 200, ""


def rss_mebibytes(whose: int) -> float:
    return resource.getrusage(whose).ru_maxrss / 1024


def cpu_seconds() -> float:
    """Of this process and its children; unlike the time on the wall, the same on a busy machine."""
    usages = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    data = Path(sys.argv[1]).read_bytes()
    before = rss_mebibytes(resource.RUSAGE_SELF)
    os.path.exists(BEGIN)  # noqa: PTH110 - a mark in the trace
    begun = cpu_seconds()
    status, code = asyncio.run(outcome(data))
    seconds = cpu_seconds() - begun
    grown = rss_mebibytes(resource.RUSAGE_SELF) - before
    child = rss_mebibytes(resource.RUSAGE_CHILDREN)
    seen = {"status": status, "code": code, "cpu_seconds": seconds, "grown_mib": grown, "child_mib": child}
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()

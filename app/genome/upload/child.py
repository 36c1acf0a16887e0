"""The process that reads one upload: it may use so much memory and time, and open nothing.

It gets its orders and then the upload on standard input, and answers with one message on standard output.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterable
from dataclasses import asdict

from app.errors import ServiceError, VcfRefused
from app.genome.upload.parsing import parse_upload
from app.genome.upload.transfer import failure_message, genotypes_message, refusal_message
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.query import GenotypeQuery

READ_BYTES = 64 * 1024
STANDARD_STREAMS = 3
NOT_READABLE_IN_MEMORY = "Reading the VCF takes more memory than one upload may; send the region's part of it."


def orders(query: GenotypeQuery, limits: VcfLimits) -> bytes:
    """What a child is told first, one line."""
    return json.dumps({"query": asdict(query), "limits": asdict(limits)}).encode() + b"\n"


def main() -> None:
    """Read the orders and the upload, answer, end."""
    incoming = os.fdopen(sys.stdin.fileno(), "rb", closefd=False)
    query, limits = read_orders(incoming.readline())
    confine(limits)
    upload = iter(lambda: incoming.read1(READ_BYTES), b"")
    sys.stdout.buffer.writelines(answer(upload, query, limits))
    sys.stdout.buffer.flush()


def read_orders(line: bytes) -> tuple[GenotypeQuery, VcfLimits]:
    """What `orders` says."""
    told = json.loads(line)
    samples = told["query"].pop("samples")
    query = GenotypeQuery(**told["query"], samples=None if samples is None else tuple(samples))
    return query, VcfLimits(**told["limits"])


def answer(upload: Iterable[bytes], query: GenotypeQuery, limits: VcfLimits) -> list[memoryview | bytes]:
    """The message that answers an upload."""
    try:
        return genotypes_message(parse_upload(upload, query, limits))
    except ServiceError as error:
        return [refusal_message(error)]
    except MemoryError:
        return [refusal_message(VcfRefused("vcf_too_costly", NOT_READABLE_IN_MEMORY))]
    except Exception:  # noqa: BLE001 - its text may quote the upload, so that it ends here
        return [failure_message()]


def confine(limits: VcfLimits) -> None:
    """Bound this process: from here on it can open no file, no socket, and start no process."""
    bounds = {
        resource.RLIMIT_AS: limits.max_memory_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: STANDARD_STREAMS,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CPU: limits.max_seconds,
    }
    for which, bound in bounds.items():
        resource.setrlimit(which, (bound, bound))

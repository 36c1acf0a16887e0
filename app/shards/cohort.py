"""What is known of a cohort before anybody's genotypes are read: who is in it, and what is asked of it."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from app.genome.vcf.header import read_header
from app.main import vcf_limits
from app.records import GZIP_MAGIC, explained
from app.settings import Settings
from app.shards.plan import Cutter, Input, Model, Options, Plan


def sample_names(vcf: Path, settings: Settings) -> tuple[str, ...]:
    """Everybody in a VCF, in the order of its columns.

    Raises:
        TableError: it cannot be read.
        VcfRefused: it is no VCF.
    """
    with explained(str(vcf)), closing(_lines(vcf)) as lines:
        return read_header(lines, vcf_limits(settings)).samples


def question_digest(people: Sequence[str], request: Mapping[str, Any], settings: Settings) -> str:
    """A digest of everything beside the VCF and the model that decides what is answered."""
    files = [file and _sha256(file) for file in (settings.reference, settings.genes)]
    asked = json.dumps([list(people), dict(request), files], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()


def plan_people(vcf: Path, people: int, model: Model, options: Options) -> Plan:
    """A plan in which each shard is of some people; it lies nowhere in particular in the VCF."""
    cutter = Cutter(0, options.shard_records)
    shards = [shard for _ in range(people) for shard in cutter.add(0)]
    size = vcf.stat().st_size
    facts = Input(size_bytes=size, sha256=_sha256(vcf), text_bytes=size, head=(0, 0))
    return Plan(input=facts, model=model, options=options, shards=(*shards, *cutter.rest()))


def _lines(vcf: Path) -> Generator[bytes, None, None]:
    with vcf.open("rb") as raw:
        zipped = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        raw.seek(0)
        file = gzip.GzipFile(fileobj=raw) if zipped else raw
        for line in file:
            yield line.rstrip(b"\r\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""The genotypes of a VCF that whoever runs a command names: by region where it has an index, else read whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from app.errors import TableError
from app.genome.cohort import INDEX_ENDINGS, Cohort
from app.genome.sources import CohortSource, GenotypeSource, UploadSource
from app.genome.upload.reading import Children
from app.genome.vcf.limits import VcfLimits

CHUNK_BYTES = 1024 * 1024


def open_file(path: Path, limits: VcfLimits) -> GenotypeSource:
    """A source for a file.

    Raises:
        SettingsError: it has an index, and is no VCF that fits it.
        TableError: there is no such file.
    """
    if not path.is_file():
        raise TableError(f"{path}: there is no such file")
    if any(path.with_name(path.name + ending).is_file() for ending in INDEX_ENDINGS):
        return CohortSource(Cohort([str(path)], limits))
    return UploadSource(_chunks(path), limits, Children())


async def _chunks(path: Path) -> AsyncGenerator[bytes, None]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk

"""The picture of `basecast individual`: the answer beside the genotypes of the file, which never leave this process.

An answer carries nobody's genotypes, so they are read here once more, whoever has predicted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.errors import TableError
from app.genome.file_source import open_file
from app.genome.genotypes import Genotypes
from app.genome.grouping import Place, find_variant, group_people, lead_variant
from app.genome.intervals import Interval
from app.genome.narrowing import chosen
from app.genome.variants import Variant
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.query import GenotypeQuery
from app.pictures.genotypes import draw_genotypes

Told = Mapping[str, Any]


def draw(told: Told, vcf: Path, variant: Variant | None, record_filter: str | None, path: Path) -> None:
    """Draw each person's prediction by genotype.

    Args:
        told: the answer for one window.
        variant: whose genotypes; the lead variant of the window where there is none.

    Raises:
        TableError: there is no such variant, or nobody differs.
    """
    genotypes = asyncio.run(_genotypes(told, vcf, record_filter))
    place, words = _lead(genotypes, told) if variant is None else (_found(genotypes, variant), "the variant asked for")
    draw_genotypes(told, group_people(genotypes, place), words, path)


async def _genotypes(told: Told, vcf: Path, record_filter: str | None) -> Genotypes:
    """The genotypes in the window of the people in the answer."""
    window = told["reference"]
    samples = tuple(individual["sample"] for individual in told["individuals"])
    query = GenotypeQuery(window["contig"], window["start"], window["end"], samples)
    source = await open_file(vcf, VcfLimits()).genotypes(query)
    read = source(Interval(window["contig"], window["start"], window["end"]))
    return read if record_filter == "any" else chosen(read, read.passed)


def _found(genotypes: Genotypes, variant: Variant) -> Place:
    place = find_variant(genotypes, variant)
    if place is None:
        raise TableError("--variant: the VCF has no such variant in the window, written in this way")
    return place


def _lead(genotypes: Genotypes, told: Told) -> tuple[Place, str]:
    target = next(iter(told["reference_values"]))
    values = {individual["sample"]: individual["values"][target] for individual in told["individuals"]}
    lead = lead_variant(genotypes, values)
    if lead is None:
        raise TableError("--plot: no variant of the window goes with a difference between these people")
    place, r = lead
    return place, f"the variant of the window that goes most with {target} (r = {r:.2f})"

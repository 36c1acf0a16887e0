"""Which windows of the configured reference a model reads: for a gene, for an interval, around a variant."""

from __future__ import annotations

from dataclasses import replace

from app.bundle import Input, Manifest
from app.errors import ItemError, Unprocessable
from app.genome.intervals import Interval, Window, centred
from app.genomes import Genomes
from app.windows import bases_of, gene_window, region_windows


def configured(genomes: Genomes | None, pointer: str) -> Genomes:
    """The genomes that a field of a request needs.

    Raises:
        Unprocessable: the operator configured none.
    """
    if genomes is None:
        raise _refused(pointer, "invalid_field", "This service has no reference; send a sequence, or set `reference`.")
    return genomes


def window_of_gene(genomes: Genomes, manifest: Manifest, gene: str) -> Window:
    """The window that a model reads for a gene, on the reference's own contig.

    Raises:
        Unprocessable: there is no such gene, the model has no window, or is of another assembly.
    """
    found = genomes.gene(gene)
    contig = genomes.reference.contig(found.contig, "/gene")
    genomes.check_assembly(manifest, contig)
    return gene_window(manifest.input, replace(found, contig=contig))


def window_of_interval(genomes: Genomes, manifest: Manifest, interval: Interval, pointer: str) -> Window:
    """The window that a model reads for an interval: as it is, or its own around the interval's centre.

    Raises:
        Unprocessable: the interval does not fit the model, or is not on the reference, or the model is of another one.
    """
    contig = genomes.reference.contig(interval.contig, pointer)
    genomes.check_assembly(manifest, contig)
    try:
        (window,) = region_windows(manifest.input, replace(interval, contig=contig))
    except Unprocessable as error:
        raise Unprocessable(error.detail, items=[replace(item, pointer=pointer) for item in error.items]) from None
    return window


def window_around(rules: Input, contig: str, position: int) -> Window:
    """The window around a variant, in the direction of the contig; the variant's first base keeps its place.

    Args:
        position: 0-based.

    Raises:
        Unprocessable: the model reads sequences of several lengths, so that the window must be said.
    """
    if rules.window is None and rules.min_bases < rules.max_bases:
        detail = f"This model reads {rules.min_bases:,} to {rules.max_bases:,} bases; send `window` to say which."
        raise _refused("/window", "invalid_field", detail)
    bases = bases_of(rules.window) if rules.window else rules.max_bases
    start = position - bases // 2
    return centred(Interval(contig, start, start + bases))


def _refused(pointer: str, code: str, detail: str) -> Unprocessable:
    return Unprocessable(detail, items=[ItemError(pointer, code, detail)])

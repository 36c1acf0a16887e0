"""Which windows a model reads for a gene or a region, by its manifest: the rules of every route that takes either."""

from __future__ import annotations

from app.bundle import Input, Window
from app.errors import ItemError, Unprocessable
from app.genome.genes import Gene
from app.genome.haplotypes.segments import cut
from app.genome.intervals import Interval, Strand, around, centred
from app.genome.intervals import Window as Placed

MAX_TILES = 1024


def gene_window(rules: Input, gene: Gene) -> Placed:
    """The window that a model reads for a gene.

    Raises:
        Unprocessable: the model has no window, so that a gene does not say what it reads.
    """
    if rules.window is None:
        raise _refused("/gene", "invalid_field", "This model has no window around genes; send a region.")
    position = (gene.start + gene.end) // 2 if rules.window.anchor == "centre" else gene.tss
    strand = gene.strand if rules.window.strand_specific else "+"
    return _around(gene.contig, position, rules.window, strand)


def region_windows(rules: Input, region: Interval, *, tile: bool = False) -> tuple[Placed, ...]:
    """The windows that a model reads for a region: one, or side by side from the region's first base on.

    A model with a window reads one of its length: the region, or more around the region's centre. The last of several
    windows may reach beyond the region. A model without a window reads the region as it is.

    Args:
        tile: allow several.

    Raises:
        Unprocessable: the region is longer or shorter than the model reads, or makes more than `MAX_TILES` windows.
    """
    longest = bases_of(rules.window) if rules.window else rules.max_bases
    if tile and region.bases > longest:
        starts = range(region.start, region.end, longest)
        if len(starts) > MAX_TILES:
            detail = f"The region makes {len(starts):,} windows; one request takes at most {MAX_TILES:,}."
            raise _refused("/region", "too_many", detail)
        tiles = [Interval(region.contig, start, start + longest, region.strand) for start in starts]
        return tuple(_placed(rules.window, each) for each in tiles)
    _check_length(rules, region, longest)
    if rules.window is None:
        return (centred(region),)
    start = region.centre - longest // 2 if region.bases < longest else region.start
    return (_placed(rules.window, Interval(region.contig, start, start + longest, region.strand)),)


def pieces(rules: Input, window: Placed) -> tuple[Placed, ...]:
    """What a model reads of a window, each with the base that keeps its place: the window itself, or its segments.

    In the direction of the strand.
    """
    return (window,) if rules.segments is None else cut(window.interval, rules.segments.count)


def bases_of(window: Window) -> int:
    """How many bases a manifest's window has."""
    return window.upstream_bases + window.downstream_bases


def _check_length(rules: Input, region: Interval, longest: int) -> None:
    if region.bases > longest:
        way_out = "send a shorter region, or `tile` for windows side by side"
        detail = f"The region has {region.bases:,} bases; this model reads {longest:,} at once: {way_out}."
        raise _refused("/region", "region_too_long", detail)
    if rules.window is None and region.bases < rules.min_bases:
        detail = f"The region has {region.bases:,} bases; this model reads at least {rules.min_bases:,}."
        raise _refused("/region", "too_short", detail)


def _placed(window: Window | None, interval: Interval) -> Placed:
    """An interval of the window's length, with the anchor where the model expects it."""
    if window is None or window.anchor == "centre":
        return centred(interval)
    if interval.strand == "+":
        return Placed(interval, interval.start + window.upstream_bases)
    return Placed(interval, interval.end - 1 - window.upstream_bases)


def _around(contig: str, position: int, window: Window, strand: Strand) -> Placed:
    return around(contig, position, window.upstream_bases, window.downstream_bases, strand)


def _refused(pointer: str, code: str, detail: str) -> Unprocessable:
    return Unprocessable(detail, items=[ItemError(pointer, code, detail)])

"""How far around a window variants must be read, so that what a deletion pulls in is the person's own sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from app.errors import ItemError, Unprocessable
from app.genome.genotypes import Genotypes
from app.genome.haplotypes.people import People, people_of
from app.genome.haplotypes.policies import Policies
from app.genome.intervals import Interval
from app.genome.stretch import Stretch

MAX_REACH_BASES = 16 << 20


class Reaching(Protocol):
    """What is built from people, and knows which reference bases it read."""

    def reach(self) -> Interval: ...


Built = TypeVar("Built", bound=Reaching)


def build_widened(
    interval: Interval,
    genotypes_in: Callable[[Interval], Genotypes],
    stretch_of: Callable[[Interval], Stretch],
    policies: Policies,
    build: Callable[[People], Built],
    margin_bases: int = 1_000,
) -> Built:
    """Read around an interval, build, and read further where a haplotype reaches beyond what was read.

    Args:
        interval: what is built.
        genotypes_in: the records that overlap an interval.
        stretch_of: the reference of an interval, or as much of it as there is.
        build: such as `build_haplotypes` over a window.

    Raises:
        Unprocessable: a haplotype would need more than `MAX_REACH_BASES` of the reference.
    """
    known = _on_contig(interval.widened(margin_bases))
    while True:
        stretch = stretch_of(known)
        built = build(people_of(genotypes_in(known), stretch, interval, policies))
        if stretch.holds(built.reach()):
            return built
        known = _on_contig(known.joined(built.reach()).widened(margin_bases))
        if known.bases - interval.bases > MAX_REACH_BASES:
            detail = f"A deletion would pull in bases from more than {MAX_REACH_BASES:,} bases around the window."
            raise Unprocessable(detail, items=[ItemError("/region", "region_too_long", detail)])


def _on_contig(interval: Interval) -> Interval:
    return Interval(interval.contig, max(interval.start, 0), max(interval.end, 0), interval.strand)

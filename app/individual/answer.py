"""From the values of distinct haplotypes to what is told of each person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.bundle import Target
from app.genome.haplotypes.carried import HAPLOID
from app.genome.haplotypes.carriers import REFERENCE, Carriers
from app.genome.haplotypes.overlaps import Skipped
from app.genome.haplotypes.people import People
from app.genome.haplotypes.policies import Policies
from app.genome.haplotypes.segments import Segments
from app.genome.intervals import Window
from app.scales import combined, log2_fold_change

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class HaplotypeAnswer:
    """One haplotype of a person.

    Attributes:
        index: 1 or 2.
        applied: how many variants make it.
        skipped: the others that it carries, with reasons.
        anchor_offset: how far right of the anchor the base lies that stands in its place.
    """

    index: int
    values: Values
    applied: int
    skipped: tuple[Skipped, ...]
    anchor_offset: int


@dataclass(frozen=True, slots=True)
class IndividualAnswer:
    """One person.

    Attributes:
        values: of both haplotypes together.
        difference: to the reference, in the target's unit.
        log2_fold_change: to the reference, for the targets whose scale makes it meaningful.
        phased: it is known which alleles stand together.
        notes: what the calls leave open, in sentences.
    """

    sample: str
    values: Values
    difference: Values
    log2_fold_change: Values
    haplotypes: tuple[HaplotypeAnswer, ...]
    phased: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """What the answer was made from.

    Attributes:
        distinct_haplotypes: that somebody has.
        distinct_segments: of them and the reference, which the embedder reads; None for a model without segments.
        records: in the window; `applied` of them are in somebody's haplotype, `filtered` did not pass their filters.
    """

    samples: int
    haplotypes: int
    distinct_haplotypes: int
    records: int
    applied: int
    filtered: int
    distinct_segments: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a window lies, and on what.

    Attributes:
        assembly, refget: of the reference; the digest names the sequence that the window lies on.
    """

    window: Window
    assembly: str | None
    refget: str


@dataclass(frozen=True, slots=True)
class WindowAnswer:
    """Everybody's values over one window."""

    place: Place
    reference_values: Values
    counts: Counts
    individuals: tuple[IndividualAnswer, ...]


def window_answer(
    place: Place,
    haplotypes: Carriers,
    rows: Sequence[Sequence[float]],
    targets: Sequence[Target],
    wanted: Sequence[str] | None,
    policies: Policies,
) -> WindowAnswer:
    """Tell what each person has.

    Args:
        rows: the values of each distinct haplotype, in the order of the targets.
        wanted: whose answers, and in which order; None for everybody in the file's order.
    """
    names = haplotypes.people.samples
    column_of = {name: column for column, name in enumerate(names)}
    told = _Told(haplotypes, rows, targets, policies)
    return WindowAnswer(
        place=place,
        reference_values=_named(rows[REFERENCE], targets),
        counts=count(haplotypes),
        individuals=tuple(told.individual(column_of[name]) for name in wanted or names),
    )


def count(haplotypes: Carriers) -> Counts:
    """What a window's haplotypes were made from."""
    people, row_of = haplotypes.people, haplotypes.row_of
    carried = set(row_of[row_of != HAPLOID].tolist())
    edits = people.edits
    applied = {edits.rows[change].record for row in carried for change in haplotypes.changes(row).tolist()}
    return Counts(
        samples=len(people.samples),
        haplotypes=int((row_of != HAPLOID).sum()),
        distinct_haplotypes=len(carried),
        records=people.records,
        applied=len(applied),
        filtered=people.filtered,
        distinct_segments=len(haplotypes.distinct) if isinstance(haplotypes, Segments) else None,
    )


def skipped_reasons(haplotypes: Carriers) -> Iterator[str]:
    """Why variants were skipped: a reason for each haplotype that carries one, for the metrics."""
    for sample, rows in enumerate(haplotypes.row_of.tolist()):
        for index, row in enumerate(rows):
            if row != HAPLOID:
                yield from (skipped.reason for skipped in haplotypes.skipped(sample, index))


class _Told:
    """The values and facts of each distinct haplotype, worked out once."""

    def __init__(
        self, haplotypes: Carriers, rows: Sequence[Sequence[float]], targets: Sequence[Target], policies: Policies
    ) -> None:
        self._haplotypes, self._rows, self._targets, self._policies = haplotypes, rows, targets, policies
        distinct = range(haplotypes.rows)
        self._row_of: list[list[int]] = haplotypes.row_of.tolist()
        self._values = [_named(row, targets) for row in rows]
        self._applied = [len(haplotypes.applied(row)) for row in distinct]
        self._offsets = [haplotypes.anchor_offset(row) for row in distinct]

    def individual(self, sample: int) -> IndividualAnswer:
        rows = [row for row in self._row_of[sample] if row != HAPLOID]
        together = [combined([self._rows[row][at] for row in rows], it) for at, it in enumerate(self._targets)]
        reference = self._rows[REFERENCE]
        beside = list(zip(self._targets, together, reference, strict=True))
        folds = {it.name: log2_fold_change(value, base, it) for it, value, base in beside}
        notes = tuple(_notes(self._haplotypes.people, sample, self._policies))
        calls = self._haplotypes.people.calls
        return IndividualAnswer(
            sample=self._haplotypes.people.samples[sample],
            values=_named(together, self._targets),
            difference={it.name: value - base for it, value, base in beside},
            log2_fold_change={name: fold for name, fold in folds.items() if fold is not None},
            haplotypes=tuple(self._haplotype(sample, index, row) for index, row in enumerate(rows)),
            phased=not calls.unphased[sample] and calls.phase_sets[sample] <= 1,
            notes=notes,
        )

    def _haplotype(self, sample: int, index: int, row: int) -> HaplotypeAnswer:
        skipped = self._haplotypes.skipped(sample, index)
        return HaplotypeAnswer(index + 1, self._values[row], self._applied[row], skipped, self._offsets[row])


def _named(values: Sequence[float], targets: Sequence[Target]) -> dict[str, float]:
    return {target.name: value for target, value in zip(targets, values, strict=True)}


UNPHASED = {
    "as_listed": "their alleles were taken as listed",
    "random": "their alleles were dealt at random",
    "iupac": "both haplotypes have an ambiguous base, or N, there",
}
MISSING = {"reference": "the reference stands there", "n": "N stands there"}


def _notes(people: People, sample: int, policies: Policies) -> Iterator[str]:
    calls = people.calls
    if unphased := int(calls.unphased[sample]):
        yield f"{unphased} calls of two alleles without phase: {UNPHASED[policies.unphased]}."
    if (sets := int(calls.phase_sets[sample])) > 1:
        yield f"{sets} phase sets: how they belong together is not known."
    if missing := int(calls.missing[sample]):
        yield f"{missing} alleles were not called: {MISSING[policies.missing]}."
    if spanning := int(calls.spanning[sample]):
        yield f"{spanning} alleles are `*`: their deletion comes from a record of its own."
    if calls.mixed_ploidy[sample]:
        yield "Calls of one and of two alleles: the second haplotype has the reference where a call has one."

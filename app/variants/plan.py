"""From variants to what is predicted for them: each in its window, every distinct sequence once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from app.bundle import Input, Manifest
from app.errors import ItemError, Unprocessable
from app.genome.alternates import alternate_sequence, first_difference, margin_bases, reference_sequence, touches
from app.genome.intervals import Window
from app.genome.reference import Reference
from app.genome.stretch import Stretch
from app.genomes import Genomes
from app.predictor import RequestLimits
from app.reference_windows import window_around
from app.variants.question import Asked, Question, Skipped, VcfPlace
from app.windows import pieces

# So many requests to POST /predict one for variants may be worth.
WORTH_REQUESTS = 8

Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Placed:
    """A variant in the window that it is scored in.

    Attributes:
        asked: its contig as the reference names it.
        reference, alternate: rows of the plan's sequences.
    """

    asked: Asked
    window: Window
    reference: int
    alternate: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is predicted.

    Attributes:
        sequences: distinct ones.
        pointers: to the first variant that each is for.
        skipped: what is not scored.
    """

    variants: tuple[Placed, ...]
    sequences: tuple[str, ...]
    pointers: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def plan_variants(
    genomes: Genomes, manifest: Manifest, question: Question, window: Window | None, limits: RequestLimits
) -> Plan:
    """Check every variant and spell what is to be predicted; reads the reference, so call it in a thread.

    Args:
        window: of all of them; None for one around each.

    Raises:
        Unprocessable: with an item for each variant at fault.
    """
    windowed = _checked(question.variants, lambda asked: _windowed(asked, genomes, manifest, window))
    inside = [(asked, place) for asked, place in windowed if touches(asked.variant, place)]
    outside = [asked.place for asked, place in windowed if not touches(asked.variant, place)]
    _check_bases([place for _, place in inside], limits)
    distinct, stretches = Distinct(), Stretches(genomes.reference, inside)
    placed = _checked(inside, lambda pair: _placed(*pair, manifest.input, stretches, distinct))
    skipped = (*question.skipped, *(Skipped(place, "outside_window") for place in outside))
    return Plan(tuple(placed), tuple(distinct.row_of), tuple(distinct.pointers), skipped)


class Stretches:
    """The reference around windows; the last one is kept, for it is often that of the next variant too."""

    def __init__(self, reference: Reference, windowed: Sequence[tuple[Asked, Window]]) -> None:
        self._reference = reference
        self._margins: dict[Window, int] = {}
        for asked, window in windowed:
            self._margins[window] = max(self._margins.get(window, 0), margin_bases(asked.variant))
        self._last: tuple[Window, Stretch] | None = None

    def around(self, window: Window, pointer: str) -> Stretch:
        """As much of the reference as its variants need.

        Raises:
            Unprocessable: the reference has nothing of the window.
        """
        if self._last is None or self._last[0] != window:
            stretch = self._reference.stretch(window.interval, pointer, self._margins[window])
            self._last = window, stretch
        return self._last[1]


@dataclass(slots=True)
class Distinct:
    """Sequences, each once, with a pointer to what it is for."""

    row_of: dict[str, int] = field(default_factory=dict)
    pointers: list[str] = field(default_factory=list)

    def add(self, text: str, pointer: str) -> int:
        """The row of a sequence."""
        row = self.row_of.setdefault(text, len(self.row_of))
        if row == len(self.pointers):
            self.pointers.append(pointer)
        return row


def _windowed(asked: Asked, genomes: Genomes, manifest: Manifest, window: Window | None) -> tuple[Asked, Window]:
    variant = asked.variant
    try:
        contig = genomes.reference.contig(variant.contig, asked.pointer)
    except Unprocessable as error:
        raise _refused(asked, "invalid_value", error.detail) from None
    if window is None:
        genomes.check_assembly(manifest, contig)
        window = window_around(manifest.input, contig, variant.position - 1)
    return replace(asked, variant=replace(variant, contig=contig)), window


def _placed(asked: Asked, window: Window, rules: Input, stretches: Stretches, distinct: Distinct) -> Placed:
    stretch = stretches.around(window, asked.pointer)
    wrong = first_difference(asked.variant, stretch)
    if wrong is not None:
        raise _refused(asked, "reference_mismatch", _mismatch(wrong, stretch))
    in_letters = stretch.in_model_letters()
    reference = distinct.add(reference_sequence(in_letters, window), asked.pointer)
    # An indel shifts no more than the segment that it is in, as in people's haplotypes.
    read = (alternate_sequence(asked.variant, in_letters, piece) for piece in pieces(rules, window))
    alternate = distinct.add("".join(read), asked.pointer)
    return Placed(asked, window, reference, alternate)


def _mismatch(position: int, stretch: Stretch) -> str:
    base = stretch.bases[position - stretch.start :][:1].upper().decode("ascii")
    found = (
        f"has {base} at {stretch.contig}:{position + 1:,}" if base else f"ends before {stretch.contig}:{position + 1:,}"
    )
    return f"The variant's reference base is not the reference's, which {found}; is it of another assembly?"


def _check_bases(windows: Sequence[Window], limits: RequestLimits) -> None:
    bases = sum(window.interval.bases for window in (*windows, *set(windows)))
    most = limits.max_total_bases * WORTH_REQUESTS
    if bases > most:
        detail = f"{bases:,} bases to predict in all; one request takes at most {most:,}. Send several."
        raise Unprocessable(detail, items=[ItemError("/variants", "too_many", detail)])


def _checked(items: Sequence[Given], make: Callable[[Given], Made]) -> list[Made]:
    """What is made of each item, or every fault there is."""
    made, faults = list[Made](), list[ItemError]()
    for item in items:
        try:
            made.append(make(item))
        except Unprocessable as error:
            faults += error.items
    if faults:
        raise _all_refused(faults)
    return made


def _all_refused(faults: Sequence[ItemError]) -> Unprocessable:
    each = list(dict.fromkeys(faults))  # what is wrong with the model is wrong with every variant
    return Unprocessable(f"{len(faults)} variants are refused; nothing was predicted. {each[0].detail}", items=each)


def _refused(asked: Asked, code: str, detail: str) -> Unprocessable:
    where = f"Line {asked.place.line}: {detail}" if isinstance(asked.place, VcfPlace) else detail
    return Unprocessable(where, items=[ItemError(asked.pointer, code, where)])

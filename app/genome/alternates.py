"""What a window reads when one variant is made and nothing else, by the rules of haplotypes."""

from __future__ import annotations

import numpy as np

from app.genome.haplotypes.edits import NOTHING, edits_of, substitution
from app.genome.haplotypes.fitting import course, fitted, spans
from app.genome.haplotypes.spelling import spelled
from app.genome.intervals import Window
from app.genome.letters import model_letters, reduced, reverse_complement
from app.genome.stretch import Stretch
from app.genome.variants import Variant

ONLY_CHANGE = 1


def margin_bases(variant: Variant) -> int:
    """How far around a window the reference must be known for this variant's sequence."""
    return max(len(variant.reference_bases), len(variant.alternate_bases))


def touches(variant: Variant, window: Window) -> bool:
    """Whether one of the variant's reference bases lies in the window."""
    start = variant.position - 1
    return start < window.interval.end and start + len(variant.reference_bases) > window.interval.start


def first_difference(variant: Variant, stretch: Stretch) -> int | None:
    """0-based position of the first base that the variant and the reference do not share; None where there is none.

    Args:
        stretch: the reference, with every base of the variant that the contig has.
    """
    written = variant.reference_bases.encode("ascii")
    offset = variant.position - 1 - stretch.start
    found = stretch.bases[offset : offset + len(written)].upper() if offset >= 0 else b""
    if written in (found, reduced(found)):
        return None
    pairs = zip(written, found, strict=False)
    shared = next((at for at, (one, other) in enumerate(pairs) if one != other), len(found))
    return variant.position - 1 + shared


def reference_sequence(stretch: Stretch, window: Window) -> str:
    """What the window reads without any variant, in the direction of its strand."""
    bases = stretch.between(window.interval.start, window.interval.end)
    return _read(bases, window)


def alternate_sequence(variant: Variant, stretch: Stretch, window: Window) -> str:
    """What the window reads with this variant: as long as without it, the anchor in its place.

    Args:
        stretch: the window's reference and `margin_bases` around it, in model letters.
    """
    reference, alternate = variant.reference_bases.encode("ascii"), variant.alternate_bases.encode("ascii")
    edit = substitution(0, variant.position - 1, reference, model_letters(alternate))
    edits = edits_of([NOTHING, edit], np.zeros((0, 0), np.int32), np.zeros((0, 0), np.bool_))
    applied = np.array([ONLY_CHANGE], dtype=np.int32)
    reading = fitted(applied, spans(course(edits, applied), [window]), 0)
    return _read(spelled(edits, reading, stretch), window)


def _read(bases: bytes, window: Window) -> str:
    return (bases if window.interval.strand == "+" else reverse_complement(bases)).decode("ascii")

"""In-silico saturation mutagenesis: what each substitution of a part of a sequence does to its prediction.

sequence, or interval of the reference → sweep → values of the sequence itself → values of its substitutions → matrix
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from app.chunks import Errand, predict_in_chunks
from app.errors import ItemError, Unprocessable
from app.genome.intervals import Interval, Strand
from app.genome.letters import model_letters, reverse_complement
from app.genome.stretch import Stretch
from app.predictor import Predictor, RequestLimits

ALPHABET = "ACGT"
# So many requests to POST /predict one of mutagenesis may be worth.
WORTH_REQUESTS = 8

Matrix = npt.NDArray[np.float64]

_BASES = np.frombuffer(ALPHABET.encode("ascii"), np.uint8)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Every substitution of a part of a sequence.

    Attributes:
        sequence: as it was given; of an interval its plus strand.
        letters: the same in A, C, G, T and N.
        origin: the position of the first base of the sequence: 0, or its place on the contig.
        start, end: the part, end exclusive, counted from the origin.
        strand: what the model reads.
        remaining: positions that were asked for and lie behind the part.
    """

    sequence: str
    letters: str
    origin: int
    start: int
    end: int
    strand: Strand = "+"
    remaining: int = 0

    @property
    def positions(self) -> range:
        """Those of the part, 0-based; along the contig for an interval."""
        return range(self.origin + self.start, self.origin + self.end)

    @property
    def reference(self) -> str:
        """The bases of the part before any substitution, on the plus strand."""
        return self.letters[self.start : self.end]

    @property
    def substituted(self) -> npt.NDArray[np.bool_]:
        """(positions, 4) whether that base is a substitution, and not what is there already."""
        letters = np.frombuffer(self.reference.encode("ascii"), np.uint8)
        return np.not_equal.outer(letters, _BASES)

    @property
    def sequences(self) -> int:
        """How many distinct sequences are predicted, the one without substitutions included."""
        return 1 + int(self.substituted.sum())

    def first(self, positions: int | None) -> Sweep:
        """The same with so many positions at the most; None stands for all."""
        end = self.end if positions is None else min(self.end, self.start + positions)
        return replace(self, end=end, remaining=self.end - end)

    def unchanged(self) -> str:
        """What the model reads without any substitution."""
        return self.sequence if self.strand == "+" else _turned(self.sequence)

    def mutated(self) -> Iterator[str]:
        """What the model reads with each substitution, by position, then by base."""
        for index in range(self.start, self.end):
            for base in ALPHABET:
                if base != self.letters[index]:
                    text = self.letters[:index] + base + self.letters[index + 1 :]
                    yield text if self.strand == "+" else _turned(text)


@dataclass(frozen=True, slots=True, eq=False)
class Mutagenesis:
    """The values of a sweep.

    Attributes:
        values: (positions, 4, targets) in the order of `ALPHABET`.
        reference_values: (targets) of the sequence without any substitution.
        tokens: read in all.
        seconds: in each phase.
    """

    sweep: Sweep
    values: Matrix
    reference_values: list[float]
    tokens: int
    seconds: dict[str, float]


def sweep_sequence(sequence: str, start: int | None, end: int | None) -> Sweep:
    """The substitutions of a sequence, or of a part of it.

    Raises:
        Unprocessable: it is empty, or the part does not lie in it.
    """
    if not sequence:
        raise _refused("/sequence", "empty", "The sequence is empty.")
    part = _part(Interval("", 0, len(sequence)), start, end)
    return Sweep(sequence, _letters(sequence), 0, part.start, part.end)


def sweep_interval(stretch: Stretch, window: Interval, default: Interval, start: int | None, end: int | None) -> Sweep:
    """The substitutions of an interval of the reference.

    Args:
        stretch: the reference of the window.
        window: what the model reads.
        default: the part where none is given.
        start, end: the part, on the contig.

    Raises:
        Unprocessable: the part does not lie in the window.
    """
    chosen = _part(window, default.start if start is None else start, default.end if end is None else end)
    sequence = stretch.in_model_letters().between(window.start, window.end).decode("ascii")
    first, last = chosen.start - window.start, chosen.end - window.start
    return Sweep(sequence, sequence, window.start, first, last, window.strand)


def check_size(sweep: Sweep, limits: RequestLimits, pointer: str) -> None:
    """Refuse more than `WORTH_REQUESTS` of the largest requests to POST /predict could ask for.

    Raises:
        Unprocessable: it is more.
    """
    most = limits.max_sequences * WORTH_REQUESTS
    if sweep.sequences > most:
        detail = f"{sweep.sequences:,} sequences to predict; one request takes at most {most:,}. Choose a shorter part."
        raise _refused(pointer, "too_many", detail)
    bases, most = sweep.sequences * len(sweep.sequence), limits.max_total_bases * WORTH_REQUESTS
    if bases > most:
        detail = f"{bases:,} bases to predict in all; one request takes at most {most:,}. Choose a shorter part."
        raise _refused(pointer, "too_long", detail)


async def mutagenesis(predictor: Predictor, sweep: Sweep, errand: Errand) -> Mutagenesis:
    """Predict a sweep: the sequence itself first, so that one that is refused costs nothing more.

    Raises:
        ServiceError: it cannot be predicted.
    """
    unchanged = await predict_in_chunks(predictor, [sweep.unchanged()], errand)
    both = unchanged + await predict_in_chunks(predictor, sweep.mutated(), errand)
    return Mutagenesis(sweep, _matrix(sweep, both.values), both.values[0], both.tokens, both.seconds)


def centred(values: Matrix, substituted: npt.NDArray[np.bool_]) -> Matrix:
    """Each substitution's value less the mean of the substitutions at its position; 0 for the reference's base.

    Args:
        values: (positions, 4, targets).
        substituted: (positions, 4).
    """
    counted = substituted[:, :, np.newaxis]
    means = np.where(counted, values, 0.0).sum(axis=1, keepdims=True) / counted.sum(axis=1, keepdims=True)
    return np.where(counted, values - means, 0.0)


def _matrix(sweep: Sweep, values: list[list[float]]) -> Matrix:
    substituted = sweep.substituted
    matrix = np.empty((*substituted.shape, len(values[0])))
    matrix[~substituted] = values[0]
    matrix[substituted] = values[1:]
    return matrix


def _part(whole: Interval, start: int | None, end: int | None) -> Interval:
    first, last = whole.start if start is None else start, whole.end if end is None else end
    if whole.start <= first < last <= whole.end:
        return Interval(whole.contig, first, last)
    pointer = "/start" if not whole.start <= first < whole.end else "/end"
    detail = f"start and end, 0-based, end exclusive, choose a part of {whole.start} to {whole.end}."
    raise _refused(pointer, "invalid_value", detail)


def _letters(sequence: str) -> str:
    """What a model that accepts the sequence reads of it."""
    return model_letters(sequence.encode("ascii", "replace").upper().replace(b"U", b"T")).decode("ascii")


def _turned(text: str) -> str:
    return reverse_complement(text.encode("ascii")).decode("ascii")


def _refused(pointer: str, code: str, detail: str) -> Unprocessable:
    return Unprocessable(detail, items=[ItemError(pointer, code, detail)])

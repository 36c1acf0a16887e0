"""Changes to a batch of sequences that should leave its values as they are, nearly.

Every draw comes from the generator that is passed in, so an epoch can be repeated.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from training.examples import Codes, N
from training.recipe import AugmentationConfig

Lengths = npt.NDArray[np.int64]


def augment(
    bases: Codes, lengths: Lengths, config: AugmentationConfig, generator: np.random.Generator
) -> tuple[Codes, Lengths]:
    """Crop, turn, shift and mutate a batch.

    Args:
        bases: (batch, longest), N after a row's end.
        lengths: (batch,), in bases.
        config: how much of each.
        generator: where the draws come from.
    """
    if config.crop_probability and generator.random() < config.crop_probability:
        bases, lengths = crop(bases, lengths, config.crop_min_bases, generator)
    if config.reverse_complement_probability:
        turned = generator.random(len(bases)) < config.reverse_complement_probability
        bases = reverse_complement(bases, lengths, turned)
    if config.shift_bases:
        bases = shift(bases, config.shift_bases, generator)
    if config.mutation_rate:
        bases = mutate(bases, np.full(len(bases), config.mutation_rate), generator)
    return bases, lengths


def crop(bases: Codes, lengths: Lengths, min_bases: int, generator: np.random.Generator) -> tuple[Codes, Lengths]:
    """Cut all rows to one random length, each from its own random start; the shortest row bounds the length."""
    shortest = int(lengths.min())
    length = int(generator.integers(min(min_bases, shortest), shortest + 1))
    starts = generator.integers(0, lengths - length + 1)
    cut = np.take_along_axis(bases, starts[:, None] + np.arange(length), axis=1)
    return cut, np.full(len(bases), length, dtype=np.int64)


def reverse_complement(bases: Codes, lengths: Lengths, turned: npt.NDArray[np.bool_]) -> Codes:
    """The chosen rows as the other strand reads them; N stays N, and a row stays at the start of its frame.

    Args:
        bases: (batch, longest), N after a row's end.
        lengths: (batch,), in bases.
        turned: (batch,), which rows.
    """
    place = np.arange(bases.shape[1])
    mirrored = lengths[:, None] - 1 - place
    source = np.where(turned[:, None] & (mirrored >= 0), mirrored, place)
    complement = np.where(turned[:, None] & (bases != N), N - 1 - bases, bases)
    return np.take_along_axis(complement.astype(bases.dtype), source, axis=1)


def shift(bases: Codes, most_bases: int, generator: np.random.Generator) -> Codes:
    """Move each row left or right by up to `most_bases`, in a frame of the same length filled with N."""
    framed = np.pad(bases, ((0, 0), (most_bases, most_bases)), constant_values=N)
    starts = generator.integers(0, 2 * most_bases + 1, size=len(bases))
    return np.take_along_axis(framed, starts[:, None] + np.arange(bases.shape[1]), axis=1)


def mutate(bases: Codes, rates: npt.NDArray[np.floating], generator: np.random.Generator) -> Codes:
    """Draw a share of each row's bases anew; N stays N.

    Args:
        bases: (batch, longest).
        rates: (batch,), the share per row; a fourth of the draws gives back the base that was there.
        generator: where the draws come from.
    """
    chosen = (generator.random(bases.shape) < rates[:, None]) & (bases != N)
    return np.where(chosen, generator.integers(0, N, size=bases.shape, dtype=np.uint8), bases)


def cut(sequence: str, rate: float, generator: np.random.Generator) -> str:
    """Put spaces between bases at random: the tokenizer's pre-tokenizer splits there, so no token crosses them."""
    places = np.flatnonzero(generator.random(max(0, len(sequence) - 1)) < rate) + 1
    ends = [0, *places.tolist(), len(sequence)]
    return " ".join(sequence[start:end] for start, end in pairwise(ends))

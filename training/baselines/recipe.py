"""How a baseline is fitted: the `[baseline]` table of a configuration, in the place of `[model]` and `[fit]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training.errors import ConfigError

# A table over all k-mers of 8 bases has 65,536 rows; beyond that a bundle would no longer be small.
LONGEST_KMER = 8
DEXTER_SHORTEST_KMER = 2
# One on each side of the anchor, and DExTER's centre bin.
FEWEST_BINS = {"region_ridge": 2, "dexter": 3}


@dataclass(frozen=True)
class KmerRidgeConfig:
    """Ridge regression on the counts of all k-mers, wherever they stand."""

    kind: Literal["kmer_ridge"]
    longest_kmer: int = 6
    """All k-mers of 1 to this many bases are counted."""

    penalties: tuple[float, ...] = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
    """Each target takes the one that predicts its validation rows best."""

    def __post_init__(self) -> None:
        _check_kmers(1, self.longest_kmer)
        _check_penalties(self.penalties)

    @property
    def encoding(self) -> Literal["one_hot"]:
        """What the model reads."""
        return "one_hot"

    @property
    def description(self) -> str:
        """The model in a sentence."""
        return f"Ridge regression on the counts of all k-mers of 1 to {self.longest_kmer} bases."


@dataclass(frozen=True)
class RegionRidgeConfig:
    """Ridge regression on the standardised frequencies of all k-mers in each of some bins around an anchor."""

    kind: Literal["region_ridge"]
    shortest_kmer: int = 2
    longest_kmer: int = 4
    bins: int = 8
    """At most this many, half on each side of the anchor, widening with the distance from it."""

    anchor: int | None = None
    """0-based place in the window where the bins begin; left out: the middle."""

    penalties: tuple[float, ...] = (300.0, 1000.0, 3000.0, 10000.0, 30000.0, 100000.0, 300000.0)
    """Each target takes the one that predicts its validation rows best."""

    def __post_init__(self) -> None:
        _check_kmers(self.shortest_kmer, self.longest_kmer)
        _check_bins(self.kind, self.bins, self.anchor)
        _check_penalties(self.penalties)

    def anchor_in(self, window_bases: int) -> int:
        """The anchor of a window of this length."""
        return window_bases // 2 if self.anchor is None else self.anchor

    @property
    def encoding(self) -> Literal["one_hot"]:
        """What the model reads."""
        return "one_hot"

    @property
    def description(self) -> str:
        """The model in a sentence."""
        kmers = f"all k-mers of {self.shortest_kmer} to {self.longest_kmer} bases"
        return f"Ridge regression on the frequencies of {kmers} in up to {self.bins} bins around the anchor."


@dataclass(frozen=True)
class DexterConfig:
    """DExTER: long regulatory elements, found as pairs of a k-mer and a region, weighed by a Lasso."""

    kind: Literal["dexter"]
    bins: int = 13
    """At most this many: one base at the anchor, and half of the rest on each side, widening with the distance."""

    anchor: int | None = None
    """0-based place in the window that the sequences are aligned on; left out: the middle."""

    longest_kmer: int = 6
    absolute_gain: float = 0.01
    """A longer k-mer is kept when its correlation is larger by this much than that of what it is made of …"""

    relative_gain: float = 0.1
    """… and by this share of it."""

    minimum_correlation: float = 0.05
    """Pairs below it are no variables and are not extended."""

    regions_match: Literal["pair", "parent"] = "pair"
    """A region is taken for an accepted pair's k-mer where it scores at least as high as that pair, or only as high as
    the shorter pair that was extended to it (the start has none: all regions). `pair` is DExTER's rule; `parent` finds
    several times as many variables."""

    folds: int = 10
    """Of the training rows, for the Lasso's penalty."""

    seed: int = 0
    """Of the folds."""

    def __post_init__(self) -> None:
        _check_kmers(DEXTER_SHORTEST_KMER, self.longest_kmer)
        _check_bins(self.kind, self.bins, self.anchor)
        if self.folds < 2:
            raise ConfigError("baseline.folds: at least 2 are needed")
        if min(self.absolute_gain, self.relative_gain) < 0 or not 0 <= self.minimum_correlation < 1:
            raise ConfigError("baseline: a gain is below 0, or minimum_correlation is not in [0, 1)")

    def anchor_in(self, window_bases: int) -> int:
        """The anchor of a window of this length."""
        return window_bases // 2 if self.anchor is None else self.anchor

    @property
    def encoding(self) -> Literal["one_hot"]:
        """What the model reads."""
        return "one_hot"

    @property
    def description(self) -> str:
        """The model in a sentence."""
        return (
            f"DExTER (Menichelli et al. 2021), implemented anew: a Lasso on pairs of a k-mer (2 to {self.longest_kmer} "
            f"bases) and a region (of up to {self.bins} bins around the anchor), found by iterative extension."
        )


BaselineConfig = KmerRidgeConfig | RegionRidgeConfig | DexterConfig


def _check_kmers(shortest: int, longest: int) -> None:
    if not 1 <= shortest <= longest <= LONGEST_KMER:
        raise ConfigError(f"baseline: {shortest} <= longest_kmer <= {LONGEST_KMER} does not hold")


def _check_bins(kind: str, bins: int, anchor: int | None) -> None:
    if bins < FEWEST_BINS[kind]:
        raise ConfigError(f"baseline.bins: {kind} needs at least {FEWEST_BINS[kind]}")
    if anchor is not None and anchor < 0:
        raise ConfigError("baseline.anchor: a place in the window is at least 0")


def _check_penalties(penalties: tuple[float, ...]) -> None:
    if not penalties or min(penalties) <= 0:
        raise ConfigError("baseline.penalties: at least one is needed, and all must be above 0")

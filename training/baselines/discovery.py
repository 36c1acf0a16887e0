"""DExTER's search: k-mers grow by one base at a time, as long as that pays, in the regions where they pay best.

Written from the description of the method in Menichelli et al., PLoS Comput Biol 17:e1008909 (2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from training.baselines.kmers import Matrix, all_kmers
from training.baselines.recipe import DEXTER_SHORTEST_KMER, DexterConfig
from training.baselines.regions import Bins, Region


@dataclass(frozen=True)
class Pair:
    """A variable: how frequent a k-mer is in a region.

    Attributes:
        correlation: Pearson's, with the target on the training rows; its size is the pair's score.
    """

    kmer: str
    region: Region
    correlation: float

    @property
    def score(self) -> float:
        """Absolute correlation."""
        return abs(self.correlation)


@dataclass(frozen=True)
class Accepted:
    """A pair from which the search goes on.

    Attributes:
        parent_score: of the shorter pair that was extended to it; 0 at the start.
    """

    pair: Pair
    parent_score: float


class Scores(Protocol):
    """Where correlations come from."""

    bins: Bins

    def correlations(self, kmers: Sequence[str]) -> dict[str, Matrix]:
        """k-mer to (bins, bins), as `Lattice.correlations` has it."""


def discover(lattice: Scores, config: DexterConfig, advance: Callable[[], object] = lambda: None) -> list[Pair]:
    """Find the variables.

    The search starts with the 16 k-mers of two bases on the whole window. For each accepted pair, the regions are taken
    where its k-mer scores at least as high as the pair itself (or its parent: `regions_match`): best first, skipping
    what overlaps. Each of these is extended by a base on either side; an extended pair is accepted when it scores
    enough better than all that it is made of.

    Args:
        lattice: of the training rows.
        config: the thresholds.
        advance: is called when the k-mers of one length are done.

    Returns:
        All accepted pairs and all regions taken, each once, in alphabetical order.
    """
    found: dict[tuple[str, Region], Pair] = {}
    correlations = lattice.correlations(all_kmers(DEXTER_SHORTEST_KMER))
    accepted = [Accepted(_pair(kmer, lattice.bins.whole, correlations), 0.0) for kmer in correlations]
    for k in range(DEXTER_SHORTEST_KMER, config.longest_kmer + 1):
        taken = [pair for start in accepted for pair in best_regions(start, correlations[start.pair.kmer], config)]
        pairs = (start.pair for start in accepted)
        kept = [pair for pair in pairs if pair.score >= config.minimum_correlation and pair.score > 0]
        found |= {(pair.kmer, pair.region): pair for pair in [*kept, *taken]}
        accepted = []
        if k < config.longest_kmer and taken:
            accepted, correlations = _extended(lattice, taken, correlations, config)
        advance()
    return [found[key] for key in sorted(found)]


def best_regions(accepted: Accepted, correlation: Matrix, config: DexterConfig) -> list[Pair]:
    """Where the k-mer of an accepted pair scores high enough: best first, skipping what overlaps.

    Args:
        accepted: the pair.
        correlation: (bins, bins), of its k-mer.
        config: says what is high enough; regions below its `minimum_correlation` never are.
    """
    kmer, own = accepted.pair.kmer, accepted.pair.score
    least = max(own if config.regions_match == "pair" else accepted.parent_score, config.minimum_correlation)
    # A frequency that never varies correlates with nothing, and is no variable whatever the thresholds.
    first, last = np.nonzero((np.abs(correlation) >= least) & (correlation != 0))
    regions = [Region(int(start), int(end)) for start, end in zip(first, last, strict=True)]
    regions.sort(key=lambda region: (-abs(correlation[region.first, region.last]), region))
    taken: list[Region] = []
    for region in regions:
        if not any(region.overlaps(other) for other in taken):
            taken.append(region)
    return [_pair(kmer, region, {kmer: correlation}) for region in taken]


def is_better(score: float, rivals: Sequence[float], config: DexterConfig) -> bool:
    """Whether a score beats each of the others by the absolute and by the relative gain that are wanted."""
    best = max(rivals)
    return score - best >= config.absolute_gain and score >= best * (1 + config.relative_gain)


def _extended(
    lattice: Scores, parents: Sequence[Pair], correlations: dict[str, Matrix], config: DexterConfig
) -> tuple[list[Accepted], dict[str, Matrix]]:
    """The accepted extensions of the parents, and the correlations of all extended k-mers."""
    extensions = {(kmer, parent.region): parent for parent in parents for kmer in _longer(parent.kmer)}
    kmers = sorted({kmer for kmer, _ in extensions})
    longer = lattice.correlations(kmers)
    inner = {part for kmer in kmers for part in _parts(kmer)}
    shorter = correlations | lattice.correlations(sorted(inner - set(correlations)))
    accepted = []
    for (kmer, region), parent in extensions.items():
        pair = _pair(kmer, region, longer)
        rivals = [parent.score, *(_pair(part, region, shorter).score for part in _parts(kmer))]
        if is_better(pair.score, rivals, config):
            accepted.append(Accepted(pair, parent.score))
    return accepted, longer


def _longer(kmer: str) -> list[str]:
    return [base + kmer for base in "ACGT"] + [kmer + base for base in "ACGT"]


def _parts(kmer: str) -> tuple[str, str]:
    """The two k-mers inside that are one base shorter."""
    return kmer[:-1], kmer[1:]


def _pair(kmer: str, region: Region, correlations: dict[str, Matrix]) -> Pair:
    return Pair(kmer, region, float(correlations[kmer][region.first, region.last]))

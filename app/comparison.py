"""What candidates for a setting came to, and which of them is worth a change: pure functions of measured times."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

# What a change has to gain, even where repetitions differ by less: settings that gain nothing only make things harder.
LEAST_GAIN = 0.05
# Threads that wait for each other leave something of them, too.
LEAST_OF_THE_CORES = 0.6


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a candidate was.

    Attributes:
        per_second: the median of its rounds.
        spread: of the middle half of the rounds, as a share of the median.
        rounds: how many there were.
    """

    per_second: float
    spread: float
    rounds: int

    @classmethod
    def of(cls, rows: int, seconds: Sequence[float]) -> Rate:
        """Of rounds of so many rows, by the seconds that each took."""
        rates = sorted(rows / max(each, 1e-9) for each in seconds)
        quarter = len(rates) // 4
        median = statistics.median(rates)
        return cls(median, (rates[-1 - quarter] - rates[quarter]) / median, len(rates))


@dataclass(frozen=True, slots=True)
class Candidate:
    """Settings and their values, in words and by name."""

    label: str
    settings: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Candidates for the same settings.

    Attributes:
        title: what was compared, and by which clock.
        usual: what is served without any of these settings.
        chosen: what is worth setting; the usual one where nothing is.
        rates: of each candidate, by label.
        doubt: why nothing can be said, if so.
    """

    title: str
    usual: Candidate
    chosen: Candidate
    rates: Mapping[str, Rate]
    doubt: str = ""

    @property
    def settings(self) -> Mapping[str, float]:
        """What to set; nothing where the usual is as good."""
        return {} if self.chosen == self.usual else dict(self.chosen.settings)


def compare(title: str, candidates: Sequence[Candidate], rates: Mapping[str, Rate]) -> Comparison:
    """Choose the fastest of candidates, of which the first is the usual one and stays unless another clearly beats it.

    Clearly is by more than both spread in their rounds, and by `LEAST_GAIN` at least.
    """
    usual = candidates[0]
    best = max(candidates, key=lambda it: rates[it.label].per_second)
    before, after = rates[usual.label], rates[best.label]
    gain = after.per_second / before.per_second - 1
    clearly = gain > max(LEAST_GAIN, before.spread, after.spread)
    return Comparison(title, usual, best if clearly else usual, rates)


def doubted(comparison: Comparison, had_of_the_cores: float) -> Comparison:
    """A comparison by the wall clock of candidates that use every core, unless others had too much of the cores."""
    if had_of_the_cores >= LEAST_OF_THE_CORES:
        return comparison
    doubt = f"other work had the cores, of which this had {had_of_the_cores:.0%}; measure on a quiet machine"
    return replace(comparison, chosen=comparison.usual, doubt=doubt)


class Group(NamedTuple):
    """Rows of one length in a batch."""

    tokens: int
    rows: int


def compare_groups(
    title: str, rates: Mapping[Group, Rate], usual: tuple[int, int], most_tokens: Sequence[int]
) -> Comparison:
    """Choose how large groups of equal length may be, from how fast groups were at some lengths.

    Every length counts alike, as a share of what is possible there.

    Args:
        rates: rows a second, by group.
        usual: the most rows and the most tokens of a batch, as they would be without a setting.
        most_tokens: candidates for the latter.
    """
    sizes = {group.rows for group in rates}
    candidates = {
        Candidate(*group_limits(*pair)): under_limits(rates, *pair)
        for pair in [usual, *itertools.product(sorted(sizes, reverse=True), sorted(most_tokens, reverse=True))]
    }
    compared = compare(title, list(candidates), {it.label: rate for it, rate in candidates.items()})
    shown = {f"{rows} x {tokens:,} tokens": rates[Group(tokens, rows)] for tokens, rows in sorted(rates)}
    return replace(
        compared, rates=shown | {it.label: compared.rates[it.label] for it in (compared.usual, compared.chosen)}
    )


def under_limits(rates: Mapping[Group, Rate], most_rows: int, most_tokens: int) -> Rate:
    """How fast rows of all lengths are, in the largest groups that the limits allow: the geometric mean."""
    chosen = []
    for tokens in {group.tokens for group in rates}:
        of_length = [group for group in rates if group.tokens == tokens]
        fits = [group for group in of_length if group.rows <= most_rows and group.rows * tokens <= most_tokens]
        chosen.append(rates[max(fits or [min(of_length)])])
    mean = statistics.geometric_mean([rate.per_second for rate in chosen])
    return Rate(mean, max(rate.spread for rate in chosen), min(rate.rounds for rate in chosen))


def settings_of(comparisons: Iterable[Comparison]) -> dict[str, float]:
    """All that is worth setting."""
    return {name: value for it in comparisons for name, value in it.settings.items()}


def group_limits(rows: int, tokens: int) -> tuple[str, tuple[tuple[str, float], ...]]:
    """Limits of a batch as a candidate: in words, and as settings."""
    label = f"at most {rows:,} rows, {tokens:,} tokens"
    return label, (("max_batch_sequences", rows), ("max_batch_tokens", tokens))

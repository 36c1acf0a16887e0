"""Which rows are held out: a configuration's `[split]` table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training.errors import ConfigError


@dataclass(frozen=True)
class SplitConfig:
    """How rows are held out."""

    by: Literal["column", "group", "chromosome", "random"] = "column"
    """`column`: as the data set says; `group`: whole groups at random; `chromosome`: whole chromosomes, without the
    rows that are related to one held out; `random`: single rows, leaking by design."""

    valid_fraction: float = 0.1
    """Share of the rows, for `group` and `random`."""

    test_fraction: float = 0.1
    """Share of the rows, for `group` and `random` without folds."""

    folds: int = 0
    """For `group` and `random`: deal the rows into so many folds, test on one, and take the share of validation rows
    from the others; 0: no folds."""

    fold: int = 0
    """The fold that is tested, from 0; `--fold` on the command line puts another in its place."""

    valid_chromosomes: tuple[str, ...] = ()
    test_chromosomes: tuple[str, ...] = ()
    """By name, for `chromosome`; empty: drawn by the fractions."""

    seed: int = 0

    description: str = "held out"
    """What keeps the splits apart, in the words of manifest and model card."""

    def __post_init__(self) -> None:
        if self.folds == 1 or self.folds < 0 or not 0 <= self.fold < max(1, self.folds):
            raise ConfigError("split: folds must be 0 or at least 2, and fold one of 0 to folds - 1")
        if self.folds and self.by not in {"group", "random"}:
            instead = "use split.by = 'group' or 'random'"
            raise ConfigError(f"split.folds: a {self.by} says which rows are held out; {instead}")
        if min(self.valid_fraction, self.test_fraction) <= 0 or self.valid_fraction + self.test_fraction >= 1:
            raise ConfigError("split: valid_fraction and test_fraction must be above 0 and below 1 together")
        if bool(self.valid_chromosomes) != bool(self.test_chromosomes):
            raise ConfigError("split: valid_chromosomes and test_chromosomes belong together")
        if self.test_chromosomes and self.by != "chromosome":
            raise ConfigError(f"split: test_chromosomes are held out by split.by = 'chromosome', not {self.by!r}")
        if both := sorted(set(self.valid_chromosomes) & set(self.test_chromosomes)):
            raise ConfigError(f"split: {both[0]} is one of valid_chromosomes and of test_chromosomes")

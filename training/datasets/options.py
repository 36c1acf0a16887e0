"""What a configuration's [data] table may ask of a data set, beyond which it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training.errors import ConfigError

SourceName = Literal["utrseq", "plasmodium", "epd_gtex"]


@dataclass(frozen=True)
class WindowOptions:
    """How far a window reaches to both sides of a gene's anchor (plasmodium, gtex_genome)."""

    upstream_bases: int = 2000
    """Before the anchor, in the gene's direction; the anchor is the window's base of this index, counted from 0."""

    downstream_bases: int = 2000
    """From the anchor on, the anchor included."""

    def __post_init__(self) -> None:
        if min(self.upstream_bases, self.downstream_bases) < 0 or self.upstream_bases + self.downstream_bases < 1:
            raise ConfigError("data.window: upstream_bases and downstream_bases must be at least 0 and not both 0")


@dataclass(frozen=True)
class GroupingOptions:
    """Which windows of a genome must stay in one split, beside those of one gene family (plasmodium, gtex_genome)."""

    by: Literal["overlap", "block"] = "overlap"
    """`overlap`: windows that share positions; `block`: all windows in one stretch of a chromosome."""

    block_bases: int = 100_000
    """Least length of a block; it ends at the next place that no window covers."""

    def __post_init__(self) -> None:
        if self.block_bases < 1:
            raise ConfigError("data.grouping.block_bases must be at least 1")

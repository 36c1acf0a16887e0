"""Which data set is read, and how its rows count: a configuration's `[data]` table."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.datasets.options import (
    GenomeOptions,
    GroupingOptions,
    LevelsOptions,
    SourceName,
    TableOptions,
    UtrseqOptions,
    WindowOptions,
)
from training.errors import ConfigError


@dataclass(frozen=True)
class DataConfig:
    """Which data set, and how its rows count."""

    source: SourceName
    folder: str
    """Name of the data set's folder inside the data folder given on the command line."""

    targets: tuple[str, ...] = ()
    """Which of the data set's tissues, cell lines or media are predicted; empty: the data set's own choice."""

    window: WindowOptions = field(default_factory=WindowOptions)
    grouping: GroupingOptions = field(default_factory=GroupingOptions)
    utrseq: UtrseqOptions = field(default_factory=UtrseqOptions)
    genome: GenomeOptions = field(default_factory=GenomeOptions)
    table: TableOptions = field(default_factory=TableOptions)
    levels: LevelsOptions = field(default_factory=LevelsOptions)

    half_weight_umis: float = 0.0
    """Coverage at which a row counts half, in UMIs; 0: all rows count the same."""

    auxiliary: bool = False
    """Train on the data set's auxiliary columns too; they are never predicted."""

    well_covered_umis: float = 20.0
    """Rows with at least this coverage are also measured by themselves, in UMIs."""

    strand_specific: bool = True
    """What is measured belongs to the strand that is read (RNA, promoters); false only where both are one thing."""

    def __post_init__(self) -> None:
        if self.source != "table" and not self.strand_specific:
            raise ConfigError(f"data.strand_specific: {self.source} measures one strand; leave it true")

"""What is asked about people."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.genome.haplotypes.policies import Policies
from app.genome.intervals import Interval


@dataclass(frozen=True, slots=True)
class Question:
    """One question; exactly one of `region` and `gene`.

    Attributes:
        model: name, or `name@version`; None for the only one.
        region: its contig by any name.
        gene: name or id in the gene table.
        samples: whose values; None for everybody's.
        tile: a region longer than the model reads is read in windows side by side.
    """

    model: str | None
    region: Interval | None = None
    gene: str | None = None
    samples: tuple[str, ...] | None = None
    policies: Policies = field(default_factory=Policies)
    tile: bool = False

"""What a model is measured beside: a configuration's `[evaluation]` table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EvaluationConfig:
    """What is measured beside the model, on the same rows in the same run."""

    kmer_ridge: bool = True
    beside: tuple[str, ...] = ()
    """Configuration files, relative to this one, of other trained models on the same table."""

    seed: int = 0
    """Of the bootstrap."""

"""What a network learns from others: `[[teachers]]` and `[distillation]` of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from training.errors import ConfigError
from training.recipe.fit import FitConfig
from training.recipe.model import ModelConfig


@dataclass(frozen=True)
class TeacherConfig:
    """One model of the ensemble that the published model is distilled from."""

    seed: int
    model: ModelConfig
    fit: FitConfig


@dataclass(frozen=True)
class DistillationConfig:
    """What the student learns from its teachers.

    The teachers' mean answer labels the training rows, blended with the measured values, and synthetic relatives of
    them: mosaics of their pieces, mutated and cropped, new in every epoch.
    """

    synthetic_sequences: int
    """Per epoch, beside the training rows."""

    largest_pieces: int = 5
    """Most pieces in a mosaic, each from a random place of a random training row; one piece is a row as it is."""

    mutated_fraction: float = 0.7
    """Share of the synthetic sequences that are mutated."""

    largest_mutation_rate: float = 0.2
    """A mutated sequence draws its rate between 0 and this."""

    cropped_fraction: float = 0.33
    """Share of the batches whose synthetic sequences are cut to one shorter length."""

    crop_min_bases: int = 1
    """Shortest length a crop leaves, in bases."""

    teacher_weight: float = 0.7
    """Weight of the teachers' answer for a training row."""

    measured_weight: float = 0.5
    """Weight of the measured value, times its own weight in the table."""

    state_weight: float = 0.0
    """Weight of the difference between a token's state and the first teacher's states of its bases (tokens only)."""

    def __post_init__(self) -> None:
        if self.synthetic_sequences < 0 or self.largest_pieces < 1 or self.teacher_weight <= 0:
            raise ConfigError(
                "distillation: synthetic_sequences, largest_pieces, teacher_weight must be at least 0, 1, and above 0"
            )

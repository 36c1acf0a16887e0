"""How a network is trained: a configuration's `[fit]` table and the tables inside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from training.errors import ConfigError


@dataclass(frozen=True)
class AugmentationConfig:
    """What happens to a batch of sequences each time it is trained on."""

    shift_bases: int = 0
    """A sequence moves by up to this many bases, filled with N (one_hot only: tokens have no position)."""

    crop_probability: float = 0.0
    """Share of batches that are cut to one random shorter length."""

    crop_min_bases: int = 1
    """Shortest length a crop leaves, in bases."""

    mutation_rate: float = 0.0
    """Share of bases drawn anew."""

    cut_rate: float = 0.0
    """Share of places between two bases that no token may cross, so that a model meets several cuts (tokens only)."""

    reverse_complement_probability: float = 0.0
    """Share of rows that are read from the other strand; never for a data set that is strand-specific."""

    def __post_init__(self) -> None:
        if not 0 <= self.reverse_complement_probability <= 1:
            raise ConfigError("fit.augmentation.reverse_complement_probability: a number from 0 to 1")


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank changes that are trained beside frozen matrices (Hu et al. 2021, arXiv:2106.09685)."""

    rank: int = 8
    alpha: int = 16
    """The change is scaled by alpha / rank."""

    dropout: float = 0.05
    """On what enters the change."""

    targets: tuple[str, ...] = ()
    """Names of the linear layers that are changed; empty: those that the backbone is known for."""

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha < 1 or not 0 <= self.dropout < 1:
            raise ConfigError("fit.lora: rank and alpha must be at least 1, dropout at least 0 and below 1")


@dataclass(frozen=True)
class FitConfig:
    """How one model is trained."""

    epochs: int
    batch: int
    """Sequences per step, over all processes."""

    learning_rate: float
    """At the end of warm-up; the schedule brings it down to a five-hundredth."""

    accumulate: int = 1
    """Parts that a process computes its rows of a step in, one after the other: less memory, the same gradient."""

    backbone_learning_rate: float = 0.0
    """The backbone's, while `learning_rate` is for what is new; 0: the same."""

    layer_decay: float = 1.0
    """Each layer's rate as a share of the one above it, from the head down to the embeddings; 1: all the same."""

    weight_decay: float = 0.01
    """On matrices only; biases, norms and other vectors are free."""

    schedule: Literal["cosine", "linear"] = "cosine"
    """How the rate falls after warm-up."""

    warmup_fraction: float = 0.1
    """Share of all steps."""

    warmup_steps: int = 0
    """In place of `warmup_fraction`; 0: the fraction counts."""

    clip_norm: float = 1.0
    """Largest norm of the gradient."""

    average_decay: float = 0.0
    """Decay per step of the moving average of the weights, which is what is kept; 0: no averaging."""

    loss: Literal["squared", "huber"] = "squared"
    """`huber`: beyond `huber_delta` it grows with the error, not with its square."""

    huber_delta: float = 1.0
    """In standard deviations of a target."""

    target_weights: tuple[float, ...] = ()
    """How much each target counts in the loss; empty: all the same."""

    auxiliary_weight: float = 0.0
    """Weight of all auxiliary columns together, where each target has weight 1 per target."""

    patience_epochs: int = 0
    """Stop after so many epochs without a better validation loss; 0: never."""

    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """`bf16`, `fp16`: autocast where the device is fast at it, else fp32."""

    gradient_checkpointing: bool = False
    """Keep only what enters each transformer layer and compute the rest again going backwards (transformers only)."""

    lora: LoraConfig | None = None
    """Train low-rank changes of the backbone's matrices in place of the matrices; the head is trained whole."""

    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1 or self.learning_rate <= 0:
            raise ConfigError("fit: epochs, batch and learning_rate must be above 0")
        if not 1 <= self.accumulate <= self.batch:
            raise ConfigError("fit.accumulate: 1 to fit.batch, since each part of a step needs a row")
        if self.backbone_learning_rate < 0 or not 0 < self.layer_decay <= 1:
            raise ConfigError("fit: backbone_learning_rate must be at least 0, layer_decay above 0 and at most 1")
        if not 0 <= self.warmup_fraction <= 1 or self.warmup_steps < 0:
            raise ConfigError("fit: warmup_fraction must lie between 0 and 1, warmup_steps must not be negative")
        if self.huber_delta <= 0 or any(weight < 0 for weight in self.target_weights):
            raise ConfigError("fit: huber_delta must be above 0, target_weights must not be negative")

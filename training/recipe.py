"""How one model is built and trained: the part of a configuration that teachers and students share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from training.errors import ConfigError

UNREAD_POSITIONS = 2
"""Position embeddings that no token uses: Nucleotide Transformer counts from its padding id, 1, plus one."""


@dataclass(frozen=True)
class ModelConfig:
    """A backbone, a pooling and a head.

    `width` and `dropout` belong to every backbone; the other sizes to the one that their docstring names.
    """

    backbone: Literal["dnabert2", "nucleotide_transformer", "convolution"]
    width: int
    """Channels of the states."""

    dropout: float = 0.1

    checkpoint: str = ""
    """Where the backbone's weights come from: a folder, or a Hub id with or without `@revision`; empty: random ones."""

    layers: int = 0
    """Transformer layers (dnabert2, nucleotide_transformer)."""

    heads: int = 1
    """Attention heads per layer (dnabert2, nucleotide_transformer)."""

    inner_width: int = 0
    """Channels inside the MLP (dnabert2, nucleotide_transformer)."""

    version: Literal["v1", "v2"] = "v2"
    """`v1`: learnt positions and a plain MLP; `v2`: rotary positions and a gated one (nucleotide_transformer)."""

    positions: int = 0
    """Rows of the learnt position embeddings, two more than the tokens it reads (nucleotide_transformer v1)."""

    token_dropout: bool = False
    """Scale the embeddings as ESM does after hiding tokens in pre-training (nucleotide_transformer; published v1)."""

    stem_bases: int = 9
    """Width of the first convolution, in bases, odd (convolution)."""

    kernel_bases: int = 5
    """Width of the convolutions in a block, in bases, odd (convolution)."""

    full_dilations: tuple[int, ...] = ()
    """One residual block each, at full length (convolution)."""

    half_dilations: tuple[int, ...] = ()
    """One residual block each, after max-pooling by 2 (convolution)."""

    pooling: Literal["mean", "attention", "cls"] = "mean"
    """`cls`: the state of the first token, as the published heads read it."""

    pooling_heads: int = 1
    """Attention pooling only."""

    head: Literal["linear", "pooler"] = "linear"
    """`pooler`: as the published models' heads, a tanh layer of the backbone's width before the linear one."""

    head_width: int = 0
    """Hidden units of the head; 0: one linear layer."""

    head_dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.encoding == "tokens":
            self._check_transformer()
        else:
            self._check_convolution()
        if self.head == "pooler" and self.head_width:
            raise ConfigError("model: a pooler head has the backbone's width; leave head_width out")

    def _check_transformer(self) -> None:
        if self.layers < 1 or self.inner_width < 1 or self.width % self.heads:
            raise ConfigError(f"model: {self.backbone} needs layers and inner_width, and a width that heads divides")
        if self.backbone != "nucleotide_transformer":
            return
        if self.version == "v1" and self.positions <= UNREAD_POSITIONS:
            raise ConfigError("model: nucleotide_transformer v1 needs positions (the published models have 1002)")
        if self.version == "v2" and self.width // self.heads % 2:
            raise ConfigError("model: rotary positions need an even number of channels in each head")

    def _check_convolution(self) -> None:
        if self.stem_bases % 2 == 0 or self.kernel_bases % 2 == 0:
            raise ConfigError("model: stem_bases and kernel_bases must be odd, so that positions stay where they are")
        if self.checkpoint or self.pooling == "cls":
            raise ConfigError("model: a convolution has no published checkpoint and no first token; see the backbones")

    @property
    def encoding(self) -> Literal["tokens", "one_hot"]:
        """What the backbone reads."""
        return "one_hot" if self.backbone == "convolution" else "tokens"

    @property
    def token_limit(self) -> int:
        """Most tokens the backbone reads, special ones included; 0: no limit of its own."""
        learnt = self.backbone == "nucleotide_transformer" and self.version == "v1"
        return self.positions - UNREAD_POSITIONS if learnt else 0

    @property
    def description(self) -> str:
        """The architecture in a sentence."""
        pooled = {
            "mean": "masked mean",
            "attention": f"attention pooling ({self.pooling_heads} heads)",
            "cls": "state of the first token",
        }[self.pooling]
        if self.backbone == "convolution":
            blocks = len(self.full_dilations) + len(self.half_dilations)
            dilated = f"{blocks} residual blocks of dilated convolutions of width {self.width} over one-hot bases"
            return f"{dilated}; {pooled}."
        family, tokens = "DNABERT-2's architecture (ALiBi, gated MLP)", "BPE tokens"
        if self.backbone == "nucleotide_transformer":
            positions = {"v1": "learnt positions", "v2": "rotary positions, gated MLP"}[self.version]
            family, tokens = f"Nucleotide Transformer {self.version} ({positions})", "six-mers"
        origin = f"weights from {self.checkpoint}" if self.checkpoint else "trained from scratch"
        sizes = f"{self.layers} layers of width {self.width} and {self.heads} heads"
        return f"{family} at {sizes} over {tokens}, {origin}; {pooled}."


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


@dataclass(frozen=True)
class FitConfig:
    """How one model is trained."""

    epochs: int
    batch: int
    """Sequences per step."""

    learning_rate: float
    """At the end of warm-up; a cosine brings it down to a five-hundredth."""

    weight_decay: float = 0.01
    """On matrices only; biases, norms and other vectors are free."""

    warmup_fraction: float = 0.1
    """Share of all steps."""

    clip_norm: float = 1.0
    """Largest norm of the gradient."""

    average_decay: float = 0.0
    """Decay per step of the moving average of the weights, which is what is kept; 0: no averaging."""

    auxiliary_weight: float = 0.0
    """Weight of all auxiliary columns together, where each target has weight 1 per target."""

    patience_epochs: int = 0
    """Stop after so many epochs without a better validation loss; 0: never."""

    precision: Literal["fp32", "bf16"] = "fp32"
    """`bf16`: autocast where the device is fast at it, else fp32."""

    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1 or self.learning_rate <= 0:
            raise ConfigError("fit: epochs, batch and learning_rate must be above 0")


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

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

    backbone: Literal["dnabert2", "nucleotide_transformer", "bert", "convolution", "kmers"]
    width: int
    """Channels of the states; of `kmers`, how many there are: 340 of 1 to 4 bases."""

    dropout: float = 0.1

    checkpoint: str = ""
    """Where the backbone's weights come from: a folder, or a Hub id with or without `@revision`; empty: random ones."""

    layers: int = 0
    """Transformer layers (every transformer)."""

    heads: int = 1
    """Attention heads per layer (every transformer)."""

    inner_width: int = 0
    """Channels inside the MLP (every transformer)."""

    version: Literal["v1", "v2"] = "v2"
    """`v1`: learnt positions and a plain MLP; `v2`: rotary positions and a gated one (nucleotide_transformer)."""

    positions: int = 512
    """Rows of the learnt position embeddings: the longest input in tokens (bert), or two more than it
    (nucleotide_transformer v1, whose published models have 1002)."""

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

    pooled_bases: int = 1
    """Neighbours that are averaged before the pooled blocks (convolution)."""

    pooled_dilations: tuple[int, ...] = ()
    """One residual block each, after averaging (convolution)."""

    window_bases: int = 0
    """The one length of the input, in bases, which `places` and pooling by `bins` need (convolution, kmers)."""

    longest_kmer: int = 4
    """K-mers of 1 to this many bases are counted (kmers)."""

    phases: int = 0
    """Kinds of position that take turns from the first base on, 3 for a reading frame; 0: all alike (convolution)."""

    places: bool = False
    """Whether each position has a learnt state of its own (convolution)."""

    pooling: Literal["mean", "attention", "bins", "cls"] = "mean"
    """`bins`: by parts of the window (convolution); `cls`: the first token's state, as the published heads read it."""

    pooling_heads: int = 1
    """Attention pooling only."""

    pooling_bins: int = 1
    """Equal parts of the window that are pooled, or whose k-mers are counted, each by itself; pooling by bins only."""

    pooling_maxima: bool = False
    """Pool each part's largest states beside its mean; pooling by bins only."""

    head: Literal["linear", "pooler"] = "linear"
    """`pooler`: as the published models' heads, a tanh layer of the backbone's width before the linear one."""

    head_width: int = 0
    """Hidden units of the head; 0: one linear layer."""

    head_dropout: float = 0.0

    reverse_complement_averaged: bool = False
    """The graph answers with the mean over both strands; in training each row is read as it is drawn (one_hot only)."""

    def __post_init__(self) -> None:
        if self.positions < 1:
            raise ConfigError("model.positions must be at least 1")
        if self.encoding == "tokens":
            self._check_transformer()
        elif self.backbone == "convolution":
            self._check_convolution()
        else:
            self._check_kmers()
        if (self.places or self.pooling == "bins") and (self.encoding != "one_hot" or self.pooled_positions < 1):
            raise ConfigError("model: places and pooling by bins belong to a convolution of one window_bases")
        if self.pooling == "bins" and not 1 <= self.pooling_bins <= self.pooled_positions:
            raise ConfigError(f"model: pooling_bins must be 1 to {self.pooled_positions}, the pooled positions")
        if self.reverse_complement_averaged and self.encoding != "one_hot":
            raise ConfigError(
                "model.reverse_complement_averaged: the other strand has other tokens, which a graph cannot make; "
                "use fit.augmentation.reverse_complement_probability"
            )
        if self.head == "pooler" and self.head_width:
            raise ConfigError("model: a pooler head has the backbone's width; leave head_width out")

    def _check_transformer(self) -> None:
        if self.layers < 1 or self.inner_width < 1 or self.width % self.heads:
            raise ConfigError(f"model: {self.backbone} needs layers and inner_width, and a width that heads divides")
        if self.backbone == "bert" and self.checkpoint:
            raise ConfigError(
                "model.checkpoint: bert starts from random weights; dnabert2 may start from published ones"
            )
        if self.backbone != "nucleotide_transformer":
            return
        if self.version == "v1" and self.positions <= UNREAD_POSITIONS:
            raise ConfigError("model.positions: nucleotide_transformer v1 needs more than 2 (published: 1002)")
        if self.version == "v2" and self.width // self.heads % 2:
            raise ConfigError("model: rotary positions need an even number of channels in each head")

    def _check_convolution(self) -> None:
        if self.stem_bases % 2 == 0 or self.kernel_bases % 2 == 0:
            raise ConfigError("model: stem_bases and kernel_bases must be odd, so that positions stay where they are")
        if self.checkpoint or self.pooling == "cls":
            raise ConfigError("model: a convolution has no published checkpoint and no first token; see the backbones")

    def _check_kmers(self) -> None:
        if self.pooling != "bins" or self.pooling_maxima or self.window_bases < 1 or self.checkpoint:
            raise ConfigError("model: kmers are counted in a window of window_bases, with pooling by bins, no maxima")
        if self.width != (expected := sum(4**k for k in range(1, self.longest_kmer + 1))):
            raise ConfigError(f"model.width: there are {expected} k-mers of 1 to {self.longest_kmer} bases")

    @property
    def encoding(self) -> Literal["tokens", "one_hot"]:
        """What the backbone reads."""
        return "one_hot" if self.backbone in {"convolution", "kmers"} else "tokens"

    @property
    def brings_tokenizer(self) -> bool:
        """Whether a tokenizer comes with the model: a checkpoint's own, or Nucleotide Transformer's six-mers."""
        return bool(self.checkpoint) or self.backbone == "nucleotide_transformer"

    @property
    def longest_tokens(self) -> int | None:
        """Most tokens that the backbone can read, special ones included; None: any number."""
        if self.backbone == "bert":
            return self.positions
        if self.backbone == "nucleotide_transformer" and self.version == "v1":
            return self.positions - UNREAD_POSITIONS
        return None

    @property
    def pooled_positions(self) -> int:
        """States of a window of `window_bases`, after all pooling (convolution, kmers)."""
        if self.backbone == "kmers":
            return self.pooling_bins
        halved = (self.window_bases + 1) // 2 if self.half_dilations else self.window_bases
        return halved // self.pooled_bases

    @property
    def description(self) -> str:
        """The architecture in a sentence."""
        pooled = {
            "mean": "masked mean",
            "attention": f"attention pooling ({self.pooling_heads} heads)",
            "bins": f"mean{' and maximum' if self.pooling_maxima else ''} of {self.pooling_bins} equal parts",
            "cls": "state of the first token",
        }[self.pooling]
        if self.backbone == "kmers":
            counted = f"Counts of all k-mers of 1 to {self.longest_kmer} bases in {self.pooling_bins} equal parts"
            return f"{counted} of a window, and a network with {self.head_width} hidden units over them."
        if self.backbone == "convolution":
            blocks = len(self.full_dilations) + len(self.half_dilations) + len(self.pooled_dilations)
            dilated = f"{blocks} residual blocks of dilated convolutions of width {self.width} over one-hot bases"
            return f"{dilated}; {pooled}."
        family = {
            "dnabert2": "DNABERT-2's architecture (ALiBi, gated MLP)",
            "bert": f"BERT ({self.positions} learnt positions)",
            "nucleotide_transformer": {
                "v1": "Nucleotide Transformer v1 (learnt positions)",
                "v2": "Nucleotide Transformer v2 (rotary positions, gated MLP)",
            }[self.version],
        }[self.backbone]
        origin = f"weights from {self.checkpoint}" if self.checkpoint else "trained from scratch"
        sizes = f"{self.layers} layers of width {self.width} and {self.heads} heads"
        return f"{family} at {sizes} over tokens, {origin}; {pooled}."


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

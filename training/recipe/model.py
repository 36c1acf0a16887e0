"""How a network is built: a configuration's `[model]` table."""

from __future__ import annotations

from dataclasses import dataclass
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

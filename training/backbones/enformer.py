"""Enformer: convolutions and pooling down to bins of 128 bases, then attention with relative positions.

The modules carry the names of enformer-pytorch's checkpoints, so that published weights load key by key. That package
pins a transformers that cannot live beside ours, and computes its positions with operators that do not export.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from training.backbones.relative_attention import RelativeAttention
from training.backbones.relative_positions import FEATURES_PER_KIND, GammaPeak, relative_positions
from training.errors import ConfigError

BASES = 4
STEM_BASES = 15
TOWER_POSITIONS = 5
"""Positions that a convolution of the tower reads."""

POOLED = 2
"""Neighbours that each pooling joins."""

FEWEST_DOWNSAMPLES = 3
GELU_SLOPE = 1.702
"""Of the sigmoid that stands for the normal distribution in the published GELU."""


@dataclass(frozen=True)
class EnformerShape:
    """The sizes of a model; the published ones are the defaults.

    Attributes:
        key_width: channels of a head's queries and keys; its values have `width / heads`.
        downsamples: poolings by two, so a bin is 2 to the power of this many bases.
        width_step: widths inside the tower are multiples of this.
        target_bins: in the middle of the window, for which the heads answer; None: all.
        tracks: organism to the number of its tracks.
        gamma_peak: how the gamma densities among the position features are scaled.
    """

    width: int = 1536
    layers: int = 11
    heads: int = 8
    key_width: int = 64
    downsamples: int = 7
    width_step: int = 128
    target_bins: int | None = 896
    tracks: Mapping[str, int] = field(default_factory=lambda: {"human": 5313, "mouse": 1643})
    gamma_peak: GammaPeak = "feature"
    dropout: float = 0.4
    attention_dropout: float = 0.05
    position_dropout: float = 0.01

    def __post_init__(self) -> None:
        if self.downsamples < FEWEST_DOWNSAMPLES:
            raise ConfigError(f"enformer: at least {FEWEST_DOWNSAMPLES} poolings by two are needed")
        if self.width % (2 * self.heads) or self.position_features % FEATURES_PER_KIND:
            raise ConfigError(f"enformer: width must be even, and a multiple of {FEATURES_PER_KIND} times the heads")

    @property
    def bin_bases(self) -> int:
        """Bases that one answer stands for."""
        return 1 << self.downsamples

    @property
    def position_features(self) -> int:
        """Numbers that describe a distance."""
        return self.width // self.heads

    @property
    def tower_widths(self) -> list[int]:
        """Channels after the stem, and after each convolution of the tower: in equal ratios, rounded to steps."""
        first, steps = self.width // 2, self.downsamples - 2
        ratio = (self.width / first) ** (1 / steps)
        rounded = [round(first * ratio**step / self.width_step) * self.width_step for step in range(steps + 1)]
        return [first, *rounded]


class Gelu(nn.Module):
    """The published model's approximation."""

    def forward(self, states: Tensor) -> Tensor:
        return torch.sigmoid(GELU_SLOPE * states) * states


class Residual(nn.Module):
    """What `fn` makes of the states is added to them."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, states: Tensor) -> Tensor:
        added: Tensor = states + self.fn(states)
        return added


class SwapAxes(nn.Module):
    """Channels last to channels first, and back."""

    def forward(self, states: Tensor) -> Tensor:
        return states.transpose(1, 2)


class AttentionPooling(nn.Module):
    """Joins each two neighbours, channel by channel, with weights that depend on what they hold."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_attn_logits = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        """(batch, width, positions / 2) from (batch, width, positions)."""
        # Of two logits the softmax is a sigmoid of their difference: the convolution of the states' difference.
        first, second = states[:, :, 0::POOLED], states[:, :, 1::POOLED]
        difference = first - second
        return second + torch.sigmoid(self.to_attn_logits(difference[..., None])[..., 0]) * difference


class Enformer(nn.Module):
    """The backbone.

    Args:
        shape: sizes.
        window_bases: the one length of the input.

    Raises:
        ConfigError: the window is no multiple of a bin, or shorter than what the heads answer for.
    """

    def __init__(self, shape: EnformerShape, window_bases: int) -> None:
        super().__init__()
        self.bins = _bins(shape, window_bases)
        self.target_bins = shape.target_bins or self.bins
        positions = torch.from_numpy(relative_positions(self.bins, shape.position_features, shape.gamma_peak)).float()
        first, *_ = widths = shape.tower_widths
        self.stem = nn.Sequential(
            nn.Conv1d(BASES, first, STEM_BASES, padding=STEM_BASES // 2),
            Residual(_convolution(first, first, 1)),
            AttentionPooling(first),
        )
        self.conv_tower = nn.Sequential(*(_tower_block(*pair) for pair in pairwise(widths)))
        self.transformer = nn.Sequential(*(_layer(shape, positions) for _ in range(shape.layers)))
        self.final_pointwise = nn.Sequential(
            SwapAxes(), _convolution(shape.width, 2 * shape.width, 1), SwapAxes(), nn.Dropout(shape.dropout / 8), Gelu()
        )
        self._heads = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(2 * shape.width, count), nn.Softplus())
                for name, count in shape.tracks.items()
            }
        )

    @property
    def layers(self) -> list[nn.Module]:
        """The transformer layers, in the order they are applied."""
        return list(self.transformer)

    def forward(self, bases: Tensor) -> tuple[Tensor, Tensor]:
        """States of the bins that the heads answer for.

        Args:
            bases: (batch, length, 4) float32, one-hot over A C G T, zeros for N.

        Returns:
            states (batch, target bins, 2 width) and a mask of ones (batch, target bins).
        """
        start = (self.bins - self.target_bins) // 2
        states = self.states_of(bases, start, start + self.target_bins)
        return states, states.new_ones(states.shape[:2])

    def states_of(self, bases: Tensor, start: int, end: int) -> Tensor:
        """States of the bins from `start` to `end`, counted from the window's first: (batch, bins, 2 width)."""
        convolved = self.conv_tower(self.stem(bases.transpose(1, 2))).transpose(1, 2)
        states: Tensor = self.final_pointwise(self.transformer(convolved)[:, start:end])
        return states

    def tracks(self, bases: Tensor, organism: str = "human") -> Tensor:
        """What the published model answers: (batch, target bins, tracks)."""
        answers: Tensor = self._heads[organism](self(bases)[0])
        return answers

    @property
    def organisms(self) -> list[str]:
        """Whose tracks the heads answer."""
        return list(self._heads)

    def track_layer(self, organism: str) -> nn.Linear:
        """The linear layer whose outputs are an organism's tracks, before their softplus."""
        return cast("nn.Linear", cast("nn.Sequential", self._heads[organism])[0])


def _bins(shape: EnformerShape, window_bases: int) -> int:
    bins, rest = divmod(window_bases, shape.bin_bases)
    fewest = max(2, shape.target_bins or 2)
    if rest or bins < fewest:
        raise ConfigError(
            f"enformer: a window of {window_bases:,} bases; it must be a multiple of {shape.bin_bases} bases, and at "
            f"least {fewest * shape.bin_bases:,}"
        )
    return bins


def _convolution(width: int, outputs: int, positions: int) -> nn.Sequential:
    convolution = nn.Conv1d(width, outputs, positions, padding=positions // 2)
    return nn.Sequential(nn.BatchNorm1d(width), Gelu(), convolution)


def _tower_block(width: int, outputs: int) -> nn.Sequential:
    widening = _convolution(width, outputs, TOWER_POSITIONS)
    return nn.Sequential(widening, Residual(_convolution(outputs, outputs, 1)), AttentionPooling(outputs))


def _layer(shape: EnformerShape, positions: Tensor) -> nn.Sequential:
    width = shape.width
    dropouts = (shape.attention_dropout, shape.position_dropout)
    reading = RelativeAttention(width, shape.heads, shape.key_width, positions, *dropouts)
    attention = (nn.LayerNorm(width), reading, nn.Dropout(shape.dropout))
    expanding = (nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.Dropout(shape.dropout), nn.ReLU())
    shrinking = (nn.Linear(2 * width, width), nn.Dropout(shape.dropout))
    return nn.Sequential(Residual(nn.Sequential(*attention)), Residual(nn.Sequential(*expanding, *shrinking)))

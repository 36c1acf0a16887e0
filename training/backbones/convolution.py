"""A residual network of dilated convolutions over one-hot bases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

BASES = 4


@dataclass(frozen=True)
class ConvolutionShape:
    """The sizes of a network.

    Attributes:
        width: channels.
        stem_bases, kernel_bases: widths of the first and of the blocks' convolutions, in bases, odd.
        full_dilations: one block each, at full length.
        half_dilations: one block each, after max-pooling by 2.
        pooled_dilations: one block each, after averaging `pooled_bases` neighbours.
        phases: how many kinds of position take turns from the first base on, such as the 3 of a reading frame; each
            scales and shifts the first convolution's channels by learnt amounts. 0: all positions are alike.
        places: positions after pooling that each have a learnt state added, for inputs of one length; 0: none.
    """

    width: int
    stem_bases: int
    kernel_bases: int
    full_dilations: Sequence[int]
    half_dilations: Sequence[int]
    dropout: float = 0.1
    pooled_dilations: Sequence[int] = ()
    pooled_bases: int = 1
    phases: int = 0
    places: int = 0


class Block(nn.Module):
    """Norm, ReLU, dilated convolution; norm, ReLU, pointwise convolution; added to what came in."""

    def __init__(self, shape: ConvolutionShape, dilation: int) -> None:
        super().__init__()
        padding = dilation * (shape.kernel_bases // 2)
        self.first_norm = nn.BatchNorm1d(shape.width)
        self.dilated = nn.Conv1d(shape.width, shape.width, shape.kernel_bases, padding=padding, dilation=dilation)
        self.second_norm = nn.BatchNorm1d(shape.width)
        self.pointwise = nn.Conv1d(shape.width, shape.width, 1)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, states: Tensor) -> Tensor:
        change = self.dilated(functional.relu(self.first_norm(states)))
        change = self.pointwise(functional.relu(self.second_norm(change)))
        changed: Tensor = states + self.dropout(change)
        return changed


class Halve(nn.Module):
    """The larger of each two neighbours; an odd last position stands alone, so that no base is dropped."""

    def forward(self, states: Tensor) -> Tensor:
        # Padding by one and rounding down is rounding up. In 2-D, since max_pool1d exports one fixed length only.
        padded = functional.pad(states, (0, 1), value=-math.inf)
        return functional.max_pool2d(padded[:, :, None], (1, 2))[:, :, 0]


class Average(nn.Module):
    """The mean of each `bases` neighbours; what is left over at the end is dropped."""

    def __init__(self, bases: int) -> None:
        super().__init__()
        self.bases = bases

    def forward(self, states: Tensor) -> Tensor:
        # In 2-D, since avg_pool1d exports one fixed length only.
        return functional.avg_pool2d(functional.relu(states)[:, :, None], (1, self.bases))[:, :, 0]


class Phases(nn.Module):
    """A learnt scale and shift of each channel for each of a few kinds of position that take turns.

    With 3 of them and a window whose anchor is a start codon, the same filter counts differently in each reading frame.
    """

    def __init__(self, width: int, phases: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width, phases))
        self.shift = nn.Parameter(torch.zeros(width, phases))

    def forward(self, states: Tensor) -> Tensor:
        phase = torch.arange(states.shape[2], device=states.device) % self.scale.shape[1]
        return states * self.scale[:, phase] + self.shift[:, phase]


class Places(nn.Module):
    """A learnt state for each position, so that a filter can mean one thing here and another there."""

    def __init__(self, width: int, places: int) -> None:
        super().__init__()
        self.states = nn.Parameter(torch.zeros(width, places))

    def forward(self, states: Tensor) -> Tensor:
        return states + self.states


class Convolution(nn.Module):
    """The backbone.

    Args:
        shape: sizes.
    """

    def __init__(self, shape: ConvolutionShape) -> None:
        super().__init__()
        self.stem = nn.Conv1d(BASES, shape.width, shape.stem_bases, padding=shape.stem_bases // 2)
        self.phases = Phases(shape.width, shape.phases) if shape.phases else nn.Identity()
        self.full_length = nn.Sequential(*(Block(shape, dilation) for dilation in shape.full_dilations))
        self.halve = Halve() if shape.half_dilations else nn.Identity()
        self.half_length = nn.Sequential(*(Block(shape, dilation) for dilation in shape.half_dilations))
        self.average = Average(shape.pooled_bases) if shape.pooled_bases > 1 else nn.Identity()
        self.places = Places(shape.width, shape.places) if shape.places else nn.Identity()
        self.pooled_length = nn.Sequential(*(Block(shape, dilation) for dilation in shape.pooled_dilations))
        self.norm = nn.BatchNorm1d(shape.width)

    @property
    def layers(self) -> list[nn.Module]:
        """The residual blocks, in the order they are applied."""
        return [*self.full_length, *self.half_length, *self.pooled_length]

    def forward(self, bases: Tensor) -> tuple[Tensor, Tensor]:
        """States of all positions.

        Args:
            bases: (batch, length, 4) float32, one-hot over A C G T, zeros for N.

        Returns:
            states (batch, positions, width) and a mask of ones (batch, positions): this input has no padding.
        """
        states = self.full_length(self.phases(self.stem(bases.transpose(1, 2))))
        states = self.half_length(self.halve(states))
        states = self.pooled_length(self.places(self.average(states)))
        states = functional.relu(self.norm(states)).transpose(1, 2)
        return states, states.new_ones(states.shape[:2])

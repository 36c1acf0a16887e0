"""A backbone, a pooling and a head: sequences in, values out.

The head answers in standard deviations of the training values, for the targets first and the auxiliary columns after
them. `forward`, which is what is exported, answers for the targets only, in their units.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from training.backbones.bert import Bert, BertShape
from training.backbones.convolution import Convolution, ConvolutionShape
from training.backbones.dnabert2 import Dnabert2, Dnabert2Shape
from training.backbones.kmers import Kmers
from training.datasets.table import Columns
from training.errors import ConfigError, DataError
from training.recipe import ModelConfig


class MaskedMean(nn.Module):
    """The mean state of the real positions."""

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Pool.

        Args:
            states: (batch, positions, width).
            mask: (batch, positions), 1.0 where a position is real.

        Returns:
            (batch, width).
        """
        weights = mask[:, :, None].to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1)


class AttentionPooling(nn.Module):
    """Several weighted means, side by side; each has its own learnt score per position."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, heads)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Pool.

        Args:
            states: (batch, positions, width).
            mask: (batch, positions), 1.0 where a position is real.

        Returns:
            (batch, heads * width).
        """
        scores = self.score(states).float() + (1.0 - mask[:, :, None]) * -10000.0
        weights = torch.softmax(scores, dim=1).to(states.dtype)  # (batch, positions, heads)
        return torch.matmul(weights.transpose(1, 2), states).flatten(1)


class FirstState(nn.Module):
    """The state of the first token, which every published tokenizer puts before the bases."""

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Pool; arguments and result are those of `MaskedMean`."""
        del mask
        return states[:, 0]


class BinPooling(nn.Module):
    """The mean state of each of several equal parts of the input, side by side; the largest states too, if asked for.

    So it matters where something stands. For inputs of one length, without padding.
    """

    def __init__(self, positions: int, bins: int, maxima: bool) -> None:
        super().__init__()
        self.maxima = maxima
        # Written out, since adaptive pooling does not export: bin b reads from edge b to edge b + 1.
        self.edges = [positions * edge // bins for edge in range(bins + 1)]

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Pool.

        Args:
            states: (batch, positions, width).
            mask: (batch, positions), all 1.0.

        Returns:
            (batch, bins * width), or twice as wide with the maxima.
        """
        del mask
        parts = [states[:, start:end] for start, end in pairwise(self.edges)]
        maxima = [part.amax(1) for part in parts] if self.maxima else []
        return torch.cat([*(part.mean(1) for part in parts), *maxima], dim=1)


class PoolerHead(nn.Module):
    """The published models' head: a tanh layer, then a linear one.

    Args:
        width: of what was pooled.
        inner_width: of the tanh layer.
        outputs: of the linear one.
        dropout: between the two.
    """

    def __init__(self, width: int, inner_width: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(width, inner_width)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(inner_width, outputs)

    def forward(self, pooled: Tensor) -> Tensor:
        """(batch, outputs) from (batch, width)."""
        answers: Tensor = self.output(self.dropout(torch.tanh(self.dense(pooled))))
        return answers


class ScaledModel(nn.Module):
    """Anything that is measured and exported: it answers in the targets' units.

    Args:
        outputs: targets and auxiliary columns together.
        targets: how many of them are targets; these come first.
    """

    def __init__(self, outputs: int, targets: int) -> None:
        super().__init__()
        self.targets = targets
        self.register_buffer("mean", torch.zeros(outputs))
        self.register_buffer("standard_deviation", torch.ones(outputs))
        self.mean: Tensor
        self.standard_deviation: Tensor

    def set_scale(self, mean: Tensor, standard_deviation: Tensor) -> None:
        """Fix the units of the outputs; both arguments are (outputs,)."""
        self.mean.copy_(mean)
        self.standard_deviation.copy_(standard_deviation)

    def standardised(self, *inputs: Tensor) -> Tensor:
        """(batch, outputs) float32, in standard deviations from the mean."""
        raise NotImplementedError

    def forward(self, *inputs: Tensor) -> Tensor:
        """(batch, targets) float32, in the targets' units."""
        answers = self.standardised(*inputs)[:, : self.targets]
        return answers * self.standard_deviation[: self.targets] + self.mean[: self.targets]


class Regressor(ScaledModel):
    """One network.

    Args:
        config: sizes.
        outputs: targets and auxiliary columns together.
        targets: how many of them are targets; these come first.
        vocabulary: entries of the tokenizer; 0 for a backbone that reads bases.
    """

    def __init__(self, config: ModelConfig, outputs: int, targets: int, vocabulary: int = 0) -> None:
        super().__init__(outputs, targets)
        self.width = config.width
        self.backbone = _backbone(config, vocabulary)
        self.averages_strands = config.reverse_complement_averaged
        self.pooling, width = _pooling(config)
        self.head = _head(config, width, outputs)

    def standardised(self, *inputs: Tensor) -> Tensor:
        """(batch, outputs) float32, in standard deviations from the mean; what the loss sees."""
        return self.with_states(*inputs)[0]

    def with_states(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """What `standardised` returns, and the states it was pooled from: (batch, positions, width).

        Of a model that averages both strands, the answers are the mean, outside of training; the states are those of
        the strand that is given.
        """
        answers, states = self._read(*inputs)
        if self.averages_strands and not self.training:
            # Turned along the sequence and along A C G T, one-hot bases are their reverse complement.
            answers = (answers + self._read(inputs[0].flip(1, 2))[0]) / 2
        return answers, states

    def _read(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        states, mask = self.backbone(*inputs)
        answers: Tensor = self.head(self.pooling(states, mask))
        return answers.float(), states


def scale_of(columns: Columns) -> tuple[Tensor, Tensor]:
    """Weighted mean and standard deviation of each column, as (columns,) float32 each.

    Raises:
        DataError: a column was not measured in any training row, or has the same value in all of them.
    """
    values = np.nan_to_num(columns.values.astype(np.float64))
    weights = columns.weights.astype(np.float64)
    total = weights.sum(axis=0)
    _refuse_empty(columns, weights)
    mean = (values * weights).sum(axis=0) / total
    variance = (weights * (values - mean) ** 2).sum(axis=0) / total
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(np.sqrt(variance), dtype=torch.float32)


def _refuse_empty(columns: Columns, weights: npt.NDArray[np.float64]) -> None:
    for column, name in enumerate(columns.names):
        measured = columns.values[weights[:, column] > 0, column]
        if not len(measured):
            raise DataError(f"{name} was not measured in any training row: there is nothing to learn from")
        if np.all(measured == measured[0]):
            rows = f"{len(measured):,} training rows"
            raise DataError(f"{name} is {measured[0]:g} in all {rows}: there is nothing to learn from a constant")


def _backbone(config: ModelConfig, vocabulary: int) -> nn.Module:
    if config.encoding == "tokens" and not vocabulary:
        raise ConfigError(f"model: a {config.backbone} backbone needs a tokenizer")
    sizes = (vocabulary, config.width, config.layers, config.heads, config.inner_width)
    if config.backbone == "bert":
        return Bert(BertShape(*sizes, config.positions, config.dropout))
    if config.backbone == "dnabert2":
        return Dnabert2(Dnabert2Shape(*sizes, config.dropout))
    if config.backbone == "nucleotide_transformer":
        return _nucleotide_transformer(config, vocabulary)
    if config.backbone == "kmers":
        return Kmers(config.longest_kmer, config.window_bases, config.pooling_bins, config.dropout)
    return Convolution(
        ConvolutionShape(
            config.width,
            config.stem_bases,
            config.kernel_bases,
            config.full_dilations,
            config.half_dilations,
            config.dropout,
            config.pooled_dilations,
            config.pooled_bases,
            config.phases,
            config.pooled_positions if config.places else 0,
        )
    )


def _nucleotide_transformer(config: ModelConfig, vocabulary: int) -> nn.Module:
    # transformers takes seconds to import; only these models pay for it.
    from training.backbones.nucleotide_transformer import (  # noqa: PLC0415
        NucleotideTransformer,
        NucleotideTransformerShape,
    )

    shape = NucleotideTransformerShape(
        config.version,
        vocabulary,
        config.width,
        config.layers,
        config.heads,
        config.inner_width,
        config.positions if config.version == "v1" else 0,
        config.token_dropout,
        config.dropout,
    )
    return NucleotideTransformer(shape)


def _pooling(config: ModelConfig) -> tuple[nn.Module, int]:
    """The pooling, and the width of what it answers."""
    if config.pooling == "attention":
        return AttentionPooling(config.width, config.pooling_heads), config.width * config.pooling_heads
    if config.pooling == "bins":
        pooling = BinPooling(config.pooled_positions, config.pooling_bins, config.pooling_maxima)
        return pooling, config.width * config.pooling_bins * (2 if config.pooling_maxima else 1)
    return FirstState() if config.pooling == "cls" else MaskedMean(), config.width


def _head(config: ModelConfig, width: int, outputs: int) -> nn.Module:
    if config.head == "pooler":
        return PoolerHead(width, config.width, outputs, config.head_dropout)
    if not config.head_width:
        return nn.Sequential(nn.Dropout(config.head_dropout), nn.Linear(width, outputs))
    return nn.Sequential(
        nn.Dropout(config.head_dropout),
        nn.Linear(width, config.head_width),
        nn.GELU(),
        nn.Dropout(config.head_dropout),
        nn.Linear(config.head_width, outputs),
    )

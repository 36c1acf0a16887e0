"""Enformer as a regressor: the mean of some tracks in the bins around the anchor, on each target's scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.backbones.enformer import Enformer
from training.enformer.card import ReadoutConfig, TrackTarget
from training.errors import ConfigError
from training.regressor import ScaledModel

LOG_OF_BASE = {"log2": math.log(2), "log10": math.log(10), "ln": 1.0}


class EnformerRegressor(ScaledModel):
    """One value for each target; only the tracks that a target names are computed, and only in the bins that are read.

    Args:
        backbone: with its heads, of which the graph keeps the rows that are read.
        targets: what is answered.
        readout: whose tracks are read, and in how many bins.

    Raises:
        ConfigError: the organism, a track or so many bins are none of the model's.
    """

    def __init__(self, backbone: Enformer, targets: Sequence[TrackTarget], readout: ReadoutConfig) -> None:
        super().__init__(len(targets), len(targets))
        self.set_scale(torch.zeros(len(targets)), torch.tensor([target.standard_deviation for target in targets]))
        layer = _track_layer(backbone, readout)
        _check_tracks(targets, layer.out_features)
        self.start, self.end = _bins_read(backbone, readout)
        used = sorted({track for target in targets for track in target.tracks})
        self.tracks = _rows(layer, used)
        self.register_buffer("shares", _shares(targets, used), persistent=False)
        self.shares: Tensor  # (tracks, targets)
        self.scales = [(target.scale, target.pseudocount) for target in targets]
        self.backbone = backbone

    def standardised(self, *inputs: Tensor) -> Tensor:
        """(batch, targets) float32, in standard deviations."""
        standardised: Tensor = self(*inputs) / self.standard_deviation
        return standardised

    def forward(self, *inputs: Tensor) -> Tensor:
        """(batch, targets) float32, in the targets' units."""
        states = self.backbone.states_of(inputs[0], self.start, self.end)
        means = functional.softplus(self.tracks(states)).mean(1) @ self.shares  # (batch, targets)
        columns = [_scaled(means[:, column], *scale) for column, scale in enumerate(self.scales)]
        return torch.stack(columns, dim=1)


def _track_layer(backbone: Enformer, readout: ReadoutConfig) -> nn.Linear:
    if readout.organism not in backbone.organisms:
        known = ", ".join(backbone.organisms)
        raise ConfigError(f"readout.organism: {readout.organism!r} is none of the model's, which are {known}")
    return backbone.track_layer(readout.organism)


def _check_tracks(targets: Sequence[TrackTarget], tracks: int) -> None:
    for target in targets:
        if (largest := max(target.tracks)) >= tracks:
            raise ConfigError(
                f"targets: {target.name}: the model has {tracks:,} tracks, 0 to {tracks - 1}; not {largest}"
            )


def _bins_read(backbone: Enformer, readout: ReadoutConfig) -> tuple[int, int]:
    """Of the window's bins the first that is read and the one after the last; the anchor is the window's middle."""
    if readout.bins > backbone.target_bins:
        raise ConfigError(f"readout.bins: the model answers for {backbone.target_bins:,} bins")
    start = backbone.bins // 2 - readout.bins // 2
    return start, start + readout.bins


def _rows(layer: nn.Linear, rows: list[int]) -> nn.Linear:
    """A layer with some of the outputs of another."""
    chosen = nn.Linear(layer.in_features, len(rows))
    chosen.load_state_dict({name: value[rows] for name, value in layer.state_dict().items()})
    return chosen


def _shares(targets: Sequence[TrackTarget], used: list[int]) -> Tensor:
    """(tracks, targets): each target's mean as weights of the tracks that are computed."""
    shares = torch.zeros(len(used), len(targets))
    for column, target in enumerate(targets):
        shares[[used.index(track) for track in target.tracks], column] = 1 / len(target.tracks)
    return shares


def _scaled(means: Tensor, scale: str, pseudocount: float) -> Tensor:
    return means if scale == "linear" else torch.log(means + pseudocount) / LOG_OF_BASE[scale]

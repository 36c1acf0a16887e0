"""Gradient checkpointing: memory for time."""

from __future__ import annotations

from functools import partial
from types import MethodType

from torch import nn
from torch.utils.checkpoint import checkpoint

from training.backbones.layers import layers_of
from training.errors import ConfigError


def recompute_layers(backbone: nn.Module) -> None:
    """Keep only what enters each transformer layer and compute the layer again when its gradient is needed.

    The gradients stay the same: random draws are repeated. Names and weights stay the same too.

    Raises:
        ConfigError: the backbone is no transformer. A layer with batch norm would count its batch twice.
    """
    if any(isinstance(module, nn.BatchNorm1d) for module in backbone.modules()):
        raise ConfigError("fit.gradient_checkpointing: only a transformer's layers can be computed again")
    for layer in layers_of(backbone):
        layer.forward = MethodType(_recomputed, layer)


def _recomputed(layer: nn.Module, *inputs: object, **options: object) -> object:
    forward = partial(type(layer).forward, layer, **options)
    return checkpoint(forward, *inputs, use_reentrant=False) if layer.training else forward(*inputs)

"""Gradient checkpointing: memory for time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import MethodType

from torch import nn
from torch.utils.checkpoint import checkpoint

from training.errors import ConfigError


def recompute_layers(backbone: nn.Module) -> None:
    """Keep only what enters each transformer layer and compute the layer again when its gradient is needed.

    The gradients stay the same: random draws are repeated. Names and weights stay the same too.

    Raises:
        ConfigError: the backbone has no transformer layers. A layer with batch norm would count its batch twice.
    """
    layers = list(_layers(backbone))
    if not layers:
        raise ConfigError("fit.gradient_checkpointing: only a transformer's layers can be computed again")
    for layer in layers:
        layer.forward = MethodType(_recomputed, layer)


def _layers(backbone: nn.Module) -> Iterator[nn.Module]:
    """The members of lists called `layer`, as BERT and its kin call them."""
    for name, module in backbone.named_modules():
        if isinstance(module, nn.ModuleList) and name.rpartition(".")[2] == "layer":
            yield from module


def _recomputed(layer: nn.Module, *inputs: object, **options: object) -> object:
    forward = partial(type(layer).forward, layer, **options)
    return checkpoint(forward, *inputs, use_reentrant=False) if layer.training else forward(*inputs)

"""What moves the weights: AdamW, whose learning rate warms up and falls, and is smaller the deeper a layer lies."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import Parameter

from training.backbones.layers import layers_of
from training.recipe import FitConfig
from training.regressor import Regressor

BETAS = (0.9, 0.98)
LAST_SHARE_OF_LEARNING_RATE = 1 / 500


def adamw(module: nn.Module, config: FitConfig) -> torch.optim.AdamW:
    """AdamW that decays matrices and leaves vectors (biases, norms) alone; what is frozen is left out.

    Args:
        module: holds a model; everything beside its backbone learns at the full rate.
        config: rates and decay. A group's `share` is its part of the learning rate.
    """
    groups: dict[tuple[float, bool], list[Parameter]] = {}
    for parameter, share in _with_shares(module, config):
        groups.setdefault((share, parameter.ndim > 1), []).append(parameter)
    on_gpu = any(parameter.is_cuda for parameter in module.parameters())
    return torch.optim.AdamW(_as_groups(groups, config), lr=config.learning_rate, betas=BETAS, fused=on_gpu or None)


def _as_groups(groups: dict[tuple[float, bool], list[Parameter]], config: FitConfig) -> list[dict[str, Any]]:
    """The fastest first, in each pair the matrices first."""
    return [
        {"params": parameters, "share": share, "weight_decay": config.weight_decay if matrices else 0.0}
        for (share, matrices), parameters in sorted(groups.items(), key=lambda group: group[0], reverse=True)
    ]


def _with_shares(module: nn.Module, config: FitConfig) -> Iterator[tuple[Parameter, float]]:
    """Each trained parameter with its share of the learning rate.

    A backbone's top layer has depth 1 and what lies under its first layer the largest depth (ELECTRA's rule, Clark et
    al. 2020, arXiv:2003.10555); what follows its last layer belongs to the top.
    """
    models = (part for part in module.modules() if isinstance(part, Regressor))
    heights = {parameter: height for model in models for parameter, height in backbone_heights(model.backbone).items()}
    layers = max(heights.values(), default=0)
    at_the_top = (config.backbone_learning_rate or config.learning_rate) / config.learning_rate
    for parameter in module.parameters():
        if parameter.requires_grad:
            depth = layers + 1 - heights.get(parameter, 0)
            yield parameter, at_the_top * config.layer_decay**depth if parameter in heights else 1.0


def backbone_heights(backbone: nn.Module) -> dict[Parameter, int]:
    """The layer of each parameter of a backbone: 0 under the first layer, then 1 upwards."""
    layers = enumerate(layers_of(backbone), start=1)
    of_layers = {parameter: height for height, layer in layers for parameter in layer.parameters()}
    heights: dict[Parameter, int] = {}
    height = 0
    for parameter in backbone.parameters():  # in the order in which the model uses them
        height = of_layers.get(parameter, height)
        heights[parameter] = height
    return heights


def learning_rate(step: int, steps: int, config: FitConfig) -> float:
    """The rate for a step, counted from 0 of `steps`."""
    warmup = max(1, config.warmup_steps or round(config.warmup_fraction * steps))
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    left = (1 + math.cos(math.pi * done)) / 2 if config.schedule == "cosine" else 1 - done
    share = LAST_SHARE_OF_LEARNING_RATE
    return config.learning_rate * (share + (1 - share) * left)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give each group its share of the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]


def clip_gradient(model: nn.Module, largest_norm: float) -> None:
    """Shorten the gradient to at most this norm."""
    nn.utils.clip_grad_norm_(model.parameters(), largest_norm)

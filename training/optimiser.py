"""What moves the weights: AdamW, whose learning rate warms up and falls, and is smaller the deeper a layer lies."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import Parameter

from training.recipe import FitConfig

BETAS = (0.9, 0.98)
LAST_SHARE_OF_LEARNING_RATE = 1 / 500
# Where backbones keep their layers: transformers in `layer`, the convolution network in its two stages.
LAYER = re.compile(r"^(.*?\b(?:layer|full_length|half_length)\.\d+)\.")
BACKBONE = re.compile(r"\bbackbone\.")


def adamw(module: nn.Module, config: FitConfig) -> torch.optim.AdamW:
    """AdamW that decays matrices and leaves vectors (biases, norms) alone; what is frozen is left out.

    Args:
        module: holds a model with a `backbone`; everything beside the backbone learns at the full rate.
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
    trained = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    heights = backbone_heights(name for name, _ in module.named_parameters())
    layers = max(heights.values(), default=0)
    at_the_top = (config.backbone_learning_rate or config.learning_rate) / config.learning_rate
    for name, parameter in trained.items():
        depth = layers + 1 - heights[name] if name in heights else 0
        yield parameter, at_the_top * config.layer_decay**depth if name in heights else 1.0


def backbone_heights(names: Iterable[str]) -> dict[str, int]:
    """The layer of each parameter of the backbone, by its name: 0 under the first layer, then 1 upwards.

    Args:
        names: of all parameters, in the order in which the model uses them.
    """
    heights: dict[str, int] = {}
    seen: list[str] = []
    for name in names:
        if not BACKBONE.search(name):
            continue
        layer = LAYER.match(name)
        if layer is not None and layer[1] not in seen:
            seen.append(layer[1])
        heights[name] = len(seen)
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

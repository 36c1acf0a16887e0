"""What moves the weights: AdamW, a learning rate that warms up and falls as a cosine, and a moving average."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from training.recipe import FitConfig

BETAS = (0.9, 0.98)
LAST_SHARE_OF_LEARNING_RATE = 1 / 500


def adamw(model: nn.Module, config: FitConfig) -> torch.optim.AdamW:
    """AdamW that decays matrices and leaves vectors (biases, norms) alone."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=BETAS)


def learning_rate(step: int, steps: int, config: FitConfig) -> float:
    """The rate for a step, counted from 0 of `steps`."""
    warmup = max(1, round(config.warmup_fraction * steps))
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    share = LAST_SHARE_OF_LEARNING_RATE
    return config.learning_rate * (share + (1 - share) * (1 + math.cos(math.pi * done)) / 2)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The same rate for all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = rate


class MovingAverage:
    """The exponential moving average of a model's state, which generalises better than its last step.

    Args:
        model: where it starts.
        decay: per step; early steps use less, so that the random start is soon forgotten. 0 keeps the state itself.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self.steps = 0
        self.state = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in one step."""
        self.steps += 1
        decay = min(self._decay, (1 + self.steps) / (10 + self.steps))
        for name, value in model.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)

    def restore(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Go on from a checkpoint."""
        self.steps = steps
        self.state = {name: value.to(self.state[name].device) for name, value in state.items()}


def clip_gradient(model: nn.Module, largest_norm: float) -> None:
    """Shorten the gradient to at most this norm."""
    nn.utils.clip_grad_norm_(model.parameters(), largest_norm)


def fast_autocast(device: torch.device, precision: str) -> torch.autocast:
    """Compute in bf16 where that is asked for and the device is fast at it, else in fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16" and bf16_is_fast(device))


def bf16_is_fast(device: torch.device) -> bool:
    """Whether the device multiplies bf16 in hardware; emulated, it is slower than fp32."""
    if device.type == "cuda":
        return cast("bool", torch.cuda.is_bf16_supported(including_emulation=False))
    abilities = torch.cpu.get_capabilities()
    return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))

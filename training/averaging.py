"""The moving average of a model's weights, which is what is validated and kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class MovingAverage:
    """The exponential moving average of a model's state, which generalises better than its last step.

    Args:
        model: where it starts; what is frozen in it is not averaged, since it does not move.
        decay: per step; early steps use less, so that the random start is soon forgotten. 0: the weights themselves,
            and no copy of them is kept.

    Attributes:
        steps: taken in.
        state: name to averaged tensor; empty when nothing is averaged.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self.steps = 0
        self.state = {name: value.clone() for name, value in _moving(model).items()} if decay else {}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in one step."""
        self.steps += 1
        if not self.state:
            return
        decay = min(self._decay, (1 + self.steps) / (10 + self.steps))
        moving = _moving(model)
        smooth = [name for name, value in moving.items() if value.dtype.is_floating_point]
        follow = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # torch's own signature is untyped
        follow([self.state[name] for name in smooth], [moving[name] for name in smooth], None)
        for name in moving.keys() - smooth:
            self.state[name].copy_(moving[name])

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Inside the block the model has the averaged weights; after it, its own again, to the bit."""
        moving = _moving(model) if self.state else {}
        own = {name: value.clone() for name, value in moving.items()}
        _overwrite(moving, self.state)
        try:
            yield
        finally:
            _overwrite(moving, own)

    def restore(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Go on from a checkpoint."""
        self.steps = steps
        _overwrite(self.state, state)


def _moving(model: nn.Module) -> dict[str, Tensor]:
    """What training changes, by name: trained parameters, and buffers."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {name: value.detach() for name, value in model.state_dict().items() if name not in frozen}


@torch.no_grad()
def _overwrite(tensors: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        tensor.copy_(values[name])

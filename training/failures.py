"""What goes wrong while a model is trained, in one line that says what to change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from training.errors import FitError
from training.recipe import FitConfig


@contextmanager
def memory_named(name: str, config: FitConfig) -> Iterator[None]:
    """Turn CUDA's page-long message into one line that names the keys.

    Args:
        name: of the model.
        config: what decides how much memory a step takes.

    Raises:
        FitError: the block ran out of memory.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise FitError(
            f"{name}: the GPU's memory does not hold a step of fit.batch = {config.batch} in fit.accumulate = "
            f"{config.accumulate} parts; raise fit.accumulate or set fit.gradient_checkpointing = true (neither "
            "changes what is learnt), or lower fit.batch"
        ) from None


def last_loss(losses: Sequence[Tensor], steps: int, name: str) -> float:
    """The last of some losses that follow each other.

    Args:
        losses: each of one step.
        steps: taken so far, the last loss's included.
        name: of the model.

    Raises:
        FitError: one of them is no number.
    """
    values = torch.stack(list(losses)).tolist()
    for place, value in enumerate(values, start=1):
        if not np.isfinite(value):
            raise FitError(
                f"{name}: the loss is no longer finite at step {steps - len(values) + place}; lower "
                "fit.learning_rate, warm up for longer or lower fit.clip_norm"
            )
    return float(values[-1])

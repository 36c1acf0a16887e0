"""What goes wrong is said in one line, with the step and the way out."""

import pytest
import torch

from training.errors import FitError
from training.failures import last_loss, memory_named
from training.recipe import FitConfig

CONFIG = FitConfig(epochs=1, batch=32, accumulate=2, learning_rate=1.0)


def test_full_memory_names_the_keys_that_help() -> None:
    with (
        pytest.raises(FitError, match=r"model: .*fit\.batch = 32 .*fit\.accumulate = 2 .*gradient_checkpointing"),
        memory_named("model", CONFIG),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError), memory_named("model", CONFIG):
        raise ZeroDivisionError


def test_the_first_step_whose_loss_is_no_number_is_named() -> None:
    losses = [torch.tensor(value) for value in (1.0, float("inf"), float("nan"))]

    with pytest.raises(FitError, match=r"model: the loss is no longer finite at step 99; lower fit\.learning_rate"):
        last_loss(losses, steps=100, name="model")


def test_the_last_loss_is_the_figure() -> None:
    assert last_loss([torch.tensor(2.0), torch.tensor(0.5)], steps=2, name="model") == 0.5

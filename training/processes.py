"""The processes that train one model together, one per GPU, as `torchrun` or `accelerate launch` starts them.

Everything that passes between them goes through `accelerate`; a process that is alone needs none of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from training.datasets.table import Floats
from training.errors import FitError

if TYPE_CHECKING:
    from accelerate import Accelerator


class Processes:
    """This process among those that train together.

    Args:
        device: where this one computes; what was asked for when it is alone, else a device of its own.
        accelerator: connects them; None when this process is alone.
    """

    def __init__(self, device: torch.device, accelerator: Accelerator | None = None) -> None:
        self._accelerator = accelerator
        self.device: torch.device = device if accelerator is None else accelerator.device
        self.rank = 0 if accelerator is None else accelerator.process_index
        self.count = 1 if accelerator is None else accelerator.num_processes

    @property
    def is_main(self) -> bool:
        """Whether it is this process that writes files and talks to people."""
        return self.rank == 0

    def prepare(self, module: nn.Module) -> nn.Module:
        """The module, whose gradients are then the mean over the processes."""
        if self._accelerator is None:
            return module
        prepared: nn.Module = self._accelerator.prepare_model(module)
        return prepared

    def without_sync(self, module: nn.Module) -> AbstractContextManager[Any]:
        """A block in which gradients stay in this process, for all but the last part of a step."""
        return nullcontext() if self._accelerator is None else self._accelerator.no_sync(module)

    def mean(self, value: Tensor) -> Tensor:
        """The mean over the processes."""
        if self._accelerator is None:
            return value
        mean: Tensor = self._accelerator.reduce(value, "mean")
        return mean

    def joined(self, rows: Floats) -> Floats:
        """The rows of all processes, in their order."""
        if self._accelerator is None:
            return rows
        from accelerate.utils import gather_object  # noqa: PLC0415 - slow to import, and seldom needed

        return np.concatenate(gather_object([rows]))

    def as_main(self, tensors: dict[str, Tensor]) -> None:
        """Make the tensors those of the main process."""
        if self._accelerator is None:
            return
        from accelerate.utils import broadcast  # noqa: PLC0415 - slow to import, and seldom needed

        for tensor in tensors.values():
            tensor.copy_(broadcast(tensor))

    def wait(self) -> None:
        """Until all processes are here."""
        if self._accelerator is not None:
            self._accelerator.wait_for_everyone()


ALONE = Processes(torch.device("cpu"))


def started_together() -> int:
    """How many processes the launcher says it started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def refuse_several_processes() -> None:
    """For commands that several processes would only do several times.

    Raises:
        FitError: more than one was started.
    """
    if started_together() > 1:
        raise FitError("only `fit` runs in several processes: start prepare, evaluate and export by themselves")


@contextmanager
def launched(device: torch.device) -> Iterator[Processes]:
    """The processes that were started together; only this one when it was started by itself.

    Args:
        device: its kind is kept; of several GPUs each process takes its own.

    Raises:
        FitError: several processes were started without `accelerate`.
    """
    if started_together() == 1:
        yield Processes(device)
        return
    try:
        from accelerate import Accelerator  # noqa: PLC0415 - slow to import, and seldom needed
    except ImportError:
        raise FitError("several processes need accelerate: pip install 'basecast[train]'") from None
    # What the launcher's own configuration says about precision gives way to fit.precision.
    accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="no")
    yield Processes(device, accelerator)
    # After an error the launcher ends the other processes, which may never come to say good-bye.
    accelerator.end_training()

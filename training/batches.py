"""The batches of an epoch, made ready in a second thread, so that the device need not wait for tokens."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.errors import FitError
from training.examples import Material
from training.feeder import Feeder
from training.recipe import FitConfig

STEPS_AHEAD = 4

Item = TypeVar("Item")
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """What goes through the model at once: the rows of a step, or some of them.

    Attributes:
        inputs: the graph's.
        values, weights: (rows, outputs) float32, as in `Examples`.
        states: (rows, longest, width) of a teacher, or None.
        share: of the step's rows, times the number of processes, whose gradients are averaged.
    """

    inputs: tuple[Tensor, ...]
    values: Tensor
    weights: Tensor
    states: Tensor | None
    share: float

    def pinned(self) -> Part:
        """In memory from which a GPU can fetch while the CPU goes on."""
        inputs = tuple(tensor.pin_memory() for tensor in self.inputs)
        return replace(self, inputs=inputs, values=self.values.pin_memory(), weights=self.weights.pin_memory())

    def to(self, device: torch.device) -> Part:
        """On the device that computes."""
        return Part(
            inputs=tuple(tensor.to(device, non_blocking=True) for tensor in self.inputs),
            values=self.values.to(device, non_blocking=True),
            weights=self.weights.to(device, non_blocking=True),
            states=None if self.states is None else self.states.to(device, non_blocking=True),
            share=self.share,
        )


@dataclass(frozen=True)
class Maker:
    """Makes the parts of each step.

    Attributes:
        material: what is drawn from.
        feeder: makes the model's inputs.
        config: augmentation, and parts per step.
        rank, processes: which of how many processes this one is; each makes its own parts of every step.
        pin: make them ready for a GPU.
    """

    material: Material
    feeder: Feeder
    config: FitConfig
    rank: int = 0
    processes: int = 1
    pin: bool = False

    def steps(self, batches: Sequence[Rows], generator: np.random.Generator) -> Iterator[list[Part]]:
        """The parts of each step, in order; all random draws come from the generator, in that order too.

        Raises:
            FitError: a step has fewer rows than parts.
        """
        parts = self.processes * self.config.accumulate
        if (fewest := min(map(len, batches))) < parts:
            raise FitError(
                f"a step has {fewest} rows, too few for {self.processes} processes with fit.accumulate = "
                f"{self.config.accumulate} parts each; raise fit.batch or lower fit.accumulate"
            )
        return ahead((self._parts(rows, generator) for rows in batches), STEPS_AHEAD)

    def _parts(self, rows: Rows, generator: np.random.Generator) -> list[Part]:
        each = self.config.accumulate
        shares = np.array_split(rows, each * self.processes)[self.rank * each : (self.rank + 1) * each]
        return [self._part(share, len(share) / len(rows) * self.processes, generator) for share in shares]

    def _part(self, rows: Rows, share: float, generator: np.random.Generator) -> Part:
        batch = self.material.draw(rows, generator)
        inputs = self.feeder.training_tensors(batch.bases, batch.lengths, self.config.augmentation, generator)
        values, weights = torch.from_numpy(batch.values), torch.from_numpy(batch.weights)
        part = Part(inputs, values, weights, batch.states, share)
        return part.pinned() if self.pin else part


def ahead(items: Iterator[Item], count: int) -> Iterator[Item]:
    """The same items in the same order, up to `count` of them made before they are asked for, in one other thread."""
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
    try:
        waiting = deque(pool.submit(next, items, None) for _ in range(count))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(next, items, None))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)

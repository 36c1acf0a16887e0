"""How fast a device multiplies and predicts: the median of several rounds, warm."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from app.encoding import Ids
from benchmarks.gpu.packing import Batches

Predict = Callable[[Sequence[Ids]], object]


@dataclass(frozen=True)
class Speed:
    """One engine on one set of batches.

    Attributes:
        tokens_per_second: real ones; the median of the rounds.
        spread: (largest - smallest) / median.
    """

    engine: str
    batches: Batches
    tokens_per_second: float
    spread: float


def time_batches(engine: str, predict: Predict, batches: Batches, rounds: int) -> Speed:
    """All batches, several rounds, after a first one that is not counted."""
    rates = []
    for number in range(rounds + 1):
        started = time.perf_counter()
        for rows in batches.rows:
            predict(rows)
        if number:
            rates.append(batches.tokens / (time.perf_counter() - started))
    middle = statistics.median(rates)
    return Speed(engine, batches, middle, (max(rates) - min(rates)) / middle)


def matrix_rate(device: torch.device, dtype: torch.dtype, side: int, rounds: int) -> float:
    """Operations a second of the product of two square matrices: what the device can do at most."""
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    seconds = []
    for _ in range(rounds + 1):
        _wait(device)
        started = time.perf_counter()
        for _ in range(PRODUCTS):
            torch.matmul(left, right)
        _wait(device)
        seconds.append((time.perf_counter() - started) / PRODUCTS)
    return 2 * side**3 / statistics.median(seconds[1:])


PRODUCTS = 4


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

"""Where a pre-training stands, on disk: written beside and renamed, so that a kill leaves the last whole checkpoint."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.checkpoint import read_saved, write_atomically

CHECKPOINT = "checkpoint.pt"
METRICS = "metrics.csv"


@dataclass(frozen=True)
class Progress:
    """A run after some steps.

    Attributes:
        step: steps taken.
        seconds: of training, measuring and writing not counted.
        weights, optimizer: states after them.
        history: one row of figures per checkpoint.
    """

    step: int
    seconds: float
    weights: Mapping[str, Tensor]
    optimizer: dict[str, Any]
    history: list[dict[str, float]]


def save_progress(folder: Path, progress: Progress) -> None:
    """Write the checkpoint and, for people, the history as CSV."""
    buffer = io.BytesIO()
    torch.save(vars(progress), buffer)
    write_atomically(folder / CHECKPOINT, buffer.getvalue())
    write_atomically(folder / METRICS, _as_csv(progress.history))


def load_progress(folder: Path) -> Progress | None:
    """Where the run stands; None before its first checkpoint.

    Raises:
        FitError: the checkpoint is damaged.
    """
    if not (folder / CHECKPOINT).is_file():
        return None
    return Progress(**read_saved(folder / CHECKPOINT))


def _as_csv(history: Sequence[Mapping[str, float]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue().encode()

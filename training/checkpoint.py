"""Where a run stands, on disk: written beside and renamed, so a kill at any moment leaves the last whole one."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from training.errors import FitError

CHECKPOINT = "checkpoint.pt"
BEST = "best.pt"
IDENTITY = "config.json"
METRICS = "metrics.csv"
FACTS = "run.json"

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Progress:
    """A run after some whole epochs.

    Attributes:
        identity: what the run is (configuration, seed, data digest); another identity may not go on from here.
        epochs: how many are done.
        weights, average, optimizer, scaler: states after them.
        average_steps: steps the average has taken in.
        history: one row of figures per epoch.
        finished: no epoch is left to do.
    """

    identity: dict[str, Any]
    epochs: int
    weights: State
    average: State
    average_steps: int
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    history: list[dict[str, float]]
    finished: bool


class RunFolder:
    """The files of one run.

    Args:
        path: created when it is not there.
        identity: what the run is, as JSON types.
        writes: False in all but one of several processes, whose saving then does nothing.

    Raises:
        FitError: the folder holds a run of another identity.
    """

    def __init__(self, path: Path, identity: dict[str, Any], writes: bool = True) -> None:
        self.path, self._writes = path, writes
        # Through JSON and back, so that a tuple equals the list it is read back as.
        self.identity: dict[str, Any] = json.loads(json.dumps(identity))
        self._refuse_another_run()
        if writes:
            path.mkdir(parents=True, exist_ok=True)
            write_atomically(path / IDENTITY, json.dumps(self.identity, indent=2).encode() + b"\n")

    def load(self) -> Progress | None:
        """Where the run stands; None when it has not finished an epoch yet.

        Raises:
            FitError: the checkpoint cannot be read.
        """
        if not (self.path / CHECKPOINT).is_file():
            return None
        return Progress(**read_saved(self.path / CHECKPOINT))

    def save(self, progress: Progress) -> None:
        """Write the checkpoint and, for people, the history as CSV."""
        if not self._writes:
            return
        _write(self.path / CHECKPOINT, lambda file: torch.save(vars(progress), file))
        write_atomically(self.path / METRICS, _as_csv(progress.history))

    def save_best(self, weights: State) -> None:
        """Write the weights with the best validation figures so far."""
        if not self._writes:
            return
        _write(self.path / BEST, lambda file: torch.save(dict(weights), file))

    def save_facts(self, facts: Mapping[str, object]) -> None:
        """Write, for people, how the run came to be; unlike its identity, this may change when it is resumed."""
        if self._writes:
            write_atomically(self.path / FACTS, json.dumps(facts, indent=2).encode() + b"\n")

    def load_best(self) -> dict[str, Tensor]:
        """The weights with the best validation figures.

        Raises:
            FitError: no epoch was finished yet, or the file cannot be read.
        """
        if not (self.path / BEST).is_file():
            raise FitError(f"{self.path}: no trained weights here; run `python -m training fit` first")
        return read_saved(self.path / BEST)

    def _refuse_another_run(self) -> None:
        try:
            found = json.loads((self.path / IDENTITY).read_bytes())
        except FileNotFoundError:
            return
        if found != self.identity:
            different = sorted(key for key in self.identity if found.get(key) != self.identity[key])
            raise FitError(
                f"{self.path} holds a run with another {', '.join(different) or 'configuration'}; "
                "remove the folder or choose another with --runs"
            )


def read_saved(path: Path) -> dict[str, Any]:
    """Read what torch saved, onto the CPU.

    Raises:
        FitError: the file is damaged.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError):
        raise FitError(f"{path} is damaged: remove its folder and start the run again") from None
    return content


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it there."""
    _write(path, lambda file: file.write(content))


def _write(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    beside = path.with_name(f".{path.name}.partial")
    with beside.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _as_csv(history: Sequence[Mapping[str, float]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue().encode()

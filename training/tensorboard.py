"""Figures for TensorBoard, beside the checkpoint; without the package there are none, and the CSV has them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

FOLDER = "tensorboard"

Log = Callable[[int, Mapping[str, float]], None]


@contextmanager
def tensorboard_log(run_folder: Path, step: int, wanted: bool = True) -> Iterator[Log]:
    """A log that goes on at a step; what a killed run wrote beyond it is hidden.

    Args:
        run_folder: where the log's own folder is.
        step: taken so far.
        wanted: False in all but one of several processes.

    Yields:
        A function that takes a step and its figures.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - the package is optional
    except ImportError:
        wanted = False
    if not wanted:
        yield lambda _step, _figures: None
        return
    with SummaryWriter(run_folder / FOLDER, purge_step=step or None) as writer:

        def log(at: int, figures: Mapping[str, float]) -> None:
            for name, value in figures.items():
                writer.add_scalar(name, value, at)

        yield log

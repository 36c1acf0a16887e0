"""Whether the exported graph predicts what the model does, whatever a batch looks like."""

from __future__ import annotations

import numpy as np
import torch

from app.bundle import Parity
from app.encoding import Ids
from app.engine import OnnxModel
from training.datasets.table import Floats
from training.errors import ExportRefused
from training.feeder import Feeder
from training.graph import random_rows
from training.regressor import ScaledModel

PARITY_TOLERANCE = 1e-5
PARITY_ROWS = (1, 2, 3, 8)
# Attention's scores grow with the square of the length: the longest inputs are compared in the smaller batches.
PARITY_POSITIONS = 8192


def measure_parity(model: ScaledModel, feeder: Feeder, served: OnnxModel) -> Parity:
    """Compare torch, one row at a time, with ONNX Runtime on whole, padded batches.

    Raises:
        ExportRefused: they differ by more than `PARITY_TOLERANCE` standard deviations of a target.
    """
    shapes = parity_shapes(feeder)
    worst = max(_difference(model, feeder, served, rows, length) for rows, length in shapes)
    if not worst <= PARITY_TOLERANCE:  # also true for NaN
        raise ExportRefused(
            f"torch and ONNX Runtime differ by {worst:.3g} standard deviations (allowed: {PARITY_TOLERANCE:g})"
        )
    return Parity(largest_difference=worst, shapes=tuple(shapes))


def parity_shapes(feeder: Feeder) -> list[tuple[int, int]]:
    """Rows and length of the batches that are compared: from the shortest input to the longest, few rows and many."""
    return [
        (rows, length)
        for length in _parity_lengths(feeder)
        for rows in PARITY_ROWS
        if rows <= 2 or rows * length <= PARITY_POSITIONS
    ]


def parity_batch(feeder: Feeder, rows: int, length: int) -> list[Ids]:
    """Random rows of one shape; those of tokens are ragged, the first as long as the shape says."""
    lengths = [length] * rows
    if feeder.rules.encoding == "tokens":
        lengths = [length, *np.random.default_rng(length).integers(1, length + 1, size=rows - 1).tolist()]
    return random_rows(feeder, lengths, seed=length)


def _parity_lengths(feeder: Feeder) -> list[int]:
    shortest, longest = _shortest(feeder), feeder.rules.max_tokens
    return sorted(
        {shortest, shortest + 1, (shortest + longest) // 2, longest - 1, longest} & set(range(shortest, longest + 1))
    )


def _shortest(feeder: Feeder) -> int:
    return {"tokens": 1, "one_hot": feeder.rules.min_bases, "dosage": feeder.rules.max_tokens}[feeder.rules.encoding]


def _difference(model: ScaledModel, feeder: Feeder, served: OnnxModel, rows: int, length: int) -> float:
    batch = parity_batch(feeder, rows, length)
    with torch.no_grad():
        alone: Floats = np.vstack([model(*feeder.tensors([row])).numpy() for row in batch])
    spread = model.standard_deviation[: model.targets].numpy()
    return float(np.max(np.abs(alone - served.predict(batch)) / spread))

"""A graph that is not in a bundle yet, as the service will run it: on one thread of a CPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from app.encoding import Ids
from app.engine import feed
from training.datasets.table import Floats
from training.feeder import Feeder, batches_of_one_length


class CpuGraph:
    """A session of a graph.

    Args:
        graph: as it stands in a bundle, or one with other outputs.
        feeder: makes its inputs.
    """

    def __init__(self, graph: bytes, feeder: Feeder) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        self._session = ort.InferenceSession(graph, options, ["CPUExecutionProvider"])
        self._rules = feeder.rules

    def answers(self, rows: Sequence[Ids]) -> list[npt.NDArray[np.float32]]:
        """All outputs for one batch."""
        answered: list[npt.NDArray[np.float32]] = self._session.run(None, feed(rows, self._rules))
        return answered

    def together(self, rows: Sequence[Ids]) -> Floats:
        """(rows, targets) of one batch, whose token rows are padded."""
        return self.answers(rows)[0]

    def alone(self, rows: Sequence[Ids]) -> Floats:
        """(rows, targets), each row by itself."""
        return np.vstack([self.together([row]) for row in rows])

    def predict(self, rows: Sequence[Ids]) -> Floats:
        """(rows, targets), in batches of rows of one length."""
        batches = list(batches_of_one_length(rows))
        answered = np.vstack([self.together([rows[row] for row in batch]) for batch in batches])
        predicted = np.empty_like(answered)
        predicted[np.concatenate(batches)] = answered
        return predicted

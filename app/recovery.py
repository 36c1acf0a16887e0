"""A model that outlives its session: one that has lost its memory for good is rebuilt, once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Protocol

from app.encoding import Ids
from app.engine import Values
from app.errors import BundleError, DeviceLost, OutOfMemory

log = logging.getLogger(__name__)


class Rebuildable(Protocol):
    """A model that can prove that it still works, and be made anew."""

    def predict(self, rows: Sequence[Ids]) -> Values:
        """Predict a batch."""

    def verify(self) -> object:
        """Predict the golden examples; `BundleError` if it cannot."""

    def rebuild(self) -> None:
        """Replace its session; `BundleError` if that fails."""


class RecoveringModel:
    """Predicts with a model, which it rebuilds once when not even the golden examples fit into memory any more.

    ONNX Runtime's arena can be left in a state in which every later run fails. Whether that is so, or one item is just
    too large, the golden examples tell: they fitted when the process began.

    Args:
        model: what predicts.
    """

    def __init__(self, model: Rebuildable) -> None:
        self._model = model
        self._recovering = threading.Lock()
        self._rebuilds = 0

    def predict(self, rows: Sequence[Ids]) -> Values:
        """Predict a batch.

        Raises:
            OutOfMemory: the batch is too large for the device.
            DeviceLost: the device cannot hold the golden examples either, for the second time.
        """
        rebuilds = self._rebuilds
        try:
            return self._model.predict(rows)
        except OutOfMemory:
            if len(rows) > 1 or not self._recovered(rebuilds):  # its halves come next; or it is too large by itself
                raise
        return self._model.predict(rows)

    def _recovered(self, rebuilds: int) -> bool:
        """Whether the session is another one than it was after so many rebuilds."""
        with self._recovering:
            if self._rebuilds == rebuilds and not self._works():
                self._rebuild()
            return self._rebuilds > rebuilds

    def _works(self) -> bool:
        try:
            self._model.verify()
        except BundleError:
            return False
        return True

    def _rebuild(self) -> None:
        if self._rebuilds:
            raise DeviceLost("out of memory for the golden examples, although the session was rebuilt before")
        log.warning("the session is rebuilt, for not even the golden examples fit into memory")
        try:
            self._model.rebuild()
        except BundleError as error:
            raise DeviceLost(f"the session cannot be rebuilt: {error}") from error
        self._rebuilds += 1

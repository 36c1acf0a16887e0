"""A session without memory is rebuilt once; then the device is given up. One item too large is neither."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.encoding import Ids
from app.engine import Values
from app.errors import BundleError, DeviceLost, OutOfMemory
from app.recovery import RecoveringModel

ROW = np.zeros(3, dtype=np.uint8)
HUGE = np.zeros(100, dtype=np.uint8)


class Arena:
    """A model whose session has a state: sound, or out of memory for everything."""

    def __init__(self, rebuilds_that_help: int = 99) -> None:
        self.sound = True
        self.rebuilds = 0
        self._rebuilds_that_help = rebuilds_that_help

    def predict(self, rows: Sequence[Ids]) -> Values:
        if not self.sound or len(rows[0]) > 50:
            raise OutOfMemory
        return np.ones((len(rows), 1), dtype=np.float32)

    def verify(self) -> None:
        if not self.sound:
            raise BundleError("a golden example fails")

    def rebuild(self) -> None:
        self.rebuilds += 1
        self.sound = self.rebuilds <= self._rebuilds_that_help
        self.verify()


def test_an_item_too_large_is_refused_and_nothing_is_rebuilt() -> None:
    arena = Arena()
    model = RecoveringModel(arena)
    for _ in range(3):
        with pytest.raises(OutOfMemory):
            model.predict([HUGE])
    assert arena.rebuilds == 0
    assert model.predict([ROW]) == 1


def test_a_session_that_lost_its_memory_is_rebuilt_and_the_item_answered() -> None:
    arena = Arena()
    arena.sound = False
    assert RecoveringModel(arena).predict([ROW]) == 1
    assert arena.rebuilds == 1


def test_a_batch_is_halved_before_anything_is_rebuilt() -> None:
    arena = Arena()
    arena.sound = False
    with pytest.raises(OutOfMemory):
        RecoveringModel(arena).predict([ROW, ROW])
    assert arena.rebuilds == 0


def test_an_item_too_large_for_the_new_session_too_is_refused() -> None:
    arena = Arena()
    arena.sound = False
    with pytest.raises(OutOfMemory):
        RecoveringModel(arena).predict([HUGE])
    assert arena.rebuilds == 1


def test_the_second_loss_is_the_end() -> None:
    arena = Arena()
    model = RecoveringModel(arena)
    arena.sound = False
    model.predict([ROW])
    arena.sound = False
    with pytest.raises(DeviceLost, match="rebuilt before"):
        model.predict([ROW])


def test_a_session_that_cannot_be_rebuilt_is_the_end() -> None:
    arena = Arena(rebuilds_that_help=0)
    arena.sound = False
    with pytest.raises(DeviceLost, match="cannot be rebuilt"):
        RecoveringModel(arena).predict([ROW])


def test_threads_that_run_out_together_rebuild_once() -> None:
    arena, together = Arena(), threading.Barrier(4)
    arena.sound = False
    model = RecoveringModel(arena)

    def predict(_: int) -> float:
        together.wait(5)
        return float(model.predict([ROW])[0, 0])

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(predict, range(4))) == [1, 1, 1, 1]
    assert arena.rebuilds == 1

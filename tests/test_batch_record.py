"""Each batch is one line; quick ones only for those who ask for them."""

from __future__ import annotations

import numpy as np
import pytest

from app.batch_record import BatchRecord
from app.batching import Batch, Job
from app.tracing import NO_TRACING
from tests.terminal import LogLines

BATCH = Batch(tuple(Job(np.zeros(length, dtype=np.uint8), 0.0, 1.0) for length in (3, 5)))


def _record(info_from_ms: float = 5) -> BatchRecord:
    return BatchRecord("gc@1.0.0", "0123456789abcdef", "box-7", info_from_ms, NO_TRACING)


def test_a_batch_is_told_by_sizes_time_model_and_worker(log_lines: LogLines) -> None:
    _record().write(BATCH, started=10.0, ended=10.25)
    [line] = log_lines()
    del line["ts"]
    assert line == {
        "level": "info",
        "event": "batch",
        "sequences": 2,
        "tokens": 8,
        "padded_tokens": 10,
        "ms": 250.0,
        "model": "gc@1.0.0",
        "model_sha12": "0123456789ab",
        "worker": "box-7",
    }


@pytest.mark.parametrize(("ms", "info_from_ms", "level"), [(4, 5, "debug"), (6, 5, "info"), (4, 0, "info")])
def test_quick_batches_are_for_those_who_ask(log_lines: LogLines, ms: float, info_from_ms: float, level: str) -> None:
    _record(info_from_ms).write(BATCH, started=0.0, ended=ms / 1000)
    assert [line["level"] for line in log_lines()] == [level]


def test_at_level_info_a_quick_batch_leaves_no_line(log_lines: LogLines) -> None:
    log_lines.configure("info")
    _record().write(BATCH, started=0.0, ended=0.001)
    assert log_lines() == []

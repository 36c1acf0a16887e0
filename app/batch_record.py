"""What is written down of each batch: a log line, and a span in the traces of its requests."""

from __future__ import annotations

import logging

from app.batching import Batch
from app.logs import event_log
from app.tracing import Tracing

SHA_DIGITS = 12


class BatchRecord:
    """Writes batches down; called on the event loop, once logging is configured.

    A line costs about as much as the quickest model takes for a batch, so batches quicker than a threshold are lines
    of level debug; the metrics count those as well.

    Args:
        model: name and version.
        sha256: digest of its bundle.
        worker: which process computes.
        info_from_ms: batches that take this long or longer are lines of level info.
        tracing: where traces are recorded.
    """

    def __init__(self, model: str, sha256: str, worker: str, info_from_ms: float, tracing: Tracing) -> None:
        self._log, self._tracing = event_log(), tracing
        self._worker = {"model": model, "model_sha12": sha256[:SHA_DIGITS], "worker": worker}
        self._info_from_ms = info_from_ms

    def write(self, batch: Batch, started: float, ended: float) -> None:
        """Write down a batch that the model has run between two moments of the monotonic clock."""
        ms = (ended - started) * 1000
        level = logging.INFO if ms >= self._info_from_ms else logging.DEBUG
        if not (self._tracing.recording or self._log.is_enabled_for(level)):
            return
        facts = {
            "sequences": len(batch.jobs),
            "tokens": batch.tokens,
            "padded_tokens": batch.padded_tokens,
            "ms": round(ms, 3),
        } | self._worker
        self._tracing.batch((job.traceparent for job in batch.jobs), started, ended, facts)
        self._log.log(level, "batch", **facts)

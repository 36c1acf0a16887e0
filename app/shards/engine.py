"""A bundle on one device, which computes a shard at a time; without a queue, since nobody else asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from app.bulk import Outcome, Refusal
from app.bundle import Bundle
from app.client import Prediction
from app.encoding import EncodedSequence, Ids, SequenceEncoder, SequenceRefused
from app.engine import Values
from app.errors import BundleError, DeviceLost, InferenceFailed, NonFiniteOutput, OutOfMemory, ServiceError
from app.fuse import Fuse
from app.loading import load
from app.records import Record
from app.recovery import RecoveringModel
from app.scales import shortest
from app.shards.batches import form_batches, shard_limits
from app.watchdog import Watchdog

WATCHDOG_SECONDS = 60.0
GPU_THREADS = 2  # one prepares a batch while the other's is computed

Computed = Values | ServiceError  # (targets,) of one sequence, or why there are none


class ShardEngine:
    """Predicts with one bundle; its digits depend on what is asked together, and on nothing that happens meanwhile.

    Args:
        bundle: verified.
        device: `auto`, `cpu` or `cuda:N`.
        allow_cpu: whether the CPU may stand in.
        threads: batches computed at once on a CPU.
        fuse: blows when nothing can be computed in this process any more.

    Raises:
        BundleError: it does not open there, or predicts something else than it promises.
    """

    def __init__(self, bundle: Bundle, device: str, allow_cpu: bool, threads: int, fuse: Fuse) -> None:
        self._fuse, self._watchdog = fuse, Watchdog(fuse, WATCHDOG_SECONDS)
        loaded, *more = load(bundle, device, allow_cpu, self._watchdog)
        if more:
            detail = "reads segments, which are not computed in shards; leave --engine and --work-dir out"
            raise BundleError(f"{bundle.manifest.name} {detail}")
        self._encoder = SequenceEncoder(bundle.manifest, bundle.files)
        self._model, self._speed = RecoveringModel(loaded.graph), loaded.speed
        self._limits = shard_limits(bundle.manifest, on_cpu=loaded.graph.on_cpu)
        self._pool = ThreadPoolExecutor(threads if loaded.graph.on_cpu else GPU_THREADS, thread_name_prefix="compute")
        self._watchdog.start()

    def predict(self, records: Sequence[Record]) -> Outcome:
        """What becomes of records.

        Raises:
            InferenceFailed: the model fails on every one of them.
        """
        encoded = self._encoder.encode([record.sequence for record in records])
        rows = {row.ids.tobytes(): row.ids for row in encoded if isinstance(row, EncodedSequence)}
        computed = dict(zip(rows, self._compute_all(list(rows.values())), strict=True))
        if computed and all(isinstance(each, InferenceFailed) for each in computed.values()):
            raise InferenceFailed
        outcome = Outcome()
        for record, row in zip(records, encoded, strict=True):
            if isinstance(row, SequenceRefused):
                outcome.refused.append(Refusal(record, row.code, row.detail))
            elif isinstance(values := computed[row.ids.tobytes()], ServiceError):
                outcome.refused.append(Refusal(record, values.code, values.detail))
            else:
                prediction = Prediction(row.bases, row.tokens, tuple(map(shortest, values.tolist())))
                outcome.predicted.append((record, prediction))
        return outcome

    def close(self) -> None:
        """Give up what has not been begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._watchdog.stop()

    def _compute_all(self, rows: Sequence[Ids]) -> Iterable[Computed]:
        batches = list(form_batches([len(row) for row in rows], self._limits))
        each = self._pool.map(self._compute, ([rows[index] for index in batch] for batch in batches))
        by_row = {
            index: it
            for batch, found in zip(batches, each, strict=True)
            for index, it in zip(batch, found, strict=True)
        }
        return (by_row[index] for index in range(len(rows)))

    def _compute(self, rows: Sequence[Ids]) -> list[Computed]:
        """A batch's values; in halves where the device cannot hold it, or one of it makes it fail."""
        try:
            with self._watchdog.watching(self._speed.expected_seconds(len(rows), len(rows) * max(map(len, rows)))):
                return [_finite(values) for values in self._model.predict(rows)]
        except DeviceLost as error:
            self._fuse.blow(str(error))
            raise
        except Exception as error:  # noqa: BLE001 - told as the record's own once it is alone
            if len(rows) == 1:
                return [error if isinstance(error, OutOfMemory) else InferenceFailed()]
        middle = len(rows) // 2
        return self._compute(rows[:middle]) + self._compute(rows[middle:])


def _finite(values: Values) -> Computed:
    if np.isfinite(values).all():
        return values
    return NonFiniteOutput("The model answered NaN or infinity for this item; the other items are not affected.")

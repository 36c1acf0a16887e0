"""What computes shards: the same on this machine and on every machine of a cluster."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app import __version__
from app.bulk import Outcome
from app.bundle import read_bundle
from app.errors import ShardError
from app.fuse import Fuse, exit_at_once
from app.shards.engine import ShardEngine
from app.shards.folder import Refused, Tally, WorkFolder
from app.shards.plan import Input, Shard
from app.shards.reading import read_shard
from app.tables import WRITERS, Column, PredictedRow, Row, prediction_columns


@dataclass(frozen=True, slots=True)
class Assignment:
    """What every worker of a run is told; the paths are the same on every machine.

    Attributes:
        basecast: the version whose plan it is.
        text: the plain text of the input, of which `input` says what the plan knows.
        model_sha256: of the bundle.
        folder: for the tables, of the form that `ending` says.
        device, allow_cpu: where to compute, and whether the CPU may stand in.
    """

    basecast: str
    text: Path
    input: Input
    bundle: Path
    model_sha256: str
    folder: Path
    ending: str
    device: str
    allow_cpu: bool


class ShardWorker:
    """Computes shards of one run on one device; several at once, so that the device does not wait for files.

    Args:
        threads: batches computed at once on a CPU.
        place: machine and process, as the parts will tell it.

    Raises:
        BundleError: the model cannot be used here.
        ShardError: what is installed here, or the bundle, is not what the plan was made with.
    """

    def __init__(self, assignment: Assignment, threads: int, place: str) -> None:
        if assignment.basecast != __version__:
            raise ShardError(f"Basecast {__version__} is installed on a worker, the run is of {assignment.basecast}")
        bundle = read_bundle(assignment.bundle)
        if bundle.sha256 != assignment.model_sha256:
            raise ShardError("the bundle on a worker is not the one that the run began with")
        fuse = Fuse()
        fuse.then(exit_at_once)
        self._assignment, self._place = assignment, place
        self._columns = prediction_columns(bundle.manifest.target_names)
        self._folder = WorkFolder(assignment.folder, assignment.ending)
        self._engine = ShardEngine(bundle, assignment.device, assignment.allow_cpu, threads, fuse)

    def work(self, shard: Shard) -> None:
        """Compute a shard and lay it into the folder.

        Raises:
            BasecastError: it cannot be read, computed or written.
        """
        records = read_shard(self._assignment.text, self._assignment.input, shard)
        outcome = self._engine.predict(records)
        table = table_bytes(self._assignment.ending, self._columns, _rows(outcome))
        refused = tuple(Refused(it.record.number, it.record.id, it.code, it.detail) for it in outcome.refused)
        tally = Tally(predicted=len(outcome.predicted), refused=refused, table_bytes=len(table), place=self._place)
        self._folder.write(shard, table, tally)

    def close(self) -> None:
        """Give up what has not been begun."""
        self._engine.close()


def table_bytes(ending: str, columns: Sequence[Column], rows: Sequence[Row]) -> bytes:
    """A whole table in the form that an ending says."""
    stream = io.BytesIO()
    writer = WRITERS[ending](stream, columns)
    writer.write(rows)
    writer.close()
    return stream.getvalue()


def _rows(outcome: Outcome) -> list[Row]:
    return [
        PredictedRow(record.id, prediction.bases, prediction.tokens, prediction.values).as_row()
        for record, prediction in outcome.predicted
    ]

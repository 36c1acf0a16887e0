"""Shards of sequences: their records in, a table of predictions out; the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from app.bulk import Outcome
from app.bundle import read_bundle
from app.fuse import Fuse, exit_at_once
from app.shards.engine import ShardEngine
from app.shards.folder import Refused, Tally, WorkFolder
from app.shards.join import table_bytes
from app.shards.plan import Input, Shard
from app.shards.reading import read_shard
from app.shards.work import check_model
from app.tables import PredictedRow, Row, prediction_columns


@dataclass(frozen=True, slots=True)
class SequenceWork:
    """Work on the sequences of an input; the paths are the same on every machine.

    Attributes:
        text: the plain text of the input, of which `input` says what the plan knows.
        bundle: whose SHA-256 is `model_sha256`.
        allow_cpu: whether the CPU may stand in for `device`.
    """

    text: Path
    input: Input
    bundle: Path
    model_sha256: str
    folder: Path
    ending: str
    device: str
    allow_cpu: bool

    def on(self, device: str, *, allow_cpu: bool) -> SequenceWork:
        return replace(self, device=device, allow_cpu=allow_cpu)

    def open(self, threads: int, place: str) -> SequenceWorker:
        return SequenceWorker(self, threads, place)


class SequenceWorker:
    """Computes shards on one device; several at once, so that the device does not wait for files.

    Args:
        threads, place: as of `Work.open`, which says what can go wrong too.
    """

    def __init__(self, work: SequenceWork, threads: int, place: str) -> None:
        bundle = read_bundle(work.bundle)
        check_model(bundle.sha256, work.model_sha256)
        fuse = Fuse()
        fuse.then(exit_at_once)
        self._asked, self._place = work, place
        self._columns = prediction_columns(bundle.manifest.target_names)
        self._folder = WorkFolder(work.folder, work.ending)
        self._engine = ShardEngine(bundle, work.device, work.allow_cpu, threads, fuse)

    def work(self, shard: Shard) -> None:
        records = read_shard(self._asked.text, self._asked.input, shard)
        outcome = self._engine.predict(records)
        table = table_bytes(self._asked.ending, self._columns, _rows(outcome))
        refused = tuple(Refused(it.record.number, it.record.id, it.code, it.detail) for it in outcome.refused)
        tally = Tally(predicted=len(outcome.predicted), refused=refused, table_bytes=len(table), place=self._place)
        self._folder.write(shard, table, tally)

    def close(self) -> None:
        self._engine.close()


def _rows(outcome: Outcome) -> list[Row]:
    return [
        PredictedRow(record.id, prediction.bases, prediction.tokens, prediction.values).as_row()
        for record, prediction in outcome.predicted
    ]

"""Shards of people: the samples of a VCF in, a table of each person's predictions out."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.client.local import LocalClient
from app.errors import ShardError
from app.fuse import exit_at_once
from app.individual_table import columns, rows
from app.main import create_service
from app.settings import Settings
from app.shards.folder import Tally, WorkFolder
from app.shards.join import table_bytes
from app.shards.plan import Shard
from app.shards.work import check_model

# So long that how fast the machine is today has no say in which haplotypes are computed together.
WATCHDOG_MS = 3600 * 1000


@dataclass(frozen=True)
class PeopleWork:
    """Work on the people of a VCF; the paths are the same on every machine.

    Attributes:
        vcf: of all of them.
        people: their names, in the order of the rows.
        request: as `Client.predict_people` takes it, without the samples.
        settings: with reference, genes, and the one bundle, whose SHA-256 is `model_sha256`.
    """

    vcf: Path
    people: tuple[str, ...]
    request: Mapping[str, Any]
    settings: Settings
    model_sha256: str
    folder: Path
    ending: str

    @property
    def device(self) -> str:
        return self.settings.device

    def on(self, device: str, *, allow_cpu: bool) -> PeopleWork:
        return replace(self, settings=self.settings.model_copy(update={"device": device, "allow_cpu": allow_cpu}))

    def open(self, threads: int, place: str) -> PeopleWorker:
        return PeopleWorker(self, threads, place)


class PeopleWorker:
    """Computes shards of people with a service in this process, one at a time, so that none is computed with another's.

    Args:
        threads, place: as of `Work.open`, which says what can go wrong too.
    """

    def __init__(self, work: PeopleWork, threads: int, place: str) -> None:
        unhurried = {"threads": threads, "watchdog_ms": WATCHDOG_MS, "lease_ms": 2 * WATCHDOG_MS, "api_keys_file": None}
        service = create_service(work.settings.model_copy(update=unhurried))
        model = service.predictor.models[0]
        check_model(model.sha256, work.model_sha256)
        service.backend.fuse.then(exit_at_once)
        self._asked, self._place = work, place
        self._folder = WorkFolder(work.folder, work.ending)
        self._client = LocalClient(service)
        self._computing, self._closed = threading.Lock(), threading.Event()

    def work(self, shard: Shard) -> None:
        first = shard.first_number - 1
        people = self._asked.people[first : first + shard.records]
        request = {**self._asked.request, "samples": list(people)}
        with self._computing:
            if self._closed.is_set():
                raise ShardError("the run has ended")
            told = self._client.predict_people(request, self._asked.vcf, lambda _done, _total: None)
        table = table_bytes(self._asked.ending, columns(told), list(rows(told)))
        tally = Tally(predicted=shard.records, refused=(), table_bytes=len(table), place=self._place)
        self._folder.write(shard, table, tally)

    def close(self) -> None:
        self._closed.set()  # who waits for his turn must not ask a service that answers no more
        self._client.close()

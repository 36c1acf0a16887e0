"""Entries that are given up: ended, their caller told, and a record kept without the sequence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from app.errors import InferenceFailed
from app.metrics import ModelMetrics
from app.queue.redis.channel import Argument
from app.queue.redis.entries import Entry
from app.queue.redis.keys import Keys
from app.queue.redis.scripts import BURY
from app.queue.redis.wire import Malformed, pack_reply, unpack_request
from app.queue.redis.writer import Writer

MOST_RECORDS = 1000
KEPT_MS = 30 * 24 * 3600 * 1000


class Graveyard:
    """Gives up entries of one model.

    Args:
        keys: the names in Redis.
        streams: the model's two.
        writer: the process's.
        metrics: what to count.
    """

    def __init__(self, keys: Keys, streams: Sequence[str], writer: Writer, metrics: ModelMetrics) -> None:
        self._keys, self._streams, self._writer, self._metrics = keys, streams, writer, metrics

    def bury(self, entry: Entry, deliveries: int, last_worker: bytes) -> None:
        """Give up an entry that was delivered too often."""
        try:
            request = unpack_request(entry.packed)
        except Malformed:
            self.bury_unread(entry)
            return
        reply = pack_reply(request.id, InferenceFailed())
        self._bury(entry, request.id.hex(), reply, [self._keys.inbox(request.api_process)], deliveries, last_worker)

    def bury_unread(self, entry: Entry) -> None:
        """Give up an entry that this version cannot read, so that nobody knows who waits for it."""
        self._bury(entry, "", b"", [], 1, b"")

    def _bury(
        self, entry: Entry, request_id: str, reply: bytes, inbox: list[str], deliveries: int, last_worker: bytes
    ) -> None:
        self._metrics.dead.inc()
        stream = self._streams[entry.stream - 1]
        record: dict[str, Argument] = {
            "id": request_id,
            "stream": stream,
            "sha256": hashlib.sha256(entry.packed).hexdigest(),
            "bytes": len(entry.packed),
            "deliveries": deliveries,
            "worker": last_worker,
        }
        fields = [part for field in record.items() for part in field]
        self._writer.tell(BURY, [stream, self._keys.dead, *inbox], [entry.id, reply, MOST_RECORDS, KEPT_MS, *fields])

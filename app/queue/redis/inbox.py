"""The replies to one API process: who waits for which, and what to do when Redis has lost them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from prometheus_client import Counter

from app.batching import Deliver, Job, Outcome
from app.queue.redis.channel import Channel, Command
from app.queue.redis.faults import Unavailability, repeat
from app.queue.redis.scripts import OPEN_INBOX
from app.queue.redis.wire import Malformed, WorkerPace, unpack_pace, unpack_reply

LIFE_MS = 30_000
BLOCK_MS = 500
MOST_ENTRIES = 500
READ_SECONDS = BLOCK_MS / 1000 + 2  # a read may block longer than it was told to
TEND_SECONDS = 0.25  # while replies come one by one, tending with each read would cost more than reading
BEGINNING = "0-0"


class Asker(Protocol):
    """Who submitted a job."""

    def receive(self, job: Job, outcome: Outcome) -> None:
        """Take the outcome of a job that is no longer expected.

        Raises:
            Malformed: it cannot be one of this model's; the job is expected still.
        """

    def submit_again(self, lost: Mapping[bytes, Expected]) -> None:
        """Take care of jobs that Redis has lost, or whose replies it has lost."""


@dataclass(slots=True, eq=False)
class Expected:
    """A job whose outcome somebody waits for."""

    job: Job
    deliver: Deliver
    asker: Asker
    submitted_again: bool = False


class Inbox:
    """Reads the replies to this process and hands each to who waits for it.

    Args:
        key: of the stream.
        channel: its own, since its reads block.
        faults: what failures mean.
        late_replies: counts replies that nobody waits for.
        hear: is told how fast workers say they are.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        key: str,
        channel: Channel,
        faults: Unavailability,
        late_replies: Counter,
        hear: Callable[[WorkerPace], None],
        clock: Callable[[], float],
    ) -> None:
        self.key = key
        self.expected: dict[bytes, Expected] = {}
        self._channel, self._faults, self._late_replies = channel, faults, late_replies
        self._cursor = BEGINNING
        self._is_open = False
        self._clock, self._tended_at = clock, 0.0
        self._takers = {b"r": self._take_reply, b"p": lambda packed: hear(unpack_pace(packed))}

    async def read_forever(self) -> None:
        """Read until cancelled."""
        await repeat(self.read, self._failed, self._faults)

    async def read(self) -> None:
        """Read once: whatever is there, or the next replies to come within `BLOCK_MS`.

        Raises:
            redis.exceptions.RedisError, OSError: Redis does not answer.
        """
        if not self._is_open:
            await self.open()
        read = ("XREAD", "COUNT", MOST_ENTRIES, "BLOCK", BLOCK_MS, "STREAMS", self.key, self._cursor)
        is_due = self._clock() >= self._tended_at + TEND_SECONDS
        *tended, streams = await self._channel.ask([*self._tending, read] if is_due else [read], READ_SECONDS)
        for _, entries in streams or ():
            self._hand_out(entries)
        if tended:
            self._is_open, self._tended_at = bool(tended[0]), self._clock()

    @property
    def _tending(self) -> list[Command]:
        """What keeps the inbox alive and small, and tells whether it is still there."""
        return [("PEXPIRE", self.key, LIFE_MS), ("XTRIM", self.key, "MINID", self._cursor)]

    async def open(self) -> None:
        (made,) = await self._channel.ask([("EVAL", OPEN_INBOX.source, 1, self.key, LIFE_MS)])
        self._is_open = True
        if made:
            self._cursor = BEGINNING
            self._lost()

    def _lost(self) -> None:
        """Everything that was in Redis is gone, or at least every reply to this process."""
        for asker in {expected.asker for expected in self.expected.values()}:
            asker.submit_again({id_: it for id_, it in self.expected.items() if it.asker is asker})

    async def _failed(self) -> None:
        self._is_open = False
        await self._channel.close()

    def _hand_out(self, entries: Sequence[tuple[bytes, list[Any]]]) -> None:
        for entry_id, fields in entries:
            self._cursor = entry_id.decode()
            for name, packed in zip(fields[::2], fields[1::2], strict=False):
                take = self._takers.get(name)  # entries of other versions may have more to tell
                if take is not None:
                    self._take(take, packed)

    def _take(self, take: Callable[[bytes], None], packed: bytes) -> None:
        try:
            take(packed)
        except Malformed:
            self._faults.malformed()

    def _take_reply(self, packed: bytes) -> None:
        reply = unpack_reply(packed)
        expected = self.expected.get(reply.id)
        if expected is None:
            self._late_replies.inc()
        else:
            expected.asker.receive(expected.job, reply.outcome)

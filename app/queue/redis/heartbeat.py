"""What a worker process says of itself, for as long as it lives, and what others read of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

from app.queue.redis.keys import DIGEST_LENGTH
from app.queue.redis.wire import WorkerPace


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One worker process, as it last said.

    Attributes:
        provider: what computes, as ONNX Runtime names it.
        version: of the software.
        busy_seconds: how long the batch that it computes has been running; none if it is idle.
        tokens_per_second: under load, for each digest that it serves; 0 until it has been measured.
        batch_seconds: of one batch under load, the same.
        jobs_at_once: how many jobs it can hold, the same.
    """

    provider: str
    version: str
    busy_seconds: float | None = None
    tokens_per_second: Mapping[str, float] = field(default_factory=dict)
    batch_seconds: Mapping[str, float] = field(default_factory=dict)
    jobs_at_once: Mapping[str, float] = field(default_factory=dict)

    def at(self, pace: WorkerPace) -> Heartbeat:
        """The same at another pace."""
        speeds = {**self.tokens_per_second, pace.digest: pace.tokens_per_second}
        times = {**self.batch_seconds, pace.digest: pace.batch_seconds}
        return replace(self, tokens_per_second=speeds, batch_seconds=times)

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def read_heartbeat(text: bytes) -> Heartbeat | None:
    """What a worker said, or nothing if this version does not understand it."""
    try:
        said: dict[str, Any] = json.loads(text)
        speeds, times = _numbers(said["tokens_per_second"]), _numbers(said.get("batch_seconds", {}))
        jobs = _numbers(said.get("jobs_at_once", {}))
        return Heartbeat(str(said["provider"]), str(said["version"]), said.get("busy_seconds"), speeds, times, jobs)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _numbers(said: Mapping[str, Any]) -> dict[str, float]:
    return {str(digest): float(number) for digest, number in said.items()}


class FleetSpeed(NamedTuple):
    """How fast all workers of a bundle are.

    Attributes:
        tokens_per_second: together; 0 until that is known.
        batch_seconds: of the slowest of them.
    """

    tokens_per_second: float = 0.0
    batch_seconds: float = 0.0


def fleet_speed(workers: Sequence[Heartbeat], sha256: str) -> FleetSpeed:
    """How fast the workers are; one that has not been measured yet counts as the mean of the others."""
    digest = sha256[:DIGEST_LENGTH]
    speeds = [worker.tokens_per_second.get(digest, 0.0) for worker in workers]
    measured = [speed for speed in speeds if speed > 0]
    if not measured:
        return FleetSpeed()
    slowest = max(worker.batch_seconds.get(digest, 0.0) for worker in workers)
    return FleetSpeed(len(speeds) * sum(measured) / len(measured), slowest)


def fleet_jobs_at_once(workers: Sequence[Heartbeat], sha256: str) -> int:
    """How many jobs the workers can hold together; 0 where one has not said it, or there is none."""
    said = [worker.jobs_at_once.get(sha256[:DIGEST_LENGTH], 0) for worker in workers]
    return round(sum(said)) if all(said) else 0

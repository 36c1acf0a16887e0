"""What a worker process says of itself, for as long as it lives, and what others read of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from app.queue.redis.keys import DIGEST_LENGTH


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One worker process, as it last said.

    Attributes:
        provider: what computes, as ONNX Runtime names it.
        version: of the software.
        busy_seconds: how long the batch that it computes has been running; none if it is idle.
        tokens_per_second: for each digest that it serves; 0 until it has been measured.
    """

    provider: str
    version: str
    busy_seconds: float | None = None
    tokens_per_second: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def read_heartbeat(text: bytes) -> Heartbeat | None:
    """What a worker said, or nothing if this version does not understand it."""
    try:
        said: dict[str, Any] = json.loads(text)
        speeds = {str(digest): float(speed) for digest, speed in said["tokens_per_second"].items()}
        return Heartbeat(str(said["provider"]), str(said["version"]), said.get("busy_seconds"), speeds)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def total_speed(workers: Sequence[Heartbeat], sha256: str) -> float:
    """Tokens a second of all workers together; one that has not been measured yet counts as the mean of the others."""
    speeds = [worker.tokens_per_second.get(sha256[:DIGEST_LENGTH], 0.0) for worker in workers]
    measured = [speed for speed in speeds if speed > 0]
    return len(speeds) * sum(measured) / len(measured) if measured else 0.0

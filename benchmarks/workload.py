"""What is sent: sequences of given lengths, as requests of one or of many."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Workload:
    """A bundle and the sequences to send to it.

    Attributes:
        bundle: folder of the bundle.
        lengths: what the lengths are, in words.
        sequences: all different, so that nothing is answered from a shared computation.
    """

    name: str
    bundle: Path
    lengths: str
    sequences: tuple[str, ...]

    def requests(self, size: int) -> list[bytes]:
        """HTTP requests that carry `size` sequences each."""
        starts = range(0, len(self.sequences) - size + 1, size)
        return [_request(self.sequences[start : start + size]) for start in starts]


def random_sequences(count: int, shortest: int, longest: int, seed: int = 7) -> tuple[str, ...]:
    """Random DNA with lengths drawn uniformly from `shortest` to `longest` bases."""
    chance = random.Random(seed)
    return tuple("".join(chance.choices("ACGT", k=chance.randint(shortest, longest))) for _ in range(count))


def _request(sequences: Sequence[str]) -> bytes:
    body = json.dumps({"sequences": sequences}).encode()
    fields = ("POST /predict HTTP/1.1", "host: bench", "content-type: application/json", f"content-length: {len(body)}")
    return "\r\n".join((*fields, "", "")).encode() + body

"""How fast a body must arrive: whoever lets one drip holds a connection for nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BodyPace:
    """How fast a body must arrive.

    Attributes:
        timeout_ms: for the whole of it.
        grace_seconds: how long it may be slower than it must be on average.
        bytes_per_second: what it must be.
    """

    timeout_ms: int = 30_000
    grace_seconds: float = 5.0
    bytes_per_second: int = 1024

    def fault(self, seconds: float, received_bytes: int) -> str:
        """What is wrong with a body of which so much has arrived so far; nothing is an empty text."""
        if seconds * 1000 >= self.timeout_ms:
            return f"The body did not arrive within {self.timeout_ms} ms."
        if seconds >= self.grace_seconds and received_bytes < seconds * self.bytes_per_second:
            return f"A body has to arrive with {self.bytes_per_second} bytes a second."
        return ""

"""What blows when a process can compute no more."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

# EX_SOFTWARE of sysexits.h; tells a supervisor's log from a crash (negative) and from a start that failed (1).
EXIT_STATUS = 70


class Fuse:
    """Blows once, from any thread; a process whose fuse has blown is to be replaced.

    Attributes:
        reason: why it has blown; None while it is whole.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._blowing = threading.Lock()
        self._action: Callable[[], None] | None = None

    def then(self, action: Callable[[], None]) -> None:
        """Say what is done once it has blown, at once if it has; without an action it only shows in the probes."""
        with self._blowing:
            self._action = action
            blown = self.reason is not None
        if blown:
            action()

    def blow(self, reason: str) -> None:
        """The process can compute no more; what is said first is logged, the rest follows from it."""
        with self._blowing:
            if self.reason is not None:
                return
            self.reason, action = reason, self._action
        log.critical("this process can compute no more", extra={"reason": reason})
        if action is not None:
            action()


def exit_at_once() -> None:
    """End the process, whatever its threads do: one that hangs in a device's driver cannot be joined."""
    os._exit(EXIT_STATUS)

"""The keys as they are now: the file is read again when it changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from app.access.key_file import read_keys
from app.access.keys import ApiKey, Keys
from app.errors import KeyFileError

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0

Stamp = tuple[int, int, int]


class KeyRing:
    """Finds keys; a key that was added or revoked is so within a second, without a restart.

    Args:
        path: the file of keys.
        clock: seconds that never step back.

    Raises:
        KeyFileError: the file cannot be trusted, or holds no key, so that nobody could be let in.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._stamp = _stamp(path)
        self._keys = Keys(read_keys(path))
        if not len(self._keys):
            raise KeyFileError(f"{path} holds no key; make one with `basecast keys create`")
        self._next_look = clock() + LOOK_SECONDS

    def find(self, text: str) -> ApiKey | None:
        """The key that this is, if it is known and live."""
        if self._clock() >= self._next_look:
            self._look()
        return self._keys.find(text, datetime.now(UTC))

    def _look(self) -> None:
        self._next_look = self._clock() + LOOK_SECONDS
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._keys = Keys(read_keys(self._path))
            log.info("keys read again", extra={"keys": len(self._keys)})
        except KeyFileError:
            # A slip of the operator's must not shut everybody out, nor let anybody in: what was true stays true.
            log.exception("keys kept as they were")


def _stamp(path: Path) -> Stamp | None:
    """Changes whenever the file does."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_mode

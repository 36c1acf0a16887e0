"""The Lua that Redis runs, one file a step of the protocol; works on Redis 6.2 and 7.

No script has a shebang (6.2 knows none). One that frees memory does so before it writes: a first write that is allowed
when memory is full makes Redis let the rest of the script through.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the digest under which Redis keeps it."""

    source: str
    sha1: str


def script_of(source: str) -> Script:
    """A script with its digest."""
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def _read(name: str) -> Script:
    return script_of(files(__name__).joinpath(f"{name}.lua").read_text("ascii"))


ENQUEUE = _read("enqueue")
CANCEL = _read("cancel")
OPEN_INBOX = _read("open_inbox")
JOIN = _read("join")
SETTLE = _read("settle")
BURY = _read("bury")
RECLAIM = _read("reclaim")
RENEW = _read("renew")
RELEASE = _read("release")
SWEEP = _read("sweep")
WORKERS = _read("workers")

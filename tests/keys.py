"""Key files for tests."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from app.access.key_file import read_keys, write_keys
from app.access.keys import ApiKey, new_key


def add_key(path: Path, *scopes: str, client: str = "lab", expires: datetime | None = None, **share: Any) -> str:
    """Add a key to a file, which need not be there yet; returns what its holder sends."""
    text, key_id, sha256 = new_key()
    key = ApiKey(id=key_id, client=client, sha256=sha256, scopes=frozenset(scopes), expires=expires, **share)
    write_keys(path, [*(read_keys(path) if path.exists() else ()), key])
    return text


def bearer(key: str) -> dict[str, str]:
    """The header field that carries a key."""
    return {"authorization": f"Bearer {key}"}

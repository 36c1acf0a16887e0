"""API keys: `bc_<id>_<secret>`, of which the service knows only the SHA-256.

A secret has 256 random bits, so that a plain digest can be kept: there is nothing to guess that a slow one would
protect.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LETTERS = 8
SECRET_LETTERS = 43  # 62 ** 43 > 2 ** 256
SECRET_BYTES = 32
KEY = re.compile(rf"bc_([0-9A-Za-z]{{{ID_LETTERS}}})_[0-9A-Za-z]{{{SECRET_LETTERS}}}")
MAX_LIVE_KEYS = 2  # of one client: the old one and its successor

Scope = Literal["predict", "individual"]
PerMinute = Annotated[int | None, Field(default=None, ge=1, le=1_000_000_000)]


class ApiKey(BaseModel):
    """What the service knows of a key.

    Attributes:
        id: names the key in lists and logs.
        client: whose it is.
        sha256: of the whole key, in hexadecimal.
        scopes: what it opens.
        expires: from when on it opens nothing.
        requests_per_minute, sequences_per_minute: its share; without one there is no limit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=rf"^[0-9A-Za-z]{{{ID_LETTERS}}}$")]
    client: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    expires: AwareDatetime | None = None
    requests_per_minute: PerMinute
    sequences_per_minute: PerMinute

    def is_live(self, now: datetime) -> bool:
        """Whether it opens anything at this time."""
        return self.expires is None or now < self.expires


class Keys:
    """The known keys.

    Args:
        keys: each with an id of its own.
    """

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._by_id = {key.id: (key, bytes.fromhex(key.sha256)) for key in keys}

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, text: str, now: datetime) -> ApiKey | None:
        """The key that this is, if it is known and live; every answer costs one digest and one comparison.

        Args:
            text: what a caller sent as his key.
            now: the time.
        """
        form = KEY.fullmatch(text)
        key, known = self._by_id.get(form[1], _NOBODY) if form else _NOBODY
        equal = hmac.compare_digest(_digest(text).digest(), known)
        return key if equal and key is not None and key.is_live(now) else None


# No text has this digest, as far as anybody knows.
_NOBODY: tuple[ApiKey | None, bytes] = (None, bytes(32))


def new_key() -> tuple[str, str, str]:
    """A new key: its whole text, its id, and the SHA-256 to keep."""
    key_id = "".join(secrets.choice(ALPHABET) for _ in range(ID_LETTERS))
    text = f"bc_{key_id}_{_base62(secrets.token_bytes(SECRET_BYTES))}"
    return text, key_id, _digest(text).hexdigest()


def crowded_clients(keys: Iterable[ApiKey], now: datetime | None = None) -> list[str]:
    """Clients who have more live keys than a change from an old one to a new one needs."""
    now = now or datetime.now(UTC)
    live = Counter(key.client for key in keys if key.is_live(now))
    return sorted(client for client, count in live.items() if count > MAX_LIVE_KEYS)


def _digest(text: str) -> hashlib._Hash:
    return hashlib.sha256(text.encode())


def _base62(secret: bytes) -> str:
    number, letters = int.from_bytes(secret), ""
    for _ in range(SECRET_LETTERS):
        number, letter = divmod(number, len(ALPHABET))
        letters += ALPHABET[letter]
    return letters

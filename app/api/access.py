"""Who asks, and whether he may: the API key of a request, its scope and its share.

Every path needs a key unless it is named as open, so that a new route is closed until somebody thinks about it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, NoReturn

from app.access.key_ring import KeyRing
from app.access.keys import ApiKey, Scope
from app.errors import Forbidden, QuotaExceeded, Unauthenticated
from app.limits import RateLimiter, Unit
from app.limits.memory import MemoryRateLimiter

PROBES = frozenset({"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"})
DOCUMENTATION = frozenset({"/docs", "/openapi.json"})
INDIVIDUAL = "/predict/individual"
FAILURES_PER_MINUTE = 60
IPV6_NETWORK_BITS = 64  # what one household or host is given; single addresses cost nothing there


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a key, for the time of one request."""

    key: ApiKey
    _limiter: RateLimiter

    async def charge(self, unit: Unit, count: int) -> None:
        """Take from the key's share.

        Raises:
            QuotaExceeded: there is not enough left of it.
        """
        per_minute = self.key.sequences_per_minute if unit == "sequences" else self.key.requests_per_minute
        if per_minute is None:
            return
        wait = await self._limiter.take(self.key.id, unit, count, per_minute)
        if wait:
            raise QuotaExceeded(f"This key has {per_minute} {unit} a minute.", retry_after_ms=round(wait * 1000))


class Guard:
    """Lets a request in, or says why not.

    A caller who fails again and again gets 429 in place of 401, but a valid key from the same address is always let
    in: addresses are shared, and a stranger must not be able to lock others out.

    Args:
        keys: the known keys.
        limiter: keeps each key's share.
        open_paths: what needs no key.
    """

    def __init__(self, keys: KeyRing, limiter: RateLimiter, open_paths: frozenset[str] = PROBES) -> None:
        self._keys, self._limiter, self.open_paths = keys, limiter, open_paths
        self._failures = MemoryRateLimiter()

    async def admit(self, scope: MutableMapping[str, Any]) -> Caller | None:
        """The caller; None where anybody may come in.

        Raises:
            Unauthenticated: no key, or none that is known and live.
            Forbidden: the key has not the scope for this path.
            QuotaExceeded: the key's requests are used up, or this address fails too often.
        """
        path = scope["path"]
        if path in self.open_paths:
            return None
        key = self._keys.find(_bearer(scope["headers"]))
        if key is None:
            await self._refuse(scope)
        if _needed(path) not in key.scopes:
            raise Forbidden(f"This route needs a key with the scope {_needed(path)}.")
        caller = Caller(key, self._limiter)
        await caller.charge("requests", 1)
        return caller

    async def _refuse(self, scope: MutableMapping[str, Any]) -> NoReturn:
        wait = await self._failures.take(_network(scope.get("client")), "failures", 1, FAILURES_PER_MINUTE)
        if wait:
            detail = "Too many requests without a valid key came from this address."
            raise QuotaExceeded(detail, retry_after_ms=round(wait * 1000))
        raise Unauthenticated("Send a valid API key: Authorization: Bearer bc_<id>_<secret>.")


def _needed(path: str) -> Scope:
    return "individual" if path.startswith(INDIVIDUAL) else "predict"


def _bearer(headers: list[tuple[bytes, bytes]]) -> str:
    """What stands in the one Authorization field; nothing where there are several or another scheme."""
    given = [value for name, value in headers if name == b"authorization"]
    scheme, _, key = given[0].decode("latin-1").partition(" ") if len(given) == 1 else ("", "", "")
    return key.strip() if scheme.lower() == "bearer" else ""


def _network(client: tuple[str, int] | None) -> str:
    """Whom failures are counted for."""
    try:
        address = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return "unknown"
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, IPV6_NETWORK_BITS), strict=False))

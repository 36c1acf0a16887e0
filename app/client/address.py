"""Where a service is and what is shown to it, checked before anything is sent."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from app.errors import ServerError


def checked_url(url: str) -> SplitResult:
    """A URL in its parts.

    Raises:
        ServerError: it is none of a service.
    """
    parts = urlsplit(url)
    try:
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise ServerError("the URL must look like http://127.0.0.1:8000")
    return parts


def checked_key(key: str) -> str:
    """The key, without the line end that a file of it has.

    Raises:
        ServerError: no header can hold it; the message does not show it.
    """
    stripped = key.strip()
    if not (stripped.isascii() and stripped.isprintable() and stripped):
        raise ServerError("the API key must look like bc_<id>_<secret>")
    return stripped

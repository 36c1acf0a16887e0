"""A password from a file, such as a container's secret, and the URL that it belongs into."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlsplit


def read_password(path: Path) -> str:
    """The password that is all of a file, but for the line end.

    Raises:
        ValueError: there is none; the message shows nothing of what the file holds.
    """
    try:
        password = path.read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    if not password:
        raise ValueError("is empty")
    return password


def with_password(url: str, password: str) -> str:
    """The URL with a password, for the user that it names already.

    Args:
        url: such as `redis://api@host:6379/0`, with no password yet.
        password: any text.
    """
    parts = urlsplit(url)
    user, _, place = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{place}").geturl()

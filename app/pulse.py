"""A file whose age tells whether a process works, for probes that can only look at files."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from app.errors import SettingsError

PERIOD_SECONDS = 1.0


@contextlib.asynccontextmanager
async def pulse(file: Path | None, works: Callable[[], bool], stopped: Callable[[], None]) -> AsyncIterator[None]:
    """Touch the file every second, while the process works; it is deleted at the end.

    Args:
        file: none if there is nobody to look at it.
        works: whether the process works.
        stopped: called once it does not.

    Raises:
        SettingsError: the file cannot be written.
    """
    _touch(file)
    beating = asyncio.create_task(_beat(file, works, stopped))
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        _delete(file)


async def _beat(file: Path | None, works: Callable[[], bool], stopped: Callable[[], None]) -> None:
    while works():
        _touch(file)
        await asyncio.sleep(PERIOD_SECONDS)
    stopped()


def _touch(file: Path | None) -> None:
    try:
        if file is not None:
            file.touch()
    except OSError as error:
        raise SettingsError(f"heartbeat_file cannot be written: {error.strerror}") from None


def _delete(file: Path | None) -> None:
    if file is not None:
        file.unlink(missing_ok=True)

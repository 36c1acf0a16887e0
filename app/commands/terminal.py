"""How commands speak: results on stdout, everything else on stderr."""

from __future__ import annotations

import signal
from types import FrameType

from rich.console import Console
from rich.text import Text

PIPED_WIDTH = 160  # a table that goes into a file or a pipe is not cut to the 80 columns of no terminal


def results() -> Console:
    """Standard output."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPED_WIDTH)


def messages() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False)


def say(console: Console, message: str, style: str = "") -> None:
    """One line of plain text; control characters in it, from a file say, do not reach the terminal."""
    shown = "".join(character if character.isprintable() else "?" for character in message)
    console.print(Text(shown, style), soft_wrap=True)


def end_on_sigterm() -> None:
    """Let SIGTERM end the command as Ctrl-C does: with what was begun cleaned up."""
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a signal handler
    raise SystemExit(128 + number)

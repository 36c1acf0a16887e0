"""The command line as tests run it: in this process, in its own, or before a terminal."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import structlog

from app.cli import main
from app.logs import Level, configure_logging


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    status: int
    out: str
    err: str


Run = Callable[..., Finished]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Iterator[Run]:
    """Runs `basecast` with these arguments and standard input."""
    on_sigterm = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def command(*arguments: object, stdin: bytes = b"") -> Finished:
        monkeypatch.setattr(sys, "argv", ["basecast", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin))))
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsysbinary.readouterr()
        return Finished(int(ended.value.code or 0), out.decode(), err.decode())

    with logging_as_it_was():
        yield command
    signal.signal(signal.SIGTERM, on_sigterm)


class LogLines:
    """Tells the lines that were logged since it was last asked."""

    def __init__(self) -> None:
        self._written = io.BytesIO()
        self._stderr = io.TextIOWrapper(self._written, write_through=True)

    def configure(self, level: Level) -> None:
        """Log to here, as JSON."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stderr", self._stderr)
            configure_logging(level, "json")

    def __call__(self) -> list[dict[str, Any]]:
        lines = self._written.getvalue().splitlines()
        self._written.seek(0)
        self._written.truncate()
        return [json.loads(line) for line in lines]


@pytest.fixture
def log_lines() -> Iterator[LogLines]:
    """What the parts log that are put together after this."""
    with logging_as_it_was():
        lines = LogLines()
        lines.configure("debug")
        yield lines


@contextmanager
def logging_as_it_was() -> Iterator[None]:
    """Undoes what is configured meanwhile, for it writes to a stream that does not outlive the test."""
    root, ours = logging.getLogger(), logging.getLogger("app")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    logging.captureWarnings(False)
    logging.basicConfig(level=levels[0], handlers=handlers, force=True)
    ours.setLevel(levels[1])
    structlog.reset_defaults()


def start(*arguments: object, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """`basecast` with these arguments, in a process of its own."""
    program = [sys.executable, "-c", "from app.cli import main; main()", *map(str, arguments)]
    return subprocess.Popen(program, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr, text=True)


class Terminal:
    """A pseudo-terminal; what is written to `end` is shown."""

    def __enter__(self) -> Terminal:
        self._screen, self.end = os.openpty()
        termios.tcsetwinsize(self.end, (50, 200))
        return self

    def __exit__(self, *raised: object) -> None:
        os.close(self._screen)
        os.close(self.end)

    def shown_until(self, text: str) -> str:
        """Everything shown since the last call, up to this text, without colours and cursor moves."""
        shown = ""
        while text not in shown:
            shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown + os.read(self._screen, 65_536).decode())
        return shown

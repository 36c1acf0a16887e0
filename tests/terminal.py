"""The command line as tests run it: in this process, in its own, or before a terminal."""

from __future__ import annotations

import io
import logging
import os
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from app.cli import main


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
    root = logging.getLogger()
    handlers, level, on_sigterm = root.handlers[:], root.level, signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def command(*arguments: object, stdin: bytes = b"") -> Finished:
        monkeypatch.setattr(sys, "argv", ["basecast", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin))))
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsysbinary.readouterr()
        return Finished(int(ended.value.code or 0), out.decode(), err.decode())

    yield command
    signal.signal(signal.SIGTERM, on_sigterm)
    logging.captureWarnings(False)
    logging.basicConfig(level=level, handlers=handlers, force=True)


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

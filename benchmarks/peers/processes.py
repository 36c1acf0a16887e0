"""A server's processes: started on given cores, weighed as a whole, ended by their pids."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS, STOP_SECONDS = 180, 30
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Running:
    """A server that answers.

    Attributes:
        roots: the processes that were started; their children belong to it.
        start_seconds: from the first process to the first answer.
    """

    port: int
    roots: tuple[int, ...]
    start_seconds: float

    def cpu_seconds(self) -> float:
        """Processor time of all its processes so far."""
        return sum(_cpu_seconds(pid) for pid in _tree(self.roots))

    def resident_bytes(self) -> int:
        """Memory of all its processes; what several of them share is counted once."""
        pids = _tree(self.roots)
        kind = "Rss" if len(pids) == 1 else "Pss"
        return sum(_bytes(pid, kind) for pid in pids)

    def send(self, signal_number: int) -> None:
        """Send a signal to all its processes."""
        for pid in _tree(self.roots):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal_number)


@contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str], cores: set[int], folder: Path, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process and its children on these cores until the context ends."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", ",".join(map(str, cores)), *command],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        _stop(process)


def wait_until_it_answers(process: subprocess.Popen[bytes], url: str, body: bytes | None, log: Path) -> None:
    """Return when the first request is answered with 200.

    Raises:
        RuntimeError: it ended, or the time is up.
    """
    end = time.monotonic() + START_SECONDS
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(request, timeout=30):
            return
        time.sleep(0.05)
    ended = "" if process.poll() is None else f", the process ended with {process.returncode}"
    raise RuntimeError(f"no answer within {START_SECONDS} s{ended}\n{log.read_text()[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    children = _tree((process.pid,))
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in children - {process.pid}:  # what some leave behind
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _tree(roots: Sequence[int]) -> set[int]:
    parents = {pid: parent for pid, parent in map(_parent, _pids()) if parent is not None}
    found = set(roots)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _parent(pid: int) -> tuple[int, int | None]:
    fields = _stat(pid)
    return pid, int(fields[1]) if fields else None


def _cpu_seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND if fields else 0.0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on; the second, a name, may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _bytes(pid: int, kind: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{kind}:"))

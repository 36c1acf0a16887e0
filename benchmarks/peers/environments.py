"""A virtual environment for each peer, made once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.peers.servers import COMMON, Peer, interpreter_of


def make_environment(peer: Peer, environments: Path) -> None:
    """Install a peer, unless it is there.

    Raises:
        CalledProcessError: a package cannot be installed.
    """
    python = interpreter_of(peer, environments)
    done = python.parents[1] / ".installed"
    wanted = "\n".join((*COMMON, *peer.packages))
    if done.is_file() and done.read_text() == wanted:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(python.parents[1])], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *wanted.split("\n")], check=True)
    done.write_text(wanted)

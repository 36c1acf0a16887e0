"""A virtual environment for each server, made once."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from benchmarks.peers.figures import OUR_NAME
from benchmarks.peers.servers import COMMON, Peer, interpreter_of

OUR_PACKAGES = ("--editable", ".[cpu]")
PYPROJECT = Path("pyproject.toml")


def make_environment(peer: Peer, environments: Path, python: Path) -> None:
    """Install a peer, unless it is there.

    Args:
        python: the interpreter that it runs on.

    Raises:
        CalledProcessError: a package cannot be installed.
    """
    _make(interpreter_of(peer.name, environments), [*COMMON, *peer.packages], python)


def make_our_environment(environments: Path, python: Path) -> None:
    """Install the service, in the releases of this environment, unless it is there."""
    constraints = environments / "constraints.txt"
    environments.mkdir(exist_ok=True)
    releases = "\n".join(sorted(_releases()))
    constraints.write_text(releases)
    arguments = [*OUR_PACKAGES, "--constraint", str(constraints)]
    _make(interpreter_of(OUR_NAME, environments), arguments, python, releases + PYPROJECT.read_text())


def _releases() -> set[str]:
    found = ((each.metadata["Name"], each.version) for each in distributions())
    return {f"{name}=={release}" for name, release in found if name != "basecast" and "+" not in release}


def _make(interpreter: Path, arguments: list[str], python: Path, depends_on: str = "") -> None:
    folder = interpreter.parents[1]
    done = folder / ".installed"
    wanted = "\n".join((str(python), *arguments, depends_on))
    if done.is_file() and done.read_text() == wanted:
        return
    # With pip from here: a distribution's Python may have none.
    subprocess.run([python, "-m", "venv", "--clear", "--without-pip", folder], check=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(interpreter),
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    subprocess.run([*pip, *arguments], check=True)
    done.write_text(wanted)

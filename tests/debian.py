"""Programs of Debian packages, unpacked without installing: no root is needed and no service starts.

`python -m tests.debian` fetches what the tests need and the machine lacks into the virtual environment; it says what it
cannot fetch and leaves it to the tests to be skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-redis-exporter": "prometheus-redis-exporter",
}
FOLDER = Path(sys.prefix) / "debian"
FOLDERS_OF_PROGRAMS = ("usr/bin", "usr/sbin", "bin", "sbin")


def find(program: str) -> str | None:
    """Path of a program: the one on PATH, else the one that was fetched."""
    package = FOLDER / PACKAGES[program]
    fetched = os.pathsep.join(str(package / folder) for folder in FOLDERS_OF_PROGRAMS)
    return shutil.which(program) or shutil.which(program, path=fetched)


def require(program: str) -> str:
    """Path of a program; without it the test is skipped, unless everything is required."""
    path = find(program)
    if path is not None:
        return path
    reason = f"needs {program}: install Debian's package {PACKAGES[program]}, or run `make test`, which fetches it"
    if os.environ.get("REQUIRE_DATA"):
        pytest.fail(f"REQUIRE_DATA is set, but this test {reason}")
    pytest.skip(reason)


def fetch(package: str) -> Path:
    """Unpack a package of the machine's own Debian release.

    Returns:
        The folder that stands for its root.

    Raises:
        OSError: there is no apt or dpkg.
        subprocess.CalledProcessError: it cannot be had or unpacked; `stderr` says why.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as place:
        folder = Path(place)
        _download(package, folder)
        (archive,) = folder.glob("*.deb")
        _run(["dpkg", "--extract", str(archive), "root"], folder)
        if not (FOLDER / package).exists():  # another run may have been quicker
            (folder / "root").rename(FOLDER / package)
    return FOLDER / package


def _download(package: str, folder: Path) -> None:
    try:
        _run(["apt-get", "download", package], folder)
    except subprocess.CalledProcessError:  # images have no lists of packages, and those of a machine may be old
        (folder / "lists" / "partial").mkdir(parents=True)
        own = ["-o", f"Dir::State::Lists={folder}/lists", "-o", f"Dir::Cache={folder}"]
        _run(["apt-get", *own, "update"], folder)
        _run(["apt-get", *own, "download", package], folder)


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return str(error.stderr).strip().rpartition("\n")[2]
    return str(error)


def main() -> None:
    """Fetch every package that a program is missing of."""
    for package in sorted({PACKAGES[program] for program in PACKAGES if find(program) is None}):
        try:
            fetch(package)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{package} cannot be fetched, so its tests are skipped: {_reason(error)}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()

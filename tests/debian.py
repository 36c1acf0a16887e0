"""Programs of Debian packages, unpacked without installing: no root is needed and no service starts.

`python -m tests.debian` fetches what the tests need and the machine lacks into the virtual environment; it says what it
cannot fetch and leaves it to the tests to be skipped.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

OWN = "own"  # the release that this machine runs
NEWER = "forky"  # has Prometheus 3, as docker-compose.yml; what is taken of it runs with older C libraries too
PACKAGES = {
    OWN: {
        "prometheus": "prometheus",
        "promtool": "prometheus",
        "prometheus-redis-exporter": "prometheus-redis-exporter",
    },
    NEWER: {
        "prometheus": "prometheus",
        "promtool": "promtool",
        "prometheus-redis-exporter": "prometheus-redis-exporter",
    },
}
RELEASES = tuple(PACKAGES)
FOLDER = Path(sys.prefix) / "debian"
FOLDERS_OF_PROGRAMS = ("usr/bin", "usr/sbin", "bin", "sbin")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def find(program: str, release: str = OWN) -> str | None:
    """Path of a program: of the machine's own release the one on PATH, else the one that was fetched."""
    package = FOLDER / release / PACKAGES[release][program]
    fetched = os.pathsep.join(str(package / folder) for folder in FOLDERS_OF_PROGRAMS)
    installed = shutil.which(program) if release == OWN else None
    return installed or shutil.which(program, path=fetched)


def require(program: str, release: str = OWN) -> str:
    """Path of a program; without it the test is skipped, unless everything is required.

    A release that is still being made may lack a package for a while, so its tests are skipped all the same.
    """
    path = find(program, release)
    if path is not None:
        return path
    package = _named(PACKAGES[release][program], release)
    reason = f"needs {program}: install Debian's package {package}, or run `make test`, which fetches it"
    if os.environ.get("REQUIRE_DATA") and release == OWN:
        pytest.fail(f"REQUIRE_DATA is set, but this test {reason}")
    pytest.skip(reason)


def fetch(packages: Iterable[str], release: str = OWN) -> None:
    """Unpack packages of a Debian release.

    Raises:
        OSError: there is no apt or dpkg.
        subprocess.CalledProcessError: one cannot be had or unpacked; `stderr` says why.
    """
    (FOLDER / release).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as place:
        folder = Path(place)
        apt = _apt(release, folder)
        for package in packages:
            _run([*apt, "download", package], folder)
            (archive,) = folder.glob(f"{package}_*.deb")
            _run(["dpkg", "--extract", archive, package], folder)
            if not (FOLDER / release / package).exists():  # another run may have been quicker
                (folder / package).rename(FOLDER / release / package)


def _apt(release: str, folder: Path) -> list[object]:
    """apt-get that knows a release's packages: images have no lists of them, and no machine has another release's."""
    (folder / "lists" / "partial").mkdir(parents=True)
    apt: list[object] = ["apt-get", "-o", f"Dir::State::Lists={folder}/lists", "-o", f"Dir::Cache={folder}"]
    apt += ["-o", "Acquire::Languages=none"]
    if release != OWN:
        sources = folder / "sources.list"
        sources.write_text(f"deb [signed-by={KEYRING}] {_archive(folder)} {release} main\n")
        apt += ["-o", f"Dir::Etc::SourceList={sources}", "-o", "Dir::Etc::SourceParts=/dev/null"]
    _run([*apt, "update"], folder)
    return apt


def _archive(folder: Path) -> str:
    """Where this machine has its own release from, and so has Debian's others."""
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "stable")
    wanted = ["Created-By: Packages", "Component: main", f"Release: {codename}"]
    return _run(["apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted], folder).partition("\n")[0]


def _run(command: list[Any], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def _named(package: str, release: str) -> str:
    return package if release == OWN else f"{package} of {release}"


def _missing(release: str) -> list[str]:
    return sorted({package for program, package in PACKAGES[release].items() if find(program, release) is None})


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return str(error.stderr).strip().rpartition("\n")[2]
    return str(error)


def main() -> None:
    """Fetch every package that a program is missing of."""
    for release in RELEASES:
        try:
            if missing := _missing(release):
                fetch(missing, release)
        except (OSError, subprocess.CalledProcessError) as error:
            left = ", ".join(_named(package, release) for package in _missing(release))
            print(f"{left} cannot be fetched, so tests are skipped: {_reason(error)}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()

"""Programs that tests need and that cannot just be unpacked: installed by apt-get, where this is root.

`python -m tests.apt` installs what is missing, and starts none of it; where it cannot, the tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

# Each with Debian's package of it.
PROGRAMS = {
    "haproxy": "haproxy",
    "mmdebstrap": "mmdebstrap",
    "podman": "podman",
    "redis-cli": "redis-tools",
    "runc": "runc",
}
FOLDERS = (os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")
# Scripts of packages start what they bring, but not while the machine has one user.
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}


def find(program: str) -> str | None:
    """Path of a program."""
    return shutil.which(program, path=os.pathsep.join(FOLDERS))


def require(*programs: str) -> None:
    """Skip the test where one of them is missing."""
    if missing := [program for program in programs if find(program) is None]:
        pytest.skip(f"needs {', '.join(missing)}; `make test` installs that with apt-get where it is root")


def install(programs: list[str]) -> None:
    """Install Debian's packages of these names, and what they depend on.

    Raises:
        OSError, subprocess.CalledProcessError: they cannot be had.
    """
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *programs]):
        whole = ["apt-get", "--quiet=2", *command]
        subprocess.run(whole, env=os.environ | ENVIRONMENT, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def main() -> None:
    """Install every program that is missing."""
    missing = [package for program, package in PROGRAMS.items() if find(program) is None]
    if not missing or os.geteuid() != 0:
        return
    try:
        install(missing)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = error.stderr.decode().strip().rpartition("\n")[2] if hasattr(error, "stderr") else error
        print(f"{', '.join(missing)} cannot be installed, so tests are skipped: {reason}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()

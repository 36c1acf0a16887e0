"""Podman, with everything it keeps in one folder: it builds an image from its Dockerfile and runs it.

What stands for Python's own image, since there may be no registry, is made of Debian's packages: the same release of
Debian and the same minor version of Python, with pip where that image has it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.apt import require

REPOSITORY = Path(__file__).parent.parent
BASE = "docker.io/library/python:3.11-slim-bookworm"
DEBIAN = "bookworm"
ARCHIVE = Path(sys.prefix) / "python-slim.tar"
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
# What a machine's own pip is told of the network, which a build has to be told as well.
PIP_OPTIONS = ("cert", "index-url", "extra-index-url", "proxy", "timeout", "default-timeout", "trusted-host")
# No higher than ours: not every root may raise them.
RUN = ("--pull=never", "--runtime=runc", "--ulimit=nofile=1024:1024", "--ulimit=nproc=512:512")
CONFINED = (
    "--read-only",
    "--read-only-tmpfs=false",
    "--tmpfs=/tmp:size=64m",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--network=host",
    "--health-interval=disable",
)


@dataclass(frozen=True)
class Podman:
    """One folder with images and containers."""

    folder: Path

    def __call__(self, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        places = ["--root", self.folder / "store", "--runroot", self.folder / "run", "--storage-driver", "overlay"]
        ways = ["--cgroup-manager", "cgroupfs", "--events-backend", "none"]
        command = [str(part) for part in ("podman", *places, *ways, *arguments)]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, f"{' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}"
        return done

    def build(self, target: str, *options: str) -> str:
        """Build a target of the Dockerfile; returns the image's name."""
        configuration = self.folder / "pip.conf"
        seen = [f"--volume={configuration}:/etc/pip.conf:ro", *_configure_pip(configuration)]
        ways = ["--isolation=chroot", "--network=host", "--pull=never", "--format=docker"]
        name = f"localhost/basecast:{target}"
        self("build", *ways, *seen, *options, "--file=docker/Dockerfile", f"--target={target}", f"--tag={name}", ".")
        return name

    @contextmanager
    def running(self, image: str, **environment: object) -> Iterator[str]:
        """A confined container of an image; gives its name, and removes it at the end."""
        given = [f"--env={name}={value}" for name, value in environment.items()]
        name = f"basecast-{time.monotonic_ns()}"
        self("run", "--detach", f"--name={name}", *RUN, *CONFINED, *given, image)
        try:
            yield name
        finally:
            self("rm", "--force", "--time=0", name)

    def output(self, image: str, script: str) -> str:
        """What a shell in a container of the image prints."""
        return self("run", "--rm", *RUN, "--network=none", "--entrypoint=sh", image, "-c", script).stdout


@contextmanager
def podman_with_base(store_bytes: int) -> Iterator[Podman]:
    """Podman that has what stands for Python's image; what it keeps is removed at the end.

    Args:
        store_bytes: no more than this is kept at any time.
    """
    if os.geteuid() != 0:
        pytest.skip("building an image needs root")
    require("podman", "runc", "mmdebstrap")
    folder = Path(f"/var/tmp/basecast-podman-{os.getpid()}")  # an overlay can lie on a disk, not on another overlay
    folder.mkdir(mode=0o711)
    # To write and remove tens of thousands of files on a disk takes minutes.
    if _available_memory_bytes() > 4 * store_bytes:
        _run("mount", "-t", "tmpfs", "-o", f"size={store_bytes},mode=711", "basecast", folder)
    podman = Podman(folder)
    try:
        if not ARCHIVE.exists():
            _make_archive(folder)
        podman("import", "--quiet", ARCHIVE, BASE)
        yield podman
    finally:
        # Not `podman system reset`, which takes more with it than this folder.
        _run("umount", "--recursive", folder / "store" / "overlay")
        _run("umount", folder)
        shutil.rmtree(folder)


def _available_memory_bytes() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def _run(*command: object) -> None:
    subprocess.run(list(map(str, command)), check=False, capture_output=True)


def _make_archive(folder: Path) -> None:
    """Python's image has pip and setuptools in /usr/local, where nothing belongs to a package of Debian."""
    beside = ARCHIVE.with_suffix(f".{os.getpid()}.tar")
    options = ["--variant=minbase", "--include=python3-venv,ca-certificates", "--quiet"]
    options += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    hook = '--customize-hook=chroot "$1" python3 -m venv /usr/local'
    command = ["mmdebstrap", *options, hook, DEBIAN, str(beside)]
    subprocess.run(command, env=os.environ | {"TMPDIR": str(folder)}, check=True, capture_output=True)
    beside.rename(ARCHIVE)


def _configure_pip(path: Path) -> Sequence[str]:
    """Write a pip.conf with what this machine's pip is told; returns what else a build has to see."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    told = {}
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        told[name.rpartition(".")[2]] = value.strip("'\"")
    kept = {name: value for name, value in told.items() if name in PIP_OPTIONS and urlsplit(value).scheme != "file"}
    path.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in kept.items()))
    return [f"--volume={kept['cert']}:{kept['cert']}:ro"] if "cert" in kept else []

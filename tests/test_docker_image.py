"""docker/Dockerfile is built and what it makes is run, confined as in production.

Podman stands in for Docker and a root of Debian's packages for Python's image: what is not shown is that Python's image
is like it, and the gpu target, which wants gigabytes; test_docker_requirements.py looks at its pins.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from packaging.utils import canonicalize_name

from app import __version__
from tests.live import free_port
from tests.podman import Podman, podman_with_base
from tests.test_docker_requirements import pins_of

SEQUENCE = (
    "GTGTTCATTGTACAGTTTGTTTACACACGTGCAATTTGACTTTGTGAATACATATGTGTATATAAGAGGTTAATCTTGGTTGGACGTTTGTTTTCTCCTTAGTTGCTTGT"
)
START_SECONDS = 120


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    """Podman that has nothing but what stands for Python's image."""
    with podman_with_base() as podman:
        yield podman


@pytest.fixture(scope="module")
def image(podman: Podman) -> str:
    """The cpu target."""
    return podman.build("cpu", f"--build-arg=VERSION={__version__}", "--build-arg=REVISION=0123abc")


def _inspected(podman: Podman, image: str) -> dict[str, Any]:
    return json.loads(podman("image", "inspect", image).stdout)[0]["Config"]


def test_the_image_says_what_it_is_and_how_it_runs(podman: Podman, image: str) -> None:
    config = _inspected(podman, image)
    assert config["User"] == "10001:10001"
    assert (config["Entrypoint"], config["Cmd"]) == (["basecast"], ["serve"])
    assert set(config["ExposedPorts"]) == {"8000/tcp", "9100/tcp"}
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert (labels["version"], labels["revision"], labels["licenses"]) == (__version__, "0123abc", "Apache-2.0")
    assert labels["base.name"] == "docker.io/library/python:3.11-slim-bookworm"


def test_nothing_in_the_image_builds_or_installs(podman: Podman, image: str) -> None:
    found = "for it in gcc cc c++ make git pip pip3 uv; do command -v $it; done; python -c 'import pip' 2>&1 | tail -1"
    assert podman.output(image, found) == "ModuleNotFoundError: No module named 'pip'\n"
    left = "ls -d /source /wheels /requirements.txt /root/.cache 2>/dev/null || true"
    assert podman.output(image, left) == ""


def test_what_is_installed_is_what_is_pinned(podman: Podman, image: str) -> None:
    listing = (
        "from importlib.metadata import distributions; print(*(f'{it.name}=={it.version}' for it in distributions()))"
    )
    installed = podman.output(image, f'python -c "{listing}"').split()
    named = dict(it.split("==") for it in installed)
    named = {canonicalize_name(name): version for name, version in named.items()}
    assert named == pins_of("cpu") | {"basecast": __version__}


def test_an_address_that_others_reach_needs_a_word(podman: Podman, image: str) -> None:
    with podman.running(image) as name:
        podman("wait", name)
        ended = podman("logs", name)
        status = podman("inspect", name, "--format={{.State.ExitCode}}").stdout.strip()
    assert status == "1"
    assert (ended.stdout + ended.stderr).startswith("error: host 0.0.0.0 can be reached from outside")


def test_it_answers_confined_says_that_it_is_healthy_and_stops_on_sigterm(podman: Podman, image: str) -> None:
    port = free_port()
    given = {"BASECAST_HOST": "127.0.0.1", "BASECAST_PORT": port, "BASECAST_METRICS_PORT": free_port()}
    with podman.running(image, **given, BASECAST_THREADS=1) as name:
        _wait_until_ready(podman, name, port)
        reply = httpx.post(f"http://127.0.0.1:{port}/predict", json={"model": "utrseq-decay", "sequences": [SEQUENCE]})
        assert reply.json()["predictions"][0]["values"]["log2_change_8h_2h"] == pytest.approx(-2.41053, abs=1e-4)
        assert podman("healthcheck", "run", name).stdout.strip() in ("", "healthy")
        status = dict(line.split(":\t") for line in podman("exec", name, "cat", "/proc/1/status").stdout.splitlines())
        assert status["Uid"].split() == ["10001"] * 4
        assert (int(status["CapBnd"], 16), status["NoNewPrivs"]) == (0, "1")
        assert "Read-only file system" in podman("exec", name, "touch", "/models/x", check=False).stderr
        podman("stop", "--time=60", name)
        assert podman("inspect", name, "--format={{.State.ExitCode}}").stdout.strip() == "0"
        added = [line for line in podman("diff", name).stdout.splitlines() if not line.startswith("C ")]
        assert added == []


def _wait_until_ready(podman: Podman, name: str, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(podman("logs", name).stderr)


def test_the_sbom_lists_what_is_installed(podman: Podman, image: str, tmp_path: Path) -> None:
    podman.build("sbom-cpu", f"--output=type=local,dest={tmp_path}")
    document = json.loads((tmp_path / "sbom.cdx.json").read_text())
    assert document["bomFormat"] == "CycloneDX"
    listed = {canonicalize_name(it["name"]): it["version"] for it in document["components"]}
    assert listed == pins_of("cpu") | {"basecast": __version__}

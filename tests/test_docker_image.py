"""docker/Dockerfile is built and what it makes is run, confined as in production.

Podman stands in for Docker and a root of Debian's packages for Python's image: what is not shown is that Python's image
is like it. The gpu target, which downloads gigabytes, is built where BASECAST_TEST_GPU_IMAGE is set; no GPU is needed.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
EXPECTED, TOLERANCE = -2.41053, 1e-4  # log2_change_8h_2h, on a CPU
START_SECONDS = 120
PROVIDER = "/opt/basecast/lib/python3.11/site-packages/onnxruntime/capi/libonnxruntime_providers_cuda.so"
STORE_BYTES = {"cpu": 3 * 1024**3, "gpu": 16 * 1024**3}
DOCUMENTED = (Path(__file__).parent.parent / "docs" / "deployment.md").read_text()
WANTED = pytest.mark.skipif(
    "BASECAST_TEST_GPU_IMAGE" not in os.environ,
    reason="downloads 2 GB and needs 16 GB of disk for a while: set BASECAST_TEST_GPU_IMAGE=1",
)
GPU = pytest.param("gpu", marks=WANTED)
ONLY_GPU = pytest.mark.parametrize("target", [GPU], indirect=True, scope="module")


@pytest.fixture(scope="module", params=["cpu", GPU])
def target(request: pytest.FixtureRequest) -> str:
    """What of the Dockerfile is built."""
    return str(request.param)


@pytest.fixture(scope="module")
def podman(target: str) -> Iterator[Podman]:
    """Podman that has nothing but what stands for Python's image."""
    with podman_with_base(STORE_BYTES[target]) as podman:
        yield podman


@pytest.fixture(scope="module")
def image(podman: Podman, target: str) -> str:
    """The target, built."""
    return podman.build(target, f"--build-arg=VERSION={__version__}", "--build-arg=REVISION=0123abc")


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


def test_the_image_is_hardly_larger_than_docs_deployment_says(podman: Podman, image: str, target: str) -> None:
    gigabytes = json.loads(podman("image", "inspect", image).stdout)[0]["Size"] / 1e9
    (said,) = re.findall(rf"`{target}` ([\d.]+) GB", DOCUMENTED)
    assert 0.9 * float(said) < gigabytes < 1.1 * float(said)


def test_nothing_in_the_image_builds_or_installs(podman: Podman, image: str) -> None:
    found = "for it in gcc cc c++ make git pip pip3 uv; do command -v $it; done; python -c 'import pip' 2>&1 | tail -1"
    assert podman.output(image, found) == "ModuleNotFoundError: No module named 'pip'\n"
    left = "ls -d /source /wheels /requirements.txt /root/.cache 2>/dev/null || true"
    assert podman.output(image, left) == ""


def test_what_is_installed_is_what_is_pinned(podman: Podman, image: str, target: str) -> None:
    listing = (
        "from importlib.metadata import distributions; print(*(f'{it.name}=={it.version}' for it in distributions()))"
    )
    installed = podman.output(image, f'python -c "{listing}"').split()
    named = dict(it.split("==") for it in installed)
    named = {canonicalize_name(name): version for name, version in named.items()}
    assert named == pins_of(target) | {"basecast": __version__}


def test_an_address_that_others_reach_needs_a_word(podman: Podman, image: str) -> None:
    status, said = _ended(podman, image)
    assert status == "1"
    assert said.startswith("error: host 0.0.0.0 can be reached from outside")


def _ended(podman: Podman, image: str, **environment: object) -> tuple[str, str]:
    """Exit status and output of a container that ends by itself."""
    with podman.running(image, **environment) as name:
        podman("wait", name)
        said = podman("logs", name)
        return podman("inspect", name, "--format={{.State.ExitCode}}").stdout.strip(), said.stdout + said.stderr


@ONLY_GPU
def test_onnx_runtime_is_made_for_cuda_and_finds_its_libraries(podman: Podman, image: str) -> None:
    asked = "from app.session import ort; ort.preload_dlls(); print(*ort.get_available_providers())"
    said = podman.output(image, f'python -c "{asked}" 2>&1')
    assert said == "TensorrtExecutionProvider CUDAExecutionProvider CPUExecutionProvider\n"
    linked = f"from ctypes import CDLL; from app.session import ort; ort.preload_dlls(); CDLL('{PROVIDER}')"
    lacking = podman.output(image, f'python -c "{linked}" 2>&1 | tail -1')
    assert lacking.startswith("OSError: libcuda.so.1:"), "its libraries are there but for those of the driver"


@ONLY_GPU
def test_without_a_gpu_it_refuses_to_start_in_one_line(podman: Podman, image: str) -> None:
    status, said = _ended(podman, image, BASECAST_ALLOW_ANONYMOUS="true")
    assert status == "1"
    reason = "there is no NVIDIA driver (libcuda.so.1): install it, give the container the GPU, or set allow_cpu"
    assert said == f"error: device cuda:0: CUDA did not start; {reason}\n"


@ONLY_GPU
@pytest.mark.parametrize("given", [{"BASECAST_DEVICE": "auto"}, {"BASECAST_ALLOW_CPU": "true"}], ids=str)
def test_where_the_cpu_may_stand_in_it_does_and_says_so(podman: Podman, image: str, given: dict[str, str]) -> None:
    with _serving(podman, image, **given) as container:
        assert _predicted(container) == pytest.approx(EXPECTED, abs=TOLERANCE)
        metrics = httpx.get(f"http://127.0.0.1:{container.metrics_port}/metrics").text
        assert 'basecast_cpu_fallback{model="utrseq-decay"} 1.0' in metrics


def test_it_answers_confined_says_that_it_is_healthy_and_stops_on_sigterm(podman: Podman, image: str) -> None:
    with _serving(podman, image, BASECAST_DEVICE="cpu") as container:
        name = container.name
        assert _predicted(container) == pytest.approx(EXPECTED, abs=TOLERANCE)
        assert podman("healthcheck", "run", name).stdout.strip() in ("", "healthy")
        status = dict(line.split(":\t") for line in podman("exec", name, "cat", "/proc/1/status").stdout.splitlines())
        assert status["Uid"].split() == ["10001"] * 4
        assert (int(status["CapBnd"], 16), status["NoNewPrivs"]) == (0, "1")
        assert "Read-only file system" in podman("exec", name, "touch", "/models/x", check=False).stderr
        podman("stop", "--time=60", name)
        assert podman("inspect", name, "--format={{.State.ExitCode}}").stdout.strip() == "0"
        added = [line for line in podman("diff", name).stdout.splitlines() if not line.startswith("C ")]
        assert added == []


@dataclass(frozen=True)
class Container:
    """A container that serves on loopback."""

    name: str
    port: int
    metrics_port: int


@contextmanager
def _serving(podman: Podman, image: str, **environment: str) -> Iterator[Container]:
    port, metrics_port = free_port(), free_port()
    given = {"BASECAST_HOST": "127.0.0.1", "BASECAST_PORT": port, "BASECAST_METRICS_PORT": metrics_port}
    with podman.running(image, BASECAST_THREADS=1, **given, **environment) as name:
        container = Container(name, port, metrics_port)
        _wait_until_ready(podman, container)
        yield container


def _wait_until_ready(podman: Podman, container: Container) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{container.port}/readyz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(podman("logs", container.name).stderr)


def _predicted(container: Container) -> float:
    asked = {"model": "utrseq-decay", "sequences": [SEQUENCE]}
    reply = httpx.post(f"http://127.0.0.1:{container.port}/predict", json=asked).raise_for_status()
    return float(reply.json()["predictions"][0]["values"]["log2_change_8h_2h"])


def test_the_sbom_lists_what_is_installed(podman: Podman, image: str, target: str, tmp_path: Path) -> None:
    podman.build(f"sbom-{target}", f"--output=type=local,dest={tmp_path}")
    document = json.loads((tmp_path / "sbom.cdx.json").read_text())
    assert document["bomFormat"] == "CycloneDX"
    listed = {canonicalize_name(it["name"]): it["version"] for it in document["components"]}
    assert listed == pins_of(target) | {"basecast": __version__}

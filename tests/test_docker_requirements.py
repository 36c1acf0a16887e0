"""docker/requirements: every package at one version and by its hashes, within the ranges of pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parent.parent
FOLDER = REPOSITORY / "docker" / "requirements"
FILES = ("build", "cpu", "gpu", "sbom")
EXTRAS = {"cpu": ("cpu", "otel"), "gpu": ("gpu", "otel")}
# As in the images, whatever this machine is.
IN_THE_IMAGE = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "python_version": "3.11",
    "python_full_version": "3.11.2",
}
PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)==(\S+) \\$", re.MULTILINE)


def pins_of(name: str) -> dict[str, str]:
    """Version of each package of a file."""
    return dict(PIN.findall((FOLDER / f"{name}.txt").read_text()))


def asked_for(device: str) -> list[Requirement]:
    """What pyproject.toml wants in an image."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = [it for extra in EXTRAS[device] for it in project["optional-dependencies"][extra]]
    return [it for it in map(Requirement, [*project["dependencies"], *extras]) if _applies(it)]


def _applies(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate(IN_THE_IMAGE | {"extra": extra})


def _needs(name: str, extras: set[str]) -> list[Requirement]:
    return [
        it
        for it in map(Requirement, distribution(name).requires or [])
        if any(_applies(it, extra) for extra in {"", *extras})
    ]


@pytest.mark.parametrize("device", EXTRAS)
def test_the_pins_are_within_the_ranges_of_the_project(device: str) -> None:
    pins = pins_of(device)
    for it in asked_for(device):
        assert it.specifier.contains(pins[canonicalize_name(it.name)], prereleases=True), it.name


@pytest.mark.parametrize("device", EXTRAS)
def test_whatever_a_pinned_package_needs_is_pinned_too(device: str) -> None:
    """As far as the very version is installed here and can be asked; installing with hashes refuses the rest."""
    pins, seen, waiting = pins_of(device), set(), asked_for(device)
    while waiting:
        it = waiting.pop()
        name = canonicalize_name(it.name)
        assert it.specifier.contains(pins[name], prereleases=True), name
        if (name, frozenset(it.extras)) in seen:
            continue
        seen.add((name, frozenset(it.extras)))
        try:
            if distribution(name).version == pins[name]:
                waiting += _needs(name, it.extras)
        except PackageNotFoundError:
            continue
    assert len(seen) > len(asked_for(device))


@pytest.mark.parametrize("name", FILES)
def test_each_pin_has_hashes_and_no_file_names_a_place(name: str) -> None:
    text = (FOLDER / f"{name}.txt").read_text()
    assert len(PIN.findall(text)) == len(re.findall(r"^[^\s#]", text, re.MULTILINE)) > 0
    for pinned in re.split(r"^(?=\S+==)", text, flags=re.MULTILINE)[1:]:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", pinned)
    assert not re.search(r"://|^-|/work|/tmp", text, re.MULTILINE)


def test_the_gpu_image_brings_cuda_13_and_cudnn_and_only_one_onnx_runtime() -> None:
    pins = pins_of("gpu")
    assert "onnxruntime" not in pins
    assert pins["nvidia-cuda-runtime"].startswith("13.")
    assert pins["nvidia-cudnn-cu13"].startswith("9.")
    assert "onnxruntime-gpu" not in pins_of("cpu")
    shared = pins.keys() & pins_of("cpu").keys()
    assert {name: pins[name] for name in shared} == {name: pins_of("cpu")[name] for name in shared}

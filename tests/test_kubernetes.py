"""The manifests of deploy/kubernetes: of their kinds, safe, and in agreement with each other and with the code."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from app.metrics import Metrics, ModelMetrics
from app.server import LAST_REPLIES_SECONDS
from app.settings import Settings, load_settings
from tests.conftest import REPOSITORY
from tests.manifests import (
    OVERLAYS,
    Manifest,
    built,
    check_schema,
    container_of,
    of_kind,
    pod_of,
    ports_of,
    probes_of,
    selects,
)
from tests.toy import gc_manifest

OURS = ("basecast-api", "basecast-worker")
DOCUMENT = (REPOSITORY / "docs" / "kubernetes.md").read_text()


@pytest.fixture(params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    return built(request.param)


@pytest.fixture
def deployments(manifests: tuple[Manifest, ...]) -> dict[str, Manifest]:
    return of_kind(manifests, "Deployment")


def test_every_manifest_is_of_its_kind_and_in_the_namespace(manifests: tuple[Manifest, ...]) -> None:
    for manifest in manifests:
        check_schema(manifest)
        assert manifest["metadata"].get("namespace", "basecast") == "basecast"
    kinds = {
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "NetworkPolicy",
        "ServiceMonitor",
        "PodMonitor",
        "ScaledObject",
    }
    assert kinds <= {it["kind"] for it in manifests}


@pytest.mark.parametrize("kind", ["Deployment", "NetworkPolicy", "ScaledObject", "PodMonitor", "ServiceMonitor"])
def test_a_slip_in_a_manifest_is_found(kind: str) -> None:
    manifest = copy.deepcopy(next(iter(of_kind(built("cpu"), kind).values())))
    manifest["spec"]["triggerss"] = []
    with pytest.raises(ValueError, match=r"triggerss|does not know"):
        check_schema(manifest)


# How pods run.


def test_pods_have_no_rights_they_do_not_use(deployments: dict[str, Manifest]) -> None:
    assert deployments.keys() == {*OURS, "basecast-redis"}
    for deployment in deployments.values():
        pod = pod_of(deployment)["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container_of(deployment)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container_of(deployment)["resources"]["limits"]["memory"]
        assert all(it["emptyDir"]["sizeLimit"] for it in pod["volumes"] if "emptyDir" in it)


def test_services_leave_no_variables_that_would_be_settings(deployments: dict[str, Manifest]) -> None:
    assert all(pod_of(it)["spec"]["enableServiceLinks"] is False for it in deployments.values())


def test_no_image_moves_by_itself(deployments: dict[str, Manifest]) -> None:
    tags = {name: container_of(it)["image"].partition(":")[2] for name, it in deployments.items()}
    assert "latest" not in tags.values()
    assert all(tags.values())


def test_a_worker_takes_one_device(deployments: dict[str, Manifest]) -> None:
    container = container_of(deployments["basecast-worker"])
    settings = {it["name"]: it for it in container["env"]}
    limits = container["resources"]["limits"]
    if settings["BASECAST_DEVICE"]["value"] == "cuda:0":
        assert limits["nvidia.com/gpu"] == 1
        assert container["image"].endswith(":gpu")
    else:
        assert settings["BASECAST_THREADS"]["valueFrom"]["resourceFieldRef"]["resource"] == "limits.cpu"
        assert limits["cpu"] == container["resources"]["requests"]["cpu"]


def test_replicas_spread_over_nodes_and_zones(deployments: dict[str, Manifest]) -> None:
    for name in OURS:
        pod = pod_of(deployments[name])
        spread = pod["spec"]["topologySpreadConstraints"]
        assert {it["topologyKey"] for it in spread} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        assert all(selects(pod["metadata"]["labels"], it["labelSelector"]) for it in spread)


# Agreement with the code.


def _environment(container: Manifest, tmp_path: Path) -> dict[str, str]:
    secrets = {
        "api": "redis://api:secret@basecast-redis:6379/0",
        "worker": "redis://worker:secret@basecast-redis:6379/0",
    }
    return {it["name"]: it.get("value") or _resolved(it["valueFrom"], container, secrets) for it in container["env"]}


def _resolved(source: dict[str, Any], container: Manifest, secrets: dict[str, str]) -> str:
    if reference := source.get("secretKeyRef"):
        assert reference["name"] == "basecast-queue"
        return secrets[reference["key"]]
    section, _, resource = source["resourceFieldRef"]["resource"].partition(".")
    return str(container["resources"][section][resource])


@pytest.fixture
def settings(deployments: dict[str, Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Settings]:
    """What our processes are given in their pods."""
    given = {}
    for name in OURS:
        with monkeypatch.context() as pod:
            for variable, value in _environment(container_of(deployments[name]), tmp_path).items():
                assert variable.removeprefix("BASECAST_").lower() in Settings.model_fields
                pod.setenv(variable, value)
            given[name] = load_settings()
    return given


def test_the_settings_agree_with_the_ports(settings: dict[str, Settings], deployments: dict[str, Manifest]) -> None:
    api, worker = (ports_of(container_of(deployments[name])) for name in OURS)
    assert api == {"http": settings["basecast-api"].port, "metrics": settings["basecast-api"].metrics_port}
    assert worker == {"metrics": settings["basecast-worker"].metrics_port}
    assert settings["basecast-api"].asks_for_keys
    assert {it.processes for it in settings.values()} == {1}


def test_the_grace_period_outlasts_draining(settings: dict[str, Settings], deployments: dict[str, Manifest]) -> None:
    for name in OURS:
        pod, container = pod_of(deployments[name])["spec"], container_of(deployments[name])
        before = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        draining = settings[name].drain_ms / 1000 + LAST_REPLIES_SECONDS + 1
        assert pod["terminationGracePeriodSeconds"] >= before + draining + 5
        assert (before > 0) == (name == "basecast-api")  # a worker is connected to by nobody


def test_probes_start_patiently_and_only_readiness_asks_others(deployments: dict[str, Manifest]) -> None:
    for name in OURS:
        container = container_of(deployments[name])
        probes = dict(probes_of(container))
        paths = {probe: it["httpGet"]["path"] for probe, it in probes.items()}
        assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
        assert {it["httpGet"]["port"] for it in probes.values()} <= ports_of(container).keys()
        patience = {probe: it["periodSeconds"] * it["failureThreshold"] for probe, it in probes.items()}
        assert patience == {"startupProbe": 300, "livenessProbe": 30, "readinessProbe": 4}


def test_keys_are_mounted_where_the_settings_look(
    settings: dict[str, Settings], deployments: dict[str, Manifest]
) -> None:
    api = deployments["basecast-api"]
    (mount,) = [it for it in container_of(api)["volumeMounts"] if it["name"] == "api-keys"]
    assert settings["basecast-api"].api_keys_file == Path(mount["mountPath"]) / "keys.toml"
    (volume,) = [it for it in pod_of(api)["spec"]["volumes"] if it["name"] == "api-keys"]
    assert volume["secret"]["defaultMode"] == 0o440  # root's, for the group of the pod


# Agreement with each other.


def test_secrets_and_configuration_are_there_or_told_of(
    manifests: tuple[Manifest, ...], deployments: dict[str, Manifest]
) -> None:
    volumes = [it for deployment in deployments.values() for it in pod_of(deployment)["spec"]["volumes"]]
    variables = [it for deployment in deployments.values() for it in container_of(deployment).get("env", [])]
    secrets = {it["secret"]["secretName"] for it in volumes if "secret" in it}
    secrets |= {
        it["valueFrom"]["secretKeyRef"]["name"] for it in variables if "secretKeyRef" in it.get("valueFrom", {})
    }
    assert secrets == {"basecast-queue", "basecast-api-keys", "basecast-redis-users"}
    assert all(f"secret generic {name} " in DOCUMENT for name in secrets)
    assert not of_kind(manifests, "Secret")
    configured = {it["configMap"]["name"] for it in volumes if "configMap" in it}
    assert configured == of_kind(manifests, "ConfigMap").keys()


def test_services_budgets_and_monitors_find_pods_and_their_ports(
    manifests: tuple[Manifest, ...], deployments: dict[str, Manifest]
) -> None:
    services = of_kind(manifests, "Service")
    assert services.keys() == {"basecast-api", "basecast-redis"}
    for name, service in services.items():
        assert selects(pod_of(deployments[name])["metadata"]["labels"], {"matchLabels": service["spec"]["selector"]})
        targets = {it["targetPort"] for it in service["spec"]["ports"]}
        assert targets <= ports_of(container_of(deployments[name])).keys()
    for name, budget in of_kind(manifests, "PodDisruptionBudget").items():
        selected = [it for it, deployment in deployments.items() if _takes(budget, deployment)]
        assert selected == [name]
    (monitor,) = of_kind(manifests, "ServiceMonitor").values()
    assert selects(services["basecast-api"]["metadata"]["labels"], monitor["spec"]["selector"])
    assert monitor["spec"]["endpoints"][0]["port"] in {it["name"] for it in services["basecast-api"]["spec"]["ports"]}
    (monitor,) = of_kind(manifests, "PodMonitor").values()
    assert [it for it, deployment in deployments.items() if _takes(monitor, deployment)] == ["basecast-worker"]
    port = monitor["spec"]["podMetricsEndpoints"][0]["port"]
    assert port in ports_of(container_of(deployments["basecast-worker"]))


def _takes(manifest: Manifest, deployment: Manifest) -> bool:
    return selects(pod_of(deployment)["metadata"]["labels"], manifest["spec"]["selector"])


def test_whatever_scales_finds_its_deployment_which_leaves_replicas_to_it(
    manifests: tuple[Manifest, ...], deployments: dict[str, Manifest]
) -> None:
    scaled = of_kind(manifests, "HorizontalPodAutoscaler") | of_kind(manifests, "ScaledObject")
    targets = {it["spec"]["scaleTargetRef"]["name"] for it in scaled.values()}
    assert targets == set(OURS)
    assert not any("replicas" in deployments[it]["spec"] for it in targets)


def test_workers_scale_on_a_metric_that_the_api_has(manifests: tuple[Manifest, ...]) -> None:
    (scaled,) = of_kind(manifests, "ScaledObject").values()
    (trigger,) = scaled["spec"]["triggers"]
    assert (trigger["type"], trigger["metricType"]) == ("prometheus", "AverageValue")
    assert int(trigger["metadata"]["threshold"]) > 0
    query = trigger["metadata"]["query"]
    selected = re.search(r"(basecast_\w+)\{job=\"([\w-]+)\"\}", query)
    assert selected is not None
    assert selected[1] in _exported()
    (monitor,) = of_kind(manifests, "ServiceMonitor").values()
    (relabelling,) = monitor["spec"]["endpoints"][0]["relabelings"]
    assert (relabelling["targetLabel"], relabelling["replacement"]) == ("job", selected[2])


def _exported() -> set[str]:
    from app.bundle import Manifest as BundleManifest

    metrics = Metrics()
    document = gc_manifest("gc") | {"files": {"model.onnx": "0" * 64}}
    counted = ModelMetrics(metrics, BundleManifest.model_validate(document), "0" * 64)
    counted.watch_queue(lambda: (0, 0, 0.0))
    return {sample.name for family in metrics.registry.collect() for sample in family.samples}

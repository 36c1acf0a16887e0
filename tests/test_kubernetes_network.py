"""Who reaches whom under the NetworkPolicies of deploy/kubernetes, by the rules of Kubernetes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.manifests import OVERLAYS, Manifest, built, of_kind, pod_of, selects

ASKED_FROM_OUTSIDE = {
    ("ingress-nginx", "basecast-api", "http"): True,
    ("ingress-nginx", "basecast-api", "metrics"): False,
    ("ingress-nginx", "basecast-worker", "metrics"): False,
    ("ingress-nginx", "basecast-redis", "redis"): False,
    ("monitoring", "basecast-api", "metrics"): True,
    ("monitoring", "basecast-worker", "metrics"): True,
    ("monitoring", "basecast-api", "http"): False,
    ("default", "basecast-redis", "redis"): False,
}
ASKED_FROM_INSIDE = {
    ("basecast-api", "basecast-redis", "redis"): True,
    ("basecast-worker", "basecast-redis", "redis"): True,
    ("basecast-worker", "basecast-api", "http"): False,
    ("basecast-redis", "basecast-api", "http"): False,
    ("basecast-api", "basecast-worker", "metrics"): False,
}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_these_doors_are_open(overlay: str) -> None:
    manifests = built(overlay)
    deployments = of_kind(manifests, "Deployment")
    policies = [it["spec"] for it in of_kind(manifests, "NetworkPolicy").values()]
    labels = {name: pod_of(it)["metadata"]["labels"] for name, it in deployments.items()}
    for (namespace, target, port), is_open in ASKED_FROM_OUTSIDE.items():
        peer = {"namespace": {"kubernetes.io/metadata.name": namespace}, "pod": {}}
        assert _lets(policies, "ingress", "from", labels[target], peer, port) == is_open, (namespace, target, port)
    for (source, target, port), is_open in ASKED_FROM_INSIDE.items():
        out = _lets(policies, "egress", "to", labels[source], {"namespace": None, "pod": labels[target]}, port)
        into = _lets(policies, "ingress", "from", labels[target], {"namespace": None, "pod": labels[source]}, port)
        assert (out and into) == is_open, (source, target, port)
    for pod in labels.values():
        names = {"namespace": {"kubernetes.io/metadata.name": "kube-system"}, "pod": {"k8s-app": "kube-dns"}}
        assert _lets(policies, "egress", "to", pod, names, 53)
        elsewhere = {"namespace": {"kubernetes.io/metadata.name": "default"}, "pod": {}}
        assert not _lets(policies, "egress", "to", pod, elsewhere, 443)


def _lets(
    policies: list[Manifest], way: str, side: str, pod: dict[str, str], peer: dict[str, Any], port: str | int
) -> bool:
    """Whether policies let a pod's traffic through: some policy of this direction holds for it, and one has a rule."""
    holding = [it for it in policies if way.capitalize() in it["policyTypes"] and selects(pod, it["podSelector"])]
    assert holding, "a pod without any policy is open"
    rules = [rule for policy in holding for rule in policy.get(way, [])]
    return any(
        port in {it["port"] for it in rule["ports"]} and any(_is_peer(it, peer) for it in rule[side]) for rule in rules
    )


def _is_peer(selector: Manifest, peer: dict[str, Any]) -> bool:
    inside = peer["namespace"] is None
    if inside != ("namespaceSelector" not in selector):
        return False
    named = inside or selects(peer["namespace"], selector["namespaceSelector"])
    return named and selects(peer["pod"], selector.get("podSelector", {}))

"""docker-compose.yml keeps its promises, and its services answer a prediction together, as processes without Docker."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from tests.apt import find
from tests.compose import BASECAST, REPOSITORY, START_SECONDS, Services, image_health_check, read_compose, services
from tests.debian import RELEASES, require
from tests.redis_server import binaries

FILE = read_compose()
SERVICES: dict[str, Any] = FILE["services"]
OURS = ("api", "worker", "worker-gpu")


def test_the_file_is_what_compose_reads() -> None:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        "docker-compose.yml",
    ]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_confined_and_bounded(service: str) -> None:
    it = SERVICES[service]
    assert it["read_only"] is True
    assert it["cap_drop"] == ["ALL"]
    assert it["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory", "pids"} <= it["deploy"]["resources"]["limits"].keys()
    assert "privileged" not in it
    assert all("docker.sock" not in volume for volume in it.get("volumes", []))
    for volume in it.get("volumes", []):
        source, _, mode = (volume + ":").split(":")[:3]
        assert mode == "ro" or source in FILE["volumes"]
    if service not in ("api", "redis-exporter"):  # the image of the one has one, that of the other no program for it
        assert "healthcheck" in it


def test_only_the_gateway_and_what_watches_are_published_and_to_this_machine_alone() -> None:
    published = {name: it["ports"] for name, it in SERVICES.items() if "ports" in it}
    assert published.keys() == {"gateway", "prometheus", "grafana"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert FILE["networks"]["inside"] == {"internal": True}
    assert all(set(SERVICES[name]["networks"]) == {"inside"} for name in (*OURS, "redis", "redis-exporter"))


def test_services_start_in_the_order_of_their_needs() -> None:
    needs = {name: set(it.get("depends_on", {})) for name, it in SERVICES.items()}
    assert needs["api"] == needs["worker"] == needs["worker-gpu"] == needs["redis-exporter"] == {"redis"}
    assert (needs["gateway"], needs["grafana"]) == ({"api"}, {"prometheus"})
    conditions = {need["condition"] for it in SERVICES.values() for need in it.get("depends_on", {}).values()}
    assert conditions == {"service_healthy"}


def test_workers_are_of_one_kind_or_the_other_and_found_by_one_name() -> None:
    assert (SERVICES["worker"]["profiles"], SERVICES["worker-gpu"]["profiles"]) == (["cpu"], ["gpu"])
    assert SERVICES["worker-gpu"]["networks"]["inside"]["aliases"] == ["worker"]
    (device,) = SERVICES["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}


def test_no_password_is_in_the_file_and_every_secret_is_made_once(tmp_path: Path) -> None:
    script, folder = REPOSITORY / "docker" / "secrets.sh", tmp_path / "secrets"
    subprocess.run([script, folder], check=True)
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    wanted = {Path(it["file"]).name for it in FILE["secrets"].values()}
    assert made.keys() == wanted
    assert {name for it in SERVICES.values() for name in it.get("secrets", [])} == FILE["secrets"].keys()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    passwords = [made[name] for name in ("redis_api", "redis_worker", "redis_monitor", "grafana_admin")]
    assert len(set(passwords)) == 4
    assert all(re.fullmatch(rb"[0-9a-f]{64}", password) for password in passwords)
    assert not any(password in made["users.acl"] for password in passwords)
    assert b"change-the-password" not in made["users.acl"]
    subprocess.run([script, folder], check=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == made
    ignored = subprocess.run(["git", "check-ignore", "-q", "docker/secrets/redis_api"], cwd=REPOSITORY, check=False)
    assert ignored.returncode == 0


@pytest.fixture(scope="module")
def running(toy_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Redis, a worker, an api and what is in front of it, started in the order of the file."""
    with services(tmp_path_factory.mktemp("compose"), MODELS=str(toy_models), WORKER_CPUS="1") as started:
        started.start("redis", next(iter(binaries().values())))
        started.wait_until_healthy("redis")
        for service in ("worker", "api"):
            started.start(service, *BASECAST)
        started.wait_until_healthy("worker")
        started.wait_until_healthy("api", image_health_check())
        yield started


def _predict(url: str) -> httpx.Response:
    return httpx.post(f"{url}/predict", json={"model": "gc", "sequences": ["GGCA"]}, timeout=30)


def test_api_redis_and_worker_answer_together(running: Services) -> None:
    assert _predict(running.url("api", 8000)).json()["predictions"][0]["values"] == {"gc_fraction": 0.75}
    for service, metric in (("api", "basecast_requests_total"), ("worker", "basecast_batch_seconds_count")):
        assert metric in httpx.get(f"{running.url(service, 9100)}/metrics").text


def test_redis_keeps_nothing_and_lets_nobody_in_without_a_name(running: Services) -> None:
    url = f"127.0.0.1:{running.port('redis', 6379)}"
    with redis.Redis.from_url(f"redis://{url}") as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    with redis.Redis.from_url(f"redis://monitor:{running.secret('redis_monitor')}@{url}") as client:
        said = client.info()
        assert (said["maxmemory_policy"], said["maxmemory"], said["aof_enabled"]) == ("noeviction", 512 * 2**20, 0)
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.xrange("{basecast}:q:0")
    save = running.file["services"]["redis"]["command"]
    assert save[save.index("--save") + 1] == ""


def test_the_gateway_leads_to_an_api_that_is_ready(running: Services) -> None:
    haproxy = find("haproxy")
    if haproxy is None:
        pytest.skip("needs haproxy; `make test` installs it where it is root")
    running.mount("gateway", "/usr/local/etc/haproxy/haproxy.cfg")
    running.start("gateway", haproxy)
    running.wait_until_healthy("gateway")
    url = running.url("gateway", 8000)
    assert eventually(lambda: httpx.get(f"{url}/readyz").status_code) == httpx.codes.OK
    assert _predict(url).json()["predictions"][0]["values"] == {"gc_fraction": 0.75}


@pytest.mark.parametrize("release", RELEASES)
def test_the_exporter_of_redis_is_let_in(release: str, running: Services) -> None:
    with running.passing("redis-exporter", require("prometheus-redis-exporter", release)):
        url = running.url("redis-exporter", 9121)
        shown = eventually(lambda: httpx.get(f"{url}/metrics").text)
    assert re.search(r"^redis_up 1$", shown, re.MULTILINE)
    assert re.search(r"^redis_memory_max_bytes 5\.36870912e\+08$", shown, re.MULTILINE)


@pytest.mark.parametrize("release", RELEASES)
def test_prometheus_starts_with_its_configuration_and_rules(release: str, running: Services) -> None:
    with running.passing("prometheus", require("prometheus", release)):
        url = running.url("prometheus", 9090)
        assert "Ready" in eventually(lambda: httpx.get(f"{url}/-/ready").raise_for_status().text)
        groups = httpx.get(f"{url}/api/v1/rules").json()["data"]["groups"]
    assert any(rule["type"] == "alerting" for group in groups for rule in group["rules"])


def eventually(ask: Callable[[], Any]) -> Any:
    """What is answered as soon as something answers."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return ask()
        except httpx.HTTPError:
            assert time.monotonic() < deadline
            time.sleep(0.1)

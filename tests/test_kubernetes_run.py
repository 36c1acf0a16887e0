"""What the containers of deploy/kubernetes run, run here, with the secrets that docs/kubernetes.md has one make."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.live import free_port
from tests.manifests import Manifest, built, container_of, kubectl, of_kind, ports_of, probes_of
from tests.processes import until
from tests.redis_server import VERSIONS, RedisServer, binary

Secrets = dict[str, dict[str, str]]
RUN_BASECAST = [sys.executable, "-c", "from app.cli import main; main()"]


@dataclass(frozen=True)
class Pod:
    """A container that runs here, its ports on loopback."""

    container: Manifest
    ports: dict[str, int]
    process: subprocess.Popen[bytes]

    @classmethod
    @contextmanager
    def run(cls, name: str, **instead: object) -> Iterator[Pod]:
        """Run a container of the overlay `cpu` with other settings where a pod differs from this machine."""
        container = container_of(of_kind(built("cpu"), "Deployment")[name])
        ports = {it: free_port() for it in ports_of(container)}
        given = {it["name"]: it["value"] for it in container["env"] if "value" in it}
        here = {"host": "127.0.0.1", "threads": 1, "metrics_port": ports["metrics"]} | instead
        here |= {"port": ports["http"]} if "http" in ports else {}
        environment = os.environ | given | {f"BASECAST_{it.upper()}": str(value) for it, value in here.items()}
        process = subprocess.Popen([*RUN_BASECAST, *container["args"]], env=environment, stdin=subprocess.DEVNULL)
        try:
            yield cls(container, ports, process)
        finally:
            process.terminate()
            assert process.wait(60) == 0

    def url(self, port: str) -> str:
        return f"http://127.0.0.1:{self.ports[port]}"

    def answers(self, probe: Manifest) -> bool:
        """Whether a probe is satisfied."""
        asked = probe["httpGet"]
        try:
            return httpx.get(f"{self.url(asked['port'])}{asked['path']}").is_success
        except httpx.TransportError:
            assert self.process.poll() is None
            return False


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="basecast-") as folder:  # a socket's path may have 107 characters only
        yield Path(folder)


@pytest.fixture(scope="module")
def key_and_secrets(folder: Path) -> tuple[str, Secrets]:
    """The API key that was printed, and the secrets that kubectl would have made."""
    document = (REPOSITORY / "docs" / "kubernetes.md").read_text()
    (commands,) = re.findall(r"```sh\n(umask.*?)```", document, re.DOTALL)
    made = folder / "secrets.yaml"
    dry_run = f'{kubectl()} "$@" --dry-run=client --output=yaml >> {made}\necho --- >> {made}'
    _write_program(folder / "bin" / "kubectl", dry_run)
    _write_program(folder / "bin" / "basecast", f"exec {sys.executable} -c '{RUN_BASECAST[-1]}' \"$@\"")
    (folder / "docker").symlink_to(REPOSITORY / "docker")
    environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    shell = ["sh", "-ec", commands]
    done = subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    (key,) = re.findall(r"bc_\w+", done.stdout)
    documents = filter(None, yaml.safe_load_all(made.read_text()))
    return key, {it["metadata"]["name"]: _decoded(it["data"]) for it in documents}


def _write_program(path: Path, commands: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{commands}\n")
    path.chmod(0o755)


def _decoded(data: dict[str, str]) -> dict[str, str]:
    return {name: b64decode(value).decode() for name, value in data.items()}


@pytest.fixture(scope="module")
def redis(folder: Path, key_and_secrets: tuple[str, Secrets]) -> Iterator[RedisServer]:
    """The Redis of the component, with its configuration and its users, on a socket."""
    (configuration,) = of_kind(built("cpu"), "ConfigMap").values()
    users = folder / "users.acl"
    users.write_text(key_and_secrets[1]["basecast-redis-users"]["users.acl"])
    file = folder / "redis.conf"
    file.write_text(configuration["data"]["redis.conf"].replace("/run/secrets/redis/users.acl", str(users)))
    server = RedisServer(binary(VERSIONS[-1]), folder)
    command = [server.binary, str(file), "--port", "0", "--unixsocket", str(server.socket), "--logfile", ""]
    server.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until(server.socket.exists)
        yield server
    finally:
        server.stop()


def test_the_pods_answer_their_probes_and_predict_for_whoever_has_a_key(
    toy_models: Path, folder: Path, redis: RedisServer, key_and_secrets: tuple[str, Secrets]
) -> None:
    key, secrets = key_and_secrets
    queues = {
        user: url.replace("redis://", "unix://").replace("basecast-redis:6379/0", str(redis.socket))
        for user, url in secrets["basecast-queue"].items()
    }
    keys = folder / "mounted.toml"
    keys.write_text(secrets["basecast-api-keys"]["keys.toml"])
    keys.chmod(0o400)
    with (
        Pod.run("basecast-worker", models=toy_models, queue=queues["worker"]) as worker,
        Pod.run("basecast-api", models=toy_models, queue=queues["api"], api_keys_file=keys) as api,
    ):
        for pod in (worker, api):
            for _, probe in probes_of(pod.container):
                until(lambda pod=pod, probe=probe: pod.answers(probe))
        body = {"model": "gc", "sequences": ["GGCA"]}
        assert httpx.post(f"{api.url('http')}/predict", json=body).status_code == 401
        reply = httpx.post(f"{api.url('http')}/predict", json=body, headers={"authorization": f"Bearer {key}"})
        assert reply.json()["predictions"][0]["values"] == {"gc_fraction": 0.75}
        metrics = httpx.get(f"{api.url('metrics')}/metrics").text
        assert re.search(r'^basecast_queue_tokens\{model="gc"\} 0.0$', metrics, re.MULTILINE)
        assert "basecast_worker_busy_seconds_total" in httpx.get(f"{worker.url('metrics')}/metrics").text


def test_redis_keeps_nothing_and_throws_nothing_away(key_and_secrets: tuple[str, Secrets]) -> None:
    (configuration,) = of_kind(built("cpu"), "ConfigMap").values()
    lines = configuration["data"]["redis.conf"].splitlines()
    assert {'save ""', "appendonly no", "maxmemory-policy noeviction", "maxmemory 1gb"} <= set(lines)
    container = container_of(of_kind(built("cpu"), "Deployment")["basecast-redis"])
    assert container["command"][1] == f"{container['volumeMounts'][0]['mountPath']}/redis.conf"
    assert container["resources"]["limits"]["memory"] == "1536Mi"  # half as much again
    passwords = set(re.findall(r">(\S+)", key_and_secrets[1]["basecast-redis-users"]["users.acl"]))
    assert len(passwords) >= 2
    assert all(re.fullmatch("[0-9a-f]{64}", it) for it in passwords)

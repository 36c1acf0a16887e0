"""docker-compose.yml as tests read it, and its services as processes of this machine.

What would be in a container is run from the very file: its command, its environment, its health check. The names of
hosts lead to loopback, and each port of a service to a free one.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.live import free_port

REPOSITORY = Path(__file__).parent.parent
VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+):-([^}]*)\})")
START_SECONDS = 120
BASECAST = (sys.executable, "-c", "from app.cli import main; main()")  # the image's entry point
NAMED = ("redis-server", "haproxy")  # commands that begin with their program


def read_compose(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The file, its variables replaced as Compose replaces them."""
    return _replaced(yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text()), environment or {})


def _replaced(part: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {name: _replaced(value, environment) for name, value in part.items()}
    if isinstance(part, list):
        return [_replaced(value, environment) for value in part]
    if isinstance(part, str):
        return VARIABLE.sub(lambda it: it[1] or environment.get(it[2], it[3]), part)
    return part


def image_environment() -> dict[str, str]:
    """What docker/Dockerfile sets for every process, but for PATH."""
    text = (REPOSITORY / "docker" / "Dockerfile").read_text().replace("\\\n", " ")
    runtime = text.partition(" AS runtime\n")[2].partition("\nFROM ")[0]
    lines = re.findall(r"^ENV (.*)$", runtime, re.MULTILINE)
    settings = dict(word.split("=", 1) for line in lines for word in shlex.split(line))
    return {name: value for name, value in settings.items() if name != "PATH"}


def image_health_check() -> list[str]:
    """The health check that docker/Dockerfile gives an image."""
    text = (REPOSITORY / "docker" / "Dockerfile").read_text().replace("\\\n", " ")
    words = re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", text, re.MULTILINE)
    assert words is not None
    return ["CMD", sys.executable, *json.loads(words[1])[1:]]


class Services:
    """Services of the file as processes, ended together.

    Args:
        folder: where what they write, and the secrets, are.
        environment: what the operator sets, such as `MODELS`.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self.file = read_compose(environment)
        self._ports: defaultdict[tuple[str, int], int] = defaultdict(free_port)
        self._running: list[subprocess.Popen[bytes]] = []
        subprocess.run([REPOSITORY / "docker" / "secrets.sh", folder / "made"], check=True)
        self._places = {"/tmp/heartbeat": folder / "heartbeat", "/data": folder}
        self._places |= dict(self._mounted_folders())
        for name, secret in self.file["secrets"].items():
            made = folder / "made" / Path(secret["file"]).name
            self._places[f"/run/secrets/{name}"] = self._copy(made, name)

    def port(self, service: str, port: int) -> int:
        """Where a port of a service is on this machine."""
        return self._ports[service, port]

    def url(self, service: str, port: int) -> str:
        return f"http://127.0.0.1:{self.port(service, port)}"

    def start(self, service: str, *program: str) -> subprocess.Popen[bytes]:
        """Start a service.

        Args:
            service: its name in the file.
            program: what is in its image, here.
        """
        arguments = self.file["services"][service]["command"]
        command = [*program, *(arguments[1:] if arguments[0] in NAMED else arguments)]
        log = (self._folder / f"{service}.log").open("wb")
        process = subprocess.Popen(
            [self._here(service, part) for part in command],
            env=self.environment(service),
            cwd=self._folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        self._running.append(process)
        return process

    @contextmanager
    def passing(self, service: str, *program: str) -> Iterator[None]:
        """A service that lives as long as the block."""
        process = self.start(service, *program)
        try:
            yield
        finally:
            self._running.remove(process)
            _end(process)

    def environment(self, service: str) -> dict[str, str]:
        """What the image and the file set, and what this machine needs to find Python."""
        definition = self.file["services"][service]
        image = image_environment() if "build" in definition else {}
        settings = image | definition.get("environment", {})
        given = {name: self._here(service, value) for name, value in settings.items()}
        ours = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
        return given | ours

    def is_healthy(self, service: str, test: Sequence[str] = ()) -> bool:
        """Whether a health check passes: that of the file, or one that the image brings."""
        kind, *command = test or self.file["services"][service]["healthcheck"]["test"]
        words = ["sh", "-c", *command] if kind == "CMD-SHELL" else command
        here = [self._here(service, word) for word in words]
        return subprocess.run(here, env=self.environment(service), capture_output=True, check=False).returncode == 0

    def wait_until_healthy(self, service: str, test: Sequence[str] = ()) -> None:
        """Return when it is, as `depends_on` does."""
        deadline = time.monotonic() + START_SECONDS
        while not self.is_healthy(service, test):
            ended = [process for process in self._running if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"{service} is not healthy: {(self._folder / f'{service}.log').read_text()}")
            time.sleep(0.2)

    def mount(self, service: str, path: str) -> None:
        """Let a service find a file that it mounts, with hosts and ports of here."""
        volumes = (it.split(":") for it in self.file["services"][service]["volumes"])
        source = next(source for source, target, *_ in volumes if target == path)
        self._places[path] = self._copy(REPOSITORY / source, service)

    def secret(self, name: str) -> str:
        """What a secret holds."""
        return self._places[f"/run/secrets/{name}"].read_text()

    def stop(self) -> None:
        """End them, the last first."""
        for process in reversed(self._running):
            _end(process)

    def _mounted_folders(self) -> Iterator[tuple[str, Path]]:
        for service in self.file["services"].values():
            for source, target, *_ in (it.split(":") for it in service.get("volumes", [])):
                if source in self.file["volumes"]:
                    yield target, self._folder / f"volume-{source}"
                elif (REPOSITORY / source).is_dir():
                    yield target, (REPOSITORY / source).resolve()

    def _copy(self, source: Path, service: str) -> Path:
        copied = self._folder / f"{service}-{source.name}"
        copied.write_text(self._here(service, source.read_text()))
        return copied

    def _here(self, service: str, text: str) -> str:
        for place, path in self._places.items():
            text = re.sub(rf"(?<![\w/]){re.escape(place)}\b", str(path), text)
        hosts = "|".join(sorted(self.file["services"], key=len, reverse=True))
        text = re.sub(rf"\b({hosts}):(\d+)\b", lambda it: f"127.0.0.1:{self.port(it[1], int(it[2]))}", text)
        text = text.replace("0.0.0.0", "127.0.0.1").replace("bind :", "bind 127.0.0.1:")
        for port in self._listening(service):
            text = re.sub(rf"\b{port}\b", str(self.port(service, port)), text)
        return text

    def _listening(self, service: str) -> set[int]:
        definition = self.file["services"].get(service, {})
        published = [it.rpartition(":")[2] for it in definition.get("ports", [])]
        settings = definition.get("environment", {})
        ours = [value for name, value in settings.items() if name in ("BASECAST_PORT", "BASECAST_METRICS_PORT")]
        return set(map(int, [*published, *definition.get("expose", []), *ours]))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def services(folder: Path, **environment: str) -> Iterator[Services]:
    """Services that live as long as the block."""
    started = Services(folder, environment)
    try:
        yield started
    finally:
        started.stop()

"""What is wrong with the configuration ends the start of both kinds of process: one line, and a status that tells."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.redis_server import RedisServer, binaries, running
from tests.toy import write_toy_bundle

# Longer than any start, so that a process that should have refused is seen to serve.
SECONDS = 120

Environment = dict[str, str]
Fault = Callable[[Path], tuple[Environment, str]]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A server that nothing is wrong with."""
    with running(next(iter(binaries().values()))) as server:
        yield server


def unknown_variable(folder: Path) -> tuple[Environment, str]:
    return {"BASECAST_DEVISE": "cpu"}, "BASECAST_DEVISE is not a setting; did you mean BASECAST_DEVICE?"


def unknown_name_in_the_file(folder: Path) -> tuple[Environment, str]:
    (folder / "basecast.toml").write_text('devise = "cpu"\n')
    return {"BASECAST_CONFIG": str(folder / "basecast.toml")}, "devise is not a setting; did you mean device?"


def missing_models(folder: Path) -> tuple[Environment, str]:
    return {"BASECAST_MODELS": str(folder / "nowhere")}, f"no bundle in {folder / 'nowhere'}"


def altered_model(folder: Path) -> tuple[Environment, str]:
    with (folder / "models" / "gc" / "model.onnx").open("ab") as graph:
        graph.write(b"\0")
    return {}, "gc/model.onnx: SHA-256 differs from the manifest's"


def missing_password(folder: Path) -> tuple[Environment, str]:
    named = {"BASECAST_QUEUE_PASSWORD_FILE": str(folder / "secret")}
    return named, "queue_password_file cannot be read: No such file or directory"


FAULTS = [unknown_variable, unknown_name_in_the_file, missing_models, altered_model, missing_password]
UNSAFE = [
    (("--maxmemory-policy", "allkeys-lru"), "queue: maxmemory-policy is allkeys-lru"),
    (("--appendonly", "yes"), "queue: appendonly is on"),
    (("--save", "3600", "1"), "queue: save is on"),
]


def start(command: str, folder: Path, queue: str, environment: Environment) -> subprocess.Popen[str]:
    """A command over the models of a folder."""
    usual = {"BASECAST_MODELS": str(folder / "models"), "BASECAST_QUEUE": queue, "BASECAST_PORT": "0"}
    program = [sys.executable, "-c", "from app.cli import main; main()", command]
    pipe = subprocess.PIPE
    return subprocess.Popen(program, env=os.environ | usual | environment, stdout=pipe, stderr=pipe, text=True)


def is_refused(folder: Path, queue: str, environment: Environment, message: str, *commands: str) -> None:
    """Commands end with status 1 and this line alone; they are started at once, since a start takes long."""
    started = [start(command, folder, queue, environment) for command in commands or ("serve", "worker")]
    try:
        for process in started:
            out, err = process.communicate(timeout=SECONDS)
            assert (process.returncode, out) == (1, "")
            assert err.startswith(f"error: {message}")
            assert err.count("\n") == 1
    finally:
        for process in started:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda it: it.__name__)
def test_a_wrong_setting_or_model_ends_the_start(fault: Fault, redis: RedisServer, tmp_path: Path) -> None:
    write_toy_bundle(tmp_path / "models")
    environment, message = fault(tmp_path)
    is_refused(tmp_path, redis.url, environment, message)


@pytest.mark.parametrize(("options", "message"), UNSAFE)
def test_a_redis_that_loses_or_keeps_requests_ends_the_start(
    options: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    write_toy_bundle(tmp_path / "models")
    with running(next(iter(binaries().values())), *options) as server:
        is_refused(tmp_path, server.url, {}, message)


@pytest.mark.parametrize(("setting", "commands"), [("PORT", ["serve"]), ("METRICS_PORT", ["serve", "worker"])])
def test_a_port_that_is_taken_ends_the_start(
    setting: str, commands: list[str], redis: RedisServer, tmp_path: Path
) -> None:
    write_toy_bundle(tmp_path / "models")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = f"cannot listen on 127.0.0.1 port {port}: Address already in use"
        is_refused(tmp_path, redis.url, {f"BASECAST_{setting}": str(port)}, message, *commands)

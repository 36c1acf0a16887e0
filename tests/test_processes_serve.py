"""`basecast serve --processes`: one port, several processes, none of whose deaths costs more than what it held."""

from __future__ import annotations

import concurrent.futures
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from app.commands.serve import share_of
from app.settings import Settings
from tests.callers import calling
from tests.fleet import LiveWorker
from tests.processes import PROGRAM, LiveProcesses, free_ports_in_a_row, is_alive, until
from tests.redis_server import VERSIONS, RedisServer
from tests.terminal import Finished, Run, Terminal

ANSWERED = 'basecast_requests_total{code="200",route="/predict"}'


# On a machine that does other work as well, a batch can be held up for longer than a watchdog should wait.
PATIENT = {"watchdog_ms": 30_000, "lease_ms": 60_000}


@pytest.fixture(scope="module")
def server(slow_models: Path) -> Iterator[LiveProcesses]:
    """Two processes, left whole by every test."""
    with LiveProcesses.start(slow_models, threads=2, **PATIENT) as server:
        yield server


def _predict(url: str, sequences: list[str], model: str = "gc") -> httpx.Response:
    body = {"model": model, "sequences": sequences, "deadline_ms": 60_000}
    return httpx.post(f"{url}/predict", json=body, timeout=90)


def test_requests_reach_every_process_and_each_counts_its_own(server: LiveProcesses) -> None:
    before, asked = server.counted(ANSWERED), 0
    while min(after - it for after, it in zip(server.counted(ANSWERED), before, strict=True)) < 1:
        assert asked < 60, "a connection goes to either of two processes as often"
        assert _predict(server.url, ["GGCA"]).json()["predictions"][0]["values"] == {"gc_fraction": 0.75}
        asked += 1
    until(lambda: sum(server.counted(ANSWERED)) - sum(before) == asked)  # a request is counted behind its reply
    assert httpx.get(f"{server.url}/metrics").status_code == 404  # it would be that of any one of them


def test_a_process_that_is_killed_costs_what_it_held_and_comes_back(server: LiveProcesses) -> None:
    with calling([server.port], callers=4) as tally:
        until(lambda: tally.answered > 50)
        killed = server.pids()[1]
        os.kill(killed, signal.SIGKILL)
        server.wait_for("process serving", times=3)
        healed = tally.answered
        until(lambda: tally.answered > healed + 50)
    assert (tally.wrong, tally.doubled, tally.failed, tally.shed) == (0, 0, 0, 0)
    assert tally.lost <= 4  # a caller has one request in flight
    (line,) = server.lines("a process ended")
    assert (line["number"], line["pid"], line["reason"]) == (1, killed, "signal SIGKILL")
    assert server.pids()[1] != killed
    assert server.counted("process_resident_memory_bytes")[1] > 0  # on the port it had before


def test_sigterm_answers_everything_in_flight(slow_models: Path) -> None:
    with (
        LiveProcesses.start(slow_models, threads=2, drain_ms=120_000, **PATIENT) as server,
        concurrent.futures.ThreadPoolExecutor(3) as callers,
    ):
        lists = [["G" * n for n in range(first, 16, 3)] for first in (1, 2, 3)]
        asked = [callers.submit(_predict, server.url, sequences, "slow") for sequences in lists]
        # A process has taken two of one length at most, so if more than ten are seen all three requests are in.
        until(lambda: _seen(server, "slow") > 10)
        server.supervisor.send_signal(signal.SIGTERM)
        assert [it.result().status_code for it in asked] == [200, 200, 200]
        assert server.exit_status() == 0
        assert len(server.lines("draining")) == 2
        assert not any(map(is_alive, server.pids().values()))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port))


def _seen(server: LiveProcesses, model: str) -> float:
    computed = server.counted(f'basecast_batch_sequences_sum{{model="{model}"}}')  # first: none may be seen twice
    return sum(computed) + sum(server.counted(f'basecast_queue_jobs{{model="{model}"}}'))


def test_it_goes_on_with_one_and_that_one_ends_without_its_supervisor(toy_models: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(toy_models, models)
    with LiveProcesses.start(models) as server:
        pids = server.pids()
        shutil.rmtree(models)
        os.kill(pids[1], signal.SIGKILL)
        _, failed = server.wait_for("a process ended", times=2)[:2]
        assert failed["reason"].startswith("no bundle in ")
        assert _predict(server.url, ["GC"]).status_code == 200
        server.supervisor.kill()
        until(lambda: not is_alive(pids[0]))
        assert len(server.lines("draining")) == 1


def test_behind_redis_they_only_ask(toy_models: Path, redis_servers: Callable[[str], RedisServer]) -> None:
    settings = {"queue": redis_servers(VERSIONS[-1]).url, "namespace": "several"}
    with LiveProcesses.start(toy_models, **settings) as server, LiveWorker.start(toy_models, **settings):
        until(lambda: httpx.get(f"{server.url}/readyz").status_code == 200)
        assert {_predict(server.url, ["GGCA"]).status_code for _ in range(8)} == {200}
        assert {line["provider"] for line in server.lines("process serving")} == {"workers behind the queue"}


def test_ctrl_c_in_a_terminal_drains_once(toy_models: Path) -> None:
    first = free_ports_in_a_row(2)
    options = ["--port", "0", "--models", str(toy_models), "--metrics-port", str(first)]
    with Terminal() as terminal:
        command = [*PROGRAM, "--processes", "2", *options]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=terminal.end, process_group=0)
        try:
            shown = terminal.shown_until(f"on ports {first} to {first + 1}")
            (url,) = re.findall(r"http://127\.0\.0\.1:[1-9]\d*(?=  Ctrl-C stops)", shown)
            assert _predict(url, ["GC"]).status_code == 200
        finally:
            os.killpg(process.pid, signal.SIGINT)  # to the whole group in the foreground
            assert process.wait(60) == 0
    assert "in 2 processes" in shown


# What it refuses to begin with: one line, status 1, no process left.


def test_a_folder_without_bundles_is_one_line(run: Run, tmp_path: Path) -> None:
    options = ("--port", 0, "--processes", 3, "--metrics-port", free_ports_in_a_row(3))
    done = run("serve", "--models", tmp_path, *options)
    assert done.err.count("\n") == 1
    assert done.err.startswith(f"error: no bundle in {tmp_path}")


def test_a_port_that_others_share_already_is_one_line(run: Run, server: LiveProcesses, toy_models: Path) -> None:
    options = ("--port", server.port, "--processes", 2, "--metrics-port", free_ports_in_a_row(2))
    done = run("serve", "--models", toy_models, *options)
    assert done == Finished(1, "", f"error: cannot listen on 127.0.0.1 port {server.port}: Address already in use\n")


def test_a_metrics_port_in_use_is_one_line(run: Run, server: LiveProcesses, toy_models: Path) -> None:
    options = ("--port", 0, "--processes", 2, "--metrics-port", server.metrics_port - 1)
    done = run("serve", "--models", toy_models, *options)
    expected = f"error: cannot listen on 127.0.0.1 port {server.metrics_port}: Address already in use\n"
    assert done == Finished(1, "", expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [((), "set metrics_port, which the first takes"), (("--metrics-port", 65_535), "2 ports from metrics_port on")],
)
def test_metrics_need_a_port_for_each(run: Run, options: tuple[object, ...], message: str) -> None:
    done = run("serve", "--processes", 2, *options)
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert message in done.err


@pytest.mark.parametrize(("threads", "processes", "each"), [(8, 2, 4), (7, 2, 3), (2, 4, 1)])
def test_processes_divide_the_threads_and_number_the_metrics_ports(threads: int, processes: int, each: int) -> None:
    settings = Settings(threads=threads, processes=processes, metrics_port=9100)
    shares = [share_of(settings, number) for number in range(processes)]
    assert [share.compute_threads for share in shares] == [each] * processes
    assert [share.metrics_port for share in shares] == list(range(9100, 9100 + processes))
    assert {share.processes for share in shares} == {1}

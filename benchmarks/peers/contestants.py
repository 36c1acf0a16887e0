"""Everybody who is measured, each as something that can be started on a workload."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.peers.asking import request_body
from benchmarks.peers.figures import OUR_NAME, Who
from benchmarks.peers.plan import Workload
from benchmarks.peers.processes import Running, started, wait_until_it_answers
from benchmarks.peers.servers import (
    HANDLERS,
    OUR_PROGRAM,
    OURS,
    PEERS,
    Form,
    Peer,
    Wire,
    handler_environment,
    interpreter_of,
)
from tests.redis_server import VERSIONS, binary, running

IN_PROCESS, THROUGH_REDIS = Who(OUR_NAME), Who(f"{OUR_NAME} through Redis")


@dataclass(frozen=True)
class Contestant:
    """A server in one form.

    Attributes:
        start: the server on a workload and these cores, until the context ends.
        rounds: in which it takes part, from the first on; None for all.
    """

    who: Who
    wire: Wire
    start: Callable[[Workload, set[int]], AbstractContextManager[Running]]
    rounds: int | None = None


def ours(logs: Path, python: Path) -> list[Contestant]:
    """The service in both forms, on an interpreter that has it installed."""
    program = [str(python), *OUR_PROGRAM]
    here = Contestant(IN_PROCESS, OURS, partial(_in_process, program, logs))
    return [here, Contestant(THROUGH_REDIS, OURS, partial(_through_redis, program, logs))]


def peers(forms: Sequence[Form], environments: Path, logs: Path, names: Sequence[str] = ()) -> list[Contestant]:
    """The others in each form; those of these names, where there are any."""
    chosen = [peer for peer in PEERS if not names or peer.name in names]
    return [
        Contestant(Who(peer.name, form.name), peer.wire, partial(_peer, peer, form, environments, logs), peer.rounds)
        for peer in chosen
        for form in forms
    ]


@contextmanager
def _in_process(program: Sequence[str], logs: Path, workload: Workload, cores: set[int]) -> Iterator[Running]:
    port, log = _free_port(), logs / "basecast.log"
    began = time.monotonic()
    with started([*program, *_serve(workload, port)], _ours(cores), cores, Path.cwd(), log) as process:
        wait_until_it_answers(process, f"http://127.0.0.1:{port}/readyz", None, log)
        yield Running(port, (process.pid,), time.monotonic() - began)


@contextmanager
def _through_redis(program: Sequence[str], logs: Path, workload: Workload, cores: set[int]) -> Iterator[Running]:
    port, log = _free_port(), logs / "basecast-redis.log"
    began = time.monotonic()
    with ExitStack() as stack:
        redis = stack.enter_context(running(binary(VERSIONS[-1])))
        assert redis.process is not None
        os.sched_setaffinity(redis.process.pid, cores)
        environment = _ours(cores) | {"BASECAST_QUEUE": redis.url}
        work = [*program, "worker", "--models", str(workload.bundle)]
        worker = stack.enter_context(started(work, environment, cores, Path.cwd(), log))
        api = stack.enter_context(started([*program, *_serve(workload, port)], environment, cores, Path.cwd(), log))
        wait_until_it_answers(api, f"http://127.0.0.1:{port}/readyz", None, log)
        yield Running(port, (api.pid, worker.pid, redis.process.pid), time.monotonic() - began)


@contextmanager
def _peer(
    peer: Peer, form: Form, environments: Path, logs: Path, workload: Workload, cores: set[int]
) -> Iterator[Running]:
    port, log = _free_port(), logs / f"{peer.name}.log"
    program = [part.format(port=port) for part in peer.program]
    python = interpreter_of(peer.name, environments)
    environment = handler_environment(peer, form, port, workload.graph, workload.tokenizer, workload.pad_id())
    if peer.loads_interpreter:
        environment["LD_LIBRARY_PATH"] = str(python.resolve().parents[1] / "lib")
    url = f"http://127.0.0.1:{port}{peer.wire.path}"
    first = request_body(peer.wire, [{"sequence": workload.loads[0].mixture.texts[0]}])
    began = time.monotonic()
    with started([str(python), *program], environment, cores, HANDLERS, log) as process:
        wait_until_it_answers(process, url, first, log)
        yield Running(port, (process.pid,), time.monotonic() - began)


def _serve(workload: Workload, port: int) -> list[str]:
    return ["serve", "--models", str(workload.bundle), "--port", str(port)]


def _ours(cores: set[int]) -> dict[str, str]:
    threads = {"BASECAST_THREADS": str(len(cores)), "TOKENIZERS_PARALLELISM": "false"}
    # The others' logs of requests are off as well.
    return dict(os.environ) | threads | {"BASECAST_DEFAULT_DEADLINE_MS": "60000", "BASECAST_LOG_LEVEL": "warning"}


def _free_port() -> int:
    """A port with two free ones behind it, which one of the peers takes as well."""
    while True:
        with ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                for more in (1, 2):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port + more))
            except OSError:
                continue
            return port

"""`make soak`: minutes of random faults under load; prints what became of every request, and fails if one was lost.

Real processes around a real Redis: two that serve, three that compute. Whatever is broken is mended after some seconds,
and never is everything broken at once, so each request must end in one of four ways: answered with the right value,
shed, expired, or failed with a problem document that says so.
"""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import typer

from tests.callers import Tally, calling
from tests.faults.place import LEASE_MS, WATCHDOG_MS, place, world
from tests.fleet import LiveWorker
from tests.live import LiveServer
from tests.redis_server import VERSIONS, RedisServer, binary, running
from tests.toy import write_toy_bundle

ROW_SECONDS = 0.005
CALLERS = 6
PAUSE_SECONDS = 0.02


@dataclass
class Fleet:
    """What can be broken, and the chance that chooses.

    Attributes:
        workers: running ones; a dead one is replaced at once, as a supervisor would.
    """

    redis: RedisServer
    apis: list[LiveServer]
    workers: list[LiveWorker]
    models: Path
    chance: random.Random

    def worker(self) -> LiveWorker:
        return self.chance.choice(self.workers)

    def hire(self) -> None:
        """Start a worker in place of one that has gone."""
        settings = {"lease_ms": LEASE_MS, "watchdog_ms": WATCHDOG_MS}
        worker = LiveWorker.launch(self.models, self.redis.url, **settings)
        worker.wait_for("worker ready")
        self.workers.append(worker)

    def dismiss(self, worker: LiveWorker) -> None:
        self.workers.remove(worker)
        worker.process.wait(30)
        worker.stop()


def kill_a_worker(fleet: Fleet) -> None:
    worker = fleet.worker()
    worker.process.kill()
    fleet.dismiss(worker)
    fleet.hire()


def replace_a_worker(fleet: Fleet) -> None:
    worker = fleet.worker()
    worker.terminate()
    fleet.dismiss(worker)
    fleet.hire()


def pause_a_worker(fleet: Fleet) -> None:
    worker = fleet.worker()
    worker.process.send_signal(signal.SIGSTOP)
    time.sleep(fleet.chance.uniform(0.2, 3))
    worker.process.send_signal(signal.SIGCONT)


def pause_an_api(fleet: Fleet) -> None:
    api = fleet.chance.choice(fleet.apis)
    api.process.send_signal(signal.SIGSTOP)
    time.sleep(fleet.chance.uniform(0.2, 2))
    api.process.send_signal(signal.SIGCONT)


def pause_redis(fleet: Fleet) -> None:
    fleet.redis.signal(signal.SIGSTOP)
    time.sleep(fleet.chance.uniform(0.2, 3))
    fleet.redis.signal(signal.SIGCONT)


def kill_redis(fleet: Fleet) -> None:
    fleet.redis.stop()
    time.sleep(fleet.chance.uniform(0, 2))
    fleet.redis.start()


def flush_redis(fleet: Fleet) -> None:
    with fleet.redis.client() as client:
        client.flushall()
        client.script_flush()


def fill_redis(fleet: Fleet) -> None:
    with fleet.redis.client() as client:
        client.config_set("maxmemory", 1)
        time.sleep(fleet.chance.uniform(0.2, 2))
        client.config_set("maxmemory", 0)


def make_redis_a_replica(fleet: Fleet) -> None:
    with fleet.redis.client() as client:
        client.replicaof("127.0.0.1", "1")
        time.sleep(fleet.chance.uniform(0.2, 2))
        client.replicaof("NO", "ONE")


def disconnect_everybody(fleet: Fleet) -> None:
    with fleet.redis.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)


FAULTS: tuple[Callable[[Fleet], None], ...] = (
    kill_a_worker,
    replace_a_worker,
    pause_a_worker,
    pause_an_api,
    pause_redis,
    kill_redis,
    flush_redis,
    fill_redis,
    make_redis_a_replica,
    disconnect_everybody,
)


def main(seconds: float = 600, seed: int = 0) -> None:
    """Break things at random for so long; exit with 1 if a request was lost, doubled or answered wrongly."""
    seed = seed or random.SystemRandom().randrange(1, 10**6)
    typer.echo(f"soak: {seconds:g} s, seed {seed}")
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        write_toy_bundle(folder)
        redis = held.enter_context(running(binary(VERSIONS[-1])))
        held.enter_context(world(TOY_ROW_SECONDS=ROW_SECONDS))
        first = held.enter_context(place(folder, redis))
        apis = [first.api, held.enter_context(LiveServer.start(folder, queue=redis.url))]
        fleet = Fleet(redis, apis, [], folder, random.Random(seed))
        held.callback(lambda: [worker.stop() for worker in fleet.workers])
        for _ in range(2):
            fleet.hire()
        with calling([api.port for api in apis], CALLERS, 5000, PAUSE_SECONDS, seed) as tally:
            broken = _break_things(fleet, seconds, tally)
        _report(tally, broken)
    sys.exit(bool(tally.lost or tally.doubled or tally.wrong or not tally.answered))


def _break_things(fleet: Fleet, seconds: float, tally: Tally) -> int:
    broken, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        time.sleep(fleet.chance.uniform(0.5, 3))
        fault = fleet.chance.choice(FAULTS)
        fault(fleet)
        broken += 1
        typer.echo(f"{time.monotonic() - began:5.0f} s  {fault.__name__:22} {_line(tally)}")
        dead = [api for api in fleet.apis if api.process.poll() is not None]
        if dead:
            raise SystemExit("an API process has ended")
    return broken


def _line(tally: Tally) -> str:
    return (
        f"sent {tally.sent}, answered {tally.answered}, shed {tally.shed}, expired {tally.expired}, "
        f"failed {tally.failed}, lost {tally.lost}, doubled {tally.doubled}, wrong {tally.wrong}"
    )


def _report(tally: Tally, broken: int) -> None:
    typer.echo(f"{broken} faults. {_line(tally)}")
    typer.echo(f"ends: {dict(tally.ends)}")
    if tally.answer_ms:
        ordered = sorted(tally.answer_ms)
        typer.echo(f"answered in {ordered[len(ordered) // 2]:.0f} ms (median), {ordered[-1]:.0f} ms (slowest)")


if __name__ == "__main__":
    typer.run(main)

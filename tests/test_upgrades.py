"""docs/upgrades.md, carried out: a release takes the place of another and is rolled back, under load."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx

from tests.callers import Tally, calling
from tests.fleet import LiveWorker
from tests.live import LiveServer
from tests.processes import until
from tests.redis_server import VERSIONS, RedisServer
from tests.toy import write_toy_bundle

PATIENT = {"watchdog_ms": 30_000, "lease_ms": 60_000}


def _releases(folder: Path) -> tuple[Path, Path]:
    """Release 1 has version 1 of a bundle, release 2 has version 2 beside it; both predict the same."""
    first, second = folder / "1", folder / "2"
    write_toy_bundle(first, "gc")
    shutil.copytree(first / "gc", second / "gc-1.0.0")
    write_toy_bundle(folder / "new", "gc", version="2.0.0")
    shutil.copytree(folder / "new" / "gc", second / "gc-2.0.0")
    return first, second


def _newest(server: LiveServer) -> str:
    reply = httpx.post(f"{server.url}/predict", json={"model": "gc", "sequences": ["GC"]}, timeout=60)
    return str(reply.json()["model"]["version"])


def _answered_since(tally: Tally) -> Callable[[], bool]:
    before = tally.answered
    return lambda: tally.answered > before + 20


def _take_out(server: LiveServer, ports: list[int], tally: Tally) -> None:
    """As a load balancer does: nobody is sent there any more, then it ends."""
    ports.remove(server.port)
    until(_answered_since(tally))
    server.terminate()
    assert server.exit_status(60) == 0


def test_a_release_replaces_another_and_is_rolled_back_without_losing_a_request(
    redis_servers: Callable[[str], RedisServer], tmp_path: Path
) -> None:
    first, second = _releases(tmp_path)
    redis = redis_servers(VERSIONS[-1]).url
    settings = {"queue": redis, "namespace": "release", **PATIENT}
    with ExitStack() as running:
        old_workers = running.enter_context(LiveWorker.start(first, **settings))
        old = running.enter_context(LiveServer.start(first, **settings))
        ports = [old.port]
        with calling(ports, callers=3, deadline_ms=60_000, keep_alive=False) as tally:
            until(_answered_since(tally))
            new_workers = running.enter_context(LiveWorker.start(second, **settings))  # workers first
            old_workers.terminate()
            assert old_workers.exit_status() == 0
            until(_answered_since(tally))  # by workers of the next release, for a serve of the last
            new = running.enter_context(LiveServer.start(second, **settings))
            ports.append(new.port)
            assert (_newest(old), _newest(new)) == ("1.0.0", "2.0.0")
            _take_out(old, ports, tally)
            until(_answered_since(tally))
            back = running.enter_context(LiveServer.start(first, **settings))  # serve first
            ports.append(back.port)
            _take_out(new, ports, tally)
            until(_answered_since(tally))
            running.enter_context(LiveWorker.start(first, **settings))
            new_workers.terminate()
            assert new_workers.exit_status() == 0
            until(_answered_since(tally))
            assert _newest(back) == "1.0.0"
    assert tally.answered > 100
    assert (tally.answered, tally.wrong, tally.doubled) == (tally.sent, 0, 0)

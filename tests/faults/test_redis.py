"""Redis goes, hangs, fills up, forgets, refuses, comes back: callers are told quickly, and all heals by itself."""

from __future__ import annotations

import concurrent.futures
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tests.faults.place import REDIS_OPTIONS, Place, code, counted, is_alive, is_ready, place, predict, until, values
from tests.redis_server import VERSIONS, RedisServer, binary, running

TOLD_SECONDS, HEALED_SECONDS = 2.0, 2.0
# Other processes share the machine on which these tests run.
TOLERANCE_SECONDS = 1.0
UNREADY_SECONDS = 6.0  # a worker is believed in for one lease, probes look once a second

Act = Callable[[RedisServer], object]


def _ask(*command: object) -> Act:
    def act(server: RedisServer) -> None:
        with server.client() as client:
            for part in command:
                client.execute_command(*part.split())

    return act


def _take_the_password_off(server: RedisServer, password: str) -> None:
    with redis.Redis.from_url(server.url, password=password) as client:
        client.config_set("requirepass", "")


# How it breaks, how it is mended, and what callers are told meanwhile.
FAULTS: dict[str, tuple[Act, Act, str]] = {
    "gone": (lambda it: it.stop(), lambda it: it.start(*REDIS_OPTIONS), "queue_unavailable"),
    "hung": (lambda it: it.signal(signal.SIGSTOP), lambda it: it.signal(signal.SIGCONT), "queue_unavailable"),
    "full": (_ask("CONFIG SET maxmemory 1"), _ask("CONFIG SET maxmemory 0"), "overloaded"),
    "a replica": (_ask("REPLICAOF 127.0.0.1 1"), _ask("REPLICAOF NO ONE"), "queue_unavailable"),
    "another password": (
        _ask("CONFIG SET requirepass new", "CLIENT KILL TYPE normal"),
        lambda it: _take_the_password_off(it, "new"),
        "queue_unavailable",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_callers_are_told_at_once_and_all_heals_when_redis_is_back(healthy: Place, fault: str) -> None:
    breaks, mend, reason = FAULTS[fault]
    assert values(predict(healthy.api, "GGCA")) == [0.75]
    breaks(healthy.redis)
    try:
        began = time.monotonic()
        refused = predict(healthy.api, "GGCA")
        assert time.monotonic() - began < TOLD_SECONDS + TOLERANCE_SECONDS
        assert (refused.status_code, code(refused)) == (503, reason)
        assert int(refused.headers["retry-after"]) >= 1
        until(lambda: not is_ready(healthy.api), UNREADY_SECONDS)
        assert is_alive(healthy.api)
    finally:
        mend(healthy.redis)
    began = time.monotonic()
    until(lambda: predict(healthy.api, "GGCA", deadline_ms=2000).status_code == 200)
    assert time.monotonic() - began < HEALED_SECONDS + TOLERANCE_SECONDS
    until(lambda: is_ready(healthy.api))
    assert values(predict(healthy.api, "GGCA", "AT")) == [0.75, 0]


def test_a_redis_that_is_slow_only_costs_time(healthy: Place) -> None:
    with healthy.redis.client() as client:
        sleeping = threading.Thread(target=client.execute_command, args=("DEBUG", "SLEEP", "1"))
        sleeping.start()
        assert values(predict(healthy.api, "GGCA")) == [0.75]
        sleeping.join()


def test_what_is_in_flight_when_redis_forgets_everything_is_answered(healthy: Place) -> None:
    with healthy.redis.client() as client, concurrent.futures.ThreadPoolExecutor(4) as callers:
        healthy.worker.process.send_signal(signal.SIGSTOP)
        asked = [callers.submit(predict, healthy.api, "G" * n + "A" * n) for n in (1, 2, 3, 4)]
        until(lambda: _jobs(client) == 4)
        client.flushall()
        client.script_flush()
        healthy.worker.process.send_signal(signal.SIGCONT)
        assert [values(it.result()) for it in asked] == [[0.5]] * 4


def test_a_redis_that_is_still_loading_is_waited_for(gc_models: Path) -> None:
    with running(binary(VERSIONS[-1])) as server, place(gc_models, server) as it:
        with server.client() as client:
            for number in range(100):
                client.set(f"ballast:{number}", b"x" * 100_000)
            client.config_set("rdbcompression", "no")
            client.save()
        server.stop()
        server.launch("--key-load-delay", "20000")  # two seconds, in which it says LOADING
        until(lambda: _code_or_none(it) == "queue_unavailable")
        assert is_alive(it.api)
        until(lambda: predict(it.api, "GGCA", deadline_ms=2000).status_code == 200)


def _code_or_none(it: Place) -> str | None:
    answer = predict(it.api, "GGCA", deadline_ms=1000)
    return None if answer.status_code == 200 else code(answer)


def test_what_a_restored_redis_has_of_requests_long_answered_is_harmless(gc_models: Path) -> None:
    with running(binary(VERSIONS[-1])) as server, place(gc_models, server) as it:
        with server.client() as client, concurrent.futures.ThreadPoolExecutor(1) as caller:
            it.worker.process.send_signal(signal.SIGSTOP)
            asked = caller.submit(predict, it.api, "GGCA")
            until(lambda: _jobs(client) == 1)
            client.save()
            it.worker.process.send_signal(signal.SIGCONT)
            assert values(asked.result()) == [0.75]
        server.stop()
        server.start()
        until(lambda: counted(it.api, "basecast_late_replies_total") == 1)
        with server.client() as client:
            until(lambda: _jobs(client) == 0)
        assert values(predict(it.api, "AT")) == [0]


def _jobs(client: redis.Redis) -> int:
    return sum(client.xlen(key) for key in client.scan_iter("{basecast}:q:*"))

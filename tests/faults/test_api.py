"""API processes stop, die and come back under load, and what they depend on is missing."""

from __future__ import annotations

import concurrent.futures
import signal
import time
from pathlib import Path

import httpx

from tests.callers import calling
from tests.faults.place import Place, is_ready, predict, until, values, world
from tests.live import LiveServer
from tests.redis_server import RedisServer


def test_api_processes_replaced_one_after_the_other_lose_nothing(healthy: Place) -> None:
    """A load balancer knows of two, and sends nobody to one that does not take connections."""
    settings = {"queue": healthy.queue}
    with LiveServer.start(healthy.models, **settings) as staying:
        for _ in range(2):
            with (
                LiveServer.start(healthy.models, **settings) as leaving,
                calling([staying.port, leaving.port], callers=6) as tally,
            ):
                until(lambda tally=tally: tally.answered >= 50)
                leaving.terminate()
                assert leaving.exit_status() == 0
                until(lambda tally=tally, before=tally.answered: tally.answered >= before + 20)
            assert set(tally.ends) <= {"answered", "draining", "unheard"}
            assert tally.answered + tally.shed + tally.lost == tally.sent
            assert tally.lost <= 6  # whose next request met the closing of an idle connection
            assert (tally.wrong, tally.doubled) == (0, 0)


def test_what_is_in_flight_through_redis_at_sigterm_is_answered(healthy: Place) -> None:
    with (
        LiveServer.start(healthy.models, queue=healthy.queue) as leaving,
        concurrent.futures.ThreadPoolExecutor(4) as callers,
    ):
        healthy.worker.process.send_signal(signal.SIGSTOP)
        asked = [callers.submit(predict, leaving, "G" * n) for n in (3, 5, 7)]
        with healthy.redis.client() as client:
            until(lambda: sum(client.xlen(key) for key in client.scan_iter("{basecast}:q:*")) == 3)
        leaving.terminate()
        until(lambda: not is_ready(leaving))
        healthy.worker.process.send_signal(signal.SIGCONT)
        assert [values(it.result()) for it in asked] == [[1.0]] * 3
        assert leaving.exit_status() == 0


def test_a_killed_api_process_leaves_nothing_behind(healthy: Place) -> None:
    with (
        LiveServer.start(healthy.models, queue=healthy.queue) as doomed,
        concurrent.futures.ThreadPoolExecutor(1) as caller,
        healthy.redis.client() as client,
    ):
        before = set(client.scan_iter("{basecast}:r:*"))
        healthy.worker.process.send_signal(signal.SIGSTOP)
        asked = caller.submit(predict, doomed, "GGCA")
        until(lambda: sum(client.xlen(key) for key in client.scan_iter("{basecast}:q:*")) == 1)
        doomed.process.kill()
        assert isinstance(asked.exception(), httpx.TransportError)
        healthy.worker.process.send_signal(signal.SIGCONT)
        until(lambda: not any(client.xlen(key) for key in client.scan_iter("{basecast}:q:*")))
        assert all(0 < client.pttl(key) <= 30_000 for key in before)  # its inbox goes by itself
    assert values(predict(healthy.api, "GGCA")) == [0.75]


def test_an_api_process_waits_for_a_redis_that_is_not_there_yet(gc_models: Path, redis: RedisServer) -> None:
    with LiveServer.start(gc_models, wait_for="/livez", queue=f"unix://{redis.folder}/later.sock") as api:
        began = time.monotonic()
        refused = predict(api, "GGCA")
        assert (refused.status_code, refused.json()["code"]) == (503, "queue_unavailable")
        assert time.monotonic() - began < 2
        assert not is_ready(api)


def test_a_temporary_folder_that_is_missing_hinders_nobody(gc_models: Path, tmp_path: Path) -> None:
    with world(TMPDIR=tmp_path / "nowhere"), LiveServer.start(gc_models) as api:
        assert values(predict(api, "GGCA")) == [0.75]


def test_a_full_disk_hinders_no_prediction(gc_models: Path) -> None:
    """Not a byte of a prediction touches a disk: no file may grow at all."""
    with world(TOY_FILE_BYTES=0), LiveServer.start(gc_models) as api:
        assert values(predict(api, "GGCA")) == [0.75]

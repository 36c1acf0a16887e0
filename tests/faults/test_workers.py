"""Workers are killed, stopped, hung, replaced, and run out of memory: no answer is lost, none comes twice."""

from __future__ import annotations

import concurrent.futures
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.callers import Tally, calling
from tests.faults.place import LEASE_MS, Place, code, place, predict, until, values, worker, world
from tests.fleet import LiveWorker
from tests.live import LiveServer
from tests.redis_server import RedisServer

ROW_SECONDS = 0.02
# What the machine may add, which others use too.
TOLERANCE_SECONDS = 4.0  # a busy one measures its model as slower, and the lease follows
# The very texts of ONNX Runtime and CUDA.
OUT_OF_MEMORY = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running MatMul node. "
    "bfc_arena.cc:376 onnxruntime::BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer"
)
CUDA_LOST = "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; expr=cudaStreamSynchronize(stream)"
POISON = "ACGTACGTACGTA"  # 13 bases


@pytest.fixture(scope="module")
def slow(gc_models: Path, redis: RedisServer) -> Iterator[Place]:
    """Workers whose model takes its time over each row, and that say when they begin a batch."""
    with world(TOY_ROW_SECONDS=ROW_SECONDS), place(gc_models, redis, namespace="slow", log_level="debug") as it:
        yield it


def _all_answered_rightly(tally: Tally) -> None:
    assert dict(tally.ends) == {"answered": tally.sent}
    assert (tally.wrong, tally.doubled) == (0, 0)


def _another(it: Place, **settings: object):
    return worker(it.models, it.queue, **{"namespace": "slow", "log_level": "debug"} | settings)


def test_what_a_killed_worker_had_begun_is_answered_by_another(slow: Place) -> None:
    with world(TOY_ROW_SECONDS=ROW_SECONDS), _another(slow) as doomed, calling([slow.api.port], callers=8) as tally:
        until(lambda: _begun(doomed) >= 3)
        doomed.process.kill()
        killed, before = time.monotonic(), tally.answered
        until(lambda: slow.worker.counted('basecast_reclaimed_total{model="gc"}') >= 1)
        assert time.monotonic() - killed < 1.5 * LEASE_MS / 1000 + TOLERANCE_SECONDS
        until(lambda: tally.answered >= before + 20)
    _all_answered_rightly(tally)
    assert max(tally.answer_ms) < 1.5 * LEASE_MS + 1000 * (16 * ROW_SECONDS + TOLERANCE_SECONDS)


def _begun(worker: LiveWorker) -> int:
    return sum(line["event"] == "batch started" for line in worker.lines())


def test_a_worker_that_stands_still_is_replaced_and_comes_back_without_harm(slow: Place) -> None:
    with world(TOY_ROW_SECONDS=ROW_SECONDS), _another(slow) as frozen, calling([slow.api.port], callers=8) as tally:
        until(lambda: _begun(frozen) >= 3)
        frozen.process.send_signal(signal.SIGSTOP)
        before = slow.worker.counted('basecast_reclaimed_total{model="gc"}')
        until(lambda: slow.worker.counted('basecast_reclaimed_total{model="gc"}') > before)
        frozen.process.send_signal(signal.SIGCONT)
        begun = _begun(frozen)
        until(lambda: _begun(frozen) > begun)
    _all_answered_rightly(tally)


def test_workers_replaced_one_after_the_other_under_load_lose_nothing(slow: Place) -> None:
    with world(TOY_ROW_SECONDS=ROW_SECONDS), calling([slow.api.port], callers=6) as tally:
        for _ in range(20):
            with _another(slow) as leaving:
                until(lambda leaving=leaving: _begun(leaving) >= 1)
                leaving.terminate()
                assert leaving.exit_status() == 0
    _all_answered_rightly(tally)
    assert max(tally.answer_ms) < 1000 * TOLERANCE_SECONDS


def test_a_worker_of_another_time_serves_as_well(slow: Place) -> None:
    """Its clocks are an hour ahead, and its wall clock steps back by an hour twice a second."""
    with world(TOY_ROW_SECONDS=ROW_SECONDS, TOY_CLOCK_SECONDS=3600), _another(slow) as adrift:
        with calling([slow.api.port], callers=6) as tally:
            until(lambda: _begun(adrift) >= 10)
        assert adrift.process.poll() is None
    _all_answered_rightly(tally)


def test_an_api_process_of_another_time_is_served_as_well(slow: Place) -> None:
    with world(TOY_CLOCK_SECONDS=-3600), LiveServer.start(slow.models, queue=slow.queue, namespace="slow") as adrift:
        assert values(predict(adrift, "GGCA", deadline_ms=3000)) == [0.75]


def test_an_item_that_kills_its_workers_fails_alone(gc_models: Path, redis: RedisServer) -> None:
    settings = {"namespace": "poison", "queue": redis.url}
    with (
        world(TOY_ONNX_ERROR=CUDA_LOST),
        LiveServer.start(gc_models, wait_for="/livez", **settings) as api,
        concurrent.futures.ThreadPoolExecutor(8) as callers,
    ):
        asked = [callers.submit(predict, api, it, deadline_ms=60_000) for it in (POISON, "G", "GC", "GCA", "GCAT")]
        lives = 0
        while not all(it.done() for it in asked):
            lives += 1
            with worker(gc_models, redis.url, namespace="poison") as doomed:
                until(lambda doomed=doomed: doomed.process.poll() is not None or all(it.done() for it in asked), 30)
                if doomed.process.poll() is not None:
                    assert doomed.exit_status() == 70
                    assert "CUDA failure 700" in doomed.lines()[-1]["reason"]
        poisoned, *innocent = [it.result() for it in asked]
        assert (poisoned.status_code, code(poisoned)) == (500, "inference_failed")
        assert [values(it) for it in innocent] == [[1.0], [1.0], [0.66667], [0.5]]
        assert lives <= 4
    with redis.client() as client:
        ((_, record),) = client.xrange("{poison}:dead")
        assert record[b"deliveries"] == b"3"


def test_an_item_too_large_for_the_device_is_told_so_and_others_are_answered(
    gc_models: Path, redis: RedisServer
) -> None:
    with world(TOY_ONNX_ERROR=OUT_OF_MEMORY), place(gc_models, redis, namespace="memory") as it:
        refused = predict(it.api, POISON)
        assert (refused.status_code, code(refused)) == (503, "out_of_memory")
        assert values(predict(it.api, "GGCA")) == [0.75]
        assert it.worker.counted('basecast_out_of_memory_total{model="gc"}') >= 1
        assert it.worker.process.poll() is None


def test_a_value_that_is_no_number_fails_its_own_item(slow: Place) -> None:
    refused = predict(slow.api, "GGCA", "NN")
    assert refused.status_code == 500
    (fault,) = refused.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/sequences/1", "non_finite_output")


def test_a_worker_is_ready_only_when_its_first_answer_comes_as_fast_as_any(gc_models: Path, redis: RedisServer) -> None:
    with (
        world(TOY_ROW_SECONDS=0.02),
        LiveServer.start(gc_models, wait_for="/livez", queue=redis.url, namespace="cold") as api,
    ):
        assert httpx.get(f"{api.url}/readyz").status_code == 503
        with worker(gc_models, redis.url, namespace="cold") as it:
            assert httpx.get(f"http://127.0.0.1:{it.metrics_port}/readyz").status_code == 200
            until(lambda: httpx.get(f"{api.url}/readyz").status_code == 200)
            first = _seconds(api)
            steady = sorted(_seconds(api) for _ in range(9))[4]
        assert first < 2 * steady + 0.5


def _seconds(api: LiveServer) -> float:
    began = time.monotonic()
    assert values(predict(api, "GGCA")) == [0.75]
    return time.monotonic() - began

"""`basecast worker` and `basecast serve` on one queue in Redis, as an operator runs them."""

from __future__ import annotations

import concurrent.futures
import json
import random
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from app.bundle import MANIFEST, digests
from tests.fleet import LiveWorker
from tests.live import LiveServer
from tests.redis_server import RedisServer, binaries, running
from tests.terminal import Run
from tests.toy import (
    gc_graph,
    mean_id_graph,
    write_endless_bundle,
    write_hungry_bundle,
    write_manifest,
    write_slow_bundle,
    write_token_bundle,
    write_toy_bundle,
)

# On a machine that does other work as well, a thread can be held up for longer than a watchdog should wait.
PATIENT = {"watchdog_ms": 30_000, "lease_ms": 60_000}


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """One server for all tests here; each has models of its own in it."""
    with running(next(iter(binaries().values()))) as server:
        yield server


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the workers compute for."""
    folder = tmp_path_factory.mktemp("models")
    for write in (write_toy_bundle, write_token_bundle, write_slow_bundle, write_hungry_bundle):
        write(folder)
    return folder


@pytest.fixture(scope="module")
def api(models: Path, redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A process that serves and does not compute; for one of its bundles, `deserted`, nobody does."""
    asked = tmp_path_factory.mktemp("asked") / "models"
    shutil.copytree(models, asked)
    write_toy_bundle(asked, "deserted")
    with LiveServer.start(asked, wait_for="/livez", queue=redis.url) as server:
        yield server


@pytest.fixture(scope="module")
def worker(models: Path, redis: RedisServer) -> Iterator[LiveWorker]:
    """A worker, shared by tests that leave it as they found it."""
    with LiveWorker.start(models, redis.url, **PATIENT) as worker:
        yield worker


def _predict(url: str, model: str, sequences: list[str], **fields: object) -> httpx.Response:
    return httpx.post(f"{url}/predict", json={"model": model, "sequences": sequences, **fields}, timeout=60)


def _checks(url: str) -> tuple[int, dict[str, str]]:
    ready = httpx.get(f"{url}/readyz")
    return ready.status_code, ready.json()["checks"]


def _until(holds: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.05)


def _gc(sequence: str) -> float:
    return round((sequence.count("G") + sequence.count("C")) / len(sequence), 5)


def test_a_worker_elsewhere_answers_as_one_in_the_process_does(
    api: LiveServer, worker: LiveWorker, live_server: LiveServer
) -> None:
    for model, sequences in (("gc", ["GGCA", "TTTT", "NG"]), ("mean-id", ["AC", "GATTACA"])):
        there = _predict(api.url, model, sequences)
        here = _predict(live_server.url, model, sequences)
        assert (there.status_code, there.json()) == (200, here.json())
    refused = _predict(api.url, "gc", ["GX"])
    assert (refused.status_code, refused.json()["errors"][0]["position"]) == (422, 1)


def test_readiness_names_the_models_without_a_worker(api: LiveServer, worker: LiveWorker) -> None:
    _until(lambda: _checks(api.url)[1]["workers"] == "no live worker for deserted@1.0.0")
    status, checks = _checks(api.url)
    assert (status, checks["queue"], checks["draining"]) == (503, "ok", "ok")
    assert httpx.get(f"{api.url}/livez").status_code == 200


def test_a_worker_answers_probes(worker: LiveWorker) -> None:
    url = f"http://127.0.0.1:{worker.metrics_port}"
    assert httpx.get(f"{url}/livez").json() == {"status": "ok", "checks": {"event_loop": "ok", "compute": "ok"}}
    assert _checks(url) == (200, {"models": "ok", "queue": "ok", "draining": "ok"})
    assert worker.counted('basecast_workers_ready{model="gc"}') == 1


def test_two_workers_share_the_work(api: LiveServer, worker: LiveWorker, models: Path, redis: RedisServer) -> None:
    with LiveWorker.start(models / "slow", redis.url, **PATIENT) as other:
        workers, sample = (worker, other), 'basecast_batch_seconds_count{model="slow"}'
        before = [it.counted(sample) for it in workers]
        with concurrent.futures.ThreadPoolExecutor(8) as callers:
            asked = [callers.submit(_predict, api.url, "slow", ["G" * n], deadline_ms=60_000) for n in range(1, 7)]
            assert {future.result().status_code for future in asked} == {200}
        batches = [it.counted(sample) - already for it, already in zip(workers, before, strict=True)]
    assert sum(batches) == 6
    assert min(batches) >= 1


def test_a_worker_that_is_stopped_under_load_loses_nothing_and_leaves_nothing_behind(
    api: LiveServer, worker: LiveWorker, models: Path, redis: RedisServer, tmp_path: Path
) -> None:
    def ask(seed: int) -> bool:
        chance = random.Random(seed)
        model, rows = ("slow", 1) if seed % 20 == 0 else ("gc", 3)
        sequences = ["".join(chance.choices("ACGT", k=chance.randint(1, 12))) for _ in range(rows)]
        answer = _predict(api.url, model, sequences, deadline_ms=30_000)
        values = [round(row["values"]["gc_fraction"], 5) for row in answer.json()["predictions"]]
        return values == [_gc(sequence) for sequence in sequences]

    heartbeat = tmp_path / "heartbeat"
    with (
        LiveWorker.start(models, redis.url, heartbeat_file=heartbeat, **PATIENT) as leaving,
        concurrent.futures.ThreadPoolExecutor(8) as callers,
    ):
        assert heartbeat.exists()
        asked = [callers.submit(ask, seed) for seed in range(80)]
        _until(lambda: leaving.counted("basecast_worker_busy_seconds_total") > 0)
        leaving.terminate()
        leaving.terminate()  # changes nothing
        assert leaving.exit_status() == 0
        assert all(future.result() for future in asked)
        events = [line["event"] for line in leaving.lines() if line["event"] != "batch"]
        assert events == ["worker ready", "draining", "stopped"]
        with redis.client() as client:
            assert client.exists(f"{{basecast}}:w:{leaving.lines()[0]['worker']}") == 0
    assert not heartbeat.exists()


def test_two_versions_of_a_bundle_never_mix(redis: RedisServer, tmp_path: Path) -> None:
    both, old, new = tmp_path / "both", tmp_path / "old", tmp_path / "new"
    write_toy_bundle(old, "gc")
    write_token_bundle(new, "gc", version="2.0.0")
    shutil.copytree(old / "gc", both / "gc-old")
    shutil.copytree(new / "gc", both / "gc-new")
    settings = {"queue": redis.url, "namespace": "upgrade"}
    with (
        LiveServer.start(both, wait_for="/livez", **settings) as api,
        LiveWorker.start(old, redis.url, namespace="upgrade"),
    ):
        _until(lambda: _checks(api.url)[1]["workers"] == "no live worker for gc@2.0.0")
        assert _predict(api.url, "gc@2.0.0", ["AC"], deadline_ms=200).status_code == 504
        with LiveWorker.start(new, redis.url, namespace="upgrade"):
            _until(lambda: _checks(api.url)[0] == 200)
            for _ in range(5):
                for model, values in (
                    ("gc@1.0.0", {"gc_fraction": 0.5}),
                    ("gc", {"mean_id": 3, "mean_id_plus_ten": 13}),
                ):
                    assert _predict(api.url, model, ["AC"]).json()["predictions"][0]["values"] == values


def test_a_batch_that_never_ends_ends_the_worker(redis: RedisServer, tmp_path: Path) -> None:
    write_endless_bundle(tmp_path)
    settings = {"queue": redis.url, "namespace": "endless"}
    with (
        LiveServer.start(tmp_path, wait_for="/livez", **settings) as api,
        LiveWorker.start(tmp_path, redis.url, namespace="endless", watchdog_ms=300) as worker,
    ):
        assert _predict(api.url, "endless", ["GGCA"]).status_code == 200
        hung = _predict(api.url, "endless", ["T" * 11], deadline_ms=1000)
        assert (hung.status_code, hung.json()["code"]) == (504, "deadline_exceeded")
        assert worker.exit_status() == 70
        assert worker.lines()[-1]["reason"] == "a batch hangs"


def test_memory_that_runs_out_costs_smaller_batches_and_no_answer(api: LiveServer, worker: LiveWorker) -> None:
    answer = _predict(api.url, "hungry", ["GCAA", "GCCA", "GGCC", "TTTT", "GATT"])
    assert [row["values"]["gc_fraction"] for row in answer.json()["predictions"]] == [0.5, 0.75, 1, 0, 0.25]
    assert worker.counted('basecast_out_of_memory_total{model="hungry"}') >= 1


def test_a_caller_who_vanishes_takes_his_jobs_with_him(api: LiveServer, redis: RedisServer) -> None:
    body = json.dumps({"model": "deserted", "sequences": ["GCG", "CGC"], "deadline_ms": 60_000}).encode()
    head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    with redis.client() as client:
        with socket.create_connection(("127.0.0.1", api.port)) as caller:
            caller.sendall(head.encode() + body)
            _until(lambda: sum(client.xlen(key) for key in client.scan_iter("{basecast}:q:*")) == 2)
        vanished = time.monotonic()
        _until(lambda: sum(client.scard(key) for key in client.scan_iter("{basecast}:x:*")) == 2)
        assert time.monotonic() - vanished < 1


# What a worker refuses to begin with: one line, status 1.


@pytest.fixture
def refusal(run: Run, redis: RedisServer) -> Callable[..., str]:
    def command(models: Path, *options: object) -> str:
        done = run("worker", "--models", models, "--queue", redis.url, *options)
        assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
        return done.err

    return command


def _replace_graph(folder: Path, graph: bytes) -> None:
    (folder / "model.onnx").write_bytes(graph)
    files = json.loads((folder / MANIFEST).read_text())["files"]
    write_manifest(folder, files=files | digests({"model.onnx": graph}))


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing file": (lambda folder: (folder / "model.onnx").unlink(), "gc/model.onnx: No such file"),
    "flipped bit": (lambda folder: (folder / "model.onnx").write_bytes(b"\x01" + gc_graph()[1:]), "SHA-256 differs"),
    "no graph": (lambda folder: _replace_graph(folder, b"\x00" * 100), "ONNX Runtime cannot load it"),
    "cut off": (lambda folder: _replace_graph(folder, gc_graph()[:200]), "ONNX Runtime cannot load it"),
    "another graph": (lambda folder: _replace_graph(folder, mean_id_graph()), "has inputs"),
    "another model": (
        lambda folder: write_manifest(
            folder,
            golden={"tolerance": 1e-4, "examples": [{"sequence": "GGCA", "values": {"gc_fraction": 0.5}}]},
        ),
        "does not predict what its manifest says",
    ),
    "no manifest": (lambda folder: (folder / MANIFEST).write_text("{}"), "gc/manifest.json"),
}


@pytest.mark.parametrize("fault", SPOILED)
def test_a_bundle_that_cannot_be_trusted_is_one_line(refusal: Callable[..., str], tmp_path: Path, fault: str) -> None:
    spoil, message = SPOILED[fault]
    spoil(write_toy_bundle(tmp_path))
    assert message in refusal(tmp_path)


def test_a_cpu_in_place_of_a_gpu_is_refused(refusal: Callable[..., str], models: Path) -> None:
    if "CUDAExecutionProvider" in pytest.importorskip("onnxruntime").get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    assert "CUDA did not start" in refusal(models, "--device", "cuda:0")


def test_a_queue_in_memory_is_refused(run: Run, models: Path) -> None:
    done = run("worker", "--models", models, "--queue", "memory://")
    assert done.err == (
        "error: a worker needs a queue that others can reach; set queue to redis://, rediss:// or unix://\n"
    )


@pytest.mark.parametrize("command", ["worker", "serve"])
def test_a_redis_that_throws_requests_away_is_refused(run: Run, models: Path, command: str) -> None:
    with running(next(iter(binaries().values())), "--maxmemory-policy", "allkeys-lru") as careless:
        options = ("--port", 0) if command == "serve" else ()
        done = run(command, "--models", models / "gc", "--queue", careless.url, *options)
    assert done.status == 1
    assert done.err.splitlines()[-1].startswith("error: queue: maxmemory-policy is allkeys-lru")


def test_a_heartbeat_file_that_cannot_be_written_is_refused(
    run: Run, models: Path, redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASECAST_HEARTBEAT_FILE", str(tmp_path / "nowhere" / "heartbeat"))
    done = run("worker", "--models", models / "gc", "--queue", redis.url)
    assert done.status == 1
    assert done.err.endswith("error: heartbeat_file cannot be written: No such file or directory\n")

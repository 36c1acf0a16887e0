"""What computes for the API is what the setting `queue` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.backend import Backend, backend_for
from app.bundle import read_bundle
from app.errors import SettingsError
from app.loading import count_each, read_bundles
from app.metrics import Metrics
from app.queue.memory import MemoryQueue
from app.queue.redis.requests import RedisQueue
from app.settings import Settings
from app.tracing import NO_TRACING
from tests.redis_server import RedisServer
from tests.toy_segments import write_segmented_bundle


def _backend(models: Path, **settings: object) -> Backend:
    metrics, bundles = Metrics(), read_bundles(models)
    counted = count_each(bundles, metrics)
    return backend_for(bundles, counted, Settings(models=models, threads=1, **settings), metrics, NO_TRACING)


async def test_in_memory_it_computes_here(toy_models: Path) -> None:
    backend = _backend(toy_models)
    assert backend.provider == "CPUExecutionProvider"
    assert {type(queue) for queue in backend.queues.values()} == {MemoryQueue}


async def test_a_bundle_of_two_graphs_has_as_many_workers_as_the_graph_that_has_fewest(tmp_path: Path) -> None:
    bundle = read_bundle(write_segmented_bundle(tmp_path))
    backend = _backend(tmp_path)
    assert set(backend.queues) == {bundle.work_digest(graph) for graph in ("embedder.onnx", "head.onnx")}
    assert backend.workers_of(bundle.sha256) == 0
    async with backend.running():
        assert backend.workers_of(bundle.sha256) == 1


async def test_behind_redis_nothing_is_computed_here(toy_models: Path, redis_server: RedisServer) -> None:
    backend = _backend(toy_models, queue=redis_server.url)
    assert backend.provider == ""
    assert {type(queue) for queue in backend.queues.values()} == {RedisQueue}
    await backend.preflight()
    async with backend.running():
        assert [backend.workers_of(digest) for digest in backend.queues] == [0, 0]


async def test_behind_redis_what_a_caller_has_had_is_known_to_every_process(
    toy_models: Path, redis_server: RedisServer
) -> None:
    one, other = (_backend(toy_models, queue=redis_server.url) for _ in range(2))
    async with one.running(), other.running():
        assert await one.limiter.take("caller", "requests", 60, 60) == 0
        assert await other.limiter.take("caller", "requests", 60, 60) > 50


def test_a_url_that_cannot_be_read_is_told_without_it(toy_models: Path) -> None:
    with pytest.raises(SettingsError, match="queue") as refused:
        _backend(toy_models, queue="redis://user:secret@127.0.0.1:port/0")
    assert "secret" not in str(refused.value)

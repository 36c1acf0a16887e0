"""A place to break: one Redis, an API process and a worker around it, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.place import REDIS_OPTIONS, Place, place
from tests.redis_server import VERSIONS, RedisServer, binary, running
from tests.toy import write_toy_bundle


@pytest.fixture(scope="session")
def gc_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with `gc` alone."""
    folder = tmp_path_factory.mktemp("models")
    write_toy_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A Redis that the tests of one module may break, if they mend it."""
    with running(binary(VERSIONS[-1]), *REDIS_OPTIONS) as server:
        yield server


@pytest.fixture(scope="module")
def healthy(gc_models: Path, redis: RedisServer) -> Iterator[Place]:
    """An API process and a worker that have to outlive whatever the tests of one module do."""
    with place(gc_models, redis) as it:
        yield it
        assert it.api.process.poll() is None
        assert it.worker.process.poll() is None

"""What many tests need: toy bundles, a service over them, the real data where there is any."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from app.main import Service, create_service
from app.settings import Settings
from tests.live import LiveServer
from tests.redis_server import redis_server, redis_servers  # noqa: F401 - fixtures
from tests.terminal import log_lines, run  # noqa: F401 - fixtures of every test
from tests.toy import write_slow_bundle, write_token_bundle, write_toy_bundle

REPOSITORY = Path(__file__).parent.parent

# How long an example takes says more about what else the machine is doing than about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data sets; without it the test is skipped, unless the data are required."""
    given = os.environ.get("BASECAST_DATA")
    if given and Path(given).is_dir():
        return Path(given)
    if os.environ.get("REQUIRE_DATA"):
        pytest.fail("REQUIRE_DATA is set, but BASECAST_DATA names no folder")
    pytest.skip("needs real data: set BASECAST_DATA to the folder of data sets")


@pytest.fixture(scope="session")
def toy_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with `gc` and `mean-id`."""
    folder = tmp_path_factory.mktemp("models")
    write_toy_bundle(folder)
    write_token_bundle(folder)
    return folder


@pytest.fixture(scope="session")
def slow_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with `slow` and `gc`."""
    folder = tmp_path_factory.mktemp("slow")
    write_slow_bundle(folder)
    write_toy_bundle(folder)
    return folder


@pytest.fixture
def service(toy_models: Path) -> Service:
    """A fresh service over the toys, its workers not yet started."""
    return create_service(Settings(models=toy_models, threads=1))


@asynccontextmanager
async def http_to(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """HTTP to a service that runs meanwhile, without a socket."""
    transport = httpx.ASGITransport(app=service.app)
    async with service.running(), httpx.AsyncClient(transport=transport, base_url="http://toy") as client:
        yield client


@pytest_asyncio.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """HTTP to the running service over the toys."""
    async with http_to(service) as client:
        yield client


@pytest.fixture(scope="session")
def live_server(toy_models: Path) -> Iterator[LiveServer]:
    """A real server process on loopback over the toys, shared by tests that leave it as they found it."""
    with LiveServer.start(toy_models) as server:
        yield server

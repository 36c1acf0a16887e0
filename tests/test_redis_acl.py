"""The Redis users of docker/redis/users.acl: the queue and the limits work under them, and nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import redis
from redis.asyncio import Redis

from app.batching import BatchLimits
from app.errors import DeadlineExceeded
from app.limits.redis import TAKE, RedisRateLimiter
from app.metrics import Metrics
from app.queue.redis.api_side import ApiSide
from app.queue.redis.worker_side import WorkerSide
from tests.queue_forms import SHA256, Letterbox, RedisForm, answer, job, model_metrics, take_one
from tests.redis_server import VERSIONS, RedisServer, binary, running

USERS = Path(__file__).parent.parent / "docker" / "redis" / "users.acl"
PASSWORD = "change-the-password-of-{}"
LIMITS = BatchLimits(max_sequences=4)


@pytest.fixture(scope="module", params=VERSIONS)
def guarded(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A Redis of these users alone."""
    with running(binary(request.param)) as server:
        with server.client() as client:
            for line in USERS.read_text().splitlines():
                assert client.execute_command("ACL", "SETUSER", *line.split()[1:]) == b"OK"
        yield server


def url(server: RedisServer, user: str) -> str:
    return f"unix://{user}:{PASSWORD.format(user)}@{server.socket}"


class GuardedForm(RedisForm):
    """Both ends of the queue, each as its own user."""

    def __init__(self, server: RedisServer, lease_ms: int) -> None:
        self.metrics, self.worker_metrics = Metrics(), Metrics()
        self.api = ApiSide(url(server, "api"), "basecast", self.metrics)
        self.queue = self.api.open_queue(SHA256, 1, 100_000, model_metrics(self.metrics))
        self.worker = WorkerSide(url(server, "worker"), "basecast", self.worker_metrics, "CPU", "1", lease_ms)
        self.source = self.worker.open_source(SHA256, 1, model_metrics(self.worker_metrics))


@pytest_asyncio.fixture
async def form(guarded: RedisServer) -> AsyncIterator[GuardedForm]:
    form = GuardedForm(guarded, lease_ms=500)
    await form.api.start()
    await form.worker.start()
    yield form
    await form.worker.close()
    await form.api.close()


async def test_the_queue_works_under_its_users(form: GuardedForm) -> None:
    it, box = job(form, tokens=7), Letterbox()
    await form.queue.submit([it], box)
    batch = await take_one(form, LIMITS)
    await form.source.settle(batch, [answer(3)])
    assert await box.value(it) == 3
    await form.look()
    assert len(form.api.workers(SHA256)) == 1
    await form.worker.sweep()


async def test_what_is_cancelled_expires_or_is_left_behind_does_too(form: GuardedForm, guarded: RedisServer) -> None:
    box, other = Letterbox(), GuardedForm(guarded, lease_ms=500)
    unwanted, late, held = job(form, tokens=3), job(form, tokens=4, seconds=0.05), job(form, tokens=5)
    await form.queue.submit([unwanted, late], box)
    form.queue.cancel([unwanted])
    await asyncio.sleep(0.1)
    assert isinstance(await box.outcome(late), DeadlineExceeded)
    await form.queue.submit([held], box)
    await take_one(form, LIMITS)
    await form.worker.close()  # gives back what it holds
    await other.worker.start()
    batch = await take_one(other, LIMITS)
    assert [it.tokens for it in batch.jobs] == [5]
    await other.source.settle(batch, [answer(1)])
    assert await box.value(held) == 1
    await other.worker.close()


async def test_the_limits_work_under_the_user_of_the_api(guarded: RedisServer) -> None:
    async with Redis.from_url(url(guarded, "api")) as client:
        limiter = RedisRateLimiter(lambda keys, args: client.eval(TAKE, len(keys), *keys, *args), "basecast")
        assert await limiter.take("a", "requests", 1, 1) == 0
        assert await limiter.take("a", "requests", 1, 1) > 0


FORBIDDEN = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("CONFIG", "GET", "*"),
    ("CONFIG", "SET", "dir", "/tmp"),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("ACL", "LIST"),
    ("SHUTDOWN",),
    ("MONITOR",),
    ("SCRIPT", "FLUSH"),
    ("MODULE", "LIST"),
    ("REPLICAOF", "NO", "ONE"),
    ("PUBLISH", "a", "b"),
    ("RESTORE", "{basecast}:q:a", "0", "x"),
    ("RENAME", "{basecast}:q:a", "{basecast}:q:b"),
    ("XADD", "elsewhere", "*", "a", "b"),
    ("XADD", "{other}:q:a", "*", "a", "b"),
    ("XADD", "{basecast}:queue", "*", "a", "b"),
    ("EVAL", "return redis.call('XADD', 'elsewhere', '*', 'a', 'b')", "0"),
    ("EVAL", "return redis.call('FLUSHALL')", "0"),
    ("EVAL", "return redis.call('CONFIG', 'GET', '*')", "0"),
]


@pytest.mark.parametrize("user", ["api", "worker"])
@pytest.mark.parametrize("command", FORBIDDEN, ids=" ".join)
def test_everything_else_is_refused(guarded: RedisServer, user: str, command: tuple[str, ...]) -> None:
    with (
        redis.Redis.from_url(url(guarded, user)) as client,
        pytest.raises(redis.ResponseError, match=r"permission|not allowed|can't"),
    ):
        client.execute_command(*command)


@pytest.mark.parametrize(
    ("user", "key"), [("api", "{basecast}:dead"), ("worker", "{basecast}:l:a")], ids=["dead letters", "limits"]
)
def test_neither_user_reaches_what_is_the_other_s_alone(guarded: RedisServer, user: str, key: str) -> None:
    with redis.Redis.from_url(url(guarded, user)) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command("DEL", key)


def test_nobody_comes_in_without_a_name(guarded: RedisServer) -> None:
    with guarded.client() as client, pytest.raises(redis.AuthenticationError):
        client.ping()

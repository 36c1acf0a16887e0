"""How the client fares with a Redis that goes, hangs, refuses or forgets."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import redis
import uvloop

from app.errors import Overloaded, QueueUnavailable, ServiceError, SettingsError
from app.metrics import REDIS_ERRORS, Metrics
from app.queue.redis import checks
from app.queue.redis.api_side import ApiSide
from app.queue.redis.channel import Channel
from app.queue.redis.checks import check_server
from app.queue.redis.connection import Connector
from app.queue.redis.faults import Unavailability, code_of, reason_of
from app.queue.redis.scripts import WORKERS
from app.queue.redis.worker_side import WorkerSide
from app.queue.redis.writer import Writer
from tests.proxy import Proxy
from tests.queue_forms import SHA256, RedisForm, job, model_metrics
from tests.redis_server import RedisServer, running
from tests.test_redis_queue import Letterbox, count, eventually, redis_form, serving

API_COMMANDS = (
    "eval evalsha xadd xlen xrange xrevrange xtrim xread xinfo time sadd pttl pexpire exists get del ping info"
)
WORKER_COMMANDS = (
    "eval evalsha xadd xrange xtrim xreadgroup xgroup xinfo xack xdel xclaim xpending "
    "time smismember srem exists get set del pexpire ping info"
)


@asynccontextmanager
async def writing(url: str) -> AsyncIterator[tuple[Writer, Metrics]]:
    metrics = Metrics()
    writer = Writer(Channel(Connector(url)), Unavailability(metrics))
    writer.start()
    try:
        yield writer, metrics
    finally:
        await writer.close()


@pytest.fixture
def own_server(redis_server: RedisServer) -> Iterator[RedisServer]:
    """A server for tests that do to it what others would notice."""
    with running(redis_server.binary) as server:
        yield server


async def test_commands_of_one_turn_are_answered_in_order(redis_server: RedisServer) -> None:
    async with writing(redis_server.url) as (writer, metrics):
        assert await asyncio.gather(*(writer.command("ECHO", number) for number in range(1000))) == [
            str(number).encode() for number in range(1000)
        ]
        assert count(metrics, "redis_up") == 1


async def test_a_caller_that_leaves_takes_nobodys_reply_with_him(redis_server: RedisServer) -> None:
    async with writing(redis_server.url) as (writer, _):
        leaving = asyncio.ensure_future(writer.command("ECHO", "his"))
        staying = writer.command("ECHO", "hers")
        leaving.cancel()
        assert await staying == b"hers"


async def test_a_connection_that_died_unnoticed_costs_nobody_anything(redis_server: RedisServer) -> None:
    async with writing(redis_server.url) as (writer, metrics):
        await writer.command("PING")
        with redis_server.client() as client:
            client.client_kill_filter(_type="normal", skipme=True)
        assert await writer.command("PING") == b"PONG"
        assert count(metrics, "redis_errors_total", reason="connection") == 0


def test_a_connection_that_was_seen_to_die_is_opened_again_on_uvloop_too(
    redis_server: RedisServer,
) -> None:
    async def die_and_go_on(proxy: Proxy) -> bytes:
        async with writing(proxy.url) as (writer, _):
            await writer.command("PING")
            proxy.reset()
            await asyncio.sleep(0.1)
            return await writer.command("ECHO", "again")

    with (
        Proxy(redis_server.socket).running() as proxy,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        assert runner.run(die_and_go_on(proxy)) == b"again"


async def test_a_script_that_redis_forgot_is_sent_again(redis_server: RedisServer) -> None:
    async with writing(redis_server.url) as (writer, _):
        for _ in range(2):
            assert await writer.run(WORKERS, ["{test}:q"], [""]) == []
            with redis_server.client() as client:
                client.script_flush()


async def test_a_refused_command_fails_alone(redis_server: RedisServer) -> None:
    async with writing(redis_server.url) as (writer, metrics):
        bad, good = writer.command("NONSENSE"), writer.command("PING")
        assert await good == b"PONG"
        with pytest.raises(QueueUnavailable):
            await bad
        assert count(metrics, "redis_errors_total", reason="refused") == 1
        assert count(metrics, "redis_up") == 1


async def test_without_a_server_every_call_fails_at_once(redis_server: RedisServer) -> None:
    async with writing("unix:///nowhere/redis.sock") as (writer, metrics):
        began = time.monotonic()
        outcomes = await asyncio.gather(*(writer.command("PING") for _ in range(100)), return_exceptions=True)
        assert time.monotonic() - began < 1
        assert all(isinstance(outcome, QueueUnavailable) for outcome in outcomes)
        assert count(metrics, "redis_up") == 0
        assert count(metrics, "redis_errors_total", reason="connection") > 0


async def test_a_server_that_hangs_is_given_up_by_everybody_together(own_server: RedisServer) -> None:
    assert own_server.process is not None
    async with writing(own_server.url) as (writer, metrics):
        await writer.command("PING")
        os.kill(own_server.process.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            first = writer.command("PING")
            await asyncio.sleep(0.5)
            second = writer.command("PING")
            outcomes = await asyncio.gather(first, second, return_exceptions=True)
            assert time.monotonic() - began < 3.5
        finally:
            os.kill(own_server.process.pid, signal.SIGCONT)
        assert all(isinstance(outcome, QueueUnavailable) for outcome in outcomes)
        assert count(metrics, "redis_errors_total", reason="timeout") == 1
        assert await writer.command("PING") == b"PONG"


async def test_a_short_hang_is_only_waited_for(own_server: RedisServer) -> None:
    assert own_server.process is not None
    async with writing(own_server.url) as (writer, _):
        os.kill(own_server.process.pid, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(0.5, os.kill, own_server.process.pid, signal.SIGCONT)
        assert await writer.command("PING") == b"PONG"


async def test_a_replica_is_left_for_whoever_is_primary_next(own_server: RedisServer) -> None:
    async with redis_form(own_server) as form:
        with own_server.client() as client:
            client.replicaof("127.0.0.1", "1")
            with pytest.raises(QueueUnavailable):
                await form.queue.submit([job(form)], Letterbox())
            assert count(form.metrics, "redis_errors_total", reason="read_only") >= 1
            client.replicaof("NO", "ONE")
        await form.queue.submit([job(form)], Letterbox())


async def test_a_wrong_password_is_told_from_other_faults(own_server: RedisServer) -> None:
    with own_server.client() as client:
        client.config_set("requirepass", "right")
        async with writing(f"unix://:wrong@{own_server.socket}") as (writer, metrics):
            with pytest.raises(QueueUnavailable):
                await writer.command("PING")
            assert count(metrics, "redis_errors_total", reason="authentication") == 1
        async with writing(f"unix://:right@{own_server.socket}") as (writer, _):
            assert await writer.command("PING") == b"PONG"


async def test_after_the_end_nothing_is_sent(redis_server: RedisServer) -> None:
    async with writing(redis_server.url) as (writer, _):
        await writer.close()
        writer.tell(WORKERS, ["{test}:q"], [""])
        with pytest.raises(QueueUnavailable):
            await writer.command("PING")


async def test_a_server_that_throws_requests_away_is_refused(own_server: RedisServer) -> None:
    worker = WorkerSide(own_server.url, "test", Metrics(), "CPU", "1")
    worker.open_source(SHA256, 1, model_metrics())
    with own_server.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        for side in (ApiSide(own_server.url, "test", Metrics()), worker):
            with pytest.raises(SettingsError, match="maxmemory-policy is allkeys-lru"):
                await side.start()
            async with asyncio.timeout(2):
                await side.close()
        await eventually(lambda: len(client.client_list()) == 1)  # this one


async def test_a_server_that_begins_to_throw_requests_away_is_told_of(
    own_server: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "INSPECTION_SECONDS", 0.05)
    async with redis_form(own_server):
        with own_server.client() as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
        await eventually(lambda: bool(caplog.records))
    assert caplog.records[0].__dict__["reason"].startswith("maxmemory-policy is allkeys-lru")


class OldServer:
    """Answers INFO as a Redis of long ago."""

    async def ask(self, commands: object) -> list[bytes]:
        return [b"# Server\r\nredis_version:5.0.14\r\n"]


async def test_a_server_that_is_too_old_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"5\.0\.14 is too old; use 6\.2"):
        await check_server(OldServer())


def _add_user(client: redis.Redis, name: str, commands: str) -> None:
    allowed = " ".join(f"+{command}" for command in commands.split())
    client.execute_command("ACL", "SETUSER", name, "on", ">secret", "~{test}:*", *allowed.split())


async def test_users_may_do_what_they_must_and_no_more(own_server: RedisServer) -> None:
    with own_server.client() as client:
        _add_user(client, "api", API_COMMANDS)
        _add_user(client, "worker", WORKER_COMMANDS)
    form = RedisForm(own_server, 1000, 1, 3000, "api:secret@", "worker:secret@")
    await form.api.start()
    await form.worker.start()
    try:
        async with serving(form.source):
            it, gone, box = job(form, 3), job(form, 4), Letterbox()
            await form.queue.submit([it, gone], box)
            form.queue.cancel([gone])
            assert await box.value(it) == 3
            await form.look()
            await form.worker.sweep()
            await form.queue.ping()
        assert all(count(form.metrics, "redis_errors_total", reason=reason) == 0 for reason in REDIS_ERRORS)
        assert all(count(form.worker_metrics, "redis_errors_total", reason=reason) == 0 for reason in REDIS_ERRORS)
    finally:
        await form.worker.close()
        await form.api.close()


async def test_a_user_who_may_not_ask_about_the_server_is_warned(
    own_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with own_server.client() as client:
        _add_user(client, "api", API_COMMANDS.removesuffix(" info"))
    channel = Channel(Connector(f"unix://api:secret@{own_server.socket}"))
    with caplog.at_level(logging.WARNING):
        await check_server(channel)
    await channel.close()
    assert "not checked" in caplog.text


@pytest.mark.parametrize("url", ["http://secret@host", "redis://secret@host:port", "unix://secret@/x?db=many"])
def test_a_url_that_cannot_be_read_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Connector(url)
    assert "secret" not in str(caught.value)


FAULTS = [
    (redis.OutOfMemoryError("command not allowed", status_code="OOM"), "OOM", "full"),
    (redis.ResponseError("Error running script: @user_script: 75: -OOM command not allowed"), "OOM", "full"),
    (redis.ResponseError("MISCONF Redis is configured to save RDB snapshots"), "MISCONF", "refused"),
    (redis.ResponseError("-READONLY You can't write against a read only replica."), "READONLY", "read_only"),
    (redis.AuthenticationError("WRONGPASS invalid username-password pair"), "WRONGPASS", "authentication"),
    (redis.BusyLoadingError("Redis is loading the dataset in memory"), None, "connection"),
    (redis.ConnectionError("Connection refused"), None, "connection"),
    (TimeoutError(), None, "timeout"),
    (ConnectionResetError(), None, "connection"),
]


@pytest.mark.parametrize(("failure", "code", "reason"), FAULTS, ids=lambda it: str(it)[:40])
def test_each_failure_has_its_reason(failure: Exception, code: str | None, reason: str) -> None:
    assert (code_of(failure), reason_of(failure)) == (code, reason)
    told: ServiceError = Unavailability(Metrics()).failed(failure)
    assert isinstance(told, Overloaded if reason == "full" else QueueUnavailable)
    assert told.status == 503
    assert told.retry_after_ms == 1000

"""Each script, by itself, on each version of Redis."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from app.queue.redis import scripts
from app.queue.redis.keys import Keys
from app.queue.redis.scripts import Script
from tests.redis_server import RedisServer

KEYS = Keys("test")
Q, B = STREAMS = [KEYS.interactive("5eed" * 16), KEYS.bulk("5eed" * 16)]
INBOX, CANCELLED = KEYS.inbox("a1"), KEYS.cancelled("a1")


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    with redis_server.client() as client:
        yield client


def run(client: redis.Redis, script: Script, keys: list[str], *arguments: str | bytes | int) -> Any:
    return client.eval(script.source, len(keys), *keys, *arguments)


def enqueue(
    client: redis.Redis,
    *tokens: int,
    stream: int = 1,
    most: int = 100,
    most_jobs: int = 100,
    in_time: int = 10**9,
    held: int = 0,
) -> Any:
    jobs = [part for each in tokens for part in (stream, each, b"job")]
    waiting_jobs, waiting_tokens, _, _, (added,) = run(
        client, scripts.ENQUEUE, STREAMS, most, most_jobs, len(tokens), in_time, held, *jobs
    )
    return [added, waiting_jobs, waiting_tokens]


def take(client: redis.Redis, count: int = 100, worker: str = "one", stream: str = Q) -> list[bytes]:
    """Join and read: the ids of the entries."""
    run(client, scripts.JOIN, STREAMS, worker)
    read = client.xreadgroup("w", worker, {stream: ">"}, count=count)
    return [entry_id for _, entries in read for entry_id, _ in entries]


def settle(
    client: redis.Redis, *entries: bytes, reply: bytes = b"reply", keys: list[str] | None = None, pace: bytes = b""
) -> Any:
    each = [part for entry in entries for part in (1, entry, 1, b"id-" + entry, reply)]
    return run(client, scripts.SETTLE, keys or [*STREAMS, INBOX, CANCELLED], 1000, pace, *each)


def replies(client: redis.Redis) -> list[bytes]:
    return [fields[b"r"] for _, fields in client.xrange(INBOX) if b"r" in fields]


def deliveries(client: redis.Redis, stream: str = Q) -> list[int]:
    return [entry["times_delivered"] for entry in client.xpending_range(stream, "w", "-", "+", 100)]


def test_enqueuing_adds_all_of_a_request(client: redis.Redis) -> None:
    assert enqueue(client, 5, 7) == [1, 2, 12]
    assert enqueue(client, 3, stream=2) == [1, 3, 15]
    assert (client.xlen(Q), client.xlen(B)) == (2, 1)


def test_enqueuing_past_the_tokens_adds_nothing(client: redis.Redis) -> None:
    enqueue(client, 90)
    assert enqueue(client, 4, 7) == [0, 1, 90]
    assert enqueue(client, 4, 6) == [1, 3, 100]


def test_enqueuing_past_the_jobs_adds_nothing(client: redis.Redis) -> None:
    enqueue(client, 1)
    assert enqueue(client, 1, 1, most_jobs=2) == [0, 1, 1]
    assert enqueue(client, 1, most_jobs=2) == [1, 2, 2]


def test_of_several_requests_each_is_added_if_there_is_room_after_those_before_it(client: redis.Redis) -> None:
    requests = [(60,), (30, 20), (40,)]
    given = [part for jobs in requests for part in (len(jobs), 999, 0, *(x for it in jobs for x in (1, it, b"job")))]
    assert run(client, scripts.ENQUEUE, STREAMS, 100, 10, *given)[-1] == [1, 0, 1]
    assert client.xlen(Q) == 2


def test_what_is_held_back_of_a_request_needs_room_too(client: redis.Redis) -> None:
    enqueue(client, 60)
    assert enqueue(client, 10, held=31) == [0, 1, 60]
    assert enqueue(client, 10, held=30) == [1, 2, 70]


def test_there_is_room_for_a_request_that_was_let_in_before(client: redis.Redis) -> None:
    enqueue(client, 90)
    assert enqueue(client, 20, in_time=0, most_jobs=1, held=-1) == [1, 2, 110]


def test_both_streams_of_a_model_share_the_room(client: redis.Redis) -> None:
    enqueue(client, 60, stream=2)
    assert enqueue(client, 50) == [0, 1, 60]


def test_before_an_interactive_job_may_go_so_many_tokens_and_a_quarter_of_bulk(client: redis.Redis) -> None:
    enqueue(client, 30)
    enqueue(client, 50, stream=2)
    assert enqueue(client, 1, in_time=39) == [0, 2, 80]  # 30 interactive ones, and 10 of the others
    assert enqueue(client, 1, in_time=40) == [1, 3, 81]


def test_before_a_bulk_job_goes_everything(client: redis.Redis) -> None:
    enqueue(client, 30)
    enqueue(client, 50, stream=2)
    assert enqueue(client, 1, in_time=79, stream=2) == [0, 2, 80]
    assert enqueue(client, 1, in_time=80, stream=2) == [1, 3, 81]


def test_an_empty_queue_takes_a_request_of_any_size(client: redis.Redis) -> None:
    assert enqueue(client, 500, in_time=0) == [1, 1, 500]


def test_measuring_changes_nothing_and_tells_the_age_of_the_oldest(client: redis.Redis) -> None:
    assert run(client, scripts.ENQUEUE, STREAMS, 0, 0) == [0, 0, 0, 0, []]
    assert client.keys() == []
    enqueue(client, 5)
    time.sleep(0.02)
    enqueue(client, 7, stream=2)
    jobs, tokens, age_ms, interactive, _ = run(client, scripts.ENQUEUE, STREAMS, 0, 0)
    assert (jobs, tokens, interactive) == (2, 12, 5)
    assert 20 <= age_ms < 10_000


def test_tokens_are_exact_while_jobs_leave_in_order(client: redis.Redis) -> None:
    enqueue(client, 10, 20, 30, 40)
    settle(client, *take(client, count=2))
    assert enqueue(client) == [1, 2, 70]


def test_a_stuck_job_does_not_keep_the_tokens_of_those_that_have_left(client: redis.Redis) -> None:
    enqueue(client, 10)
    (stuck,) = take(client)
    for _ in range(9):
        enqueue(client, 10)
        settle(client, *take(client))
    enqueue(client, 10)
    assert enqueue(client) == [
        1,
        2,
        20,
    ]  # 110 tokens were added from the stuck one on, of 11 jobs, 2 of which are there
    settle(client, stuck)


def test_entries_of_another_making_do_not_stop_the_count(client: redis.Redis) -> None:
    client.xadd(Q, {"what": "ever"})
    assert enqueue(client, 5)[:2] == [1, 2]


def test_joining_makes_stream_group_and_place_once(client: redis.Redis) -> None:
    enqueue(client, 5)
    for worker in ("one", "two", "one"):
        run(client, scripts.JOIN, STREAMS, worker)
    assert {it["name"] for it in client.xinfo_consumers(B, "w")} == {b"one", b"two"}
    assert len(take(client)) == 1  # added before the group was there


def test_the_first_acknowledgement_wins(client: redis.Redis) -> None:
    run(client, scripts.OPEN_INBOX, [INBOX], 30_000)
    enqueue(client, 5)
    (entry,) = take(client)
    assert settle(client, entry, reply=b"first") == 1
    assert settle(client, entry, reply=b"second") == 0
    assert replies(client) == [b"first"]
    assert client.xlen(Q) == 0
    assert client.xpending(Q, "w")["pending"] == 0


def test_settling_replies_to_many_in_one_entry(client: redis.Redis) -> None:
    run(client, scripts.OPEN_INBOX, [INBOX], 30_000)
    enqueue(client, *[1] * 3)
    assert settle(client, *take(client)) == 3
    assert client.xlen(INBOX) == 2  # the one that opened it, and one for three replies


def test_settling_tells_how_fast_the_worker_is_beside_the_replies(client: redis.Redis) -> None:
    run(client, scripts.OPEN_INBOX, [INBOX], 30_000)
    enqueue(client, 5, 5)
    settle(client, *take(client), pace=b"pace")
    _, (_, fields) = client.xrange(INBOX)
    assert fields == {b"p": b"pace", b"r": b"reply"}


def test_settling_more_than_lua_can_unpack_at_once(client: redis.Redis) -> None:
    run(client, scripts.OPEN_INBOX, [INBOX], 30_000)
    enqueue(client, *[1] * 9000, most=10_000, most_jobs=10_000)
    assert settle(client, *take(client, count=9000)) == 9000
    assert client.xlen(INBOX) == 1 + 9


def test_settling_for_a_process_that_is_gone_leaves_nothing_behind(client: redis.Redis) -> None:
    enqueue(client, 5)
    assert settle(client, *take(client)) == 1
    assert sorted(client.keys()) == sorted([Q.encode(), B.encode()])


def test_settling_without_a_reply_tells_nobody(client: redis.Redis) -> None:
    run(client, scripts.OPEN_INBOX, [INBOX], 30_000)
    enqueue(client, 5)
    assert settle(client, *take(client), reply=b"") == 1
    assert replies(client) == []


def test_settling_works_when_memory_is_full(client: redis.Redis) -> None:
    run(client, scripts.OPEN_INBOX, [INBOX], 30_000)
    enqueue(client, 5)
    (entry,) = take(client)
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.ResponseError, match="command not allowed when used memory"):
            enqueue(client, 5)
        assert settle(client, entry) == 1
    finally:
        client.config_set("maxmemory", 0)
    assert replies(client) == [b"reply"]


def test_cancelling_marks_for_a_while_and_settling_unmarks(client: redis.Redis) -> None:
    enqueue(client, 5)
    (entry,) = take(client)
    run(client, scripts.CANCEL, [CANCELLED], 60_000, b"id-" + entry, "other")
    assert 59_000 < client.pttl(CANCELLED) <= 60_000
    settle(client, entry)
    assert client.smembers(CANCELLED) == {b"other"}


def test_later_marks_do_not_prolong_the_life_of_the_first(client: redis.Redis) -> None:
    run(client, scripts.CANCEL, [CANCELLED], 60_000, "one")
    run(client, scripts.CANCEL, [CANCELLED], 90_000, "two")
    assert client.pttl(CANCELLED) <= 60_000


def test_an_inbox_is_made_once_and_lives_on(client: redis.Redis) -> None:
    assert run(client, scripts.OPEN_INBOX, [INBOX], 100) == 1
    assert run(client, scripts.OPEN_INBOX, [INBOX], 30_000) == 0
    assert client.pttl(INBOX) > 1000


def reclaim(client: redis.Redis, worker: str = "two", lease_ms: int = 0, limit: int = 3) -> Any:
    return run(client, scripts.RECLAIM, STREAMS, worker, lease_ms, limit)


def test_nothing_is_taken_over_before_its_lease_is_over(client: redis.Redis) -> None:
    assert reclaim(client) is None  # there is no stream
    enqueue(client, 5)
    take(client)
    assert reclaim(client, lease_ms=60_000) is None


def test_one_entry_is_taken_over_at_a_time(client: redis.Redis) -> None:
    enqueue(client, 5, 6)
    first, _ = take(client)
    stream, entry, fields, delivered, owner, now_ms = reclaim(client)
    assert (stream, entry, fields[:2], delivered, owner) == (1, first, [b"j", b"job"], 1, b"one")
    assert abs(now_ms - time.time() * 1000) < 60_000
    assert deliveries(client) == [2, 1]


def test_both_streams_are_watched(client: redis.Redis) -> None:
    enqueue(client, 5, stream=2)
    (entry,) = take(client, stream=B)
    assert reclaim(client)[:2] == [2, entry]


def test_what_was_delivered_too_often_is_handed_over_uncounted(client: redis.Redis) -> None:
    enqueue(client, 5)
    take(client)
    assert [reclaim(client, worker)[3] for worker in ("two", "three", "four", "five")] == [1, 2, 3, 3]


def test_a_worker_that_takes_long_is_not_counted_against_the_entry(client: redis.Redis) -> None:
    enqueue(client, 5)
    take(client, worker="two")
    reclaim(client, "two")
    assert deliveries(client) == [1]


def test_what_was_trimmed_while_it_was_pending_is_forgotten(client: redis.Redis) -> None:
    enqueue(client, 5, 6)
    first, second = take(client)
    client.xdel(Q, first)
    assert reclaim(client)[1] == second
    assert client.xpending(Q, "w")["pending"] == 1


def bury(client: redis.Redis, entry: bytes, *keys: str) -> Any:
    return run(client, scripts.BURY, [Q, KEYS.dead, *keys], entry, b"reply", 1000, 60_000, "sha256", "abc")


def test_burying_ends_replies_and_keeps_a_record_for_a_while(client: redis.Redis) -> None:
    run(client, scripts.OPEN_INBOX, [INBOX], 30_000)
    enqueue(client, 5)
    (entry,) = take(client)
    assert bury(client, entry, INBOX) == 1
    assert bury(client, entry, INBOX) == 0
    assert replies(client) == [b"reply"]
    assert [fields for _, fields in client.xrange(KEYS.dead)] == [{b"sha256": b"abc"}]
    assert 0 < client.pttl(KEYS.dead) <= 60_000
    assert client.xlen(Q) == 0


def test_releasing_makes_an_entry_free_at_once_and_uncounted(client: redis.Redis) -> None:
    enqueue(client, 5, 6)
    first, _ = take(client)
    assert run(client, scripts.RELEASE, STREAMS, "one", 60_000, 1, first) == 1
    assert deliveries(client) == [0, 1]
    _, entry, _, delivered, *_ = reclaim(client, lease_ms=60_000)
    assert (entry, delivered) == (first, 0)
    assert deliveries(client) == [1, 1]


def test_releasing_everything_and_leaving(client: redis.Redis) -> None:
    enqueue(client, 5, 6)
    take(client)
    assert run(client, scripts.RELEASE, STREAMS, "one", 60_000) == 2
    assert deliveries(client) == [0, 0]
    assert [it["name"] for it in client.xinfo_consumers(Q, "w")] == [b"one"]  # it has something still
    assert client.xinfo_consumers(B, "w") == []


def test_what_another_has_taken_over_is_not_released(client: redis.Redis) -> None:
    enqueue(client, 5)
    (entry,) = take(client)
    reclaim(client, "two")
    assert run(client, scripts.RELEASE, STREAMS, "one", 60_000, 1, entry) == 0


def test_renewing_begins_the_lease_anew_but_steals_nothing_back(client: redis.Redis) -> None:
    enqueue(client, 5, 6)
    first, second = take(client)
    reclaim(client, "two")
    time.sleep(0.05)
    run(client, scripts.RENEW, STREAMS, "one", 1, first, 1, second)
    pending = {it["message_id"]: it for it in client.xpending_range(Q, "w", "-", "+", 10)}
    assert pending[first]["consumer"] == b"two"
    assert pending[first]["time_since_delivered"] >= 50
    assert pending[second]["time_since_delivered"] < 50
    assert deliveries(client) == [2, 1]


def sweep(client: redis.Redis, age_ms: int = 600_000, idle_ms: int = 0) -> Any:
    return run(client, scripts.SWEEP, STREAMS, age_ms, idle_ms, KEYS.worker(""))


def test_sweeping_removes_workers_that_are_gone(client: redis.Redis) -> None:
    run(client, scripts.JOIN, STREAMS, "gone")
    run(client, scripts.JOIN, STREAMS, "alive")
    client.set(KEYS.worker("alive"), "{}")
    time.sleep(0.02)
    assert sweep(client, idle_ms=5) == [0, 2]  # of both streams
    assert [it["name"] for it in client.xinfo_consumers(Q, "w")] == [b"alive"]


def test_sweeping_never_loses_what_a_worker_that_is_gone_had(client: redis.Redis) -> None:
    enqueue(client, 5)
    (entry,) = take(client, worker="gone")
    time.sleep(0.02)
    assert sweep(client, idle_ms=5) == [0, 1]  # from the stream where it has nothing
    assert reclaim(client)[1] == entry


def test_sweeping_spares_workers_that_were_there_just_now(client: redis.Redis) -> None:
    run(client, scripts.JOIN, STREAMS, "new")
    assert sweep(client, idle_ms=60_000) == [0, 0]


def test_sweeping_removes_only_entries_past_every_deadline(client: redis.Redis) -> None:
    client.xadd(Q, {"j": "old"}, id="1000-0")
    enqueue(client, 5)
    assert sweep(client) == [1, 0]
    assert client.xlen(Q) == 1


def test_the_live_workers_of_streams(client: redis.Redis) -> None:
    assert run(client, scripts.WORKERS, STREAMS, KEYS.worker("")) == []
    for worker in ("alive", "dead"):
        run(client, scripts.JOIN, STREAMS, worker)
    client.set(KEYS.worker("alive"), "said")
    assert run(client, scripts.WORKERS, STREAMS, KEYS.worker("")) == [b"alive", b"said"]

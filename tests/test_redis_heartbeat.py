"""What workers say of their speed, and what comes of it together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.queue.redis.heartbeat import Heartbeat, fleet_jobs_at_once, fleet_speed, read_heartbeat
from app.queue.redis.wire import WorkerPace

DIGEST = "5eed" * 3


def worker(tokens_per_second: float, batch_seconds: float) -> Heartbeat:
    return Heartbeat("CPU", "1", None, {DIGEST: tokens_per_second}, {DIGEST: batch_seconds})


def test_a_heartbeat_comes_out_as_it_went_in() -> None:
    beat = replace(worker(1000, 0.5), jobs_at_once={DIGEST: 96})
    assert read_heartbeat(beat.to_json().encode()) == beat


def test_the_heartbeat_of_an_older_version_says_nothing_of_batches() -> None:
    said = b'{"provider": "CPU", "version": "0", "tokens_per_second": {"5eed5eed5eed": 7}}'
    assert read_heartbeat(said) == Heartbeat("CPU", "0", None, {DIGEST: 7.0}, {})


@pytest.mark.parametrize("said", [b"", b"[]", b"{}", b'{"provider": 1, "version": 2, "tokens_per_second": {"a": "b"}}'])
def test_what_is_no_heartbeat_is_not_read(said: bytes) -> None:
    assert read_heartbeat(said) is None


def test_speeds_add_up_and_the_slowest_batch_counts() -> None:
    assert fleet_speed([worker(1000, 0.2), worker(500, 0.4)], DIGEST) == (1500, 0.4)


def test_a_worker_that_was_not_measured_yet_counts_as_the_mean_of_the_others() -> None:
    assert fleet_speed([worker(1000, 0.2), worker(500, 0.4), worker(0, 0)], DIGEST) == (2250, 0.4)
    assert fleet_speed([worker(0, 0)], DIGEST) == (0, 0)


def test_what_the_workers_can_hold_adds_up_once_all_have_said_it() -> None:
    one, two, old = (Heartbeat("CPU", "1", jobs_at_once={DIGEST: jobs} if jobs else {}) for jobs in (96, 40, 0))
    assert fleet_jobs_at_once([one, two], DIGEST) == 136
    assert fleet_jobs_at_once([one, old], DIGEST) == 0
    assert fleet_jobs_at_once([], DIGEST) == 0


def test_a_pace_that_is_heard_later_replaces_what_the_heartbeat_said() -> None:
    later = worker(1000, 0.2).at(WorkerPace(DIGEST, 250, 0.8, "one"))
    assert fleet_speed([later], DIGEST) == (250, 0.8)

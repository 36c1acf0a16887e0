"""What an API process holds back of long lists."""

from __future__ import annotations

import numpy as np
import pytest

from app.batching import Job
from app.queue.redis.feed import TURN_JOBS, Feed


def list_of(count: int, tokens: int = 5) -> list[Job]:
    return [Job(np.zeros(tokens, dtype=np.uint8), 100.0, 1e9) for _ in range(count)]


def feed_of(jobs_at_once: int, *lists: list[Job]) -> Feed:
    """A feed of lists whose first jobs are in the stream."""
    feed = Feed()
    feed.jobs_at_once = jobs_at_once
    for jobs in lists:
        feed.hold(jobs[:TURN_JOBS], jobs[TURN_JOBS:])
    return feed


def test_as_many_jobs_go_as_the_workers_can_hold() -> None:
    jobs = list_of(200)
    feed = feed_of(96, jobs)
    assert feed.next_jobs(100.0) == jobs[TURN_JOBS:96]
    assert feed.next_jobs(100.0) == []
    assert len(feed.held) == 104


def test_what_is_answered_makes_room_for_the_lists_in_turn() -> None:
    one, two = list_of(100), list_of(100)
    feed = feed_of(64, one, two)
    assert feed.next_jobs(100.0) == []
    for job in one[:4]:
        assert not feed.ended(job)
    assert feed.next_jobs(100.0) == [one[32], two[32], one[33], two[33]]


def test_what_is_held_can_end_before_it_goes() -> None:
    jobs = list_of(100)
    feed = feed_of(33, jobs)
    assert feed.ended(jobs[32])
    assert feed.next_jobs(100.0) == [jobs[33]]


def test_the_time_that_a_job_was_held_is_kept_until_it_ends() -> None:
    jobs = list_of(100)
    feed = feed_of(33, jobs)
    assert feed.next_jobs(103.5) == [jobs[32]]
    assert [feed.held_seconds(job) for job in jobs[31:34]] == [0.0, 3.5, 0.0]
    feed.ended(jobs[32])
    assert feed.held_seconds(jobs[32]) == 0.0


@pytest.mark.parametrize(
    ("jobs", "tokens", "before"),
    [
        (TURN_JOBS, 10_000, 0),  # it goes at once, before all that is held
        (40, 200, 2 * 200),  # as much of either list
        (1000, 5000, (68 + 168) * 5),  # everything
    ],
)
def test_what_goes_before_a_new_request(jobs: int, tokens: int, before: int) -> None:
    assert feed_of(64, list_of(100), list_of(200)).tokens_before(jobs, tokens) == before

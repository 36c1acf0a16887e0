"""Requests take turns: what goes when, and what has to be waited for."""

from __future__ import annotations

from collections import deque
from itertools import islice

import numpy as np
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.batching import Job
from app.queue.turns import Turns


def job(tokens: int = 1, submitted_at: float = 0.0) -> Job:
    return Job(np.zeros(tokens, dtype=np.uint8), submitted_at, 1e9)


def turns_of(*requests: list[int]) -> Turns:
    turns = Turns()
    for tokens in requests:
        turns.add([job(each) for each in tokens])
    return turns


def in_order(turns: Turns) -> list[int]:
    """The tokens of each job, as the first always leaves."""
    tokens = []
    while len(turns):
        first = next(iter(turns))
        turns.discard(first)
        tokens.append(first.tokens)
    return tokens


def test_requests_take_turns() -> None:
    assert in_order(turns_of([1, 2, 3, 4], [10, 20], [100])) == [1, 10, 100, 2, 20, 3, 4]


def test_who_comes_later_goes_behind_those_that_are_next() -> None:
    turns = turns_of([1, 2, 3, 4])
    turns.discard(next(iter(turns)))
    turns.add([job(50)])
    assert in_order(turns) == [2, 50, 3, 4]


def test_a_batch_is_filled_up_from_all_requests_in_turn() -> None:
    turns = turns_of([1, 2, 3, 4], [10, 20, 30], [100])
    assert [it.tokens for it in turns.first(7)] == [1, 10, 100, 2, 20, 3, 30]
    assert [it.tokens for it in turns.first(2)] == [1, 10]


def test_a_job_that_went_early_to_fill_a_batch_has_had_its_turn() -> None:
    turns = turns_of([1, 2, 3], [10, 20])
    turns.discard(turns.first(4)[2])
    assert in_order(turns) == [1, 10, 3, 20]


def test_what_is_put_back_goes_before_all_others() -> None:
    turns = turns_of([1, 2, 3], [10])
    first = next(iter(turns))
    turns.discard(first)
    turns.put_back([first])
    assert in_order(turns) == [1, 10, 2, 3]


@pytest.mark.parametrize(
    ("own_tokens", "before"),
    [
        (5, 3 * 100),  # a batch led by each of the three requests
        (100, 3 * 100),
        (400, 3 * 100 + 300),  # and three turns more of the list
        (1000, 1000 + 2 * 5),  # everything
    ],
)
def test_each_request_has_a_turn_before_a_new_one_and_a_list_as_many_as_that_needs(
    own_tokens: int, before: int
) -> None:
    turns = turns_of([10] * 100, [5], [5])
    assert turns.tokens_before(own_tokens, batch_tokens=100) == before


def test_before_a_new_request_goes_no_more_than_there_is() -> None:
    assert turns_of([5], [5], [5]).tokens_before(5, batch_tokens=100) == 15


def test_one_job_may_be_more_than_a_usual_batch() -> None:
    assert turns_of([500], [5]).tokens_before(5, batch_tokens=100) == 505


def test_where_no_batch_is_known_everything_counts() -> None:
    assert turns_of([10] * 100).tokens_before(5, batch_tokens=0) == 1000


def test_the_oldest_job_is_told_wherever_it_stands() -> None:
    turns, old = Turns(), [job(1, submitted_at=3.0) for _ in range(2)]
    assert turns.oldest(now=9.0) == 9.0
    turns.add(old)
    turns.add([job(1, submitted_at=5.0)])
    turns.discard(old[0])
    assert turns.oldest(now=9.0) == 3.0


class TurnsMachine(RuleBasedStateMachine):
    """Beside a model that anybody can follow: a ring of requests, each of which gives one job and goes to the end."""

    def __init__(self) -> None:
        super().__init__()
        self.turns, self.ring = Turns(), deque[deque[Job]]()

    @rule(tokens=st.lists(st.integers(1, 9), min_size=1, max_size=5))
    def add(self, tokens: list[int]) -> None:
        jobs = [job(each) for each in tokens]
        self.turns.add(jobs)
        self.ring.append(deque(jobs))

    @precondition(lambda self: self.ring)
    @rule()
    def take(self) -> None:
        self._leave(self.ring[0][0])

    @precondition(lambda self: self.ring)
    @rule(which=st.integers(0, 99))
    def cancel(self, which: int) -> None:
        jobs = [it for request in self.ring for it in request]
        self._leave(jobs[which % len(jobs)])

    def _leave(self, it: Job) -> None:
        self.turns.discard(it)
        self.turns.discard(it)  # once is enough
        request = next(request for request in self.ring if it in request)
        had_its_turn = request[0] is it
        request.remove(it)
        if had_its_turn:
            self.ring.remove(request)
            if request:
                self.ring.append(request)

    @precondition(lambda self: self.ring)
    @rule()
    def put_back(self) -> None:
        it = self.ring[0][0]
        self._leave(it)
        self.turns.put_back([it])
        self.ring.appendleft(deque([it]))

    @invariant()
    def counts_are_right(self) -> None:
        jobs = {it for request in self.ring for it in request}
        assert len(self.turns) == len(jobs)
        assert set(self.turns) == jobs
        assert all(it in self.turns for it in jobs)
        assert self.turns.tokens == sum(it.tokens for it in jobs)
        assert self.turns.requests == len(self.ring)

    @invariant()
    def those_that_are_next_come_first_in_the_order_of_the_ring(self) -> None:
        leaders = [request[0] for request in self.ring]
        assert list(islice(self.turns, len(leaders))) == leaders
        assert self.turns.first(len(leaders)) == leaders
        assert set(self.turns.first(1000)) == set(self.turns)

    @invariant()
    def a_new_single_job_waits_for_no_more_than_a_turn_of_each(self) -> None:
        batch = 9
        assert self.turns.tokens_before(1, batch) <= batch * len(self.ring)


TurnsMachine.TestCase.settings = hypothesis_settings(max_examples=60, stateful_step_count=30, deadline=None)
TestTurnsMachine = TurnsMachine.TestCase

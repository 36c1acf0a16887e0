"""What every form of the queue promises."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import numpy as np
import pytest
import pytest_asyncio

from app.batching import BatchLimits, Job
from app.errors import DeadlineExceeded, Draining, InferenceFailed, NonFiniteOutput, OutOfMemory, Overloaded
from tests.queue_forms import Form, Letterbox, MemoryForm, answer, job, lengths, redis_form, take_one
from tests.redis_server import VERSIONS, RedisServer

LIMITS = BatchLimits(max_sequences=4)
ONE = BatchLimits(max_sequences=1)
ROWS = BatchLimits(max_sequences=32)

NewForm = Callable[..., Awaitable[Form]]


@pytest_asyncio.fixture(params=["memory", *VERSIONS])
async def new_form(
    request: pytest.FixtureRequest, redis_servers: Callable[[str], RedisServer]
) -> AsyncIterator[NewForm]:
    """Makes a queue of each form: `await new_form(max_tokens=100, threads=1)`."""
    async with AsyncExitStack() as stack:

        async def make(max_tokens: int = 100, threads: int = 1) -> Form:
            if request.param == "memory":
                return MemoryForm(max_tokens, threads)
            return await stack.enter_async_context(redis_form(redis_servers(request.param), max_tokens, threads))

        yield make


@pytest_asyncio.fixture
async def form(new_form: NewForm) -> Form:
    return await new_form()


async def test_a_job_is_taken_settled_and_delivered_once(form: Form) -> None:
    it, box = job(form, tokens=7), Letterbox()
    await form.queue.submit([it], box)
    batch = await take_one(form, LIMITS)
    assert lengths([batch]) == [[7]]
    await form.source.settle(batch, [answer(3)])
    assert await box.value(it) == 3
    assert len(box.outcomes[it]) == 1


async def test_a_worker_reads_the_very_ids_that_were_submitted(form: Form) -> None:
    ids = [
        np.array([0, 4, 255], dtype=np.uint8),
        np.array([1, 65_535], dtype=np.uint16),
        np.array([-1, 2**40], dtype=np.int64),
    ]
    now = form.now()
    await form.queue.submit([Job(row, now, now + 30) for row in ids], Letterbox())
    taken = [await take_one(form, ONE) for _ in ids]
    assert [batch.rows[0].tolist() for batch in taken] == [row.tolist() for row in ids]


async def test_the_trace_of_a_request_reaches_the_worker(form: Form) -> None:
    now, trace = form.now(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    ids = np.zeros(2, dtype=np.uint8)
    await form.queue.submit([Job(ids, now, now + 30, "interactive", trace), Job(ids, now, now + 30)], Letterbox())
    batch = await take_one(form, LIMITS)
    assert [it.traceparent for it in batch.jobs] == [trace, None]


async def test_an_error_reaches_the_caller_as_what_it_is(form: Form) -> None:
    jobs, box = [job(form) for _ in range(3)], Letterbox()
    await form.queue.submit(jobs, box)
    batch = await take_one(form, LIMITS)
    await form.source.settle(batch, [NonFiniteOutput(), OutOfMemory(retry_after_ms=1500), InferenceFailed()])
    outcomes = [await box.outcome(it) for it in jobs]
    assert [type(outcome) for outcome in outcomes] == [NonFiniteOutput, OutOfMemory, InferenceFailed]
    assert [outcome.retry_after_ms for outcome in outcomes] == [None, 1500, None]


async def test_taking_waits_until_there_is_something(form: Form) -> None:
    taking = asyncio.create_task(take_one(form, LIMITS))
    await asyncio.sleep(0.02)
    assert not taking.done()
    await form.queue.submit([job(form, tokens=3)], Letterbox())
    assert lengths([await taking]) == [[3]]


async def test_a_round_is_several_batches_until_it_is_worth_the_hop(form: Form) -> None:
    limits = BatchLimits(max_sequences=4, round_tokens=20)
    await form.queue.submit([job(form, tokens) for tokens in (9, 8, 9, 7, 6)], Letterbox())
    # 18 tokens of nines are less than 20, 8 more are enough
    assert lengths(await form.source.take(limits)) == [[9, 9], [8]]


async def test_two_takers_never_get_the_same_job(form: Form) -> None:
    takers = [asyncio.create_task(take_one(form, ONE)) for _ in range(2)]
    await form.queue.submit([job(form, 4), job(form, 5)], Letterbox())
    assert sorted(lengths(await asyncio.gather(*takers))) == [[4], [5]]


async def test_an_expired_job_is_delivered_as_such_and_never_taken(form: Form) -> None:
    late, good, box = job(form, seconds=0.05), job(form, tokens=6), Letterbox()
    await form.queue.submit([late, good], box)
    await form.pass_seconds(0.1)
    assert lengths([await take_one(form, LIMITS)]) == [[6]]
    assert isinstance(await box.outcome(late), DeadlineExceeded)


async def test_a_cancelled_job_is_neither_taken_nor_delivered(form: Form) -> None:
    gone, good, box = job(form), job(form, tokens=6), Letterbox()
    await form.queue.submit([gone, good], box)
    form.queue.cancel([gone])
    await form.queue.ping()
    batch = await take_one(form, LIMITS)
    assert lengths([batch]) == [[6]]
    await form.source.settle(batch, [answer(1)])
    assert await box.value(good) == 1
    assert gone not in box.outcomes


async def test_who_gives_up_at_the_deadline_is_counted_apart_from_who_leaves(form: Form) -> None:
    late, gone = job(form, seconds=0.05), job(form)
    await form.queue.submit([late, gone], Letterbox())
    await form.pass_seconds(0.1)
    form.queue.cancel([late, gone])
    form.queue.cancel([late, gone])  # once
    value = form.metrics.registry.get_sample_value
    assert [value(f"basecast_{it}_total", {"model": "gc"}) for it in ("expired", "cancelled")] == [1, 1]


async def test_a_job_cancelled_while_it_is_computed_is_not_delivered(form: Form) -> None:
    gone, next_one, box = job(form), job(form, tokens=6), Letterbox()
    await form.queue.submit([gone], box)
    batch = await take_one(form, LIMITS)
    form.queue.cancel([gone])
    await form.source.settle(batch, [answer(1)])
    await form.queue.submit([next_one], box)
    await form.source.settle(await take_one(form, LIMITS), [answer(2)])
    assert await box.value(next_one) == 2  # the answer to the first came before, if it came at all
    assert gone not in box.outcomes


async def test_what_is_given_back_is_taken_again(form: Form) -> None:
    it, box = job(form, tokens=7), Letterbox()
    await form.queue.submit([it], box)
    await form.source.release(await form.source.take(LIMITS))
    batch = await take_one(form, LIMITS)
    assert lengths([batch]) == [[7]]
    await form.source.settle(batch, [answer(4)])
    assert await box.value(it) == 4


async def test_a_full_queue_turns_away_all_of_a_request_and_says_when_to_return(form: Form) -> None:
    await form.queue.submit([job(form, tokens=90)], Letterbox())
    with pytest.raises(Overloaded, match="limit is 100") as caught:
        await form.queue.submit([job(form, tokens=5), job(form, tokens=20)], Letterbox())
    assert 1000 <= (caught.value.retry_after_ms or 0) <= 30_000
    assert form.queue.load().jobs == 1


async def test_those_who_were_turned_away_together_do_not_come_back_together(form: Form) -> None:
    await form.queue.submit([job(form, tokens=90)], Letterbox())
    waits = set()
    for _ in range(50):
        with pytest.raises(Overloaded) as caught:
            await form.queue.submit([job(form, tokens=20)], Letterbox())
        waits.add(caught.value.retry_after_ms)
    assert len(waits) > 10


async def test_an_empty_queue_takes_a_request_of_any_size(form: Form) -> None:
    await form.queue.submit([job(form, tokens=101)], Letterbox())
    assert form.queue.load().tokens == 101


async def _learn_speed(form: Form) -> None:
    """One batch under load: ten tokens in a second."""
    box, jobs = Letterbox(), [job(form, tokens=10), job(form, tokens=9)]
    await form.queue.submit(jobs, box)
    for it in jobs:
        await form.source.settle(await take_one(form, LIMITS), [answer(1, compute_seconds=1)])
        await box.value(it)
    await form.look()


async def test_a_request_that_would_wait_past_its_deadline_is_turned_away(form: Form) -> None:
    await _learn_speed(form)
    await form.queue.submit([job(form, tokens=50)], Letterbox())  # 5 s of work
    with pytest.raises(Overloaded, match="outlast the deadline"):
        await form.queue.submit([job(form, tokens=1, seconds=4)], Letterbox())
    await form.queue.submit([job(form, tokens=1, seconds=12)], Letterbox())


async def test_a_request_is_let_in_only_with_time_to_be_computed_too(form: Form) -> None:
    await _learn_speed(form)
    await form.queue.submit([job(form, tokens=50)], Letterbox())  # 5 s of work
    with pytest.raises(Overloaded, match="outlast the deadline"):
        await form.queue.submit([job(form, tokens=20, seconds=12)], Letterbox())  # and 2 s more
    await form.queue.submit([job(form, tokens=20, seconds=13)], Letterbox())


async def test_an_upload_that_waits_keeps_no_single_prediction_out(form: Form) -> None:
    await _learn_speed(form)
    await form.queue.submit([job(form, tokens=80, priority="bulk")], Letterbox())  # 8 s of work
    await form.queue.submit([job(form, tokens=1, seconds=3)], Letterbox())
    with pytest.raises(Overloaded, match="outlast the deadline"):
        await form.queue.submit([job(form, tokens=1, seconds=3, priority="bulk")], Letterbox())


async def test_the_speed_is_known_as_soon_as_the_answer_is(form: Form) -> None:
    await form.look()
    it, box = job(form, tokens=10), Letterbox()
    await form.queue.submit([it], box)
    await form.source.settle(await take_one(form, ONE), [answer(1, compute_seconds=1)])
    await box.value(it)
    await form.queue.submit([job(form, tokens=50)], Letterbox())  # 5 s of work
    with pytest.raises(Overloaded, match="outlast the deadline"):
        await form.queue.submit([job(form, tokens=1, seconds=4)], Letterbox())


async def test_what_cannot_be_done_in_time_gives_way_to_what_can(form: Form) -> None:
    first, late, good, box = job(form, 10), job(form, 11, seconds=2), job(form, 12), Letterbox()
    await form.queue.submit([first], box)
    await form.source.settle(await take_one(form, LIMITS), [answer(1, compute_seconds=5)])
    await box.value(first)
    await form.queue.submit([late, good], box)
    assert lengths([await take_one(form, LIMITS)]) == [[12]]
    assert isinstance(await box.outcome(late), DeadlineExceeded)


async def test_what_is_hopeless_is_tried_where_there_is_nothing_better_to_do(form: Form) -> None:
    first, late, box = job(form, 10), job(form, 11, seconds=2), Letterbox()
    await form.queue.submit([first], box)
    await form.source.settle(await take_one(form, ONE), [answer(1, compute_seconds=5)])
    await box.value(first)
    await form.queue.submit([late], box)
    batch = await take_one(form, ONE)
    assert lengths([batch]) == [[11]]
    await form.source.settle(batch, [answer(2, compute_seconds=0.01)])
    assert await box.value(late) == 2


async def test_the_wait_is_shared_by_the_compute_threads(new_form: NewForm) -> None:
    form = await new_form(threads=2)
    await _learn_speed(form)
    await form.queue.submit([job(form, tokens=50)], Letterbox())  # 5 s of work, but 2.5 s of waiting
    await form.queue.submit([job(form, tokens=1, seconds=7)], Letterbox())


async def test_the_speed_of_lone_sequences_says_nothing_of_full_batches(form: Form) -> None:
    await form.queue.submit([job(form, tokens=1)], Letterbox())
    await form.source.settle(await take_one(form, LIMITS), [answer(1, compute_seconds=5)])
    await form.look()
    await form.queue.submit([job(form, tokens=50)], Letterbox())
    await form.queue.submit([job(form, tokens=1, seconds=4)], Letterbox())


async def test_interactive_work_goes_first_and_bulk_leads_every_fourth_batch(form: Form) -> None:
    for priority in ("bulk", "interactive"):
        await form.queue.submit([job(form, priority=priority) for _ in range(8)], Letterbox())
    eight_alone = BatchLimits(max_sequences=1, round_tokens=8 * 5)
    order = [batch.jobs[0].priority for batch in await form.source.take(eight_alone)]
    assert len(order) == 8
    assert order.count("bulk") == 2
    assert order[0] == "interactive"


async def _settle_one(form: Form) -> list[int]:
    """Compute a batch of 32 rows at most; the tokens of each."""
    batch = await take_one(form, ROWS)
    await form.source.settle(batch, [answer(1, compute_seconds=1e-3) for _ in batch.jobs])
    return lengths([batch])[0]


async def _settle_first(form: Form, box: Letterbox) -> None:
    """One job, so that both ends know of each other."""
    first = job(form, 7)
    await form.queue.submit([first], box)
    await _settle_one(form)
    await box.value(first)
    await form.look()


async def test_a_single_sequence_waits_for_three_batches_of_a_list_and_not_for_all(new_form: NewForm) -> None:
    form, box = await new_form(max_tokens=100_000), Letterbox()
    await _settle_first(form, box)
    single = job(form, 8)
    await form.queue.submit([job(form, 5) for _ in range(2000)], box)  # 63 batches
    await form.queue.submit([single], box)
    assert form.queue.load()[:2] == (2001, 10_008)
    batches = [await _settle_one(form) for _ in range(4)]
    assert [8] in batches
    assert await box.value(single) == 1


async def test_a_short_list_gets_as_much_as_a_long_one_until_it_is_done(new_form: NewForm) -> None:
    form, box = await new_form(max_tokens=100_000), Letterbox()
    await _settle_first(form, box)
    long, short = [job(form, 5) for _ in range(900)], [job(form, 6) for _ in range(90)]
    await form.queue.submit(long, box)
    await form.queue.submit(short, box)
    rows: Counter[int] = Counter()
    while rows[6] < 90:
        rows.update(await _settle_one(form))
    assert rows[5] <= 90 + 4 * 32
    while rows[5] < 900:
        rows.update(await _settle_one(form))
    assert [await box.value(it) for it in (*long, *short)] == [1] * 990
    assert form.queue.load()[:2] == (0, 0)


async def test_what_is_left_of_a_list_that_nobody_wants_is_not_computed(new_form: NewForm) -> None:
    form, box = await new_form(max_tokens=100_000), Letterbox()
    await _settle_first(form, box)
    jobs, last = [job(form, 5) for _ in range(500)], job(form, 8)
    await form.queue.submit(jobs, box)
    rows = Counter(await _settle_one(form))
    form.queue.cancel(jobs)
    await form.queue.ping()
    await form.queue.submit([last], box)
    while not rows[8]:
        rows.update(await _settle_one(form))
    assert await box.value(last) == 1
    assert rows[5] <= 3 * 32  # what the worker had at once
    await form.look()
    assert form.queue.load()[:2] == (0, 0)


async def test_a_list_that_waits_is_answered_when_the_queue_closes(new_form: NewForm) -> None:
    form, box = await new_form(max_tokens=100_000), Letterbox()
    jobs = [job(form, 5) for _ in range(2000)]
    await form.queue.submit(jobs, box)
    await form.queue.close()
    assert all(isinstance(box.outcomes[it][0], Draining) for it in jobs)


async def test_a_list_is_let_in_whole_or_not_at_all(new_form: NewForm) -> None:
    form = await new_form(max_tokens=100_000)
    await form.queue.submit([job(form, 5) for _ in range(2000)], Letterbox())
    with pytest.raises(Overloaded, match="limit is 100000"):
        await form.queue.submit([job(form, 50) for _ in range(1900)], Letterbox())
    assert form.queue.load()[:2] == (2000, 10_000)
    await form.queue.submit([job(form, 50) for _ in range(1800)], Letterbox())
    assert form.queue.load()[:2] == (3800, 100_000)


async def test_bulk_work_goes_at_once_when_nothing_else_waits(form: Form) -> None:
    await form.queue.submit([job(form, tokens=3, priority="bulk")], Letterbox())
    (batch,) = await form.source.take(ONE)
    assert (batch.jobs[0].tokens, batch.jobs[0].priority) == (3, "bulk")


async def test_the_load_tells_jobs_tokens_and_age(form: Form) -> None:
    assert form.queue.load() == (0, 0, 0.0)
    await form.queue.submit([job(form, tokens=5)], Letterbox())
    await form.pass_seconds(0.05)
    await form.queue.submit([job(form, tokens=7, priority="bulk")], Letterbox())
    load = form.queue.load()
    assert load[:2] == (2, 12)
    assert 0.04 <= load.oldest_seconds < 10


async def test_a_closed_queue_refuses_new_jobs_and_answers_those_that_wait(form: Form) -> None:
    it, box = job(form), Letterbox()
    await form.queue.submit([it], box)
    await form.queue.close()
    assert isinstance(box.outcomes[it][0], Draining)
    with pytest.raises(Draining):
        await form.queue.submit([job(form)], box)


async def test_ping_returns(form: Form) -> None:
    await form.queue.ping()

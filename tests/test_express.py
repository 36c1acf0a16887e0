"""The short way answers as the long way does, whatever comes in whatever pieces."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import Draining
from app.main import Service, create_service
from app.settings import Settings
from app.tracing import Tracing
from tests.keys import add_key
from tests.raw import get, post
from tests.toy import write_fragile_bundle, write_toy_bundle
from tests.wired import Answer, WiredCaller


def predict(*sequences: str, model: str = "gc") -> bytes:
    return post(json.dumps({"model": model, "sequences": sequences}))


USUAL = predict("ACGT")
HEAD = USUAL.index(b"\r\n\r\n") + 4


@pytest_asyncio.fixture
async def running(service: Service) -> AsyncIterator[Service]:
    async with service.running():
        yield service


@pytest_asyncio.fixture
async def caller(running: Service) -> WiredCaller:
    """One who has asked a usual question before."""
    it = WiredCaller(running)
    await it.ask(USUAL)
    return it


def requests(service: Service, code: str) -> float:
    """How many requests to /predict were answered so."""
    labels = {"route": "/predict", "code": code}
    return service.metrics.registry.get_sample_value("basecast_requests_total", labels) or 0.0


def sequences(service: Service, outcome: str) -> float:
    labels = {"model": "gc", "outcome": outcome}
    return service.metrics.registry.get_sample_value("basecast_sequences_total", labels) or 0.0


async def test_the_first_request_with_a_head_is_read_and_the_next_go_express(running: Service) -> None:
    caller = WiredCaller(running)
    first = await caller.ask(USUAL)
    assert not caller.went_express
    for _ in range(3):
        again = await caller.ask(USUAL)
        assert caller.went_express
        assert again == first
    assert first.status == 200


async def test_what_one_connection_has_sent_is_known_on_all_of_them(caller: WiredCaller, running: Service) -> None:
    other = WiredCaller(running)
    assert (await other.ask(predict("GG"))).status == 200
    assert other.went_express
    assert not other.connection._timer  # which ends who sends no head


async def test_but_not_what_could_be_its_own(running: Service) -> None:
    own = post(json.dumps({"model": "gc", "sequences": ["ACGT"]}), "Cookie: mine")
    callers = [WiredCaller(running) for _ in range(2)]
    for caller in callers:
        for way in (False, True):
            await caller.ask(own)
            assert caller.went_express is way


async def test_another_sequence_or_several_need_no_other_head(caller: WiredCaller) -> None:
    answer = await caller.ask(predict("GGGG", "ACGT", "AAAAA"))
    assert caller.went_express
    assert b'"id":"2","bases":5,"tokens":5,"values":{"gc_fraction":0.0}' in answer.text


async def test_every_request_is_counted_once(caller: WiredCaller, running: Service) -> None:
    for _ in range(4):
        await caller.ask(predict("ACGT", "GG"))
    assert requests(running, "200") == 5
    assert sequences(running, "ok") == 9
    assert running.predictor.in_flight.fits(10**6, 10**6)  # nobody has room any more
    await asyncio.wait_for(running.app.idle(), 1)


LONG_WAY = [
    predict("ACGU!"),
    predict("ACGT", model="gcc"),
    predict("A" * 5000),
    predict(*["ACGT"] * 2000),
    post("{"),
    post('{"sequences":["ACGT"],"model":"gc","priority":"bulk"}'),
    post('{"sequences":["ACGT"]}'),  # of which model?
    post(json.dumps({"model": "gc", "sequences": [{"id": "a", "sequence": "ACGT"}]})),
    post(json.dumps({"model": "gc", "sequences": ["ACGT"]}), "X-Request-Id: mine"),
    post(json.dumps({"model": "gc", "sequences": ["ACGT"]}), "Accept: text/csv"),
    post(">a\nACGT\n", path="/predict?model=gc", kind="text/x-fasta"),
    get("/livez"),
    get("/nowhere"),
    b"BREW /pot HTTP/1.1\r\nhost: x\r\n\r\n",
]


@pytest.mark.parametrize("request_", LONG_WAY, ids=range(len(LONG_WAY)))
async def test_what_is_not_usual_goes_the_long_way(running: Service, caller: WiredCaller, request_: bytes) -> None:
    answer = await caller.ask(request_)
    assert not caller.went_express
    assert answer == await WiredCaller(running, express=False).ask(request_)
    if answer.status != 400:  # after which the connection is closed
        await caller.ask(USUAL)
        assert caller.went_express


async def test_a_head_and_its_body_may_come_apart(caller: WiredCaller) -> None:
    assert (await caller.ask(USUAL[:HEAD], USUAL[HEAD:])).status == 200
    assert caller.went_express


async def test_a_body_may_come_in_pieces(caller: WiredCaller) -> None:
    for cut in range(HEAD + 1, len(USUAL), 5):
        assert (await caller.ask(USUAL[:HEAD], USUAL[HEAD:cut], USUAL[cut:])).status == 200
        assert (await caller.ask(USUAL[:cut], USUAL[cut:])).status == 200


async def test_the_first_head_and_its_body_may_come_apart(running: Service) -> None:
    caller = WiredCaller(running)
    for way in (False, True):
        assert (await caller.ask(USUAL[:HEAD], USUAL[HEAD:])).status == 200
        assert caller.went_express is way


async def test_a_body_that_is_late_goes_the_long_way(caller: WiredCaller) -> None:
    await caller.send(USUAL[:HEAD])
    await asyncio.sleep(0.05)
    assert (await caller.ask(USUAL[HEAD:])).status == 200
    assert not caller.went_express


async def test_who_leaves_between_head_and_body_leaves_nothing_behind(caller: WiredCaller, running: Service) -> None:
    trouble: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: trouble.append(context))
    await caller.send(USUAL[:HEAD])
    caller.hang_up()
    await asyncio.sleep(0.01)
    await asyncio.wait_for(running.app.idle(), 1)
    assert (requests(running, "200"), trouble) == (1, [])


async def test_a_head_whose_body_is_to_come_when_the_server_stops_is_answered(caller: WiredCaller) -> None:
    await caller.send(USUAL[:HEAD])
    caller.connection.shutdown()
    assert not caller.wire.closed
    assert (await caller.ask(USUAL[HEAD:])).status == 200
    assert caller.wire.closed


async def test_what_follows_a_head_that_has_begun_is_a_part_of_it(caller: WiredCaller) -> None:
    caller.connection.data_received(predict("GG"))
    caller.connection.data_received(b"GET /livez HTTP/1.1\r\nx-a: ")  # while the first is in flight
    assert (await caller.answers(1))[0].status == 200
    caller.connection.data_received(USUAL)  # a line of that head, and more
    assert not caller.went_express
    (answer,) = await caller.answers(1)
    assert b'{"status":"ok"' in answer.text


async def test_no_head_is_known_by_the_next_one_s_meaning(running: Service) -> None:
    caller = WiredCaller(running)
    table = post(json.dumps({"model": "gc", "sequences": ["ACGT"]}), "Accept: text/csv")
    caller.connection.data_received(table + USUAL[:HEAD])
    await caller.answers(1)
    assert (await caller.ask(USUAL[HEAD:])).status == 200
    assert b"content-type: text/csv" in (await caller.ask(table)).text


async def test_a_head_that_is_refused_is_refused_again(running: Service) -> None:
    caller = WiredCaller(running)
    crowded = post(json.dumps({"model": "gc", "sequences": ["ACGT"]}), *(f"A{number}: b" for number in range(100)))
    assert [(await caller.ask(crowded)).status for _ in range(3)] == [431] * 3


async def test_a_body_too_large_for_the_setting_is_refused(toy_models: Path) -> None:
    service = create_service(Settings(models=toy_models, threads=1, max_body_bytes=1000))
    async with service.running():
        caller = WiredCaller(service)
        asked = (USUAL, USUAL, predict("A" * 1000))
        assert [(await caller.ask(request)).status for request in asked] == [200, 200, 413]


async def test_the_rest_of_a_body_that_was_answered_early_is_no_request(caller: WiredCaller) -> None:
    early = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (len(USUAL) + 1)
    assert (await caller.ask(early)).status == 404
    await caller.send(USUAL)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(caller.answers(1), 0.1)


async def test_requests_that_come_together_are_answered_in_their_order(caller: WiredCaller) -> None:
    await caller.send(predict("A") + predict("AC") + get("/livez") + predict("ACGG"))
    answers = await caller.answers(4)
    assert [b'"bases":%d' % bases in answer.text for bases, answer in zip((1, 2, 0, 4), answers, strict=True)] == [
        True, True, False, True,
    ]  # fmt: skip


async def test_a_request_behind_one_that_goes_express_waits_for_it(caller: WiredCaller) -> None:
    caller.connection.data_received(predict("G"))
    assert caller.went_express
    caller.connection.data_received(predict("GA"))
    first, second = await caller.answers(2)
    assert (b'"bases":1' in first.text, b'"bases":2' in second.text) == (True, True)


async def test_who_hangs_up_is_waited_for_no_longer(caller: WiredCaller, running: Service) -> None:
    caller.connection.data_received(predict("GATTACA"))
    assert caller.went_express
    caller.hang_up()
    await asyncio.wait_for(running.app.idle(), 1)
    assert requests(running, "499") == 1
    other = WiredCaller(running)
    assert (await other.ask(USUAL)).status == 200
    assert running.predictor.in_flight.fits(10**6, 10**6)


async def test_who_hangs_up_when_he_is_told_of_an_error_is_counted_once(caller: WiredCaller, running: Service) -> None:
    caller.connection.data_received(predict("GATTACA"))
    running.predictor.abandon(Draining(retry_after_ms=1000))
    caller.hang_up()
    await asyncio.wait_for(running.app.idle(), 1)
    await asyncio.sleep(0.01)
    assert (requests(running, "503"), requests(running, "499")) == (1, 0)
    assert not running.app.busy


async def test_equal_sequences_of_two_callers_are_computed_once(running: Service) -> None:
    callers = [WiredCaller(running) for _ in range(2)]
    for caller in callers:
        await caller.ask(USUAL)
    for caller in callers:
        caller.connection.data_received(predict("GATTACA", "GATTACA"))
    for caller in callers:
        (answer,) = await caller.answers(1)
        assert answer.text.count(b'"bases":7') == 2
    metrics = running.metrics.registry
    assert metrics.get_sample_value("basecast_deduplicated_total", {"model": "gc"}) == 3


async def test_who_is_abandoned_is_told_so_and_the_connection_ends(caller: WiredCaller, running: Service) -> None:
    caller.connection.data_received(predict("GATTACA"))
    running.predictor.abandon(Draining(retry_after_ms=1000))
    (answer,) = await caller.answers(1)
    assert answer.status == 503
    assert b"connection: close\r\n" in answer.text
    assert caller.wire.closed
    await asyncio.wait_for(running.app.idle(), 1)
    assert requests(running, "503") == 1
    assert sequences(running, "error") == 1


async def test_while_the_process_drains_the_long_way_says_so(caller: WiredCaller, running: Service) -> None:
    running.predictor.draining = True
    assert (await caller.ask(USUAL)).status == 503
    assert not caller.went_express


async def test_an_answer_too_late_is_none(slow_models: Path) -> None:
    service = create_service(Settings(models=slow_models, threads=1))
    hasty = post(json.dumps({"model": "gc", "sequences": ["ACGT"]}), "X-Deadline-Ms: 20")
    async with service.running():
        patient, other = WiredCaller(service), WiredCaller(service)
        while (await patient.ask(hasty)).status == 504:  # until a first one is in time
            pass
        await other.send(predict("ACGT", model="slow"))  # for half a second or more it has the only thread
        await asyncio.sleep(0.01)
        answer = await patient.ask(hasty)
        assert patient.went_express
        assert answer.status == 504
        await other.answers(1)
        counted = requests(service, "504")
    assert counted >= 1
    assert sequences(service, "error") == counted


@pytest.fixture
def breakable(tmp_path: Path) -> Service:
    """A service over a model that fails for every length but those of its examples."""
    write_fragile_bundle(tmp_path)
    write_toy_bundle(tmp_path)
    return create_service(Settings(models=tmp_path, threads=1))


async def test_a_failure_of_the_model_is_told_as_by_the_long_way(breakable: Service) -> None:
    async with breakable.running():
        fails = predict("ACGTA", model="fragile")
        callers = [WiredCaller(breakable, express=express) for express in (True, False)]
        found: list[list[Answer]] = [[await caller.ask(fails) for _ in range(3)] for caller in callers]
    assert [answer.status for answer in found[0]] == [500] * 3
    assert found[0] == found[1]
    assert callers[0].went_express


def test_nothing_goes_express_where_callers_need_keys(toy_models: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    add_key(keys, "predict")
    assert create_service(Settings(models=toy_models, threads=1, api_keys_file=keys)).express is None


def test_nothing_goes_express_where_traces_are_recorded(toy_models: Path) -> None:
    class Recording(Tracing):
        recording = True

    assert create_service(Settings(models=toy_models, threads=1), Recording()).express is None


def test_nothing_goes_express_where_others_compute(toy_models: Path) -> None:
    assert create_service(Settings(models=toy_models, queue="redis://localhost:1/0")).express is None


SAME = json.dumps({"model": "gc", "sequences": ["ACGT"]})
wants = st.sampled_from(
    [
        USUAL,
        USUAL,
        predict("GG", "AC"),
        predict("AC!"),
        predict("GGC"),
        get("/livez"),
        post(SAME, "Accept: text/csv"),
        post(SAME, "X-Deadline-Ms: 9000"),
        post(SAME, *(f"A{number}: b" for number in range(100))),
        post(SAME, path="/predict?priority=bulk"),
        post(SAME, path="/nowhere"),
        post(SAME, "Connection: keep-alive"),
        *LONG_WAY[:4],
        *LONG_WAY[5:8],
    ]
)


@st.composite
def cut(draw: st.DrawFn) -> list[bytes]:
    """A request in pieces."""
    request = draw(wants)
    places = sorted(draw(st.lists(st.integers(0, len(request)), max_size=3)))
    return [request[start:end] for start, end in zip([0, *places], [*places, len(request)], strict=True)]


@settings(max_examples=60, deadline=None)
@given(st.lists(cut(), min_size=1, max_size=6), st.booleans())
def test_whatever_comes_in_whatever_pieces_is_answered_as_by_the_long_way(
    toy_models_of_all: Service, conversation: Sequence[Sequence[bytes]], together: bool
) -> None:
    async def talk(*, express: bool) -> list[Answer]:
        caller = WiredCaller(toy_models_of_all, express=express)
        if not together:
            return [await caller.ask(*parts) for parts in conversation]
        for parts in conversation:
            await caller.send(*parts)
        return await caller.answers(len(conversation))

    async def both() -> tuple[list[Answer], list[Answer]]:
        async with toy_models_of_all.running():
            return await talk(express=True), await talk(express=False)

    by_the_short_way, by_the_long_way = asyncio.run(both())
    assert by_the_short_way == by_the_long_way


@pytest.fixture(scope="module")
def toy_models_of_all(toy_models: Path) -> Service:
    """One service for all examples."""
    return create_service(Settings(models=toy_models, threads=1))

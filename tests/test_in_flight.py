"""A process takes what it has room for and refuses the rest at once."""

from __future__ import annotations

from contextlib import ExitStack, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Overloaded
from app.in_flight import InFlight
from app.metrics import Metrics
from tests.queue_forms import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def in_flight(metrics: Metrics, clock: Clock) -> InFlight:
    return InFlight(10, 1000, metrics, clock)


@pytest.mark.parametrize(("sequences", "bases"), [(8, 1), (1, 901), (8, 901)])
def test_what_does_not_fit_beside_the_others_is_refused(
    in_flight: InFlight, metrics: Metrics, sequences: int, bases: int
) -> None:
    with in_flight.room(3, 100), pytest.raises(Overloaded, match="3 sequences of 100 bases"):
        in_flight.room(sequences, bases).__enter__()
    assert metrics.registry.get_sample_value("basecast_shed_total", {"reason": "in_flight"}) == 1


def test_what_just_fits_is_taken(in_flight: InFlight) -> None:
    with in_flight.room(3, 100), in_flight.room(7, 900):
        pass


def test_a_request_that_is_alone_may_be_larger(in_flight: InFlight) -> None:
    with in_flight.room(11, 5000):
        pass


def test_room_is_free_again_when_a_request_fails(in_flight: InFlight) -> None:
    with pytest.raises(RuntimeError), in_flight.room(10, 1000):
        raise RuntimeError
    with in_flight.room(1, 1), in_flight.room(9, 999):
        pass


def test_who_is_refused_may_return_after_as_long_as_requests_stay_now(in_flight: InFlight, clock: Clock) -> None:
    for _ in range(100):
        with in_flight.room(1, 1):
            clock.now += 5
    with in_flight.room(10, 1000), pytest.raises(Overloaded) as refused:
        in_flight.room(1, 1).__enter__()
    assert refused.value.retry_after_ms is not None
    assert 4900 <= refused.value.retry_after_ms <= 6000  # 5 s, and up to a fifth by chance


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 1200)), max_size=20))
def test_the_limits_hold_whatever_comes(requests: list[tuple[int, int]]) -> None:
    in_flight, inside = InFlight(10, 1000, Metrics()), []
    with ExitStack() as held:
        for sequences, bases in requests:
            with suppress(Overloaded):
                held.enter_context(in_flight.room(sequences, bases))
                inside.append((sequences, bases))
        alone = len(inside) <= 1
        assert alone or (sum(it for it, _ in inside) <= 10 and sum(it for _, it in inside) <= 1000)
    with in_flight.room(1, 1), in_flight.room(9, 999):
        pass  # all of it is free again

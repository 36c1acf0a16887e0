"""Asking for predictions: in this process, or a service behind a URL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.client import Client, Prediction
from app.client.local import open_local
from app.client.remote import connect
from app.errors import (
    Unprocessable,
)
from app.main import create_service
from app.settings import Settings
from tests.processes import until


@contextmanager
def local(models: Path, **settings: Any) -> Iterator[Client]:
    with open_local(create_service(Settings(models=models, threads=1, **settings))) as client:
        yield client


# Both forms


@pytest.fixture(params=["local", "remote"])
def token_client(request: pytest.FixtureRequest, toy_models: Path) -> Iterator[Client]:
    """A client of `mean-id`, in each of its forms."""
    if request.param == "local":
        with local(toy_models / "mean-id") as client:
            yield client
    else:
        with connect(request.getfixturevalue("live_server").url, "mean-id") as client:
            yield client


def test_a_client_knows_its_model_and_targets(token_client: Client) -> None:
    assert token_client.model == "mean-id@1.0.0"
    assert token_client.targets == ("mean_id", "mean_id_plus_ten")


def test_predictions_come_in_order_with_lengths(token_client: Client) -> None:
    found = token_client.predict(["AC", "ttt", "U"])
    assert found == [
        Prediction(2, 4, (3.0, 13.0)),
        Prediction(3, 5, (4.8, 14.8)),
        Prediction(1, 3, (3.333333, 13.33333)),
    ]


def test_any_route_of_one_document_can_be_asked(token_client: Client) -> None:
    told = token_client.ask("/predict/mutagenesis", {"sequence": "G"})  # (3 + id) / 3
    assert told["values"]["mean_id"] == [[2.333333, 2.666667, 3.0, 3.333333]]


def test_a_route_s_refusal_is_the_error_that_it_is_in_the_service(token_client: Client) -> None:
    with pytest.raises(Unprocessable) as refused:
        token_client.ask("/predict/mutagenesis", {"sequence": "G!"})
    (item,) = refused.value.items
    assert (item.pointer, item.code, item.position) == ("/sequence", "invalid_base", 1)


def test_a_refusal_points_at_each_sequence_at_fault(token_client: Client) -> None:
    with pytest.raises(Unprocessable) as refused:
        token_client.predict(["AC", "A!", "", "G"])
    assert [(item.pointer, item.code) for item in refused.value.items] == [
        ("/sequences/1", "invalid_base"),
        ("/sequences/2", "empty"),
    ]


# In this process


def test_work_in_flight_is_given_up_when_the_client_closes(slow_models: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        service = create_service(Settings(models=slow_models / "slow", threads=1))
        with open_local(service) as client:
            asked = pool.submit(client.predict, ["ACGT" * length for length in range(1, 200)])
            until(lambda: any(queue.load().jobs for queue in service.backend.queues.values()))
        assert isinstance(asked.exception(10), CancelledError)

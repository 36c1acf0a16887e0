"""A mutagenesis in pieces: joined it is what one request would have answered, however small the pieces have to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.bulk import Patience
from app.client import Client, Prediction, Progress
from app.client.local import open_local
from app.errors import DeadlineExceeded, ItemError, Overloaded, ServiceError, Unprocessable
from app.main import create_service
from app.settings import Settings
from app.sweeping import ROUTE, joined, sweep_all
from tests.people import settings_of, write_window_bundle

Refusal = Callable[[int], ServiceError | None]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    write_window_bundle(tmp_path / "models")
    settings: Settings = settings_of(tmp_path, tmp_path / "models")
    with open_local(create_service(settings)) as client:
        yield client


@dataclass
class Choosy(Client):
    """A client that refuses some requests by how many positions they ask for."""

    inner: Client
    refuse: Refusal
    model: str = ""
    targets: tuple[str, ...] = ()
    asked: list[int] = field(default_factory=list)

    def ask(self, route: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(request["most_positions"])
        if error := self.refuse(request["most_positions"]):
            raise error
        return self.inner.ask(route, request)

    def predict(self, sequences: Any) -> list[Prediction]:
        raise NotImplementedError

    def predict_people(self, request: Any, vcf: Path, progress: Progress) -> dict[str, Any]:
        raise NotImplementedError


def too_late(positions: int) -> ServiceError | None:
    return DeadlineExceeded("too late") if positions > 2 else None


def too_many(positions: int) -> ServiceError | None:
    return Unprocessable("too many", items=[ItemError("/gene", "too_many", "")]) if positions > 2 else None


PATIENCE = Patience(lambda _: None, longest_wait_ms=1)


@pytest.mark.parametrize(
    "request_",
    [
        {"sequence": "GGCAGGCANA"},
        {"sequence": "GGCAGGCAGA", "start": 3, "end": 8, "centre": True},
        {"gene": "MINUS"},
        {"interval": "chr1:45-52"},
    ],
)
@pytest.mark.parametrize("most", [1, 3, 10, 99])
def test_pieces_make_the_answer_to_one_request(client: Client, request_: dict[str, Any], most: int) -> None:
    pieces = list(sweep_all(client, request_, PATIENCE, most))
    assert joined(pieces) == client.ask(ROUTE, request_)
    assert all(len(piece["positions"]) == most for piece in pieces[:-1])


@pytest.mark.parametrize("refuse", [too_late, too_many])
def test_pieces_that_are_too_much_are_halved_from_there_on(client: Client, refuse: Refusal) -> None:
    choosy = Choosy(client, refuse)
    pieces = list(sweep_all(choosy, {"gene": "PLUS"}, PATIENCE, 8))
    assert choosy.asked == [8, 4, 2, 2, 2, 2, 2]
    assert [piece["remaining"] for piece in pieces] == [8, 6, 4, 2, 0]


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (DeadlineExceeded("too late"), [2, 1]),
        (Unprocessable("no", items=[ItemError("/sequence", "invalid_base", "")]), [2]),
    ],
)
def test_what_is_too_much_even_alone_or_wrong_ends_it(client: Client, error: ServiceError, asked: list[int]) -> None:
    choosy = Choosy(client, lambda _: error)
    with pytest.raises(type(error)):
        list(sweep_all(choosy, {"gene": "PLUS"}, PATIENCE, 2))
    assert choosy.asked == asked


def test_a_busy_service_is_asked_again(client: Client) -> None:
    refusals = iter([Overloaded("busy", retry_after_ms=1), None])
    choosy = Choosy(client, lambda _: next(refusals, None))
    assert sum(len(piece["positions"]) for piece in sweep_all(choosy, {"gene": "PLUS"}, PATIENCE)) == 10
    assert len(choosy.asked) == 2

"""Any number of records through a client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.bulk import CHUNK_SEQUENCES, Outcome, Patience, chunks, predict_all, predict_chunk
from app.client import Client, Prediction
from app.client.local import open_local
from app.client.remote import connect
from app.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    InferenceFailed,
    Overloaded,
    ServiceError,
)
from app.main import create_service
from app.records import Record
from app.settings import Settings
from tests.live import LiveServer


def quiet(message: str) -> None:
    """Say nothing."""


def records_of(sequences: Sequence[str]) -> list[Record]:
    return [Record(index + 1, f"s{index}", sequence) for index, sequence in enumerate(sequences)]


def all_of(client: Client, records: Sequence[Record], patience: Patience | None = None) -> Outcome:
    return sum(predict_all(client, records, patience or Patience(quiet)), Outcome())


@contextmanager
def local(models: Path, **settings: Any) -> Iterator[Client]:
    with open_local(create_service(Settings(models=models, threads=1, **settings))) as client:
        yield client


class Fake:
    """A client that answers each call as told; a list of errors is raised one after the other."""

    model, targets = "fake@1.0.0", ("bases",)

    def __init__(self, errors: Sequence[ServiceError] = (), most: int = 10_000) -> None:
        self.errors, self.most, self.sizes = list(errors), most, list[int]()

    def predict(self, sequences: Sequence[str]) -> list[Prediction]:
        self.sizes.append(len(sequences))
        if self.errors:
            raise self.errors.pop(0)
        if len(sequences) > self.most:
            raise DeadlineExceeded
        return [Prediction(len(sequence), 0, (0.0,)) for sequence in sequences]


def test_chunks_hold_so_many_sequences_or_bases() -> None:
    short = list(chunks(records_of(["A"] * (CHUNK_SEQUENCES + 1))))
    assert [len(chunk) for chunk in short] == [CHUNK_SEQUENCES, 1]
    long = list(chunks(records_of(["A" * 300_000] * 2 + ["A" * 2_000_000, "A"])))
    assert [len(chunk) for chunk in long] == [1, 1, 1, 1]


def test_records_are_read_only_as_they_are_needed() -> None:
    read = 0

    def endless() -> Iterator[Record]:
        nonlocal read
        while True:
            read += 1
            yield Record(read, str(read), "ACGT")

    outcomes = predict_all(Fake(), endless(), Patience(quiet))
    for _ in range(3):
        next(outcomes)
    outcomes.close()
    assert read < 8 * CHUNK_SEQUENCES


def test_a_busy_service_is_asked_again_after_the_time_it_names() -> None:
    said: list[str] = []
    client = Fake([Overloaded("Busy.", retry_after_ms=5), Overloaded("Busy.", retry_after_ms=60_000)])
    outcome = predict_chunk(client, records_of(["AC"]), Patience(said.append, longest_wait_ms=10))
    assert len(outcome.predicted) == 1
    assert said == ["Busy. Trying again in 0.005 s (1 of 9).", "Busy. Trying again in 0.01 s (2 of 9)."]


def test_patience_ends() -> None:
    client = Fake([Overloaded(retry_after_ms=1)] * 3)
    with pytest.raises(Overloaded):
        predict_chunk(client, records_of(["AC"]), Patience(quiet, attempts=3))
    assert len(client.sizes) == 3


@pytest.mark.parametrize("error", [BodyTooLarge, DeadlineExceeded])
def test_a_chunk_that_is_too_much_at_once_is_halved(error: type[ServiceError]) -> None:
    client = Fake([error()])
    outcome = predict_chunk(client, records_of(["A", "AC", "ACG"]), Patience(quiet))
    assert client.sizes == [3, 1, 2]
    assert [prediction.bases for _, prediction in outcome.predicted] == [1, 2, 3]


def test_a_service_that_takes_fewer_sequences_gets_fewer(toy_models: Path) -> None:
    with local(toy_models / "gc", max_sequences=10) as client:
        outcome = all_of(client, records_of(["GGCA"] * 300))
    assert len(outcome.predicted) == 300


def test_a_record_too_large_even_alone_is_refused(toy_models: Path) -> None:
    with local(toy_models / "gc", max_total_bases=500) as client:
        outcome = all_of(client, records_of(["GGCA", "A" * 501, "TTTT"]))
    assert [(refusal.record.id, refusal.code) for refusal in outcome.refused] == [("s1", "too_long")]
    assert len(outcome.predicted) == 2


def test_a_record_without_a_finite_answer_is_refused_alone(toy_models: Path) -> None:
    with local(toy_models / "gc") as client:
        outcome = all_of(client, records_of(["GGCA", "NN", "TTTT"]))
    assert [(refusal.record.id, refusal.code) for refusal in outcome.refused] == [("s1", "non_finite_output")]


def test_a_single_record_that_takes_too_long_ends_the_run() -> None:
    with pytest.raises(DeadlineExceeded):
        predict_chunk(Fake(most=0), records_of(["AC", "GT"]), Patience(quiet))


def test_a_model_that_fails_ends_the_run() -> None:
    with pytest.raises(InferenceFailed):
        all_of(Fake([InferenceFailed()]), records_of(["AC"]))


@pytest.mark.parametrize("remote", [False, True])
def test_order_and_refusals_hold_for_many_chunks(toy_models: Path, live_server: LiveServer, remote: bool) -> None:
    sequences = ["AC!" if index % 3 == 0 else "ACGT" * (1 + index % 50) for index in range(3000)]
    with connect(live_server.url, "mean-id") if remote else local(toy_models / "mean-id") as client:
        outcome = all_of(client, records_of(sequences))
    assert [refusal.record.number for refusal in outcome.refused] == list(range(1, 3001, 3))
    assert {refusal.code for refusal in outcome.refused} == {"invalid_base"}
    assert [prediction.bases for _, prediction in outcome.predicted] == [
        len(sequence) for sequence in sequences if "!" not in sequence
    ]

"""What becomes of a shard's records on one device."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app.bulk import Outcome
from app.bundle import read_bundle
from app.errors import InferenceFailed
from app.fuse import Fuse
from app.records import Record
from app.shards.engine import ShardEngine
from tests.toy import write_fragile_bundle, write_hungry_bundle, write_token_bundle, write_toy_bundle


def predict(bundle: Path, sequences: list[str]) -> Outcome:
    records = [Record(number, f"r{number}", sequence) for number, sequence in enumerate(sequences, start=1)]
    with closing(ShardEngine(read_bundle(bundle), "cpu", True, 2, Fuse())) as engine:
        return engine.predict(records)


def values(outcome: Outcome) -> dict[int, tuple[float, ...]]:
    return {record.number: prediction.values for record, prediction in outcome.predicted}


def refusals(outcome: Outcome) -> list[tuple[int, str]]:
    return [(refusal.record.number, refusal.code) for refusal in outcome.refused]


def test_predictions_come_in_the_order_of_the_records(tmp_path: Path) -> None:
    outcome = predict(write_token_bundle(tmp_path), ["G", "AC", "G", "ACGT"])
    assert values(outcome) == {1: (3, 13), 2: (3, 13), 3: (3, 13), 4: (pytest.approx(25 / 6), pytest.approx(85 / 6))}
    assert [(it.bases, it.tokens) for _, it in outcome.predicted] == [(1, 3), (2, 4), (1, 3), (4, 6)]


def test_refused_records_leave_the_others_alone(tmp_path: Path) -> None:
    outcome = predict(write_toy_bundle(tmp_path), ["GG!A", "GGCA", "", "NN", "TTTT"])
    assert values(outcome) == {2: (0.75,), 5: (0.0,)}
    assert refusals(outcome) == [(1, "invalid_base"), (3, "empty"), (4, "non_finite_output")]


def test_nothing_to_predict_is_no_fault(tmp_path: Path) -> None:
    assert refusals(predict(write_toy_bundle(tmp_path), ["!"])) == [(1, "invalid_base")]


def test_a_batch_that_does_not_fit_is_halved(tmp_path: Path) -> None:
    outcome = predict(write_hungry_bundle(tmp_path), ["GGCA", "TTTT", "GTTT", "GGTT"])
    assert values(outcome) == {1: (0.75,), 2: (0.0,), 3: (0.25,), 4: (0.5,)}


def test_a_record_that_the_model_fails_on_is_set_aside(tmp_path: Path) -> None:
    outcome = predict(write_fragile_bundle(tmp_path), ["GGCA", "GGC"])
    assert (values(outcome), refusals(outcome)) == ({1: (0.75,)}, [(2, "inference_failed")])


@pytest.fixture
def fragile(tmp_path: Path) -> Callable[[], Outcome]:
    return lambda: predict(write_fragile_bundle(tmp_path), ["GGC", "G"])


def test_a_model_that_fails_on_everything_ends_the_run(fragile: Callable[[], Outcome]) -> None:
    with pytest.raises(InferenceFailed):
        fragile()

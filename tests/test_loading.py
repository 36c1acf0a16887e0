"""What is measured and chosen when a bundle is loaded."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from app.batching import BatchLimits
from app.bundle import MANIFEST, read_bundle
from app.engine import OnnxModel
from app.fuse import Fuse
from app.loading import fitted, load
from app.strategy import Tuning
from app.watchdog import Speed, Watchdog
from app.worker_process import lease_for
from tests.toy import write_fragile_bundle, write_hungry_bundle, write_manifest


def test_the_longest_input_is_timed_where_others_wait_for_it(toy_models: Path) -> None:
    bundle, watchdog = read_bundle(toy_models / "mean-id"), Watchdog(Fuse(), 1.5)
    (untimed,) = load(bundle, "cpu", True, watchdog)
    assert untimed.speed.longest_seconds == math.inf
    (timed,) = load(bundle, "cpu", True, watchdog, time_longest=True)
    assert 0 < timed.speed.longest_seconds < 1


def test_a_model_that_fails_at_its_longest_input_is_served_all_the_same(tmp_path: Path) -> None:
    bundle = read_bundle(write_fragile_bundle(tmp_path))
    (loaded,) = load(bundle, "cpu", True, Watchdog(Fuse(), 60), time_longest=True)
    assert loaded.speed.longest_seconds == pytest.approx(1000 * loaded.speed.seconds_per_token)


def test_what_the_operator_chose_is_how_a_graph_is_served(toy_models: Path) -> None:
    bundle, watchdog = read_bundle(toy_models / "mean-id"), Watchdog(Fuse(), 1.5)
    (chosen,) = load(bundle, "cpu", True, watchdog, Tuning(2, max_sequences=5, length_multiple=8))
    assert (chosen.strategy.intra_op_threads, chosen.strategy.length_multiple) == (2, 8)
    assert chosen.strategy.limits.max_sequences == 5
    (left,) = load(bundle, "cpu", True, watchdog)
    assert (left.strategy.intra_op_threads, left.strategy.length_multiple) == (1, 1)


def test_rows_of_a_graph_without_a_mask_are_never_padded(toy_models: Path) -> None:
    bundle = read_bundle(toy_models / "gc")
    (loaded,) = load(bundle, "cpu", True, Watchdog(Fuse(), 1.5), Tuning(max_padding=0.5, length_multiple=8))
    assert (loaded.strategy.length_multiple, loaded.strategy.limits.max_padding) == (1, 0)


def test_limits_are_lowered_until_their_largest_batch_fits(tmp_path: Path) -> None:
    folder = write_hungry_bundle(tmp_path)  # three rows are too many
    rules = json.loads((folder / MANIFEST).read_text())["input"]
    write_manifest(folder, input=rules | {"max_bases": 8, "max_tokens": 8})
    model = OnnxModel(read_bundle(folder))
    assert fitted(model, BatchLimits(max_sequences=16, max_tokens=64)).max_tokens == 16  # 8 rows, 4, 2 of 8 tokens
    small = BatchLimits(max_sequences=2, max_tokens=1000)
    assert fitted(model, small) == small


def test_a_batch_should_take_as_long_as_its_tokens_or_the_longest_input_take() -> None:
    speed = Speed(seconds_per_token=0.04, longest_seconds=0.3)
    assert speed.expected_seconds(rows=1, padded_tokens=5) == pytest.approx(0.2)
    assert speed.expected_seconds(rows=1, padded_tokens=1000) == pytest.approx(0.3)
    assert speed.expected_seconds(rows=2, padded_tokens=1000) == pytest.approx(0.6)


def test_the_lease_outlasts_two_batches_that_the_watchdog_waits_for() -> None:
    assert lease_for([Speed(longest_seconds=0.1), Speed(longest_seconds=0.01)], 3000) == 3000
    assert lease_for([Speed(longest_seconds=0.01), Speed(longest_seconds=0.4)], 3000) == 8000  # 2 x 10 x 0.4 s

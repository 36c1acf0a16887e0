"""How batches are formed on which device, and how long they may take there."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import pytest

from app.bundle import read_bundle, read_manifest
from app.fuse import Fuse
from app.loading import batch_limits, load
from app.watchdog import Speed, Watchdog
from app.worker_process import lease_for
from tests.toy import write_fragile_bundle

limits = partial(batch_limits, watchdog_seconds=1.5)


@pytest.mark.parametrize("on_cpu", [True, False])
def test_rows_are_never_padded_for_a_graph_without_a_mask(toy_models: Path, on_cpu: bool) -> None:
    one_hot = read_manifest(toy_models / "gc")
    assert limits(one_hot, on_cpu=on_cpu, seconds_per_token=1e-3).max_padding == 0


def test_on_a_gpu_rows_are_padded_and_batches_are_large(toy_models: Path) -> None:
    tokens = read_manifest(toy_models / "mean-id")
    on_cpu = limits(tokens, on_cpu=True, seconds_per_token=1e-6)
    on_gpu = limits(tokens, on_cpu=False, seconds_per_token=1e-6)
    assert (on_cpu.max_padding, on_cpu.round_tokens) == (0, 4000)
    assert (on_gpu.max_padding, on_gpu.round_tokens) == (0.2, 4000)
    assert on_gpu.max_tokens > on_cpu.max_tokens


def test_on_a_cpu_no_batch_takes_a_tenth_of_what_the_watchdog_allows(toy_models: Path) -> None:
    tokens = read_manifest(toy_models / "mean-id")
    # 0.15 s at a millisecond a token; at a second a token one goes alone
    assert limits(tokens, on_cpu=True, seconds_per_token=1e-3).max_tokens == 150
    assert limits(tokens, on_cpu=True, seconds_per_token=1.0).max_tokens == 1
    assert limits(tokens, on_cpu=False, seconds_per_token=1e-3).max_tokens == 65_536


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


def test_a_batch_should_take_as_long_as_its_tokens_or_the_longest_input_take() -> None:
    speed = Speed(seconds_per_token=0.04, longest_seconds=0.3)
    assert speed.expected_seconds(rows=1, padded_tokens=5) == pytest.approx(0.2)
    assert speed.expected_seconds(rows=1, padded_tokens=1000) == pytest.approx(0.3)
    assert speed.expected_seconds(rows=2, padded_tokens=1000) == pytest.approx(0.6)


def test_the_lease_outlasts_two_batches_that_the_watchdog_waits_for() -> None:
    assert lease_for([Speed(longest_seconds=0.1), Speed(longest_seconds=0.01)], 3000) == 3000
    assert lease_for([Speed(longest_seconds=0.01), Speed(longest_seconds=0.4)], 3000) == 8000  # 2 x 10 x 0.4 s

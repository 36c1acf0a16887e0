"""How graphs are served follows from what was measured, and from what the operator wants before that."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.batching import BatchLimits
from app.bundle import Manifest, read_manifest
from app.strategy import Measured, Tuning, choose_limits, concurrent_runs, fastest

choose = partial(choose_limits, watchdog_seconds=1.5)
UNTUNED = Tuning()
FAST = {2: 1e-5, 8: 1e-5, 32: 1e-5}


@pytest.fixture
def tokens(toy_models: Path) -> Manifest:
    return read_manifest(toy_models / "mean-id")


@pytest.mark.parametrize("on_cpu", [True, False])
def test_rows_are_never_padded_for_a_graph_without_a_mask(toy_models: Path, on_cpu: bool) -> None:
    one_hot = read_manifest(toy_models / "gc")
    assert choose(one_hot, Measured(on_cpu, 1e-3, FAST), Tuning(max_padding=0.5)).max_padding == 0


def test_on_a_gpu_rows_are_padded_and_batches_are_large(tokens: Manifest) -> None:
    on_cpu = choose(tokens, Measured(True, 1e-6, FAST), UNTUNED)
    on_gpu = choose(tokens, Measured(False, 1e-6, FAST), UNTUNED)
    assert (on_cpu.max_padding, on_cpu.round_tokens) == (0, 4000)
    assert (on_gpu.max_padding, on_gpu.round_tokens) == (0.2, 4000)
    assert on_gpu.max_tokens > on_cpu.max_tokens


def test_on_a_cpu_no_batch_takes_a_tenth_of_what_the_watchdog_allows(tokens: Manifest) -> None:
    # 0.15 s at a millisecond a token; at a second a token one goes alone
    assert choose(tokens, Measured(True, 1e-3, {}), UNTUNED).max_tokens == 150
    assert choose(tokens, Measured(True, 1.0, {}), UNTUNED).max_tokens == 1
    assert choose(tokens, Measured(False, 1e-3, {}), UNTUNED).max_tokens == 65_536


def test_on_a_cpu_no_batch_has_more_rows_than_pay(tokens: Manifest) -> None:
    slower_together = {2: 1.0, 8: 1.1, 32: 1.3}
    assert choose(tokens, Measured(True, 1e-6, slower_together), UNTUNED).max_sequences == 2
    assert choose(tokens, Measured(False, 1e-6, slower_together), UNTUNED).max_sequences == 256


def test_what_the_operator_chose_goes_before_what_was_measured(tokens: Manifest) -> None:
    wanted = Tuning(max_sequences=7, max_tokens=99_999, max_padding=0.25)
    limits = choose(tokens, Measured(True, 1.0, {2: 1.0, 32: 9.0}), wanted)
    assert (limits.max_sequences, limits.max_tokens, limits.max_padding) == (7, 99_999, 0.25)


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ({2: 1.0, 8: 0.5, 32: 0.4}, 32),
        ({2: 0.95, 8: 0.91, 32: 1.0}, 32),  # within the noise
        ({2: 1.0, 8: 0.7, 32: 1.0}, 8),
        ({2: 1.0, 8: 0.1}, 32),  # too slow to try, so nothing is known of it
    ],
)
def test_the_usual_stays_unless_another_is_clearly_faster(seconds: dict[int, float], best: int) -> None:
    assert fastest(seconds, usual=32) == best


@pytest.mark.parametrize(
    ("seconds", "pays"),
    [
        ({1: 1.0, 8: 0.8}, True),  # 0.8 / 0.95 = 0.842
        ({1: 1.0, 8: 0.86}, False),  # 0.905
        ({1: 1.0, 8: 1.0}, False),
        ({2: 1.0, 8: 0.1}, False),  # of one alone nothing is known
    ],
)
def test_a_little_padding_pays_where_company_saves_more(
    tokens: Manifest, toy_models: Path, seconds: dict[int, float], *, pays: bool
) -> None:
    one_hot = read_manifest(toy_models / "gc")
    assert choose(tokens, Measured(True, 1e-6, seconds), UNTUNED).max_padding == (0.05 if pays else 0)
    assert choose(tokens, Measured(True, 1e-6, seconds), Tuning(max_padding=0.0)).max_padding == 0
    assert choose(one_hot, Measured(True, 1e-6, seconds), UNTUNED).max_padding == 0


@given(st.dictionaries(st.sampled_from([1, 2, 4, 8, 16, 32]), st.floats(1e-9, 1e3), min_size=1))
def test_a_change_is_always_a_gain_beyond_the_noise(seconds: dict[int, float]) -> None:
    best = fastest(seconds, usual=32)
    assert best == 32 or seconds[best] == min(seconds.values()) < 0.9 * seconds[32]


@given(st.booleans(), st.floats(1e-9, 1e3), st.dictionaries(st.sampled_from([2, 8, 32]), st.floats(1e-9, 1e3)))
def test_whatever_was_measured_batches_can_be_formed(
    toy_models: Path, on_cpu: bool, seconds_per_token: float, row_seconds: dict[int, float]
) -> None:
    limits = choose(read_manifest(toy_models / "mean-id"), Measured(on_cpu, seconds_per_token, row_seconds), UNTUNED)
    assert isinstance(limits, BatchLimits)  # which refuses what makes no progress
    assert seconds_per_token * limits.max_tokens <= 0.15 or limits.max_tokens == 1 or not on_cpu


@pytest.mark.parametrize(("wanted", "on_cpu", "runs"), [(0, True, 16), (0, False, 2), (4, False, 4), (3, True, 16)])
def test_a_gpu_computes_two_batches_at_once_unless_told_otherwise(wanted: int, on_cpu: bool, runs: int) -> None:
    assert concurrent_runs(wanted, 16, on_cpu=on_cpu) == runs  # `of_cpu` follows the operator's wish already

"""How graphs are served follows from what was measured, and from what the operator wants before that."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.batching import BatchLimits
from app.bundle import Manifest, read_manifest
from app.strategy import Measured, Tuning, choose_limits, concurrent_runs, fastest, here_seconds, worthwhile

choose = partial(choose_limits, watchdog_seconds=1.5)
UNTUNED = Tuning()
FAST = {2: 1e-5, 8: 1e-5, 32: 1e-5}


@pytest.fixture
def tokens(toy_models: Path) -> Manifest:
    return read_manifest(toy_models / "mean-id")


@pytest.mark.parametrize("on_cpu", [True, False])
def test_rows_are_never_padded_for_a_graph_without_a_mask(toy_models: Path, on_cpu: bool) -> None:
    one_hot = read_manifest(toy_models / "gc")
    assert choose(one_hot, Measured(on_cpu, 1e-3, FAST, 10), Tuning(max_padding=0.5)).max_padding == 0


def test_on_a_gpu_rows_are_padded_and_batches_are_large(tokens: Manifest) -> None:
    on_cpu = choose(tokens, Measured(True, 1e-6, FAST, 10), UNTUNED)
    on_gpu = choose(tokens, Measured(False, 1e-6, FAST, 10), UNTUNED)
    assert (on_cpu.max_padding, on_cpu.round_tokens) == (0, 4000)
    assert (on_gpu.max_padding, on_gpu.round_tokens) == (0.2, 4000)
    assert on_gpu.max_tokens > on_cpu.max_tokens


def test_on_a_cpu_no_batch_takes_a_tenth_of_what_the_watchdog_allows(tokens: Manifest) -> None:
    # 0.15 s at a millisecond a token; at a second a token one goes alone
    assert choose(tokens, Measured(True, 1e-3, {}, 10), UNTUNED).max_tokens == 150
    assert choose(tokens, Measured(True, 1.0, {}, 10), UNTUNED).max_tokens == 1
    assert choose(tokens, Measured(False, 1e-3, {}, 10), UNTUNED).max_tokens == 65_536


def test_on_a_cpu_no_batch_has_more_rows_than_pay(tokens: Manifest) -> None:
    slower_together = {2: 1.0, 8: 1.1, 32: 1.3}
    assert choose(tokens, Measured(True, 1e-6, slower_together, 10), UNTUNED).max_sequences == 2
    assert choose(tokens, Measured(False, 1e-6, slower_together, 10), UNTUNED).max_sequences == 256


def test_what_the_operator_chose_goes_before_what_was_measured(tokens: Manifest) -> None:
    wanted = Tuning(max_sequences=7, max_tokens=99_999, max_padding=0.25)
    limits = choose(tokens, Measured(True, 1.0, {2: 1.0, 32: 9.0}, 10), wanted)
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
    ("seconds", "padding_tokens", "tokens"),
    [
        # A run takes 0.32 beside its rows, and a row 0.68, or 0.034 a token: 9.41 tokens, half of them for padding.
        ({1: 1.0, 2: 0.84, 8: 0.72, 32: 0.71}, 4.7059, 160),
        ({1: 1.0, 2: 0.78, 8: 0.76, 32: 0.9}, 7.8571, 40),  # 0.44 and 0.56, or 0.028 a token; a pair is large enough
        ({1: 1.0, 2: 0.6, 8: 0.6}, 10, 40),  # 0.8 and 0.2: a run counts no more than a row
        ({1: 1.0, 2: 0.5, 8: 0.125}, 10, 160),  # a row takes nothing
        ({1: 1.0, 8: 0.91}, 0, 0),  # within the noise
        ({1: 1.0, 8: 1.2}, 0, 0),
        ({2: 1.0, 8: 0.1}, 0, 0),  # of one alone nothing is known
    ],
)
def test_padding_is_worth_half_of_what_company_saves(
    seconds: dict[int, float], padding_tokens: float, tokens: int
) -> None:
    assert worthwhile(seconds, row_tokens=20) == (pytest.approx(padding_tokens, abs=1e-4), tokens)


def test_padding_goes_by_what_was_measured_unless_the_operator_says_how_much(
    tokens: Manifest, toy_models: Path
) -> None:
    one_hot = read_manifest(toy_models / "gc")
    pays = {1: 1.0, 2: 0.84, 8: 0.72, 32: 0.71}
    allowed = [
        choose(manifest, Measured(on_cpu, 1e-6, pays, 20), tuning).worthwhile_padding_tokens
        for manifest, on_cpu, tuning in (
            (tokens, True, UNTUNED),
            (tokens, True, Tuning(max_padding=0.0)),
            (tokens, False, UNTUNED),
            (one_hot, True, UNTUNED),
        )
    ]
    assert allowed == [pytest.approx(4.7059, abs=1e-4), 0, 0, 0]


@given(st.dictionaries(st.sampled_from([1, 2, 4, 8, 16, 32]), st.floats(1e-9, 1e3), min_size=1))
def test_a_change_is_always_a_gain_beyond_the_noise(seconds: dict[int, float]) -> None:
    best = fastest(seconds, usual=32)
    assert best == 32 or seconds[best] == min(seconds.values()) < 0.9 * seconds[32]


@given(st.booleans(), st.floats(1e-9, 1e3), st.dictionaries(st.sampled_from([1, 2, 8, 32]), st.floats(1e-9, 1e3)))
def test_whatever_was_measured_batches_can_be_formed(
    toy_models: Path, on_cpu: bool, seconds_per_token: float, row_seconds: dict[int, float]
) -> None:
    limits = choose(
        read_manifest(toy_models / "mean-id"), Measured(on_cpu, seconds_per_token, row_seconds, 10), UNTUNED
    )
    assert isinstance(limits, BatchLimits)  # which refuses what makes no progress
    assert 0 <= limits.worthwhile_padding_tokens <= 5
    assert seconds_per_token * limits.max_tokens <= 0.15 or limits.max_tokens == 1 or not on_cpu


@pytest.mark.parametrize(("wanted", "on_cpu", "runs"), [(0, True, 16), (0, False, 2), (4, False, 4), (3, True, 16)])
def test_a_gpu_computes_two_batches_at_once_unless_told_otherwise(wanted: int, on_cpu: bool, runs: int) -> None:
    assert concurrent_runs(wanted, 16, on_cpu=on_cpu) == runs  # `of_cpu` follows the operator's wish already


def test_a_lone_batch_keeps_the_event_loop_for_longer_only_where_nothing_else_could_be_computed_meanwhile() -> None:
    assert here_seconds(1, on_cpu=True) == 0.025
    assert here_seconds(2, on_cpu=True) == 0.005
    assert here_seconds(1, on_cpu=False) == 0

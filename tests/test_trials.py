"""Trials find what can be set; those of a GPU are tried on a CPU, which tells that they work and not how fast."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.bundle import read_bundle
from app.comparison import Comparison
from app.settings import Settings
from app.trials import Bench, set_up, tried, try_budgets, try_groups, try_multiples, try_padding, try_runs, try_threads
from tests.toy import write_hungry_bundle

Try = Callable[[Bench, float, Callable[[str, float], None]], Comparison]
NAMES = {
    try_threads: "threads=",
    try_groups: "max_batch_sequences=",
    try_padding: "max_padding=",
    try_runs: "threads=",
    try_budgets: "max_batch_sequences=",
    try_multiples: "length_multiple=",
}


def _untold(title: str, share: float) -> None:
    assert title
    assert 0 <= share <= 1


@pytest.mark.parametrize("trial", NAMES)
def test_each_trial_is_about_settings_that_there_are(toy_models: Path, trial: Try) -> None:
    bench = set_up(read_bundle(toy_models / "mean-id"), "cpu", allow_cpu=True)
    compared = trial(bench, 0.05, _untold)
    assert {compared.usual.label, compared.chosen.label} <= compared.rates.keys()
    values = dict(compared.usual.settings)
    assert f"{next(iter(values))}=" == NAMES[trial]
    Settings(**values)


def test_a_batch_that_does_not_fit_is_no_candidate(tmp_path: Path) -> None:
    bench = set_up(read_bundle(write_hungry_bundle(tmp_path)), "cpu", allow_cpu=True)  # three rows are too many
    (usual,) = try_budgets(bench, 0.05, _untold).rates
    rows = int(usual.removeprefix("at most ").split()[0])
    tokens = int(usual.rpartition(", ")[2].removesuffix(" tokens").replace(",", ""))
    assert rows == 256
    assert tokens // 1000 < 3  # of rows of a thousand bases


def test_padding_is_compared_with_what_is_served(toy_models: Path) -> None:
    bench = set_up(read_bundle(toy_models / "mean-id"), "cpu", allow_cpu=True)
    assert try_padding(bench, 0.05, _untold).usual.label == "as much padding as company is worth"


def test_the_time_is_shared_by_all_trials(toy_models: Path) -> None:
    bench = set_up(read_bundle(toy_models / "mean-id"), "cpu", allow_cpu=True)
    shares: list[float] = []
    titles = [it.title for it in tried(bench, 0.3, lambda title, share: shares.append(share))]
    assert len(titles) == len(set(titles)) == 3
    assert shares == sorted(shares)
    assert shares[-1] == 1

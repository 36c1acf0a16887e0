"""The ceiling is right where the true rates are known."""

from pathlib import Path

import numpy as np
import pytest

from training.ceiling import Counted, ceiling, log2_counts
from training.datasets.utrseq import CHANGES, HOURS, read_umis, read_utrseq
from training.metrics import r2

ROWS = 4000


def simulated(mean_rate: float, dispersion: float = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True rates at two times (2, rows), counts drawn at them, and a second draw that shows what the rates decide."""
    generator = np.random.default_rng(1)
    start = mean_rate * np.exp(generator.normal(-0.5, 1, size=ROWS))
    rates = np.stack([start * np.exp(generator.normal(-0.5, 0.6, size=ROWS)), start])
    noisy = rates if not dispersion else generator.gamma(1 / dispersion, dispersion * rates)
    return rates, generator.poisson(noisy), generator.poisson(rates, size=(300, *rates.shape))


def oracle_r2(counts: np.ndarray, redrawn: np.ndarray, fewest: int) -> float:
    """R2 of the best prediction there is: the mean label of counts drawn again at the true rates."""
    kept = counts[1] >= fewest
    later = log2_counts(redrawn[:, 0]).mean(axis=0)
    earlier = np.ma.masked_array(log2_counts(redrawn[:, 1]), redrawn[:, 1] < fewest).mean(axis=0).filled(np.nan)
    label = log2_counts(counts[0]) - log2_counts(counts[1])
    return float(r2(label[kept], (later - earlier)[kept]))


@pytest.mark.parametrize(("mean_rate", "fewest"), [(3, 0), (30, 0), (30, 20), (300, 0)])
def test_the_ceiling_is_what_knowing_the_rates_would_reach(mean_rate: float, fewest: int) -> None:
    _, counts, redrawn = simulated(mean_rate)
    kept = counts[1] >= fewest

    found = ceiling(Counted(counts[0][kept]), Counted(counts[1][kept], fewest), np.arange(kept.sum()), seed=0)

    assert found.r2[0] == pytest.approx(oracle_r2(counts, redrawn, fewest), abs=0.03)
    assert found.r2[1] < found.r2[0] < found.r2[2]
    assert found.label_variance == pytest.approx(np.var(log2_counts(counts[0]) - log2_counts(counts[1]), where=kept))


def test_counts_that_are_noisier_than_poisson_need_to_be_told_so() -> None:
    _, counts, redrawn = simulated(30, dispersion=0.1)
    later, earlier, groups = Counted(counts[0]), Counted(counts[1]), np.arange(ROWS)
    truth = oracle_r2(counts, redrawn, 0)

    assert ceiling(later, earlier, groups, seed=0).r2[0] > truth + 0.1
    assert ceiling(later, earlier, groups, seed=0, dispersion=0.1).r2[0] == pytest.approx(truth, abs=0.05)


def test_half_a_change_has_the_ceiling_of_the_whole() -> None:
    _, counts, _ = simulated(30)
    whole, half = (
        ceiling(Counted(counts[0]), Counted(counts[1]), np.arange(ROWS), seed=0, factor=factor) for factor in (1, 0.5)
    )

    assert half.r2 == pytest.approx(whole.r2)
    assert half.noise_variance == pytest.approx(whole.noise_variance / 4)


def test_many_molecules_leave_no_noise() -> None:
    _, counts, _ = simulated(1e4)

    assert ceiling(Counted(counts[0, :300]), Counted(counts[1, :300]), np.arange(300), seed=0).r2[0] > 0.99


def test_the_labels_of_utr_seq_are_changes_of_its_counts(utrseq_folder: Path) -> None:
    rows = read_utrseq(utrseq_folder).split("test")
    umis = read_umis(utrseq_folder, rows.ids).umis

    for column, name in enumerate(rows.targets.names):
        later, earlier, factor = CHANGES[name]
        logs = log2_counts(umis)
        change = factor * (logs[:, HOURS.index(later)] - logs[:, HOURS.index(earlier)])
        assert np.std(rows.targets.values[:, column] - change) < 1e-3  # the spike-ins move all rows alike

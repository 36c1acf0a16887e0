"""DExTER finds what was planted, where it was planted, and nothing in noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.baselines.dexter import Dexter, as_tsv, fit_dexter
from training.baselines.lattice import Lattice
from training.baselines.recipe import DexterConfig
from training.baselines.regions import Bins, Region, cubic_bins
from training.datasets.table import Floats
from training.errors import DataError
from training.examples import Codes, as_codes

ROWS, BASES = 600, 151
BINS = cubic_bins(BASES, anchor=75, most_bins=9, centre=True)
# 600 rows of noise correlate by 0.04 as a rule; 0.2 is five times that.
CONFIG = DexterConfig("dexter", longest_kmer=5, minimum_correlation=0.2)
MOTIF, HOME = "GATC", Region(6, 6)


def random_windows(rows: int, seed: int) -> Codes:
    return np.random.default_rng(seed).integers(0, 4, size=(rows, BASES)).astype(np.uint8)


def planted(seed: int) -> tuple[Codes, Floats]:
    """Every other window holds the motif at a random place of its home, and is expressed more for it."""
    generator = np.random.default_rng(seed)
    bases, expression = random_windows(ROWS, seed), generator.normal(scale=0.5, size=(ROWS, 1)).astype(np.float32)
    start, end = BINS.edges[HOME.first], BINS.edges[HOME.last + 1]
    for row in range(0, ROWS, 2):
        place = generator.integers(start, end)
        bases[row, place : place + len(MOTIF)] = as_codes([MOTIF])[0]
        expression[row] += 2
    return bases, expression


@pytest.fixture(scope="module")
def dexter() -> Dexter:
    return fit_dexter(*planted(seed=1), BINS, CONFIG)


def test_a_planted_motif_is_the_heaviest_variable_in_its_home(dexter: Dexter) -> None:
    heaviest = max(dexter.variables, key=lambda variable: abs(variable.weight))

    assert (heaviest.pair.kmer, heaviest.pair.region) == (MOTIF, HOME)
    assert heaviest.weight > 0
    # It adds two units, but stands in one window of ten by chance as well.
    assert heaviest.pair.correlation > 0.7


def test_the_model_explains_what_the_motif_does_in_other_windows(dexter: Dexter) -> None:
    bases, expression = planted(seed=2)

    assert correlation(predicted(dexter, bases), expression[:, 0]) > 0.8


def test_the_table_for_people_begins_with_the_heaviest(dexter: Dexter) -> None:
    header, first, *_ = as_tsv(dexter, ["level"]).decode().splitlines()

    assert header.split("\t") == ["target", "kmer", "start", "end", "correlation", "weight"]
    assert first.split("\t")[:4] == ["level", MOTIF, *map(str, BINS.bounds(HOME))]


def test_nothing_is_found_in_noise() -> None:
    noise = np.random.default_rng(3).normal(size=(ROWS, 1)).astype(np.float32)

    dexter = fit_dexter(random_windows(ROWS, seed=3), noise, BINS, CONFIG)

    assert dexter.variables == ()
    assert dexter.intercepts == pytest.approx([noise.mean()], abs=1e-6)


def test_what_the_lasso_drops_is_not_in_the_model(dexter: Dexter) -> None:
    kept = [variable for variable in dexter.variables if variable.weight]
    weights = dexter.weights()

    assert 0 < len(kept) < len(dexter.variables)
    assert weights.kmers == tuple(sorted({variable.pair.kmer for variable in kept}))
    in_home = sum(
        variable.per_occurrence
        for variable in kept
        if variable.pair.kmer == MOTIF and variable.pair.region.first <= HOME.first <= variable.pair.region.last
    )
    assert weights.values[weights.kmers.index(MOTIF), HOME.first, 0] == pytest.approx(in_home)


def test_rows_without_a_value_are_left_out() -> None:
    bases, expression = planted(seed=6)
    poisoned = np.hstack([expression, expression])
    poisoned[:300, 1] = np.nan

    dexter = fit_dexter(bases, poisoned, BINS, CONFIG)
    alone = fit_dexter(bases[300:], expression[300:], BINS, CONFIG)

    ours = [(variable.pair, variable.weight) for variable in dexter.variables if variable.target == 1]
    assert ours == [(variable.pair, variable.weight) for variable in alone.variables]


def test_each_fold_needs_a_row() -> None:
    with pytest.raises(DataError, match="10 folds need as many rows; 9 were measured"):
        fit_dexter(random_windows(9, seed=0), np.arange(9, dtype=np.float32)[:, None], BINS, CONFIG)


@given(st.integers(0, 1000), st.sampled_from(["A", "CG", "TTT"]))
def test_a_correlation_is_pearson_s_in_every_region(seed: int, kmer: str) -> None:
    generator = np.random.default_rng(seed)
    bases = generator.integers(0, 5, size=(20, 30)).astype(np.uint8)  # some are N
    target = generator.normal(size=20)
    bins = Bins((0, 4, 5, 18, 30), anchor=4)
    lattice = Lattice(bases, target, bins)

    found = lattice.correlations([kmer])[kmer]

    for region in bins.regions():
        frequency = lattice.frequencies([(kmer, region)])[:, 0]
        expected = np.corrcoef(frequency, target)[0, 1] if frequency.std() > 1e-12 else 0.0
        assert found[region.first, region.last] == pytest.approx(expected, abs=1e-9)


def test_a_frequency_is_a_count_per_base_of_the_region() -> None:
    lattice = Lattice(as_codes(["CGNCGACG", "AAAACGTT"])[0], np.array([0.0, 1.0]), Bins((0, 2, 6, 8), anchor=2))

    made = lattice.frequencies([("CG", Region(0, 1)), ("CG", Region(2, 2)), ("A", Region(0, 2))])

    assert made == pytest.approx(np.array([[2 / 6, 1 / 2, 1 / 8], [1 / 6, 0, 4 / 8]]))


def predicted(dexter: Dexter, bases: Codes) -> np.ndarray:
    kept = [variable for variable in dexter.variables if variable.weight]
    frequencies = Lattice(bases, np.arange(len(bases), dtype=np.float64), dexter.bins).frequencies(
        [(variable.pair.kmer, variable.pair.region) for variable in kept]
    )
    per_frequency = [variable.per_occurrence * dexter.bins.bases(variable.pair.region) for variable in kept]
    return frequencies @ np.array(per_frequency) + dexter.intercepts[0]


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first, second)[0, 1])

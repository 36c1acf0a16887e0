"""Nobody's own expression reaches their prediction, nor do those of their fold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tests.training.personal.windows import GENES, PEOPLE, made_up_data
from training.people.folds import deal_folds
from training.personal.config import PersonalConfig, read_personal_config
from training.personal.crossfit import HeldOut, hold_out_genes, hold_out_levels, hold_out_people, kept, people_splits
from training.watching import Watcher

QUIET = Watcher(Console(quiet=True))
FOLDS = deal_folds([f"P{number}" for number in range(PEOPLE)], 5, 0)


@pytest.fixture
def config(config_file: Path) -> PersonalConfig:
    read = read_personal_config(config_file)
    return replace(read, fit=replace(read.fit, epochs=3, readout_learning_rate=0.1))


def test_each_split_learns_stops_and_tests_on_different_people() -> None:
    tested_ever = []
    for split, tested in people_splits(FOLDS, GENES):
        parts = [set(split.train.tolist()), set(split.valid.tolist()), set(tested.tolist())]
        assert sum(map(len, parts)) == PEOPLE == len(set.union(*parts))
        tested_ever += tested.tolist()
    assert sorted(tested_ever) == list(range(PEOPLE))


def test_what_is_predicted_for_people_does_not_depend_on_their_folds_expression(config: PersonalConfig) -> None:
    data = made_up_data()
    tested = FOLDS == 3
    other = data.expression.copy()
    other[tested] = 100 * np.random.default_rng(0).normal(size=(tested.sum(), GENES))
    first = hold_out_people(config, data, FOLDS, QUIET).predicted
    second = hold_out_people(config, replace(data, expression=other), FOLDS, QUIET).predicted
    assert np.array_equal(first[tested], second[tested])
    assert not np.array_equal(first[~tested], second[~tested])
    assert np.corrcoef(first[:, 0], data.expression[:, 0])[0, 1] > 0.5


def test_what_is_predicted_of_a_gene_that_was_held_out_does_not_depend_on_its_expression(
    config: PersonalConfig,
) -> None:
    data, names = made_up_data(), ("ENSG01", "ENSG02")
    other = data.expression.copy()
    other[:, 0] = np.random.default_rng(0).normal(size=PEOPLE)
    first = hold_out_genes(config, data, names, FOLDS, QUIET).predicted
    second = hold_out_genes(config, replace(data, expression=other), names, FOLDS, QUIET).predicted
    assert np.array_equal(first[:, 0], second[:, 0])
    assert not np.array_equal(first[:, 1], second[:, 1])


def test_a_genes_level_is_predicted_from_those_of_others(config: PersonalConfig) -> None:
    data = made_up_data()
    other = data.levels.copy()
    other[:, 0] += 1
    first, second = (hold_out_levels(config, replace(data, levels=levels)) for levels in (data.levels, other))
    assert first.shape == (GENES,)
    assert first[0] == second[0]


def test_what_was_computed_is_kept_for_its_configuration(config: PersonalConfig, tmp_path: Path) -> None:
    path, made = tmp_path / "kept" / "one.npz", []

    def compute() -> HeldOut:
        made.append(1)
        return HeldOut(np.full((2, 1), len(made), dtype=np.float32), (3,))

    assert kept(path, config, compute).epochs == kept(path, config, compute).epochs == (3,)
    assert len(made) == 1
    assert kept(path, config.in_regime("people only"), compute).predicted.tolist() == [[2], [2]]

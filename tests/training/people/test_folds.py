"""Folds of people: fixed by names, equal in size, the same for every model."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import DataError, SplitError
from training.people.folds import deal_folds, load_folds, save_folds

NAMES = st.lists(st.text("ABCDEF0123456789", min_size=1, max_size=8), min_size=5, max_size=60, unique=True)


def test_the_folds_of_these_people_never_change() -> None:
    # By `printf 0:HG00101 | sha256sum` and so on: HG00101 06…, HG00099 1d…, HG00097 21…, HG00103 25…, HG00102 ab…
    assert deal_folds(["HG00097", "HG00099", "HG00101", "HG00102", "HG00103"], 3, seed=0).tolist() == [2, 1, 0, 1, 0]


@given(NAMES, st.integers(2, 5), st.integers(0, 9), st.randoms())
def test_folds_belong_to_people_and_not_to_their_order(names: list[str], count: int, seed: int, shuffle) -> None:
    folds = dict(zip(names, deal_folds(names, count, seed), strict=True))
    sizes = np.bincount(list(folds.values()), minlength=count)
    assert sizes.max() - sizes.min() <= 1
    shuffle.shuffle(names)
    assert dict(zip(names, deal_folds(names, count, seed), strict=True)) == folds


def test_another_seed_gives_other_folds() -> None:
    names = [f"person {number}" for number in range(50)]
    assert deal_folds(names, 5, seed=0).tolist() != deal_folds(names, 5, seed=1).tolist()


def test_stored_folds_are_found_by_name(tmp_path: Path) -> None:
    save_folds(tmp_path / "folds.tsv", ["a", "b", "c"], np.array([2, 0, 1]))
    assert (tmp_path / "folds.tsv").read_text() == "person\tfold\na\t2\nb\t0\nc\t1\n"
    assert load_folds(tmp_path / "folds.tsv", ["c", "a"]).tolist() == [1, 2]


def test_folds_that_are_missing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="2 people cannot be dealt into 3 folds"):
        deal_folds(["a", "b"], 3, seed=0)
    with pytest.raises(DataError, match=r"folds\.tsv is missing: run `python -m training prepare` first"):
        load_folds(tmp_path / "folds.tsv", ["a"])
    save_folds(tmp_path / "folds.tsv", ["a"], np.array([0]))
    with pytest.raises(DataError, match="has no fold for 1 of the people"):
        load_folds(tmp_path / "folds.tsv", ["a", "b"])

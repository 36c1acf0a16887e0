"""Batches for prediction are as large as memory allows, and hold every row once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.feeder import batches_of_similar_length


@given(st.lists(st.integers(1, 40), max_size=60), st.integers(1, 200))
def test_each_row_is_in_one_batch_that_fits(lengths: list[int], most: int) -> None:
    rows = [np.zeros(length, dtype=np.uint16) for length in lengths]

    batches = list(batches_of_similar_length(rows, most))

    assert sorted(row for batch in batches for row in batch) == list(range(len(rows)))
    for batch in batches:
        longest = max(lengths[row] for row in batch)
        assert len(batch) == 1 or longest * len(batch) <= most


@pytest.mark.parametrize(("most", "sizes"), [(12, [3, 1, 1]), (100, [5])])
def test_short_rows_share_a_batch(most: int, sizes: list[int]) -> None:
    rows = [np.zeros(length, dtype=np.uint16) for length in (4, 7, 2, 20, 3)]

    assert [len(batch) for batch in batches_of_similar_length(rows, most)] == sizes

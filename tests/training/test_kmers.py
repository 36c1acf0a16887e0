"""k-mers have numbers, and are counted where they start."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.baselines import kmers
from training.baselines.kmers import all_kmers, bin_counts, by_length, kmer_numbers, number_of
from training.examples import as_codes

WITH_N = st.text("ACGTN", min_size=1, max_size=40)


def test_numbers_by_hand() -> None:
    assert number_of("A") == 0
    assert number_of("CA") == 1 * 4 + 0
    assert number_of("GAT") == 2 * 16 + 0 * 4 + 3
    assert all_kmers(2)[:5] == ["AA", "AC", "AG", "AT", "CA"]
    assert [number_of(kmer) for kmer in all_kmers(3)] == list(range(64))


def test_a_kmer_with_an_n_or_over_the_end_is_none() -> None:
    numbers = kmer_numbers(as_codes(["ACNGT"])[0], 2)

    assert numbers.tolist() == [[number_of("AC"), 16, 16, number_of("GT"), 16]]


@given(WITH_N, st.integers(1, 5))
def test_numbers_are_those_of_the_text(sequence: str, k: int) -> None:
    (numbers,) = kmer_numbers(as_codes([sequence])[0], k)

    for place, number in enumerate(numbers.tolist()):
        kmer = sequence[place : place + k]
        assert number == (number_of(kmer) if len(kmer) == k and "N" not in kmer else 4**k)


def test_a_kmer_counts_in_the_bin_where_it_starts() -> None:
    bases = as_codes(["ACACAN", "NCACCC"])[0]

    ((rows, counts),) = bin_counts(bases, ["CA", "AC", "GG"], np.array([0, 0, 1, 1, 1, 1]), bins=2)

    assert rows == slice(0, 2)
    #                                 CA AC GG
    assert counts.tolist() == [[[1, 1, 0], [1, 1, 0]], [[1, 0, 0], [0, 1, 0]]]


@given(st.lists(st.text("ACGTN", min_size=12, max_size=12), min_size=1, max_size=9))
def test_counts_do_not_depend_on_how_many_rows_are_taken_at_a_time(sequences: list[str]) -> None:
    bases, bin_of_place = as_codes(sequences)[0], np.repeat([0, 1, 2], 4)

    (whole,) = [counts for _, counts in bin_counts(bases, all_kmers(2), bin_of_place, 3)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kmers, "COUNTS_AT_ONCE", 100)
        parts = [counts for _, counts in bin_counts(bases, all_kmers(2), bin_of_place, 3)]

    assert len(parts) == -(-len(sequences) // 2)
    assert np.array_equal(np.vstack(parts), whole)


def test_kmers_are_grouped_by_length() -> None:
    assert by_length(["TA", "A", "CA", "TA"]) == [["A"], ["CA", "TA"]]

"""Related sequences end up in one group, and repeats that a genome is full of relate nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.datasets.homology import (
    CHUNK_BASES,
    GENOME_STRETCH,
    Stretch,
    chained_rows,
    connected,
    homology_groups,
    numbered,
    related_pairs,
)
from training.errors import DataError

MOTIF = "ACGTTGCAAGGCTCTATTCGGACTTACCGAT"  # 31 bases, 27 different words


def random_bases(generator: np.random.Generator, bases: int) -> str:
    """As the genome of P. falciparum is made: four in five are A or T."""
    return "".join(generator.choice(list("ACGT"), size=bases, p=[0.4, 0.1, 0.1, 0.4]))


def test_a_planted_family_is_one_group_and_strangers_are_none() -> None:
    generator = np.random.default_rng(0)
    windows = [random_bases(generator, 4000) for _ in range(30)]
    family = [3, 11, 25]
    for row in family:
        place = int(generator.integers(3900))
        windows[row] = windows[row][:place] + MOTIF + windows[row][place:]

    groups = homology_groups(windows, GENOME_STRETCH)

    assert len({groups[row] for row in family}) == 1
    assert len(set(groups.tolist())) == 28


@pytest.mark.parametrize("repeat", ["A", "AT", "AAT", "AATT", "AAATAT", "AATATTT", "TATAAATTAA"])
def test_a_repeat_relates_nothing_where_variety_is_asked_for(repeat: str) -> None:
    generator = np.random.default_rng(1)
    windows = [random_bases(generator, 200) + (repeat * 40)[:40] + random_bases(generator, 200) for _ in range(5)]

    assert homology_groups(windows, Stretch(31)).tolist() == [0] * 5
    assert homology_groups(windows, GENOME_STRETCH).tolist() == [0, 1, 2, 3, 4]


def test_variety_is_counted_in_different_three_base_words() -> None:
    # AACAAC... has the words AAC, ACA and CAA.
    sequences = ["AACAACAAC" + "G", "T" + "AACAACAAC"]

    assert homology_groups(sequences, Stretch(9, different_words=3)).tolist() == [0, 0]
    assert homology_groups(sequences, Stretch(9, different_words=4)).tolist() == [0, 1]


def test_a_stretch_with_an_unknown_base_counts_for_nothing_but_equal_sequences_are_related() -> None:
    assert homology_groups(["ACGNACG", "TCGNACC", "ACGNACG"], Stretch(4)).tolist() == [0, 1, 0]


def test_a_stretch_does_not_reach_over_the_end_of_a_sequence() -> None:
    assert homology_groups(["AAC", "GTT", "AACGTT"], Stretch(6)).tolist() == [0, 1, 2]


def test_nothing_to_group_is_no_group() -> None:
    assert homology_groups([]).tolist() == []
    assert related_pairs(["A"]).tolist() == []


@pytest.mark.parametrize("bases", [2, 33])
def test_a_stretch_is_as_long_as_a_machine_word_holds(bases: int) -> None:
    with pytest.raises(DataError, match=f"3 to 32 bases, not {bases}"):
        Stretch(bases)


def test_long_input_is_read_in_parts() -> None:
    generator = np.random.default_rng(2)
    long = ["".join(generator.choice(list("ACGT"), size=CHUNK_BASES // 4)) for _ in range(6)]
    long[5] = long[0][1000:1032] + long[5]

    assert homology_groups(long, Stretch(32)).tolist() == [0, 1, 2, 3, 4, 0]


@given(st.lists(st.text("ACGT", max_size=12), max_size=8), st.integers(3, 9), st.integers(0, 6))
@settings(max_examples=200)
def test_groups_are_the_chains_of_sequences_with_a_stretch_in_common(
    sequences: list[str], bases: int, different_words: int
) -> None:
    def stretches(sequence: str) -> set[str]:
        all_of_them = {sequence[start : start + bases] for start in range(len(sequence) - bases + 1)}
        return {one for one in all_of_them if len({one[at : at + 3] for at in range(bases - 2)}) >= different_words}

    rows = range(len(sequences))
    pairs = [
        (one, other)
        for one in rows
        for other in rows
        if sequences[one] == sequences[other] or stretches(sequences[one]) & stretches(sequences[other])
    ]
    expected = connected(len(sequences), np.array(pairs, dtype=np.int64).reshape(-1, 2))

    assert homology_groups(sequences, Stretch(bases, different_words)).tolist() == expected.tolist()


def test_groups_are_numbered_in_the_order_of_their_first_rows() -> None:
    labels = np.array(["b", "a", "b", "c"])

    assert numbered(labels).tolist() == [0, 1, 0, 2]
    assert connected(4, chained_rows(labels)).tolist() == [0, 1, 0, 2]
    assert connected(5, np.array([[4, 0]]), np.array([[0, 3]])).tolist() == [0, 1, 2, 0, 0]

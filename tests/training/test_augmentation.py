"""Augmented sequences stay relatives of what they were, and can be drawn again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.augmentation import augment, crop, mutate, reverse_complement, shift
from training.errors import DataError
from training.examples import as_codes, as_text
from training.recipe import AugmentationConfig

SEQUENCE = "ACGTTGCAACGGTCAT"


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_codes_and_text_are_two_forms_of_one_thing() -> None:
    bases, lengths = as_codes(["ACGTN", "GG"])

    assert bases.tolist() == [[0, 1, 2, 3, 4], [2, 2, 4, 4, 4]]
    assert lengths.tolist() == [5, 2]
    assert as_text(bases, lengths) == ["ACGTN", "GG"]


@pytest.mark.parametrize("letter", ["U", "a", "-", "R"])
def test_tables_hold_nothing_but_upper_case_bases(letter: str) -> None:
    with pytest.raises(DataError, match="sequence 1 holds a letter"):
        as_codes(["ACG", f"AC{letter}"])


@pytest.mark.parametrize("seed", range(10))
def test_a_crop_is_a_stretch_of_the_sequence(seed: int) -> None:
    texts = as_text(*crop(*as_codes([SEQUENCE, SEQUENCE[:12]]), 8, generator(seed)))

    assert len(texts[0]) == len(texts[1])
    assert 8 <= len(texts[0]) <= 12
    assert texts[0] in SEQUENCE
    assert texts[1] in SEQUENCE[:12]


@pytest.mark.parametrize("seed", range(10))
def test_a_shift_keeps_the_length_and_fills_with_n(seed: int) -> None:
    bases, lengths = as_codes([SEQUENCE])

    (text,) = as_text(shift(bases, 3, generator(seed)), lengths)

    assert len(text) == len(SEQUENCE)
    assert text.strip("N") in SEQUENCE
    assert text.count("N") <= 3


def test_a_reverse_complement_reads_the_other_strand() -> None:
    bases, lengths = as_codes(["AACGNT", "GGA", "CCC"])

    turned = reverse_complement(bases, lengths, np.array([True, True, False]))

    assert as_text(turned, lengths) == ["ANCGTT", "TCC", "CCC"]
    assert turned[1].tolist() == [3, 1, 1, 4, 4, 4]


@given(st.lists(st.text("ACGTN", min_size=1, max_size=20), min_size=1, max_size=5))
def test_the_reverse_complement_of_the_reverse_complement_is_the_sequence(sequences: list[str]) -> None:
    bases, lengths = as_codes(sequences)
    every = np.ones(len(sequences), dtype=np.bool_)

    assert np.array_equal(reverse_complement(reverse_complement(bases, lengths, every), lengths, every), bases)


def test_a_share_of_the_rows_is_turned() -> None:
    bases, lengths = as_codes([SEQUENCE] * 400)

    turned, _ = augment(bases, lengths, AugmentationConfig(reverse_complement_probability=0.25), generator())

    texts = as_text(turned, lengths)
    assert set(texts) == {SEQUENCE, "ATGACCGTTGCAACGT"}
    assert texts.count("ATGACCGTTGCAACGT") == pytest.approx(100, abs=25)


def test_a_mutation_rate_is_the_share_of_bases_drawn_anew() -> None:
    bases, _ = as_codes([SEQUENCE * 500] * 2)

    mutated = mutate(bases, np.array([0.0, 0.4]), generator())

    changed = np.mean(mutated != bases, axis=1)
    assert changed[0] == 0
    assert changed[1] == pytest.approx(0.4 * 3 / 4, abs=0.02)  # a fourth of the draws is the base that was there


def test_padding_is_never_mutated() -> None:
    bases, _ = as_codes(["A", "ACGTACGT"])

    assert mutate(bases, np.ones(2), generator())[0, 1:].tolist() == [4] * 7


def test_nothing_asked_for_changes_nothing() -> None:
    bases, lengths = as_codes([SEQUENCE])

    same, same_lengths = augment(bases, lengths, AugmentationConfig(), generator())

    assert np.array_equal(same, bases)
    assert np.array_equal(same_lengths, lengths)


def test_one_seed_draws_the_same_batch_again() -> None:
    config = AugmentationConfig(shift_bases=2, crop_probability=0.5, crop_min_bases=5, mutation_rate=0.1)
    bases, lengths = as_codes([SEQUENCE] * 4)

    first, _ = augment(bases, lengths, config, generator(5))
    second, _ = augment(bases, lengths, config, generator(5))

    assert np.array_equal(first, second)

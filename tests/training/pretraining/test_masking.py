"""15 % of the tokens are predicted, 80/10/10, and a special token never is."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.pretraining.masking import IGNORED, mask_tokens, predicted_per_row
from training.tokenizers import MASK, SPECIAL_TOKENS

VOCABULARY = 50
ROWS = st.integers(1, 5).flatmap(
    lambda rows: st.integers(3, 20).flatmap(
        lambda tokens: st.lists(
            st.lists(st.integers(0, VOCABULARY - 1), min_size=tokens, max_size=tokens), min_size=rows, max_size=rows
        )
    )
)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(ROWS, st.floats(0.01, 0.99), st.integers(0, 2**31))
def test_special_tokens_stay_and_are_never_predicted(rows: list[list[int]], rate: float, seed: int) -> None:
    ids = torch.tensor(rows)

    masked = mask_tokens(ids, rate, VOCABULARY, generator(seed))

    special = ids < len(SPECIAL_TOKENS)
    assert torch.equal(masked.ids[special], ids[special])
    predicted = masked.labels != IGNORED
    assert not special.gather(1, masked.positions)[predicted].any()
    assert torch.equal(masked.labels[predicted], ids.gather(1, masked.positions)[predicted])


@given(ROWS, st.floats(0.01, 0.99), st.integers(0, 2**31))
def test_only_what_is_predicted_changes_and_no_place_is_predicted_twice(
    rows: list[list[int]], rate: float, seed: int
) -> None:
    ids = torch.tensor(rows)

    masked = mask_tokens(ids, rate, VOCABULARY, generator(seed))

    for row, positions in zip(range(len(ids)), masked.positions.tolist(), strict=True):
        assert len(set(positions)) == predicted_per_row(ids.shape[1], rate)
        others = [place for place in range(ids.shape[1]) if place not in positions]
        assert torch.equal(masked.ids[row, others], ids[row, others])


@given(ROWS, st.integers(0, 2**31))
def test_a_changed_token_becomes_the_mask_or_an_ordinary_token(rows: list[list[int]], seed: int) -> None:
    ids = torch.tensor(rows)

    masked = mask_tokens(ids, 0.5, VOCABULARY, generator(seed)).ids

    changed = masked[masked != ids]
    assert ((changed == MASK) | (changed >= len(SPECIAL_TOKENS))).all()


def test_fifteen_per_cent_of_the_tokens_of_every_row_are_predicted() -> None:
    ids = torch.full((7, 202), 9)
    ids[:, 0], ids[:, -1] = 1, 2

    masked = mask_tokens(ids, 0.15, VOCABULARY, generator(0))

    assert masked.positions.shape == (7, 30)  # 15 % of the 200 between [CLS] and [SEP]
    assert (masked.labels == 9).all()


def test_of_the_predicted_tokens_80_10_10_are_masked_changed_and_kept() -> None:
    ids = torch.full((500, 202), 9)

    masked = mask_tokens(ids, 0.15, VOCABULARY, generator(0))

    shown = masked.ids.gather(1, masked.positions)
    shares = [(shown == MASK).float().mean(), (shown == 9).float().mean()]
    # 15,150 tokens: one standard deviation is 0.3 %. One in 45 of the random tokens is the token itself.
    assert [float(share) for share in shares] == pytest.approx([0.8, 0.1 + 0.1 / 45], abs=0.012)
    others = shown[(shown != MASK) & (shown != 9)]
    assert set(others.tolist()) == set(range(5, VOCABULARY)) - {9}


def test_places_are_as_likely_at_the_ends_as_in_the_middle() -> None:
    ids = torch.full((4000, 12), 9)
    ids[:, 0], ids[:, -1] = 1, 2

    positions = mask_tokens(ids, 0.15, VOCABULARY, generator(0)).positions

    counts = torch.bincount(positions.flatten(), minlength=12)
    assert counts[[0, 11]].tolist() == [0, 0]
    assert counts[1:-1].tolist() == pytest.approx([800] * 10, abs=120)  # 8,000 places over 10; sd 27

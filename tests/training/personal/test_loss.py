"""The loss, by numbers worked out on paper."""

import pytest
import torch

from training.personal.loss import people_loss


def test_huber_of_each_person_and_of_each_pair_once() -> None:
    predicted, measured = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([0.5, 1.0, 0.0])
    # Errors -0.5, 0, 2: half the square up to 1, beyond it the distance less a half: 0.125, 0, 1.5.
    own = (0.125 + 0 + 1.5) / 3
    # Differences between people predicted -1, -2, -1, measured -0.5, 0.5, 1: errors -0.5, -2.5, -2: 0.125, 2, 1.5.
    pairs = (0.125 + 2 + 1.5) / 3
    assert people_loss(predicted, measured, 0.0, 1.0).item() == pytest.approx(own)
    assert people_loss(predicted, measured, 0.3, 1.0).item() == pytest.approx(own + 0.3 * pairs)


def test_the_second_term_does_not_see_a_level() -> None:
    predicted, measured = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([5.0, 6.0, 7.0])
    with_pairs = people_loss(predicted, measured, 1.0, 1.0)
    assert with_pairs.item() == pytest.approx(people_loss(predicted, measured, 0.0, 1.0).item()) == pytest.approx(4.5)

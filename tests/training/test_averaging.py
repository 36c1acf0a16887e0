"""The average forgets its random start, and never touches the weights it is an average of."""

import pytest
import torch
from torch import nn

from training.averaging import MovingAverage


def test_the_average_follows_quickly_at_first_and_slowly_later() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = MovingAverage(model, decay=0.9)
    nn.init.ones_(model.weight)

    average.update(model)  # decay (1 + 1) / (10 + 1)
    assert average.state["weight"].item() == pytest.approx(9 / 11)
    average.update(model)  # decay (1 + 2) / (10 + 2)
    assert average.state["weight"].item() == pytest.approx(9 / 11 + 0.75 * 2 / 11)


def test_the_model_has_the_average_inside_the_block_and_its_own_weights_after_it() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = MovingAverage(model, decay=0.9)
    nn.init.ones_(model.weight)
    average.update(model)

    with average.applied(model):
        inside = model.weight.item()

    assert inside == pytest.approx(9 / 11)
    assert model.weight.item() == 1.0


def test_no_decay_keeps_the_weights_themselves_and_no_copy() -> None:
    model = nn.Linear(1, 1)
    average = MovingAverage(model, decay=0.0)
    nn.init.ones_(model.weight)

    average.update(model)

    assert average.state == {}
    with average.applied(model):
        assert model.weight.item() == 1.0


def test_what_is_frozen_is_not_averaged_and_what_is_counted_is_copied() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model[0].requires_grad_(False)
    average = MovingAverage(model, decay=0.9)

    model(torch.ones(3, 2))
    average.update(model)

    assert set(average.state) == {f"1.{name}" for name in model[1].state_dict()}
    assert average.state["1.num_batches_tracked"].item() == 1


def test_a_restored_average_goes_on_from_where_it_was() -> None:
    model = nn.Linear(1, 1, bias=False)
    first, second = MovingAverage(model, decay=0.9), MovingAverage(model, decay=0.9)
    nn.init.ones_(model.weight)
    first.update(model)

    second.restore(first.state, first.steps)
    for average in (first, second):
        average.update(model)

    assert second.steps == 2
    assert torch.equal(first.state["weight"], second.state["weight"])

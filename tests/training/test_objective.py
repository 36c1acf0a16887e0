"""The loss, worked out by hand."""

from dataclasses import replace

import pytest
import torch

from training.errors import ConfigError
from training.objective import output_weights, weighted_error
from training.pipeline import Pipeline
from training.recipe import FitConfig

SQUARED = FitConfig(epochs=1, batch=1, learning_rate=1.0)
HUBER = replace(SQUARED, loss="huber", huber_delta=2.0)
ONE = torch.ones(1, 1)


def test_each_error_counts_by_its_weight() -> None:
    predicted = torch.tensor([[1.0, 2.0], [3.0, 0.0]])
    values = torch.tensor([[0.0, 0.0], [0.0, 5.0]])
    weights = torch.tensor([[1.0, 0.5], [2.0, 0.0]])

    assert weighted_error(predicted, values, weights, SQUARED).item() == pytest.approx((1 + 0.5 * 4 + 2 * 9) / 2)


@pytest.mark.parametrize(
    ("error", "loss"),
    [(1.5, 1.5**2), (-2.0, 2.0**2), (5.0, 2 * (2.0 * 5.0 - 2.0**2 / 2))],  # beyond delta: 2 (delta |e| - delta^2 / 2)
)
def test_hubers_error_is_the_squared_one_up_to_delta_and_grows_linearly_beyond(error: float, loss: float) -> None:
    assert weighted_error(ONE * error, ONE * 0, ONE, HUBER).item() == pytest.approx(loss)


@pytest.mark.parametrize("config", [SQUARED, HUBER])
def test_a_value_that_was_not_measured_pulls_at_nothing(config: FitConfig) -> None:
    predicted = torch.tensor([[1.0, 2.0]], requires_grad=True)

    loss = weighted_error(predicted, torch.tensor([[float("nan"), 1.0]]), torch.tensor([[0.0, 1.0]]), config)
    loss.backward()

    assert loss.item() == 1.0
    assert predicted.grad is not None
    assert predicted.grad.tolist() == [[0.0, 2.0]]


def test_targets_may_count_differently(untrained: Pipeline) -> None:
    stage = untrained.stage

    weighted = output_weights(replace(stage, fit=replace(stage.fit, target_weights=(0.25, 2.0))))

    assert output_weights(stage).tolist() == [1.0, 1.0]
    assert weighted.tolist() == [0.25, 2.0]


def test_auxiliary_columns_share_one_weight(untrained: Pipeline) -> None:
    stage = replace(untrained.stage, targets=untrained.stage.targets[:1])

    weights = output_weights(replace(stage, fit=replace(stage.fit, auxiliary_weight=0.5)))

    assert weights.tolist() == [1.0, 0.5]


def test_every_target_needs_its_weight(untrained: Pipeline) -> None:
    stage = untrained.stage

    with pytest.raises(ConfigError, match=r"fit\.target_weights: one for each target .*half_log2_change"):
        output_weights(replace(stage, fit=replace(stage.fit, target_weights=(1.0,))))

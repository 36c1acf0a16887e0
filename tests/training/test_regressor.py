"""Pooling ignores padding, and values leave in their target's unit."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from training.datasets.table import Columns
from training.errors import ConfigError
from training.recipe import ModelConfig
from training.regressor import AttentionPooling, BinPooling, MaskedMean, Regressor, scale_of

TOKENS = ModelConfig(backbone="dnabert2", width=8, layers=1, heads=2, inner_width=4)
ONE_HOT = ModelConfig(backbone="convolution", width=4, full_dilations=(1,), pooling="attention", pooling_heads=3)


def test_the_mean_is_of_real_positions_only() -> None:
    states = torch.tensor([[[1.0, 10.0], [3.0, 20.0], [99.0, 99.0]]])

    assert MaskedMean()(states, torch.tensor([[1.0, 1.0, 0.0]])).tolist() == [[2.0, 15.0]]


def test_attention_with_equal_scores_is_the_mean() -> None:
    pooling = AttentionPooling(width=1, heads=1)
    torch.nn.init.zeros_(pooling.score.weight)
    states = torch.tensor([[[1.0], [3.0], [99.0]]])

    assert pooling(states, torch.tensor([[1.0, 1.0, 0.0]])).tolist() == [[2.0]]


def test_attention_weights_follow_the_scores() -> None:
    pooling = AttentionPooling(width=1, heads=1)
    torch.nn.init.ones_(pooling.score.weight)
    states = torch.tensor([[[0.0], [math.log(3.0)]]])  # weights 1/4 and 3/4

    assert torch.allclose(pooling(states, torch.ones(1, 2)), torch.tensor([[0.75 * math.log(3.0)]]))


def test_values_are_standardised_answers_times_deviation_plus_mean() -> None:
    model = Regressor(ONE_HOT, outputs=3, targets=2).eval()
    model.set_scale(torch.tensor([1.0, -2.0, 0.0]), torch.tensor([2.0, 0.5, 1.0]))
    bases = torch.nn.functional.one_hot(torch.tensor([[0, 1, 2, 3, 3]]), 4).float()

    answers = model.standardised(bases)

    assert answers.shape == (1, 3)
    assert torch.allclose(model(bases), answers[:, :2] * torch.tensor([2.0, 0.5]) + torch.tensor([1.0, -2.0]))


def test_padding_does_not_change_a_prediction() -> None:
    model = Regressor(TOKENS, outputs=1, targets=1, vocabulary=10).eval()
    alone = model(torch.tensor([[1, 6, 2]]), torch.tensor([[1, 1, 1]]))

    padded = model(torch.tensor([[1, 6, 2, 3, 3], [1, 5, 7, 8, 2]]), torch.tensor([[1, 1, 1, 0, 0], [1] * 5]))

    assert torch.allclose(padded[:1], alone, atol=1e-6)


def test_the_scale_counts_each_value_by_its_weight() -> None:
    values = np.array([[0.0], [4.0], [np.nan]], dtype=np.float32)
    weights = np.array([[3.0], [1.0], [0.0]], dtype=np.float32)

    mean, standard_deviation = scale_of(Columns(("y",), values, weights))

    assert mean.tolist() == [1.0]  # (3 * 0 + 1 * 4) / 4
    assert np.isclose(standard_deviation.item(), np.sqrt(3.0))  # (3 * 1 + 1 * 9) / 4


def test_a_bin_is_pooled_by_itself_and_the_last_takes_what_is_left_over() -> None:
    states = torch.tensor([[[1.0], [3.0], [5.0], [6.0], [10.0]]])

    pooled = BinPooling(positions=5, bins=2)(states, torch.ones(1, 5))

    assert pooled.tolist() == [[2.0, 7.0, 3.0, 10.0]]  # means of both, then maxima


def test_a_window_of_places_and_bins_answers_and_depends_on_where_a_base_stands() -> None:
    where: dict[str, Any] = {"window_bases": 13, "phases": 3, "places": True}
    pooled: dict[str, Any] = {"pooled_bases": 3, "pooled_dilations": (1,), "pooling": "bins", "pooling_bins": 2}
    config = ModelConfig("convolution", 8, dropout=0.0, **where, **pooled)
    torch.manual_seed(0)
    model = Regressor(config, outputs=1, targets=1).eval()
    bases = torch.nn.functional.one_hot(torch.arange(13)[None] % 4, 4).float()

    assert config.pooled_positions == 4
    assert model(bases).shape == (1, 1)
    assert not torch.allclose(model(bases), model(bases.flip(1)))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"places": True}, "window_bases"), ({"pooling": "bins", "window_bases": 8, "pooling_bins": 9}, "pooling_bins")],
)
def test_places_and_bins_need_a_window_they_fit_into(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        ModelConfig("convolution", 4, **wrong)


def test_the_mean_over_both_strands_is_the_same_for_both() -> None:
    model = Regressor(replace(ONE_HOT, reverse_complement_averaged=True), outputs=1, targets=1)
    bases = torch.eye(5)[:, :4][torch.tensor([[0, 0, 1, 2, 4, 3]])]  # AACGNT
    turned = torch.eye(5)[:, :4][torch.tensor([[0, 4, 1, 2, 3, 3]])]  # ANCGTT

    one_strand = (model.train(False)._read(bases)[0] + model._read(turned)[0]) / 2

    assert torch.equal(model(bases), model(turned))
    assert torch.equal(model(bases), one_strand)


def test_a_model_that_averages_is_trained_on_the_strand_it_is_given() -> None:
    torch.manual_seed(0)
    model = Regressor(replace(ONE_HOT, dropout=0.0, reverse_complement_averaged=True), outputs=1, targets=1).train()
    bases = torch.eye(4)[torch.tensor([[0, 0, 1, 2, 3], [2, 0, 0, 2, 3]])]

    assert torch.allclose(model.standardised(bases), model._read(bases)[0])

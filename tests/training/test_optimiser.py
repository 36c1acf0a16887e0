"""The learning rate warms up and falls."""

from dataclasses import replace

import pytest
from torch import nn

from training.lora import add_adapters
from training.optimiser import adamw, backbone_heights, learning_rate, set_learning_rate
from training.recipe import FitConfig, LoraConfig, ModelConfig
from training.regressor import Regressor

CONFIG = FitConfig(epochs=1, batch=1, learning_rate=1.0, warmup_fraction=0.1, weight_decay=0.5)


def test_the_learning_rate_rises_to_its_peak_and_falls_as_a_cosine() -> None:
    rates = [learning_rate(step, 110, CONFIG) for step in range(110)]

    assert rates[0] == pytest.approx(1 / 11)
    assert rates[10] == rates[11] == pytest.approx(1.0)
    assert rates[11 + 33] == pytest.approx(1 / 500 + 499 / 500 * 0.75)  # a third of the way: (1 + cos 60 degrees) / 2
    assert rates[109] < 0.005
    assert rates[11:] == sorted(rates[11:], reverse=True)


def test_only_matrices_decay() -> None:
    matrices, vectors = adamw(nn.Linear(2, 3), CONFIG).param_groups

    assert [tuple(parameter.shape) for parameter in matrices["params"]] == [(3, 2)]
    assert matrices["weight_decay"] == 0.5
    assert vectors["weight_decay"] == 0.0


def test_the_rate_may_fall_in_a_straight_line_after_some_steps() -> None:
    config = replace(CONFIG, schedule="linear", warmup_steps=4)

    rates = [learning_rate(step, 104, config) for step in range(104)]

    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4 + 50] == pytest.approx((1 + 1 / 500) / 2)
    assert rates[4 + 75] == pytest.approx(1 / 500 + 499 / 500 / 4)


SHAPE = ModelConfig(backbone="dnabert2", width=4, layers=3, heads=2, inner_width=4)
TRANSFORMERS = {
    "dnabert2": SHAPE,
    "bert": replace(SHAPE, backbone="bert", positions=8),
    "version 1": replace(SHAPE, backbone="nucleotide_transformer", version="v1", positions=10),
    "version 2": replace(SHAPE, backbone="nucleotide_transformer"),
}


def shares(model: Regressor, config: FitConfig) -> dict[str, float]:
    """The part of the learning rate that each parameter gets."""
    optimizer = adamw(model, config)
    set_learning_rate(optimizer, 1.0)
    rates = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    return {name: rates[id(parameter)] for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("adapters", [False, True])
@pytest.mark.parametrize("shape", TRANSFORMERS.values(), ids=TRANSFORMERS)
def test_each_layer_learns_a_share_of_the_one_above_it(shape: ModelConfig, adapters: bool) -> None:
    model = Regressor(shape, 1, 1, 10)
    if adapters:
        add_adapters(model, LoraConfig(), shape)
        model.requires_grad_(True)

    found = shares(model, replace(CONFIG, layer_decay=0.5))

    assert {rate for name, rate in found.items() if name.startswith("head")} == {1.0}
    for layer, share in enumerate([1 / 8, 1 / 4, 1 / 2]):
        assert {rate for name, rate in found.items() if f"encoder.layer.{layer}." in name} == {share}
    assert {rate for name, rate in found.items() if ".embeddings." in name} == {1 / 16}


def test_the_backbone_may_have_a_rate_of_its_own() -> None:
    config = replace(CONFIG, learning_rate=0.5, backbone_learning_rate=0.125)

    found = shares(Regressor(SHAPE, 1, 1, 10), config)

    assert {rate for name, rate in found.items() if name.startswith("head")} == {1.0}
    assert {rate for name, rate in found.items() if name.startswith("backbone")} == {0.25}


def test_blocks_of_a_convolution_network_are_layers_and_its_last_norm_belongs_to_the_top() -> None:
    model = Regressor(
        ModelConfig(backbone="convolution", width=4, full_dilations=(1, 1), half_dilations=(1,), pooled_dilations=(1,)),
        outputs=1,
        targets=1,
    )

    of_parameter = backbone_heights(model.backbone)

    heights = {name: of_parameter[parameter] for name, parameter in model.backbone.named_parameters()}
    assert heights["stem.weight"] == 0
    assert heights["full_length.1.pointwise.bias"] == 2
    assert heights["half_length.0.dilated.weight"] == 3
    assert heights["pooled_length.0.dilated.weight"] == 4
    assert heights["norm.weight"] == 4


def test_what_is_frozen_is_left_out() -> None:
    model = Regressor(SHAPE, 1, 1, 10)
    model.backbone.requires_grad_(False)

    optimizer = adamw(model, CONFIG)

    assert [[tuple(parameter.shape) for parameter in group["params"]] for group in optimizer.param_groups] == [
        [(1, 4)],
        [(1,)],
    ]

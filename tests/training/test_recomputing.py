"""Computing layers again changes no gradient."""

import copy
from dataclasses import replace

import pytest
import torch

from training.errors import ConfigError
from training.lora import add_adapters, merged
from training.recipe import LoraConfig, ModelConfig
from training.recomputing import recompute_layers
from training.regressor import Regressor

TOKENS = ModelConfig(backbone="dnabert2", width=8, layers=2, heads=2, inner_width=12, dropout=0.2)
TRANSFORMERS = {
    "dnabert2": TOKENS,
    "bert": replace(TOKENS, backbone="bert", positions=8),
    "version 1": replace(TOKENS, backbone="nucleotide_transformer", version="v1", positions=10),
    "version 2": replace(TOKENS, backbone="nucleotide_transformer"),
}
INPUTS = (torch.tensor([[1, 6, 4, 2], [1, 5, 2, 3]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]]))


def gradients(model: Regressor) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)  # of dropout
    model.train().standardised(*INPUTS).square().sum().backward()
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize("shape", TRANSFORMERS.values(), ids=TRANSFORMERS)
def test_gradients_are_equal_with_dropout_too(shape: ModelConfig) -> None:
    kept = Regressor(shape, outputs=2, targets=2, vocabulary=10)
    again = copy.deepcopy(kept)
    recompute_layers(again.backbone)

    expected, found = gradients(kept), gradients(again)

    assert expected.keys() == found.keys() == dict(kept.named_parameters()).keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.mark.parametrize("shape", TRANSFORMERS.values(), ids=TRANSFORMERS)
def test_fewer_states_are_kept(shape: ModelConfig) -> None:
    def kept_bytes(model: Regressor) -> int:
        kept = 0

        def count(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal kept
            kept += tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            model.train().standardised(*INPUTS)
        return kept

    model = Regressor(shape, outputs=2, targets=2, vocabulary=10)
    whole = kept_bytes(model)
    recompute_layers(model.backbone)

    assert kept_bytes(model) < whole / 2


def test_a_copy_computes_with_its_own_weights() -> None:
    model = Regressor(TOKENS, outputs=2, targets=2, vocabulary=10)
    recompute_layers(model.backbone)
    add_adapters(model, LoraConfig(), TOKENS)

    plain = merged(model)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)

    assert gradients(plain)["backbone.bert.encoder.layer.0.mlp.wo.weight"].any()


def test_only_a_transformer_has_layers_to_compute_again() -> None:
    model = Regressor(ModelConfig(backbone="convolution", width=4, full_dilations=(1,)), outputs=1, targets=1)

    with pytest.raises(ConfigError, match=r"fit\.gradient_checkpointing: only a transformer"):
        recompute_layers(model.backbone)

"""Adapters are all that is trained in a backbone, and merging them changes no answer."""

import sys
from dataclasses import replace

import pytest
import torch

from training.errors import ConfigError
from training.lora import add_adapters, merged
from training.recipe import LoraConfig, ModelConfig
from training.regressor import Regressor

TOKENS = ModelConfig(backbone="dnabert2", width=8, layers=2, heads=2, inner_width=12, dropout=0.0)
ONE_HOT = ModelConfig(backbone="convolution", width=4, full_dilations=(1,))
OTHERS = {
    "bert": replace(TOKENS, backbone="bert", positions=8),
    "version 1": replace(TOKENS, backbone="nucleotide_transformer", version="v1", positions=10),
    "version 2": replace(TOKENS, backbone="nucleotide_transformer"),
}
INPUTS = (torch.tensor([[1, 6, 4, 2], [1, 5, 2, 3]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]]))


def adapted(shape: ModelConfig = TOKENS, **changes: object) -> Regressor:
    """A model whose adapters have come some way."""
    torch.manual_seed(0)
    model = Regressor(shape, outputs=2, targets=2, vocabulary=10).eval()
    add_adapters(model, replace(LoraConfig(rank=2, alpha=4), **changes), shape)  # type: ignore[arg-type]
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    return model.eval()


def test_new_adapters_change_no_answer() -> None:
    model = Regressor(TOKENS, outputs=2, targets=2, vocabulary=10).eval()
    before = model(*INPUTS)

    add_adapters(model, LoraConfig(), TOKENS)

    assert torch.equal(model.eval()(*INPUTS), before)


def test_the_matrices_of_attention_and_mlp_are_changed_and_the_head_is_trained_whole() -> None:
    trained = {name for name, parameter in adapted().named_parameters() if parameter.requires_grad}

    changed = {name.split(".lora_")[0].rpartition(".")[2] for name in trained if ".lora_" in name}
    assert changed == {"Wqkv", "dense", "gated_layers", "wo"}
    assert {name for name in trained if ".lora_" not in name} == {"head.1.weight", "head.1.bias"}


@pytest.mark.parametrize("shape", OTHERS.values(), ids=OTHERS)
def test_every_transformer_has_layers_to_change(shape: ModelConfig) -> None:
    trained = {name for name, parameter in adapted(shape).named_parameters() if parameter.requires_grad}

    changed = {name.split(".lora_")[0].rpartition(".")[2] for name in trained if ".lora_" in name}
    assert changed == {"query", "key", "value", "dense"}


@pytest.mark.parametrize("shape", [TOKENS, *OTHERS.values()], ids=["dnabert2", *OTHERS])
def test_merged_answers_are_those_of_the_adapters(shape: ModelConfig) -> None:
    model = adapted(shape)
    answers = model(*INPUTS)

    plain = merged(model)

    assert torch.allclose(plain(*INPUTS), answers, atol=1e-6)
    assert torch.equal(model(*INPUTS), answers)  # the model itself stays as it is


def test_a_merged_model_is_a_plain_one() -> None:
    plain, fresh = merged(adapted()), Regressor(TOKENS, outputs=2, targets=2, vocabulary=10)

    fresh.load_state_dict(plain.state_dict())

    assert torch.equal(fresh.eval()(*INPUTS), plain(*INPUTS))
    assert all(parameter.requires_grad for parameter in plain.parameters())


def test_only_the_named_layers_are_changed() -> None:
    trained = {name for name, parameter in adapted(targets=("wo",)).named_parameters() if parameter.requires_grad}

    assert {name.split(".lora_")[0].rpartition(".")[2] for name in trained if ".lora_" in name} == {"wo"}


def test_a_layer_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"fit\.lora\.targets: no linear layer is called query; there are .*Wqkv"):
        adapted(targets=("wo", "query"))


def test_a_backbone_without_known_layers_needs_them_named() -> None:
    with pytest.raises(ConfigError, match=r"fit\.lora\.targets: name the layers of a convolution backbone"):
        add_adapters(Regressor(ONE_HOT, outputs=1, targets=1), LoraConfig(), ONE_HOT)


def test_a_missing_peft_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)

    with pytest.raises(ConfigError, match=r"fit\.lora needs peft: pip install"):
        adapted()

"""LoRA by `peft`: the backbone's matrices are frozen and low-rank changes of them trained, then added into them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, cast

from torch import nn

from training.errors import ConfigError
from training.recipe import LoraConfig, ModelConfig
from training.regressor import Regressor

if TYPE_CHECKING:
    from peft import PeftModel

# The linear layers of each backbone's attention and MLP, by the names in its family's checkpoints.
TARGETS = {
    "dnabert2": ("Wqkv", "dense", "gated_layers", "wo"),
    "nucleotide_transformer": ("query", "key", "value", "dense"),
    "bert": ("query", "key", "value", "dense"),
}


def add_adapters(model: Regressor, config: LoraConfig, architecture: ModelConfig) -> None:
    """Freeze the backbone and put trainable changes beside its matrices; the pooling and the head stay as they are.

    Args:
        model: changed in place; its answers stay the same until the changes are trained.
        config: rank and scale.
        architecture: of the model, which decides the default targets.

    Raises:
        ConfigError: a target is no linear layer of this backbone, or peft is not installed.
    """
    try:
        import peft  # noqa: PLC0415 - slow to import, and seldom needed
    except ImportError:
        raise ConfigError("fit.lora needs peft: pip install 'basecast[train]'") from None
    targets = _targets(model.backbone, config, architecture)
    settings = peft.LoraConfig(
        r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout, target_modules=list(targets)
    )
    model.backbone = peft.get_peft_model(model.backbone, settings)


def merged(model: Regressor) -> Regressor:
    """A plain copy of the model that answers the same: trained changes are added into the matrices.

    Args:
        model: with adapters; it stays as it is.
    """
    plain = copy.deepcopy(model)
    plain.backbone = cast("PeftModel", plain.backbone).merge_and_unload()
    return plain.requires_grad_(True)


def _targets(backbone: nn.Module, config: LoraConfig, architecture: ModelConfig) -> tuple[str, ...]:
    targets = config.targets or TARGETS.get(architecture.backbone, ())
    if not targets:
        raise ConfigError(f"fit.lora.targets: name the layers of a {architecture.backbone} backbone that are changed")
    linear = {name.rpartition(".")[2] for name, module in backbone.named_modules() if isinstance(module, nn.Linear)}
    if missing := [target for target in targets if target not in linear]:
        raise ConfigError(f"fit.lora.targets: no linear layer is called {missing[0]}; there are {', '.join(linear)}")
    return targets

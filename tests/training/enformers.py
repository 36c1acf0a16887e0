"""Small random Enformers in the published format; keys and shapes are typed from it, so that they check our module."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.training.published import Format, Shapes, write_checkpoint

BASES = 256
BINS, TARGET_BINS = 16, 8
ORACLE = np.load(Path(__file__).parent / "enformer_oracle.npz")
"""Written by enformer_oracle.py."""

CONFIG: dict[str, Any] = {
    "architectures": ["Enformer"],
    "attn_dim_key": 4,
    "attn_dropout": 0.05,
    "depth": 2,
    "dim": 24,
    "dim_divisible_by": 4,
    "dropout_rate": 0.4,
    "heads": 2,
    "model_type": "enformer",
    "num_downsamples": 4,
    "output_heads": {"human": 5, "mouse": 3},
    "pos_dropout": 0.01,
    "target_length": TARGET_BINS,
    "use_checkpointing": False,
}


def norm(name: str, width: int) -> Shapes:
    return {f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}


def convolution(name: str, outputs: int, inputs: int, positions: int) -> Shapes:
    return norm(f"{name}.0", inputs) | {f"{name}.2.weight": (outputs, inputs, positions), f"{name}.2.bias": (outputs,)}


def attention_layer(name: str) -> Shapes:
    return {
        f"{name}.0.fn.0.weight": (24,),
        f"{name}.0.fn.0.bias": (24,),
        f"{name}.0.fn.1.rel_content_bias": (1, 2, 1, 4),
        f"{name}.0.fn.1.rel_pos_bias": (1, 2, 1, 4),
        f"{name}.0.fn.1.to_q.weight": (8, 24),
        f"{name}.0.fn.1.to_k.weight": (8, 24),
        f"{name}.0.fn.1.to_v.weight": (24, 24),
        f"{name}.0.fn.1.to_out.weight": (24, 24),
        f"{name}.0.fn.1.to_out.bias": (24,),
        f"{name}.0.fn.1.to_rel_k.weight": (8, 12),
        f"{name}.1.fn.0.weight": (24,),
        f"{name}.1.fn.0.bias": (24,),
        f"{name}.1.fn.1.weight": (48, 24),
        f"{name}.1.fn.1.bias": (48,),
        f"{name}.1.fn.4.weight": (24, 48),
        f"{name}.1.fn.4.bias": (24,),
    }


SHAPES: Shapes = {
    "stem.0.weight": (12, 4, 15),
    "stem.0.bias": (12,),
    **convolution("stem.1.fn", 12, 12, 1),
    "stem.2.to_attn_logits.weight": (12, 12, 1, 1),
    **convolution("conv_tower.0.0", 12, 12, 5),
    **convolution("conv_tower.0.1.fn", 12, 12, 1),
    "conv_tower.0.2.to_attn_logits.weight": (12, 12, 1, 1),
    **convolution("conv_tower.1.0", 16, 12, 5),
    **convolution("conv_tower.1.1.fn", 16, 16, 1),
    "conv_tower.1.2.to_attn_logits.weight": (16, 16, 1, 1),
    **convolution("conv_tower.2.0", 24, 16, 5),
    **convolution("conv_tower.2.1.fn", 24, 24, 1),
    "conv_tower.2.2.to_attn_logits.weight": (24, 24, 1, 1),
    **attention_layer("transformer.0"),
    **attention_layer("transformer.1"),
    **convolution("final_pointwise.1", 48, 24, 1),
    "_heads.human.0.weight": (5, 48),
    "_heads.human.0.bias": (5,),
    "_heads.mouse.0.weight": (3, 48),
    "_heads.mouse.0.bias": (3,),
}
"""Each weight by its first name, without what counts the batches of training."""


def second_name(key: str) -> str:
    part, _, rest = key.partition(".")
    places = {"stem": "1", "conv_tower": "2", "transformer": "4", "final_pointwise": "6"}
    return f"_trunk.{places[part]}.{rest}" if part in places else key


def under_both_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As `pytorch_model.bin` holds them."""
    return {name: value for key, value in weights.items() for name in (key, second_name(key))}


def enformer_weights() -> dict[str, Tensor]:
    """Those that enformer-pytorch answered with."""
    prefix = "weight/"
    held = {key.removeprefix(prefix): ORACLE[key] for key in ORACLE.files if key.startswith(prefix)}
    return {key: torch.from_numpy(value).float() for key, value in held.items()}


def write_enformer(
    folder: Path, weights: Mapping[str, Tensor] | None = None, form: Format = "bin", **config: object
) -> Path:
    """A checkpoint with all weights under both names, or whatever else is given."""
    weights = under_both_names(enformer_weights()) if weights is None else weights
    write_checkpoint(folder, CONFIG | config, weights, form)
    return folder

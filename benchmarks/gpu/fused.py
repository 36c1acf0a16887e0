"""The same model in torch, as fast as torch has it: fused attention, compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from app.encoding import Ids
from app.engine import feed
from training.backbones.dnabert2 import Dnabert2, SelfAttention
from training.feeder import Feeder
from training.regressor import Regressor


class FusedAttention(nn.Module):
    """What `SelfAttention` computes, in torch's own attention."""

    def __init__(self, attention: SelfAttention) -> None:
        super().__init__()
        self.heads, self.Wqkv = attention.heads, attention.Wqkv

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        """(batch, tokens, width) from states of that shape and the bias of the scores."""
        batch, tokens, width = states.shape
        packed = self.Wqkv(states).view(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = packed.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        return mixed.transpose(1, 2).reshape(batch, tokens, width)


def fuse_attention(model: Regressor) -> Regressor:
    """Put fused attention in place of each layer's; the same model, changed."""
    assert isinstance(model.backbone, Dnabert2)
    for layer in model.backbone.layers:
        attention = layer.attention
        assert isinstance(attention, nn.Module)
        attention.self = FusedAttention(attention.get_submodule("self"))  # type: ignore[arg-type]
    return model


def torch_predict(
    model: Callable[..., Tensor], feeder: Feeder, device: torch.device
) -> Callable[[Sequence[Ids]], np.ndarray]:
    """Rows to values by way of the device, as an ONNX Runtime session takes them."""

    def predict(rows: Sequence[Ids]) -> np.ndarray:
        inputs = feed(rows, feeder.rules)
        tensors = [torch.from_numpy(inputs[name]).to(device) for name in ("input_ids", "attention_mask")]
        with torch.inference_mode():
            return model(*tensors).float().cpu().numpy()

    return predict

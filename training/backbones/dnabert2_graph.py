"""DNABERT-2 as its graph computes it: what the trained model computes, arranged for ONNX Runtime on a CPU.

There a packed product is copied once more for each of its parts, and a bias that is added to a product of three axes
takes a pass of its own. So the packed matrices are apart here, and the states of all tokens are the rows of one matrix.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.backbones.dnabert2 import Dnabert2, GatedMlp, Layer, SelfAttention, alibi_bias


class ApartAttention(nn.Module):
    """Multi-head attention with a matrix each for queries, keys and values; the queries' holds the scores' scale."""

    def __init__(self, packed: SelfAttention) -> None:
        super().__init__()
        self.heads = packed.heads
        head_width = packed.Wqkv.in_features // self.heads
        weights, biases = packed.Wqkv.weight.detach().chunk(3), packed.Wqkv.bias.detach().chunk(3)
        scales = (head_width**-0.5, 1.0, 1.0)
        parts = zip(weights, biases, scales, strict=True)
        self.query, self.key, self.value = (_linear(weight * scale, bias * scale) for weight, bias, scale in parts)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        """(batch * tokens, width) from the same and (batch, heads, tokens, tokens)."""
        batch, tokens = bias.shape[0], bias.shape[2]
        apart = (batch, tokens, self.heads, states.shape[1] // self.heads)
        query = self.query(states).view(apart).transpose(1, 2)
        key = self.key(states).view(apart).permute(0, 2, 3, 1)
        value = self.value(states).view(apart).transpose(1, 2)
        mixed = torch.softmax(query @ key + bias, dim=-1) @ value
        joined: Tensor = mixed.transpose(1, 2).reshape(states.shape)
        return joined


class ApartMlp(nn.Module):
    """The gated MLP with a matrix each for its two halves."""

    def __init__(self, packed: GatedMlp) -> None:
        super().__init__()
        self.gate, self.content = (_linear(half) for half in packed.gated_layers.weight.detach().chunk(2))
        self.wo, self.layernorm = packed.wo, packed.layernorm

    def forward(self, states: Tensor) -> Tensor:
        mixed: Tensor = self.layernorm(self.wo(functional.gelu(self.gate(states)) * self.content(states)) + states)
        return mixed


class ApartLayer(nn.Module):
    """Attention, then the gated MLP."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.attention, self.output = ApartAttention(layer.attention.self), layer.attention.output
        self.mlp = ApartMlp(layer.mlp)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        mixed: Tensor = self.mlp(self.output(self.attention(states, bias), states))
        return mixed


class Dnabert2Graph(nn.Module):
    """The backbone, to be exported.

    Args:
        backbone: trained, in evaluation mode; it is not changed.
    """

    def __init__(self, backbone: Dnabert2) -> None:
        super().__init__()
        self.embeddings = backbone.bert.embeddings
        self.slopes = backbone.bert.encoder.slopes
        layers = cast("Iterable[Layer]", backbone.layers)
        self.layers = nn.ModuleList(ApartLayer(layer) for layer in layers)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """States of all tokens; arguments and results are the backbone's."""
        mask = attention_mask.to(self.slopes.dtype)
        bias = alibi_bias(self.slopes, mask)
        embedded = self.embeddings(input_ids)  # (batch, tokens, width)
        states = embedded.flatten(0, 1)
        for layer in self.layers:
            states = layer(states, bias)
        return states.view(embedded.shape), mask


def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    outputs, inputs = weight.shape
    linear = nn.Linear(inputs, outputs, bias=bias is not None, device="meta")
    linear.weight = nn.Parameter(weight)
    if bias is not None:
        linear.bias = nn.Parameter(bias)
    return linear

"""DNABERT-2: a post-norm transformer with ALiBi, packed attention weights and a gated MLP.

Written for export: padding is masked, never removed. The modules are named so that the keys of a state dict are those
of the published checkpoint (zhihan1996/DNABERT-2-117M), whatever the size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

PUBLISHED_LAYER_NORM_EPSILON = 1e-12
# What the published model adds to the scores of padding; far enough below any ALiBi bias to vanish in the softmax.
PADDING_BIAS = -10000.0
TOKEN_TYPES = 2


@dataclass(frozen=True)
class Dnabert2Shape:
    """The sizes of a model; the published one is (4096, 768, 12, 12, 3072)."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    inner_width: int
    dropout: float = 0.1


def alibi_slopes(heads: int) -> list[float]:
    """The slope of each head's distance penalty.

    For a power of two the slopes fall geometrically from 2^(-8/heads) to 2^-8. For any other number they are those of
    the next lower power, followed by every second slope of the next higher one.
    """
    lower = 2 ** math.floor(math.log2(heads))
    slopes = [2.0 ** (-8 * (head + 1) / lower) for head in range(lower)]
    between = [2.0 ** (-8 * (head + 1) / (2 * lower)) for head in range(0, 2 * lower, 2)]
    return slopes + between[: heads - lower]


def alibi_bias(slopes: Tensor, mask: Tensor) -> Tensor:
    """What is added to the attention scores.

    Args:
        slopes: (heads,).
        mask: (batch, tokens), 1.0 where a token is real.

    Returns:
        (batch, heads, tokens, tokens): minus slope times distance, and `PADDING_BIAS` for keys that are padding.
    """
    position = torch.arange(mask.shape[1], device=mask.device)
    distance = (position[None, :] - position[:, None]).abs().to(slopes.dtype)  # (tokens, tokens)
    penalty = -slopes[:, None, None] * distance
    return penalty[None] + (1.0 - mask)[:, None, None, :] * PADDING_BIAS


class Embeddings(nn.Module):
    """Token embeddings; the token type is always 0, and there are no positions."""

    def __init__(self, shape: Dnabert2Shape) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(shape.vocabulary, shape.width)
        self.token_type_embeddings = nn.Embedding(TOKEN_TYPES, shape.width)
        self.LayerNorm = nn.LayerNorm(shape.width, eps=PUBLISHED_LAYER_NORM_EPSILON)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, input_ids: Tensor) -> Tensor:
        embedded = self.word_embeddings(input_ids) + self.token_type_embeddings.weight[0]
        states: Tensor = self.dropout(self.LayerNorm(embedded))
        return states


class SelfAttention(nn.Module):
    """Multi-head attention with one matrix for queries, keys and values, in that order."""

    def __init__(self, shape: Dnabert2Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.Wqkv = nn.Linear(shape.width, 3 * shape.width)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        batch, tokens, width = states.shape
        packed = self.Wqkv(states).view(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = packed.permute(2, 0, 3, 1, 4).unbind(0)  # each (batch, heads, tokens, width / heads)
        # Written out: on a CPU torch's fused attention is slow to train with a bias, and exports no better.
        scores = query @ key.transpose(-1, -2) * (width // self.heads) ** -0.5 + bias
        mixed = torch.softmax(scores, dim=-1).to(value.dtype) @ value
        joined: Tensor = mixed.transpose(1, 2).reshape(batch, tokens, width)
        return joined


class AttentionOutput(nn.Module):
    """Projection, residual and norm after attention."""

    def __init__(self, shape: Dnabert2Shape) -> None:
        super().__init__()
        self.dense = nn.Linear(shape.width, shape.width)
        self.dropout = nn.Dropout(shape.dropout)
        self.LayerNorm = nn.LayerNorm(shape.width, eps=PUBLISHED_LAYER_NORM_EPSILON)

    def forward(self, mixed: Tensor, states: Tensor) -> Tensor:
        attended: Tensor = self.LayerNorm(self.dropout(self.dense(mixed)) + states)
        return attended


class Attention(nn.Module):
    """`self` and `output`, as the checkpoint calls them."""

    def __init__(self, shape: Dnabert2Shape) -> None:
        super().__init__()
        self.self = SelfAttention(shape)
        self.output = AttentionOutput(shape)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        attended: Tensor = self.output(self.self(states, bias), states)
        return attended


class GatedMlp(nn.Module):
    """gelu(first half) times second half, projected back, with residual and norm."""

    def __init__(self, shape: Dnabert2Shape) -> None:
        super().__init__()
        self.gated_layers = nn.Linear(shape.width, 2 * shape.inner_width, bias=False)
        self.wo = nn.Linear(shape.inner_width, shape.width)
        self.dropout = nn.Dropout(shape.dropout)
        self.layernorm = nn.LayerNorm(shape.width, eps=PUBLISHED_LAYER_NORM_EPSILON)

    def forward(self, states: Tensor) -> Tensor:
        gate, content = self.gated_layers(states).chunk(2, dim=-1)
        mixed: Tensor = self.layernorm(self.wo(self.dropout(functional.gelu(gate) * content)) + states)
        return mixed


class Layer(nn.Module):
    """Attention, then the gated MLP."""

    def __init__(self, shape: Dnabert2Shape) -> None:
        super().__init__()
        self.attention = Attention(shape)
        self.mlp = GatedMlp(shape)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        mixed: Tensor = self.mlp(self.attention(states, bias))
        return mixed


class Encoder(nn.Module):
    """All layers share one bias."""

    def __init__(self, shape: Dnabert2Shape) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.register_buffer("slopes", torch.tensor(alibi_slopes(shape.heads)), persistent=False)
        self.slopes: Tensor

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        bias = alibi_bias(self.slopes, mask)
        for layer in self.layer:
            states = layer(states, bias)
        return states


class Bert(nn.Module):
    """Everything below a head."""

    def __init__(self, shape: Dnabert2Shape) -> None:
        super().__init__()
        self.embeddings = Embeddings(shape)
        self.encoder = Encoder(shape)


class Dnabert2(nn.Module):
    """The backbone.

    Args:
        shape: sizes.
    """

    def __init__(self, shape: Dnabert2Shape) -> None:
        super().__init__()
        self.bert = Bert(shape)
        self.bert.apply(_initialise)

    @property
    def layers(self) -> nn.ModuleList:
        """The transformer layers, in the order they are applied."""
        return self.bert.encoder.layer

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """States of all tokens.

        Args:
            input_ids: (batch, tokens) int64.
            attention_mask: (batch, tokens) int64, 0 for padding.

        Returns:
            states (batch, tokens, width), whose padding rows mean nothing, and mask (batch, tokens) as floats.
        """
        mask = attention_mask.to(self.bert.encoder.slopes.dtype)
        return self.bert.encoder(self.bert.embeddings(input_ids), mask), mask


def _initialise(module: nn.Module) -> None:
    """Embeddings as BERT's; matrices by their width, since a small model starves at BERT's 0.02."""
    if isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.7 * module.in_features**-0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)

"""Nucleotide Transformer, v1 and v2: transformers' ESM, whose keys are those of the published checkpoints.

Version 2 has another MLP, for which the published folders bring code of their own; here that MLP is swapped into the
library's layers instead. Version 3 is another family and is not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import EsmConfig, EsmModel

PUBLISHED_LAYER_NORM_EPSILON = 1e-12
PADDING, MASK = 1, 2
"""Ids in every published vocabulary; ESM counts positions over what is not padding."""

INITIAL_DEVIATION = 0.02


@dataclass(frozen=True)
class NucleotideTransformerShape:
    """The sizes of a model.

    Attributes:
        positions: rows of the learnt position embeddings (v1).
        token_dropout: scale the embeddings by ESM's share of tokens that pre-training left visible.
    """

    version: Literal["v1", "v2"]
    vocabulary: int
    width: int
    layers: int
    heads: int
    inner_width: int
    positions: int = 0
    token_dropout: bool = False
    dropout: float = 0.0


class GatedInner(nn.Module):
    """silu(first half) times second half, without bias."""

    def __init__(self, shape: NucleotideTransformerShape) -> None:
        super().__init__()
        self.dense = _matrix(shape.width, 2 * shape.inner_width)

    def forward(self, states: Tensor) -> Tensor:
        gate, content = self.dense(states).chunk(2, dim=-1)
        inner: Tensor = functional.silu(gate) * content
        return inner


class NucleotideTransformer(nn.Module):
    """The backbone.

    Args:
        shape: sizes.
    """

    def __init__(self, shape: NucleotideTransformerShape) -> None:
        super().__init__()
        self.esm: Any = EsmModel(_esm_config(shape), add_pooling_layer=False)
        del self.esm.contact_head  # predicts contacts in proteins, and has no part in the states
        if shape.version == "v2":
            for layer in self.layers:
                layer.add_module("intermediate", GatedInner(shape))
                layer.get_submodule("output").add_module("dense", _matrix(shape.inner_width, shape.width))

    @property
    def layers(self) -> nn.ModuleList:
        """The transformer layers, in the order they are applied."""
        layers: nn.ModuleList = self.esm.encoder.layer
        return layers

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """States of all tokens.

        Args:
            input_ids: (batch, tokens) int64.
            attention_mask: (batch, tokens) int64, 0 for padding.

        Returns:
            states (batch, tokens, width), whose padding rows mean nothing, and mask (batch, tokens) as floats.
        """
        states: Tensor = self.esm(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return states, attention_mask.to(torch.float32)


def _matrix(inputs: int, outputs: int) -> nn.Linear:
    linear = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(linear.weight, std=INITIAL_DEVIATION)
    return linear


def _esm_config(shape: NucleotideTransformerShape) -> EsmConfig:
    settings: dict[str, Any] = {
        "vocab_size": shape.vocabulary,
        "mask_token_id": MASK,
        "pad_token_id": PADDING,
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.inner_width,
        "hidden_dropout_prob": shape.dropout,
        "attention_probs_dropout_prob": 0.0,
        # Rotary positions are computed, so version 2 needs no rows for them.
        "max_position_embeddings": shape.positions or 1,
        "initializer_range": INITIAL_DEVIATION,
        "layer_norm_eps": PUBLISHED_LAYER_NORM_EPSILON,
        "position_embedding_type": "absolute" if shape.version == "v1" else "rotary",
        "emb_layer_norm_before": False,
        "token_dropout": shape.token_dropout,
        "attn_implementation": "eager",  # the others export larger graphs
    }
    return EsmConfig(**settings)

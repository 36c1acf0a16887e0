"""BERT from scratch: transformers' own encoder with learnt absolute positions, without its pooler."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

# BERT's 0.02 at its own width; a smaller model would starve at it.
PUBLISHED_SPREAD, PUBLISHED_WIDTH = 0.02, 768


@dataclass(frozen=True)
class BertShape:
    """The sizes of a model; BERT's own are (vocabulary, 768, 12, 12, 3072, 512).

    Attributes:
        positions: longest input, in tokens.
    """

    vocabulary: int
    width: int
    layers: int
    heads: int
    inner_width: int
    positions: int
    dropout: float = 0.1


class Bert(nn.Module):
    """The backbone.

    Args:
        shape: sizes.
    """

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel  # noqa: PLC0415 - slow to import, and only this backbone needs it

        config = BertConfig(
            vocab_size=shape.vocabulary,
            hidden_size=shape.width,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=shape.inner_width,
            max_position_embeddings=shape.positions,
            hidden_dropout_prob=shape.dropout,
            attention_probs_dropout_prob=shape.dropout,
            initializer_range=PUBLISHED_SPREAD * (PUBLISHED_WIDTH / shape.width) ** 0.5,
            pad_token_id=None,  # padding is masked, so its embedding needs no special case
        )
        self.bert = BertModel(config, add_pooling_layer=False)
        self.bert.set_attn_implementation("eager")  # exports to a smaller graph, and trains as fast on a CPU

    @property
    def layers(self) -> nn.ModuleList:
        """The transformer layers, in the order they are applied."""
        layers: nn.ModuleList = self.bert.encoder.layer
        return layers

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """States of all tokens.

        Args:
            input_ids: (batch, tokens) int64.
            attention_mask: (batch, tokens) int64, 0 for padding.

        Returns:
            states (batch, tokens, width), whose padding rows mean nothing, and mask (batch, tokens) as floats.
        """
        states = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return states, attention_mask.to(states.dtype)

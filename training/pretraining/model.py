"""DNABERT-2 with its masked-language-model head; all modules are named so that the keys are the published ones."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.backbones.dnabert2 import PUBLISHED_LAYER_NORM_EPSILON, Dnabert2, Dnabert2Shape, SelfAttention
from training.pretraining.masking import IGNORED, Masked


class Transform(nn.Module):
    """What BERT puts before the decoder."""

    def __init__(self, shape: Dnabert2Shape) -> None:
        super().__init__()
        self.dense = nn.Linear(shape.width, shape.width)
        self.LayerNorm = nn.LayerNorm(shape.width, eps=PUBLISHED_LAYER_NORM_EPSILON)

    def forward(self, states: Tensor) -> Tensor:
        transformed: Tensor = self.LayerNorm(functional.gelu(self.dense(states)))
        return transformed


class Predictions(nn.Module):
    """A score for every token of the vocabulary; the decoder's matrix is that of the embeddings."""

    def __init__(self, shape: Dnabert2Shape, embeddings: nn.Embedding) -> None:
        super().__init__()
        self.transform = Transform(shape)
        self.decoder = nn.Linear(shape.width, shape.vocabulary)
        self.decoder.weight = embeddings.weight
        nn.init.zeros_(self.decoder.bias)

    def forward(self, states: Tensor) -> Tensor:
        scores: Tensor = self.decoder(self.transform(states))
        return scores


class MaskedLanguageModel(Dnabert2):
    """The backbone with the head, which reads the masked positions only.

    Args:
        shape: sizes.
    """

    def __init__(self, shape: Dnabert2Shape) -> None:
        super().__init__(shape)
        self.cls = nn.ModuleDict({"predictions": Predictions(shape, self.bert.embeddings.word_embeddings)})

    @torch.no_grad()
    def expect(self, log_frequencies: Tensor) -> None:
        """Start from the tokens' frequencies, (vocabulary,), which take Adam thousands of steps to put into a bias."""
        self.cls.get_submodule("predictions.decoder").get_parameter("bias").copy_(log_frequencies)

    def scores(self, masked: Masked) -> Tensor:
        """(rows, predicted, vocabulary): the scores of all tokens at the positions to predict."""
        # Rows are full: one row of ones is the mask of all of them, and the attention bias is made once, not per row.
        states, _ = self(masked.ids, masked.ids.new_ones(1, masked.ids.shape[1]))
        places = masked.positions[:, :, None].expand(-1, -1, states.shape[2])
        return cast("Tensor", self.cls["predictions"](states.gather(1, places)))

    def loss(self, masked: Masked) -> Tensor:
        """The mean cross entropy of what is to be predicted, in nats."""
        scores = self.scores(masked).float()
        return functional.cross_entropy(scores.flatten(0, 1), masked.labels.flatten(), ignore_index=IGNORED)


class FusedSelfAttention(SelfAttention):
    """The same attention through torch's fused kernels: on a GPU faster, and in less memory."""

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        batch, tokens, width = states.shape
        packed = self.Wqkv(states).view(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = packed.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        return mixed.transpose(1, 2).reshape(batch, tokens, width)


def fuse_attention(model: Dnabert2, shape: Dnabert2Shape) -> None:
    """Replace the attention of all layers; weights, keys and what is computed stay the same."""
    for layer in model.bert.encoder.layer:
        attention = cast("nn.Module", layer.attention)
        with torch.device("meta"):
            fused = FusedSelfAttention(shape)
        fused.Wqkv = cast("SelfAttention", attention.self).Wqkv
        attention.self = fused

"""Attention over bins, with scores for how far two of them are apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class RelativeAttention(nn.Module):
    """Multi-head attention whose scores depend on what the bins hold and on how far they are apart.

    Args:
        width: channels of the states.
        heads: that share them.
        key_width: channels of a head's queries and keys.
        positions: (2 bins - 1, features), what is said of each distance; constants.
        dropout: of the weights.
        position_dropout: of the positions.
    """

    def __init__(
        self, width: int, heads: int, key_width: int, positions: Tensor, dropout: float, position_dropout: float
    ) -> None:
        super().__init__()
        keys = heads * key_width
        self.heads, self.scale = heads, key_width**-0.5
        self.to_q = nn.Linear(width, keys, bias=False)
        self.to_k = nn.Linear(width, keys, bias=False)
        self.to_v = nn.Linear(width, width, bias=False)
        self.to_out = nn.Linear(width, width)
        self.to_rel_k = nn.Linear(positions.shape[1], keys, bias=False)
        self.rel_content_bias = nn.Parameter(torch.randn(1, heads, 1, key_width))
        self.rel_pos_bias = nn.Parameter(torch.randn(1, heads, 1, key_width))
        self.dropout = nn.Dropout(dropout)
        self.position_dropout = nn.Dropout(position_dropout)
        self.register_buffer("positions", positions, persistent=False)
        self.positions: Tensor

    def forward(self, states: Tensor) -> Tensor:
        # Each (batch, heads, bins, channels).
        query, key, value = (self._by_head(project(states)) for project in (self.to_q, self.to_k, self.to_v))
        query = query * self.scale
        distances = self._by_head(self.to_rel_k(self.position_dropout(self.positions))[None])
        by_content = (query + self.rel_content_bias) @ key.transpose(-1, -2)
        by_distance = (query + self.rel_pos_bias) @ distances.transpose(-1, -2)
        weights = self.dropout(torch.softmax(by_content + by_place(by_distance), dim=-1))
        attended: Tensor = self.to_out((weights @ value).transpose(1, 2).flatten(2))
        return attended

    def _by_head(self, states: Tensor) -> Tensor:
        return states.reshape(*states.shape[:2], self.heads, -1).transpose(1, 2)


def by_place(scores: Tensor) -> Tensor:
    """Scores by distance become scores by the key's place.

    Args:
        scores: (batch, heads, bins, 2 bins - 1), where the column `d + bins - 1` is the key `d` bins to the right.

    Returns:
        (batch, heads, bins, bins): row i holds its columns `bins - 1 - i` and on.
    """
    bins = scores.shape[2]
    # With one more column, rows that are read one number shorter start one number earlier each.
    running = functional.pad(scores, (1, 0)).flatten(2)[:, :, bins:]
    return running.reshape(*scores.shape[:2], bins, 2 * bins - 1)[..., :bins]

"""The transformer over segments: embeddings of one haplotype's segments in, one gene's expression out.

Its tokens are the window's segments. Each holds what the reference has there and how the haplotype differs from it; the
answer is read from how the states differ from those of the average haplotype, by weights that each segment of each gene
has of its own beside the ones that all genes share.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.personal.config import HeadConfig
from training.personal.landmarks import Landmarks
from training.personal.window_data import GeneWindow

PLACE_DEVIATION = 0.1
UNATTENDED = 10_000.0


class Layer(nn.Module):
    """Attention over segments and an MLP, each on normed states and added to them; both begin as no change."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_output = nn.Linear(width, width)
        self.inner_norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, config.inner_width)
        self.inner_output = nn.Linear(config.inner_width, width)
        self.dropout = nn.Dropout(config.dropout)
        for last in (self.attention_output, self.inner_output):
            nn.init.normal_(last.weight, std=0.02)
            nn.init.zeros_(last.bias)

    def forward(self, states: Tensor, absent: Tensor | None = None) -> Tensor:
        """(batch, segments, width) to the same; nothing attends to segments that are absent, (batch, segments) 1.0."""
        states = states + self.dropout(self._attended(self.attention_norm(states), absent))
        inner = functional.gelu(self.inner(self.inner_norm(states)))
        changed: Tensor = states + self.dropout(self.inner_output(inner))
        return changed

    def _attended(self, states: Tensor, absent: Tensor | None) -> Tensor:
        batch, segments, width = states.shape
        packed = self.query_key_value(states).view(batch, segments, 3, self.heads, width // self.heads)
        query, key, value = packed.permute(2, 0, 3, 1, 4).unbind(0)  # (batch, heads, segments, width of a head)
        scores = query @ key.transpose(2, 3) / math.sqrt(width // self.heads)
        if absent is not None:
            scores = scores - absent[:, None, None, :] * UNATTENDED
        mixed = torch.softmax(scores, dim=-1) @ value
        attended: Tensor = self.attention_output(mixed.transpose(1, 2).reshape(batch, segments, width))
        return attended


class SegmentTransformer(nn.Module):
    """States of some of a window's segments.

    Args:
        config: sizes.
        segments: in a window.
        embedding_width: of a segment's embedding.
    """

    def __init__(self, config: HeadConfig, segments: int, embedding_width: int) -> None:
        super().__init__()
        self.content_norm = nn.LayerNorm(embedding_width)
        self.content = nn.Linear(embedding_width, config.width)
        self.difference = nn.Linear(embedding_width, config.width, bias=False)
        self.places = nn.Parameter(torch.randn(segments, config.width) * PLACE_DEVIATION)
        self.layers = nn.ModuleList([Layer(config) for _ in range(config.layers)])
        nn.init.normal_(self.difference.weight, std=1 / math.sqrt(config.width))
        self.register_buffer("content_mean", torch.zeros(embedding_width))
        self.register_buffer("content_scale", torch.ones(embedding_width))
        self.content_mean: Tensor
        self.content_scale: Tensor

    def centre(self, references: Tensor) -> None:
        """Fix what content is measured from: all references' mean and deviation, (genes, segments, width)."""
        flat = references.flatten(0, 1)
        self.content_mean, self.content_scale = flat.mean(0), 1 / flat.std(0).clamp_min(1e-6)

    def forward(self, content: Tensor, differences: Tensor, read: Tensor, absent: Tensor | None = None) -> Tensor:
        """States.

        Args:
            content: (batch or 1, read, embedding width) embeddings of what is there.
            differences: (batch, read, embedding width), standardised.
            read: (read,) or (batch, read) which segments they are.
            absent: (batch, read) 1.0 where a row has no such segment, for rows of unequal length.

        Returns:
            (batch, read, width).
        """
        there = self.content(self.content_norm((content - self.content_mean) * self.content_scale))
        states: Tensor = there + self.places[read] + self.difference(differences)
        for layer in self.layers:
            states = layer(states, absent)
        return states


class PersonalHead(nn.Module):
    """One value for a haplotype of a gene's window.

    Args:
        config: sizes.
        landmarks: what is known of each gene.
    """

    def __init__(self, config: HeadConfig, landmarks: Landmarks) -> None:
        super().__init__()
        genes, segments, embedding_width = landmarks.references.shape
        self.transformer = SegmentTransformer(config, segments, embedding_width)
        self.shared_readout = nn.Parameter(torch.zeros(config.width))
        self.readouts = nn.Parameter(torch.zeros(genes, landmarks.read.shape[1], config.width))
        self.means = nn.Parameter(torch.zeros(genes))
        self.level = nn.Linear(config.width, 1)
        self.transformer.centre(torch.from_numpy(landmarks.references))

    def level_of(self, embeddings: Tensor) -> Tensor:
        """(batch,) what a window's whole content says of a gene's level, which the reference regime learns."""
        everywhere = torch.arange(embeddings.shape[1])
        states = self.transformer(embeddings, torch.zeros_like(embeddings), everywhere)
        answer: Tensor = self.level(states.mean(1)).squeeze(1)
        return answer

    def forward(self, gene: int, window: GeneWindow, haplotypes: Tensor) -> Tensor:
        """(haplotypes,) values of some of the distinct haplotypes of a gene's window."""
        differences = window.differences[haplotypes]
        with_average = torch.cat([torch.zeros_like(differences[:1]), differences])
        states = self.transformer(window.content, with_average, window.read)
        readout = self.shared_readout + self.readouts[gene, : len(window.read)]
        values: Tensor = self.means[gene] + ((states[1:] - states[:1]) * readout).sum((1, 2))
        return values

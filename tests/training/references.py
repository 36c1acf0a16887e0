"""The published architectures for one unpadded sequence, worked out in NumPy from their descriptions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Weights = Mapping[str, Array]


def dnabert2_states(weights: Weights, ids: Sequence[int], layers: int, slopes: Sequence[float]) -> Array:
    """(tokens, width): post-norm layers with ALiBi, one slope a head."""
    embeddings = weights["bert.embeddings.word_embeddings.weight"][list(ids)]
    embeddings = embeddings + weights["bert.embeddings.token_type_embeddings.weight"][0]
    states = normed(embeddings, weights, "bert.embeddings.LayerNorm")
    for layer in range(layers):
        states = dnabert2_layer(states, weights, f"bert.encoder.layer.{layer}", slopes)
    return states


def dnabert2_layer(states: Array, weights: Weights, name: str, slopes: Sequence[float]) -> Array:
    tokens, width = states.shape
    size = width // len(slopes)
    query, key, value = np.split(linear(states, weights, f"{name}.attention.self.Wqkv"), 3, axis=1)
    distance = np.abs(np.arange(tokens)[:, None] - np.arange(tokens)[None, :])
    mixed = np.zeros_like(states)
    for head, slope in enumerate(slopes):
        part = slice(head * size, (head + 1) * size)
        scores = query[:, part] @ key[:, part].T / math.sqrt(size) - slope * distance
        mixed[:, part] = softmax(scores) @ value[:, part]
    attended = linear(mixed, weights, f"{name}.attention.output.dense") + states
    states = normed(attended, weights, f"{name}.attention.output.LayerNorm")
    gate, content = np.split(linear(states, weights, f"{name}.mlp.gated_layers"), 2, axis=1)
    return normed(linear(gelu(gate) * content, weights, f"{name}.mlp.wo") + states, weights, f"{name}.mlp.layernorm")


def v2_states(weights: Weights, ids: Sequence[int], layers: int, heads: int) -> Array:
    """(tokens, width): Nucleotide Transformer v2, pre-norm layers with rotary positions and SwiGLU."""
    states = weights["esm.embeddings.word_embeddings.weight"][list(ids)]
    for layer in range(layers):
        states = v2_layer(states, weights, f"esm.encoder.layer.{layer}", heads)
    return normed(states, weights, "esm.encoder.emb_layer_norm_after")


def v2_layer(states: Array, weights: Weights, name: str, heads: int) -> Array:
    size = states.shape[1] // heads
    inputs = normed(states, weights, f"{name}.attention.LayerNorm")
    query, key, value = (linear(inputs, weights, f"{name}.attention.self.{part}") for part in ("query", "key", "value"))
    mixed = np.zeros_like(states)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        scores = rotated(query[:, part]) @ rotated(key[:, part]).T / math.sqrt(size)
        mixed[:, part] = softmax(scores) @ value[:, part]
    states = states + linear(mixed, weights, f"{name}.attention.output.dense")
    inner = linear(normed(states, weights, f"{name}.LayerNorm"), weights, f"{name}.intermediate.dense")
    gate, content = np.split(inner, 2, axis=1)
    return states + linear(gate / (1 + np.exp(-gate)) * content, weights, f"{name}.output.dense")


def rotated(vectors: Array) -> Array:
    """Each pair of channels (i, i + half) turned by position times 10000^(-i / half)."""
    half = vectors.shape[1] // 2
    angles = np.arange(len(vectors))[:, None] * 10000.0 ** (-np.arange(half) / half)
    first, second = vectors[:, :half], vectors[:, half:]
    turned = [first * np.cos(angles) - second * np.sin(angles), second * np.cos(angles) + first * np.sin(angles)]
    return np.concatenate(turned, axis=1)


def linear(states: Array, weights: Weights, name: str) -> Array:
    return states @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", 0.0)


def normed(states: Array, weights: Weights, name: str) -> Array:
    centred = states - states.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-12)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def gelu(values: Array) -> Array:
    return values * (1 + np.vectorize(math.erf)(values / math.sqrt(2))) / 2

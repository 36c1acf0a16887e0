"""A bundle of two graphs written by hand: `gc-squares` reads a window of four segments of five bases.

The embedder counts a segment's G and C, and its A and T; the head adds up place (from 1) times the square of the first
count. So "AAAAA CCCCC GGTTA ACGTA", with 0, 5, 2 and 2 of G and C, is 2 * 25 + 3 * 4 + 4 * 4 = 78.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from app.bundle import EMBEDDER, HEAD, TOKENIZER
from tests.toy import base_tokenizer, graph_input, onnx_model, toy_manifest, toy_target, write_bundle

COUNT, BASES = 4, 5
GC, AT = [5, 6], [4, 7]


def write_segmented_bundle(folder: Path, name: str = "gc-squares", **manifest: Any) -> Path:
    """Write the `gc-squares` bundle as `folder/name`; keyword arguments replace parts of its manifest."""
    files = {EMBEDDER: embedder_graph(), HEAD: head_graph(), TOKENIZER: base_tokenizer()}
    return write_bundle(folder / name, files, segmented_manifest(name) | manifest)


def segmented_manifest(name: str, **rules: Any) -> dict[str, Any]:
    """Keyword arguments replace parts of `input`."""
    whole = COUNT * BASES
    given = {
        "encoding": "tokens", "ambiguous": "n", "min_bases": whole, "max_bases": whole, "max_tokens": BASES + 2,
        "pad_token_id": 3, "window": {"anchor": "tss", "upstream_bases": 12, "downstream_bases": 8},
        "segments": {"count": COUNT, "bases": BASES},
    }  # fmt: skip
    examples = [
        {"sequence": "AAAAACCCCCGGTTAACGTA", "values": {"gc_squares": 78}},
        {"sequence": "TTTTTTTTTTTTTTTGGGGG", "values": {"gc_squares": 100}},
    ]
    return toy_manifest(name, given | rules, [toy_target("gc_squares", 50, 10)], examples)


def gc_squares(window: str) -> float:
    """What the bundle answers for a window."""
    segments = [window[start : start + BASES] for start in range(0, len(window), BASES)]
    return float(sum(place * sum(map("GC".count, segment)) ** 2 for place, segment in enumerate(segments, start=1)))


def embedder_graph() -> bytes:
    """input_ids, attention_mask (batch, length) → how many tokens are G or C, and how many A or T."""
    nodes = [helper.make_node("Mul", ["input_ids", "attention_mask"], ["real"])]
    weights: dict[str, Any] = {"along_length": np.array([1])}
    for kind, ids in (("gc", GC), ("at", AT)):
        for number, token in enumerate(ids):
            weights[f"{kind}_{number}"] = np.array(token)
            nodes.append(helper.make_node("Equal", ["real", f"{kind}_{number}"], [f"is_{kind}_{number}"]))
        nodes += [
            helper.make_node("Or", [f"is_{kind}_0", f"is_{kind}_1"], [f"is_{kind}"]),
            helper.make_node("Cast", [f"is_{kind}"], [f"as_{kind}"], to=TensorProto.FLOAT),
            helper.make_node("ReduceSum", [f"as_{kind}", "along_length"], [kind], keepdims=1),
        ]
    nodes.append(helper.make_node("Concat", ["gc", "at"], ["embedding"], axis=1))
    inputs = [graph_input(name, TensorProto.INT64, ["batch", "length"]) for name in ("input_ids", "attention_mask")]
    return onnx_model(nodes, inputs, weights, "embedding", 2)


def head_graph(count: int = COUNT) -> bytes:
    """embeddings (batch, count, 2) → the sum of place times the square of the first number."""
    places = np.stack([np.arange(1, count + 1), np.zeros(count)], axis=1)[np.newaxis]
    weights = {"places": places.astype(np.float32), "along_all": np.array([1, 2]), "targets": np.array([1])}
    nodes = [
        helper.make_node("Mul", ["embeddings", "embeddings"], ["squares"]),
        helper.make_node("Mul", ["squares", "places"], ["weighed"]),
        helper.make_node("ReduceSum", ["weighed", "along_all"], ["sum"], keepdims=0),
        helper.make_node("Unsqueeze", ["sum", "targets"], ["values"]),
    ]
    inputs = [graph_input("embeddings", TensorProto.FLOAT, ["batch", count, 2])]
    return onnx_model(nodes, inputs, weights, "values", 1)

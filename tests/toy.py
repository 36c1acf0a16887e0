"""Bundles written by hand, whose answers can be worked out on paper.

`gc`: one-hot; answers the share of G and C among the bases, so "GGCA" is 0.75 and "NN" (0 of 0) is not a number.
`mean-id`: tokens A 4, C 5, G 6, T 7 between [CLS] 1 and [SEP] 2; answers the mean id without padding and that plus
ten, so "AC" is (1 + 4 + 5 + 2) / 4 = 3 and 13.
`apples`: dosages of three variants; answers 1 + 2 * first + 0.5 * second for the gene `PEAR`, and 3 - third for `PLUM`.
`slow`: `gc` after a matrix product that takes a core some tenths of a second.
`endless`: `gc`, but of more than ten T it never makes an end.
`hungry`: `gc`, but three rows at once need more memory than any machine has.
`fragile`: `gc` that ONNX Runtime can run for four bases, and for no other number.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

from app.bundle import CARD, GRAPH, MANIFEST, TOKENIZER, VARIANTS, Manifest, digests

OPSET = helper.make_opsetid("", 20)
GOLDEN = {"one_hot": ["GGCA", "TTTT"], "tokens": ["AC", "G"]}
SLOW_SIDE = 2000
APPLES = b"""contig\tposition\treference\talternate\tmean_dosage\ttargets
chr22\t100\tA\tG\t0.5\tPEAR
chr22\t200\tC\tCT\t1\tPEAR
chr22\t300\tG\tT\t1.25\tPLUM
"""


def write_toy_bundle(folder: Path, name: str = "gc", **manifest: Any) -> Path:
    """Write the `gc` bundle as `folder/name`; keyword arguments replace parts of its manifest."""
    return write_bundle(folder / name, {GRAPH: gc_graph()}, gc_manifest(name) | manifest)


def write_token_bundle(folder: Path, name: str = "mean-id", **manifest: Any) -> Path:
    """Write the `mean-id` bundle as `folder/name`."""
    files = {GRAPH: mean_id_graph(), TOKENIZER: base_tokenizer()}
    return write_bundle(folder / name, files, mean_id_manifest(name) | manifest)


def write_dosage_bundle(folder: Path, name: str = "apples", **manifest: Any) -> Path:
    """Write the `apples` bundle as `folder/name`."""
    return write_bundle(folder / name, {GRAPH: dosage_graph(), VARIANTS: APPLES}, dosage_manifest(name) | manifest)


def write_slow_bundle(folder: Path, name: str = "slow") -> Path:
    """Write the `slow` bundle as `folder/name`."""
    return write_bundle(folder / name, {GRAPH: gc_graph("slow")}, gc_manifest(name))


def write_endless_bundle(folder: Path, name: str = "endless") -> Path:
    """Write the `endless` bundle as `folder/name`."""
    return write_bundle(folder / name, {GRAPH: gc_graph("endless")}, gc_manifest(name))


def write_hungry_bundle(folder: Path, name: str = "hungry") -> Path:
    """Write the `hungry` bundle as `folder/name`."""
    return write_bundle(folder / name, {GRAPH: gc_graph("hungry")}, gc_manifest(name))


def write_fragile_bundle(folder: Path, name: str = "fragile") -> Path:
    """Write the `fragile` bundle as `folder/name`."""
    return write_bundle(folder / name, {GRAPH: gc_graph("fragile")}, gc_manifest(name))


def write_manifest(bundle: Path, **changes: Any) -> None:
    """Change parts of a written bundle's manifest, valid or not."""
    document = json.loads((bundle / MANIFEST).read_text())
    (bundle / MANIFEST).write_text(json.dumps(document | changes))


def write_bundle(folder: Path, files: dict[str, bytes], manifest: dict[str, Any]) -> Path:
    folder.mkdir(parents=True)
    files = files | {CARD: b"# A toy\n"}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    valid = Manifest.model_validate(manifest | {"files": digests(files)})
    (folder / MANIFEST).write_bytes(valid.to_json())
    return folder


def gc_manifest(name: str) -> dict[str, Any]:
    rules = {"encoding": "one_hot", "ambiguous": "n", "min_bases": 1, "max_bases": 1000, "max_tokens": 1000}
    examples = [
        {"sequence": "GGCA", "values": {"gc_fraction": 0.75}},
        {"sequence": "TTTT", "values": {"gc_fraction": 0}},
    ]
    return toy_manifest(name, rules, [toy_target("gc_fraction", 0.5, 0.1)], examples)


def mean_id_manifest(name: str) -> dict[str, Any]:
    rules = {"encoding": "tokens", "min_bases": 1, "max_bases": 500, "max_tokens": 402, "pad_token_id": 3}
    examples = [
        {"sequence": "AC", "values": {"mean_id": 3, "mean_id_plus_ten": 13}},
        {"sequence": "G", "values": {"mean_id": 3, "mean_id_plus_ten": 13}},
    ]
    return toy_manifest(name, rules, [toy_target("mean_id", 5, 1), toy_target("mean_id_plus_ten", 15, 1)], examples)


def dosage_manifest(name: str) -> dict[str, Any]:
    rules = {"encoding": "dosage", "min_bases": 0, "max_bases": 0, "max_tokens": 3}
    examples = [
        {"dosage": [0, 0, 0], "values": {"PEAR": 1, "PLUM": 3}},
        {"dosage": [2, 1, 2], "values": {"PEAR": 5.5, "PLUM": 1}},
    ]
    return toy_manifest(name, rules, [toy_target("PEAR", 2, 1), toy_target("PLUM", 2, 1)], examples)


def toy_target(name: str, mean: float, standard_deviation: float) -> dict[str, Any]:
    return {
        "name": name,
        "unit": "1",
        "scale": "linear",
        "higher_means": "more",
        "description": "A toy.",
        "mean": mean,
        "standard_deviation": standard_deviation,
    }


def toy_manifest(
    name: str, rules: dict[str, Any], targets: list[dict[str, Any]], examples: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "format": 1,
        "name": name,
        "version": "1.0.0",
        "summary": "A toy.",
        "task": "toy",
        "organism": "none",
        "assembly": None,
        "targets": targets,
        "input": rules,
        "precision": "fp32",
        "scores": [],
        "parity": {"largest_difference": 0, "shapes": []},
        "golden": {"tolerance": 1e-4, "examples": examples},
        "provenance": {
            "architecture": "Written by hand.",
            "parameters": 1,
            "config": {},
            "data_sha256": "0" * 64,
            "code_version": "0",
            "command": "none",
        },
        "citation": "none",
        "licence": "Apache-2.0",
        "intended_use": "Tests.",
        "limits": "Everything.",
        "files": {},
    }


def gc_graph(habit: str = "") -> bytes:
    """bases (batch, length, 4) → share of C and G, and a bad habit, such as `slow`."""
    weights: dict[str, Any] = {
        "along_length": np.array([1]),
        "along_bases": np.array([1]),
        "c_and_g": np.array([[0], [1], [1], [0]], dtype=np.float32),
    }
    nodes = [
        helper.make_node("ReduceSum", ["bases", "along_length"], ["counts"], keepdims=0),  # (batch, 4)
        helper.make_node("ReduceSum", ["counts", "along_bases"], ["total"], keepdims=1),
        helper.make_node("MatMul", ["counts", "c_and_g"], ["gc"]),
        helper.make_node("Div", ["gc", "total"], ["fraction"]),
    ]
    if habit:
        more_nodes, more_weights = HABITS[habit]()
        nodes += [*more_nodes, helper.make_node("Add", ["fraction", "nothing"], ["values"])]
        weights |= more_weights
    else:
        nodes.append(helper.make_node("Identity", ["fraction"], ["values"]))
    return _model(nodes, [graph_input("bases", TensorProto.FLOAT, ["batch", "length", 4])], weights, targets=1)


# Each makes `nothing`, which is 0, at a price.
Part = tuple[list[onnx.NodeProto], dict[str, Any]]


def _slow() -> Part:
    nodes = [
        helper.make_node("ReduceMax", ["gc", "both"], ["most"], keepdims=0),
        helper.make_node("Expand", ["most", "side"], ["wide"]),
        helper.make_node("MatMul", ["wide", "wide"], ["product"]),
        helper.make_node("ReduceMax", ["product", "both"], ["largest"], keepdims=0),
        helper.make_node("Min", ["largest", "zero"], ["nothing"]),
    ]
    return nodes, {"side": np.array([SLOW_SIDE, SLOW_SIDE]), "both": np.array([0, 1]), "zero": np.float32(0)}


def _endless() -> Part:
    """A loop without an end if there are more than ten T, without a turn otherwise."""
    scalar = partial(helper.make_tensor_value_info, shape=[])
    turn = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}_then"]) for name in ("goes_on", "sum")],
        "turn",
        [scalar("turn", TensorProto.INT64), scalar("goes_on", TensorProto.BOOL), scalar("sum", TensorProto.FLOAT)],
        [scalar("goes_on_then", TensorProto.BOOL), scalar("sum_then", TensorProto.FLOAT)],
    )
    nodes = [
        helper.make_node("MatMul", ["counts", "t_only"], ["t"]),
        helper.make_node("ReduceMax", ["t", "both"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "ten"], ["too_many"]),
        helper.make_node("Loop", ["", "too_many", "zero"], ["nothing"], body=turn),
    ]
    t_only = np.array([[0], [0], [0], [1]], dtype=np.float32)
    return nodes, {"both": np.array([0, 1]), "t_only": t_only, "ten": np.float32(10), "zero": np.float32(0)}


def _hungry() -> Part:
    nodes = [
        helper.make_node("Shape", ["gc"], ["rows"], start=0, end=1),
        helper.make_node("Greater", ["rows", "two"], ["too_many"]),
        helper.make_node("Where", ["too_many", "ten_million", "one"], ["side"]),
        helper.make_node("Concat", ["side", "side"], ["sides"], axis=0),
        helper.make_node("Expand", ["zero", "sides"], ["wide"]),
        helper.make_node("ReduceSum", ["wide"], ["nothing"], keepdims=0),
    ]
    numbers = {"two": np.array([2]), "ten_million": np.array([10_000_000]), "one": np.array([1])}
    return nodes, {**numbers, "zero": np.float32(0)}


def _fragile() -> Part:
    nodes = [
        helper.make_node("Transpose", ["bases"], ["by_base"], perm=[0, 2, 1]),  # (batch, 4, length)
        helper.make_node("MatMul", ["by_base", "zeros"], ["columns"]),  # of length 4, or not at all
        helper.make_node("ReduceSum", ["columns", "along_bases"], ["nothing"], keepdims=0),
    ]
    return nodes, {"zeros": np.zeros((4, 1), dtype=np.float32)}


HABITS: dict[str, Callable[[], Part]] = {"slow": _slow, "endless": _endless, "hungry": _hungry, "fragile": _fragile}


def mean_id_graph() -> bytes:
    """input_ids, attention_mask (batch, length) → the mean id of real tokens, and that plus ten."""
    nodes = [
        helper.make_node("Mul", ["input_ids", "attention_mask"], ["real"]),
        helper.make_node("ReduceSum", ["real", "along_length"], ["sum"], keepdims=1),
        helper.make_node("ReduceSum", ["attention_mask", "along_length"], ["count"], keepdims=1),
        helper.make_node("Cast", ["sum"], ["sum_float"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["count"], ["count_float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["sum_float", "count_float"], ["mean"]),
        helper.make_node("Add", ["mean", "offsets"], ["values"]),
    ]
    inputs = [graph_input(name, TensorProto.INT64, ["batch", "length"]) for name in ("input_ids", "attention_mask")]
    weights = {"along_length": np.array([1]), "offsets": np.array([[0, 10]], dtype=np.float32)}
    return _model(nodes, inputs, weights, targets=2)


def dosage_graph() -> bytes:
    """dosage (batch, 3) → 1 + 2 * first + 0.5 * second, and 3 - third."""
    weights = {
        "weights": np.array([[2, 0], [0.5, 0], [0, -1]], dtype=np.float32),
        "intercepts": np.array([[1, 3]], dtype=np.float32),
    }
    nodes = [
        helper.make_node("MatMul", ["dosage", "weights"], ["sum"]),
        helper.make_node("Add", ["sum", "intercepts"], ["values"]),
    ]
    return _model(nodes, [graph_input("dosage", TensorProto.FLOAT, ["batch", 3])], weights, targets=2)


def graph_input(name: str, kind: int, shape: list[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _model(
    nodes: list[onnx.NodeProto], inputs: list[onnx.ValueInfoProto], weights: dict[str, Any], targets: int
) -> bytes:
    return onnx_model(nodes, inputs, weights, "values", targets)


def onnx_model(
    nodes: list[onnx.NodeProto], inputs: list[onnx.ValueInfoProto], weights: dict[str, Any], output: str, width: int
) -> bytes:
    """The bytes of a graph that answers (batch, width) float32."""
    values = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", width])
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "toy", inputs, [values], constants)
    model = helper.make_model(graph, opset_imports=[OPSET], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def base_tokenizer() -> bytes:
    """One token a base, between [CLS] and [SEP]."""
    vocabulary = {token: index for index, token in enumerate(["[UNK]", "[CLS]", "[SEP]", "[PAD]", *"ACGT"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("[ACGT]"), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return tokenizer.to_str().encode()

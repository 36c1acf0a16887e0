"""A trained model becomes the bytes of `model.onnx`, the same bytes each time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from app.bundle import Encoding, Input
from app.encoding import Ids
from training.backbones.dnabert2 import Dnabert2
from training.backbones.dnabert2_graph import Dnabert2Graph
from training.errors import ExportRefused
from training.feeder import Feeder
from training.regressor import ScaledModel

OPSET = 20
INPUT_NAMES = {"tokens": ("input_ids", "attention_mask"), "one_hot": ("bases",), "dosage": ("dosage",)}
# Rows of the example that is traced; the axis stays free in the graph, which the parity check over shapes proves.
TRACED_ROWS = 2
UNNAMED = "the_output"
# A graph with its weights inside is one protobuf, and protobuf holds no more.
LARGEST_GRAPH_BYTES = 2**31 - 1
# The exporter takes lengths below this for broadcasting.
SHORTEST_FREE_LENGTH = 3


class TokenGraph(nn.Module):
    """The model with the graph's argument names."""

    def __init__(self, model: ScaledModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        values: Tensor = self.model(input_ids, attention_mask)
        return values


class OneHotGraph(nn.Module):
    """The model with the graph's argument name."""

    def __init__(self, model: ScaledModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, bases: Tensor) -> Tensor:
        values: Tensor = self.model(bases)
        return values


class DosageGraph(nn.Module):
    """The model with the graph's argument name."""

    def __init__(self, model: ScaledModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, dosage: Tensor) -> Tensor:
        values: Tensor = self.model(dosage)
        return values


GRAPHS: dict[Encoding, type[nn.Module]] = {"tokens": TokenGraph, "one_hot": OneHotGraph, "dosage": DosageGraph}


def export_graph(model: ScaledModel, feeder: Feeder) -> bytes:
    """Export with a free batch axis, and a free length axis unless the model reads one length only.

    Args:
        model: on the CPU, in evaluation mode.
        feeder: makes the example that is traced.

    Returns:
        The serialised graph, weights inside, without times, paths or the exporter's traces.

    Raises:
        ExportRefused: the weights are more than a graph can hold.
    """
    _refuse_too_large(model)
    graph = GRAPHS[feeder.rules.encoding](_arranged(model)).eval()
    names = INPUT_NAMES[feeder.rules.encoding]
    example = feeder.tensors(random_rows(feeder, [_traced_length(feeder.rules)] * TRACED_ROWS, seed=0))
    return onnx_bytes(graph, example, names, "values", _free_axes(feeder.rules))


def _arranged(model: ScaledModel) -> ScaledModel:
    """The model as ONNX Runtime computes it best; itself, where nothing is known to be better."""
    backbone = getattr(model, "backbone", None)
    if not isinstance(backbone, Dnabert2):
        return model
    arranged = deepcopy(model)
    arranged.backbone = Dnabert2Graph(backbone)
    return arranged


def onnx_bytes(
    graph: nn.Module, example: tuple[Tensor, ...], names: Sequence[str], output: str, free_axes: dict[int, Any]
) -> bytes:
    """Any module as a serialised graph, weights inside, without times, paths or the exporter's traces.

    Args:
        graph: on the CPU, in evaluation mode; its arguments have the inputs' names.
        example: the inputs that are traced.
        names: of the inputs.
        output: name of the only output.
        free_axes: of every input, the axes whose length stays free.
    """
    with warnings.catch_warnings():
        # The exporter warns about its own use of torch's deprecated parts.
        warnings.simplefilter("ignore")
        # In two steps: in one, a length that cannot stay free would be fixed without a word.
        exported = torch.export.export(graph, example, dynamic_shapes=dict.fromkeys(names, free_axes), strict=False)
        program = torch.onnx.export(
            exported,
            dynamo=True,
            opset_version=OPSET,
            input_names=names,
            output_names=[UNNAMED],
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export with dynamo=True returned no program: this is a bug")
    return _cleaned(_with_output_named(program.model_proto, output))


def _with_output_named(proto: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """Name the output; where the exporter gave a value inside the graph that name, it gets another."""
    new = {output: f"inner_{output}", UNNAMED: output}
    for node in proto.graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
    proto.graph.output[0].name = output
    return proto


def _refuse_too_large(model: ScaledModel) -> None:
    weights_bytes = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    if weights_bytes > LARGEST_GRAPH_BYTES:
        raise ExportRefused(
            f"the weights are {weights_bytes / 1e9:.1f} GB, and one graph holds {LARGEST_GRAPH_BYTES / 1e9:.1f} GB: "
            "about 530 million parameters; fine-tune a smaller checkpoint"
        )


def _traced_length(rules: Input) -> int:
    if rules.encoding == "dosage":
        return rules.max_tokens
    return min((max(SHORTEST_FREE_LENGTH, rules.min_bases) + rules.max_tokens) // 2, rules.max_tokens)


def _free_axes(rules: Input) -> dict[int, Any]:
    if rules.encoding != "tokens" and rules.min_bases == rules.max_bases:
        return {0: torch.export.Dim("batch")}
    shortest = max(SHORTEST_FREE_LENGTH, rules.min_bases) if rules.encoding == "one_hot" else 1
    length = torch.export.Dim("length", min=shortest, max=rules.max_tokens)
    return {0: torch.export.Dim("batch"), 1: length}


def random_rows(feeder: Feeder, lengths: list[int], seed: int) -> list[Ids]:
    """Rows of random tokens, bases or dosages, of the given lengths; special tokens are no part of them."""
    generator = np.random.default_rng(seed)
    if feeder.rules.encoding == "dosage":
        return [generator.integers(0, 2, size=length, endpoint=True).astype(np.float32) for length in lengths]
    tokens = feeder.rules.encoding == "tokens"
    drawn = (np.flatnonzero(feeder.token_bases) if tokens else np.arange(4)).astype(np.uint16)
    return [generator.choice(drawn, size=length) for length in lengths]


def _cleaned(proto: onnx.ModelProto) -> bytes:
    """Drop what the exporter notes for debugging (it holds paths of this machine) and name the free axes."""
    del proto.metadata_props[:]
    del proto.graph.value_info[:]
    for graph in (proto.graph, *proto.functions):
        for part in (graph, *graph.node):
            part.doc_string = ""
            del part.metadata_props[:]
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        value.doc_string = ""
        del value.metadata_props[:]
    for value in (*proto.graph.input, *proto.graph.output):
        for axis, name in zip(value.type.tensor_type.shape.dim, ("batch", "length"), strict=False):
            if axis.dim_param:
                axis.dim_param = name
    content: bytes = proto.SerializeToString(deterministic=True)
    return content

"""The products of a graph that 8 bits can hold: activations times a matrix of weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, numpy_helper

# Below this a product takes no time worth saving, such as a head's of a few targets, whose bits count most.
LEAST_SIDE = 16
PLAIN_GEMM = {"alpha": 1.0, "beta": 1.0, "transA": 0}


@dataclass(frozen=True)
class Product:
    """One product.

    Attributes:
        node: of the graph, a MatMul or a Gemm.
        activations, output: names of what goes in and comes out.
        weights: (inputs, outputs) float32.
        bias: name of what is added; empty: nothing.
    """

    node: NodeProto
    activations: str
    output: str
    weights: npt.NDArray[np.float32]
    bias: str


def products(model: onnx.ModelProto) -> Iterator[Product]:
    """All products by a constant matrix that is not small, in the graph's order."""
    constants = {constant.name: constant for constant in model.graph.initializer}
    for node in model.graph.node:
        if _is_product(node) and node.input[1] in constants:
            weights = numpy_helper.to_array(constants[node.input[1]])
            if weights.ndim == 2 and weights.dtype == np.float32 and min(weights.shape) >= LEAST_SIDE:
                turned = weights.T if _attributes(node).get("transB") else weights
                bias = node.input[2] if len(node.input) > 2 else ""
                yield Product(node, node.input[0], node.output[0], turned, bias)


def share_of_weights(graph: bytes) -> float:
    """How much of a graph's numbers these products hold, from 0 to 1."""
    model = onnx.load_from_string(graph)
    matrices = {product.node.input[1]: product.weights.size for product in products(model)}
    everything = sum(math.prod(constant.dims) for constant in model.graph.initializer)
    return float(sum(matrices.values()) / max(everything, 1))


def replaced(model: onnx.ModelProto, others: dict[str, list[NodeProto]]) -> onnx.ModelProto:
    """The graph with other nodes in the place of some, and without the constants that nothing reads any more.

    Args:
        model: changed in place.
        others: name of a node's output to what makes it instead.
    """
    graph = model.graph
    nodes = [new for node in graph.node for new in others.get(node.output[0], [node])]
    del graph.node[:]
    graph.node.extend(nodes)
    read = {name for node in graph.node for name in node.input}
    kept = [constant for constant in graph.initializer if constant.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return model


def _is_product(node: NodeProto) -> bool:
    if node.op_type == "Gemm":
        attributes = PLAIN_GEMM | _attributes(node)
        return all(attributes[name] == plain for name, plain in PLAIN_GEMM.items())
    return node.op_type == "MatMul"


def _attributes(node: NodeProto) -> dict[str, float]:
    return {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}

"""Products of 8 bits: whole numbers times whole numbers, with scales of the activations that are fixed beforehand.

A scale that is fixed is the same for every batch; one that is taken from the batch at hand would let a prediction
depend on its company.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from training.quantisation.products import Product, products, replaced

# Of 7 bits: where a CPU adds two products of bytes in 16 bits, before it adds them up in 32, 8 bits would overflow,
# and other CPUs would answer something else.
LARGEST_WEIGHT = 63
LARGEST_ACTIVATION = 255

Range = tuple[float, float]


def activations(graph: bytes) -> list[str]:
    """Names of what is multiplied by constant matrices, which is what is to be calibrated."""
    return list(dict.fromkeys(product.activations for product in products(onnx.load_from_string(graph))))


def with_ranges_measured(graph: bytes, names: Iterable[str]) -> bytes:
    """A graph that answers the smallest and the largest value of each of these instead, two numbers a name."""
    model = onnx.load_from_string(graph)
    del model.graph.output[:]
    for name in names:
        for kind in ("ReduceMin", "ReduceMax"):
            model.graph.node.append(helper.make_node(kind, [name], [f"{name}_{kind}"], keepdims=0))
            model.graph.output.append(helper.make_tensor_value_info(f"{name}_{kind}", TensorProto.FLOAT, []))
    content: bytes = model.SerializeToString()
    return content


def quantise_products(graph: bytes, ranges: Mapping[str, Range]) -> bytes:
    """The graph with all of its larger products by constant matrices in 8 bits.

    Args:
        graph: in single precision.
        ranges: smallest and largest value of each of `activations`; what lies outside is cut off.
    """
    model = onnx.load_from_string(graph)
    found = list(products(model))
    quantised: set[str] = set()
    others = {
        product.output: [*_rounded(product, model, ranges, quantised), *_product(product, model)] for product in found
    }
    content: bytes = replaced(model, others).SerializeToString(deterministic=True)
    return content


def scale_and_zero(smallest: float, largest: float) -> tuple[np.float32, np.uint8]:
    """What a step of a byte is worth, and the byte that stands for 0, which is always exact."""
    low, high = min(smallest, 0.0), max(largest, 0.0)
    # Where all values are 0, any scale will do, but 0 itself.
    scale = np.float32((high - low) / LARGEST_ACTIVATION or 1.0)
    return scale, np.uint8(np.clip(np.rint(-low / scale), 0, LARGEST_ACTIVATION))


def by_column(weights: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Round a matrix, (inputs, outputs), with a scale for each output."""
    scales = np.abs(weights).max(axis=0) / LARGEST_WEIGHT
    scales = np.where(scales > 0, scales, 1).astype(np.float32)
    return np.rint(weights / scales).astype(np.int8), scales


def _rounded(
    product: Product, model: onnx.ModelProto, ranges: Mapping[str, Range], quantised: set[str]
) -> list[NodeProto]:
    """What rounds the activations, once for all products that read them."""
    name = product.activations
    if name in quantised:
        return []
    quantised.add(name)
    constants = _constants(model, name, *map(np.asarray, scale_and_zero(*ranges[name])))
    return [
        helper.make_node("QuantizeLinear", [name, *constants], [f"{name}_bytes"]),
        helper.make_node("DequantizeLinear", [f"{name}_bytes", *constants], [f"{name}_rounded"]),
    ]


def _product(product: Product, model: onnx.ModelProto) -> list[NodeProto]:
    output = product.output
    rounded, scales = by_column(product.weights)
    (bytes_name,) = _named(model, {f"{output}_weights": rounded})
    constants = _constants(model, f"{output}_weights", scales, np.zeros(len(scales), dtype=np.int8))
    multiplied = f"{output}_product" if product.bias else output
    nodes = [
        helper.make_node("DequantizeLinear", [bytes_name, *constants], [f"{output}_matrix"], axis=1),
        helper.make_node("MatMul", [f"{product.activations}_rounded", f"{output}_matrix"], [multiplied]),
    ]
    if product.bias:
        nodes.append(helper.make_node("Add", [multiplied, product.bias], [output]))
    return nodes


def _constants(model: onnx.ModelProto, name: str, scale: npt.NDArray[Any], zero: npt.NDArray[Any]) -> list[str]:
    return _named(model, {f"{name}_scale": scale, f"{name}_zero": zero})


def _named(model: onnx.ModelProto, constants: Mapping[str, npt.NDArray[Any]]) -> list[str]:
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    return list(constants)

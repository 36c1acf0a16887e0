"""Products of 8 bits: whole numbers times whole numbers, with scales of the activations that are fixed beforehand.

A scale that is fixed is the same for every batch; one that is taken from the batch at hand would let a prediction
depend on its company.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from training.errors import ExportRefused
from training.quantisation.products import Product, products, replaced

# Of 7 bits: where a CPU adds two products of bytes in 16 bits, before it adds them up in 32, 8 bits would overflow,
# and other CPUs would answer something else.
LARGEST_WEIGHT = 63
LARGEST_ACTIVATION = 255

# Of a byte, in root mean squares of the activations: few large ones among many small would leave these a step or two.
LARGEST_STEP = 0.15
REDUCTIONS = ("ReduceMin", "ReduceMax", "ReduceMean")
MEASURES = ("smallest", "largest", "mean_square")


@dataclass(frozen=True)
class Range:
    """Between which values activations lie, and their root mean square."""

    smallest: float
    largest: float
    rms: float

    @property
    def fits_a_byte(self) -> bool:
        """Whether the steps that cover the range are fine enough for what is in it."""
        return max(self.largest, 0.0) - min(self.smallest, 0.0) <= LARGEST_STEP * LARGEST_ACTIVATION * self.rms


def activations(graph: bytes) -> list[str]:
    """Names of what is multiplied by constant matrices, which is what is to be calibrated."""
    return list(dict.fromkeys(product.activations for product in products(onnx.load_from_string(graph))))


def with_ranges_measured(graph: bytes, names: Iterable[str]) -> bytes:
    """A graph that answers the `MEASURES` of each of these instead, three numbers a name."""
    model = onnx.load_from_string(graph)
    del model.graph.output[:]
    for name in names:
        outputs = [f"{name}_{measure}" for measure in MEASURES]
        model.graph.node.append(helper.make_node("Mul", [name, name], [f"{name}_squares"]))
        for kind, read, output in zip(REDUCTIONS, (name, name, f"{name}_squares"), outputs, strict=True):
            model.graph.node.append(helper.make_node(kind, [read], [output], keepdims=0))
            model.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, []))
    content: bytes = model.SerializeToString()
    return content


def quantise_products(graph: bytes, ranges: Mapping[str, Range]) -> bytes:
    """The graph with its larger products by constant matrices in 8 bits, but for those whose activations do not fit.

    Args:
        graph: in single precision.
        ranges: of each of `activations`; what lies outside is cut off.

    Raises:
        ExportRefused: no activations fit.
    """
    model = onnx.load_from_string(graph)
    found = [product for product in products(model) if ranges[product.activations].fits_a_byte]
    if not found:
        raise ExportRefused("all activations have outliers, for which 8 bits are too coarse; try int8-weights")
    quantised: set[str] = set()
    others = {
        product.output: [*_rounded(product, model, ranges, quantised), *_product(product, model)] for product in found
    }
    content: bytes = replaced(model, others).SerializeToString(deterministic=True)
    return content


def scale_and_zero(smallest: float, largest: float) -> tuple[np.float32, np.uint8]:
    """What a step of a byte is worth, and the byte that stands for 0, which is always exact."""
    low, high = min(smallest, 0.0), max(largest, 0.0)
    scale = np.float32((high - low) / LARGEST_ACTIVATION)
    if scale < np.finfo(np.float32).tiny:  # all is 0, and any scale will do that can be divided by
        scale = np.float32(1)
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
    constants = _constants(model, name, *map(np.asarray, scale_and_zero(ranges[name].smallest, ranges[name].largest)))
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

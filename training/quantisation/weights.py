"""Weights of 8 bits: each block of a matrix's column is whole numbers and one scale; activations stay as they are.

ONNX Runtime rounds the activations of a row while it multiplies, block by block, so no row sees another.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, helper, numpy_helper

from training.quantisation.products import Product, products, replaced

BLOCK = 32  # inputs of an output that share a scale
ZERO = 128  # what stands for 0 in a byte, where a graph does not say otherwise
LARGEST = 127
# Multiply in 8 bits too, and add up in 32.
ACCURACY_LEVEL = 4
CONTRIB = "com.microsoft"


def quantise_weights(graph: bytes) -> bytes:
    """The graph with all of its larger products by constant matrices in 8 bits."""
    model = onnx.load_from_string(graph)
    others = {product.output: [_node(product, model)] for product in list(products(model))}
    if not any(entry.domain == CONTRIB for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid(CONTRIB, 1))
    content: bytes = replaced(model, others).SerializeToString(deterministic=True)
    return content


def in_blocks(weights: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Round a matrix.

    Args:
        weights: (inputs, outputs).

    Returns:
        (outputs, blocks, BLOCK) bytes, of which `ZERO` is 0, and (outputs, blocks) scales.
    """
    inputs, outputs = weights.shape
    padded = np.zeros((outputs, -(-inputs // BLOCK) * BLOCK), dtype=np.float32)
    padded[:, :inputs] = weights.T
    blocks = padded.reshape(outputs, -1, BLOCK)
    scales = np.abs(blocks).max(axis=2) / LARGEST
    steps = blocks / np.where(scales > 0, scales, 1)[:, :, None]
    return (np.rint(steps) + ZERO).astype(np.uint8), scales


def _node(product: Product, model: onnx.ModelProto) -> NodeProto:
    inputs, outputs = product.weights.shape
    rounded, scales = in_blocks(product.weights)
    names = [f"{product.output}_weights", f"{product.output}_scales"]
    constants = [numpy_helper.from_array(rounded, names[0]), numpy_helper.from_array(scales, names[1])]
    model.graph.initializer.extend(constants)
    bias = ["", "", product.bias] if product.bias else []  # after the zero points and the order of columns
    return helper.make_node(
        "MatMulNBits",
        [product.activations, *names, *bias],
        [product.output],
        domain=CONTRIB,
        K=inputs,
        N=outputs,
        bits=8,
        block_size=BLOCK,
        accuracy_level=ACCURACY_LEVEL,
    )

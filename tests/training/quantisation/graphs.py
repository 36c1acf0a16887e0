"""A graph of one product, written by hand."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def product_graph(weights: np.ndarray, bias: np.ndarray | None = None, **gemm: Any) -> bytes:
    """`values` = `x` times `weights`, as a MatMul, or with a bias as a Gemm."""
    inputs = ["x", "weights"] if bias is None else ["x", "weights", "bias"]
    node = helper.make_node("MatMul" if bias is None else "Gemm", inputs, ["values"], **gemm)
    constants = {"weights": weights} if bias is None else {"weights": weights, "bias": bias}
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "width"])],
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, ["batch", "outputs"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


def operators(graph: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(graph).graph.node]


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)

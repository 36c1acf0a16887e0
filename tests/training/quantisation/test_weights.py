"""Weights in blocks of 8 bits."""

import numpy as np
import pytest
from onnxruntime import InferenceSession

from tests.training.quantisation.graphs import drawn, operators, product_graph
from training.quantisation.products import share_of_weights
from training.quantisation.weights import BLOCK, in_blocks, quantise_weights


def test_a_block_is_scaled_by_its_largest_weight() -> None:
    weights = np.zeros((BLOCK + 1, 1), dtype=np.float32)
    weights[:3, 0] = [127, -254, 1.2]
    weights[BLOCK, 0] = 0.5  # in a block of its own, which is filled up with zeros

    rounded, scales = in_blocks(weights)

    assert scales.tolist() == [[2, np.float32(0.5 / 127)]]
    assert rounded[0, 0, :4].tolist() == [128 + 64, 128 - 127, 128 + 1, 128]  # 63.5 is rounded to even
    assert rounded[0, 1].tolist() == [255] + [128] * (BLOCK - 1)


def test_a_column_of_zeros_stays_zero() -> None:
    rounded, scales = in_blocks(np.zeros((BLOCK, 2), dtype=np.float32))
    assert np.all(rounded == 128)
    assert np.all(scales == 0)


@pytest.mark.parametrize("inputs", [32, 40])
def test_products_with_and_without_bias_are_within_the_rounding(inputs: int) -> None:
    weights, bias, x = drawn(inputs, 16), drawn(16, seed=1), drawn(5, inputs, seed=2)
    for graph, expected in (
        (product_graph(weights), x @ weights),
        (product_graph(weights, bias), x @ weights + bias),
        (product_graph(np.ascontiguousarray(weights.T), bias, transB=1), x @ weights + bias),
    ):
        quantised = quantise_weights(graph)
        assert operators(quantised) == ["MatMulNBits"]
        (answered,) = InferenceSession(quantised).run(None, {"x": x})
        assert 0 < np.abs(answered - expected).max() < 0.02 * np.abs(expected).max()


def test_small_and_scaled_products_stay_as_they_are() -> None:
    assert operators(quantise_weights(product_graph(drawn(64, 2)))) == ["MatMul"]
    scaled = product_graph(drawn(32, 32), drawn(32), alpha=0.5)
    assert operators(quantise_weights(scaled)) == ["Gemm"]


def test_the_share_counts_biases_too() -> None:
    assert share_of_weights(product_graph(drawn(16, 16), drawn(16))) == 256 / 272
    assert share_of_weights(product_graph(drawn(16, 2))) == 0

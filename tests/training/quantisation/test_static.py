"""Products in 8 bits with scales that are fixed beforehand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnxruntime import InferenceSession

from tests.training.quantisation.graphs import drawn, operators, product_graph
from training.errors import ExportRefused
from training.quantisation.static import (
    Range,
    activations,
    by_column,
    quantise_products,
    scale_and_zero,
    with_ranges_measured,
)

FINITE = st.floats(-1e6, 1e6, width=32)


def test_the_steps_of_a_byte_cover_the_range_and_0_is_one_of_them() -> None:
    assert scale_and_zero(-1, 254) == (1, 1)
    assert scale_and_zero(10, 510) == (2, 0)  # from 0 on
    assert scale_and_zero(-255, -1) == (1, 255)
    assert scale_and_zero(0, 0) == (1, 0)


@given(FINITE, FINITE)
def test_what_lies_in_the_range_is_rounded_by_less_than_a_step(one: float, other: float) -> None:
    scale, zero = scale_and_zero(min(one, other), max(one, other))
    for value in (one, other):
        byte = np.clip(np.rint(value / scale) + zero, 0, 255)
        assert abs((byte - zero) * scale - value) <= scale * 1.001


def test_a_column_is_scaled_by_its_largest_weight_to_7_bits() -> None:
    rounded, scales = by_column(np.array([[63, 0], [-31.5, 0], [2.4, 0]], dtype=np.float32))
    assert rounded.tolist() == [[63, 0], [-32, 0], [2, 0]]
    assert scales.tolist() == [1, 1]


def test_ranges_are_those_of_the_batch() -> None:
    graph = product_graph(drawn(16, 16))
    assert activations(graph) == ["x"]
    x = np.full((2, 16), 0.5, dtype=np.float32)
    x[1, 3], x[0, 2] = -4, 7
    measured = InferenceSession(with_ranges_measured(graph, ["x"])).run(None, {"x": x})
    assert measured == [-4, 7, (30 * 0.25 + 16 + 49) / 32]


def test_activations_with_a_few_large_values_stay_as_they_are() -> None:
    assert Range(-1, 254, rms=6.7).fits_a_byte  # in steps of 1
    outliers = Range(-1, 254, rms=6)
    assert not outliers.fits_a_byte
    with pytest.raises(ExportRefused, match="8 bits are too coarse"):
        quantise_products(product_graph(drawn(16, 16)), {"x": outliers})


def test_products_are_within_the_rounding_and_cut_off_beyond_the_range() -> None:
    weights, bias, x = drawn(64, 16), drawn(16, seed=1), drawn(5, 64, seed=2)
    expected = x @ weights + bias

    def answers(reach: float) -> np.ndarray:
        graph = quantise_products(product_graph(weights, bias), {"x": Range(-reach, reach, rms=1)})
        assert operators(graph) == ["QuantizeLinear", "DequantizeLinear", "DequantizeLinear", "MatMul", "Add"]
        return InferenceSession(graph).run(None, {"x": x})[0]

    assert 0 < np.abs(answers(4) - expected).max() < 0.05 * np.abs(expected).max()
    assert np.allclose(answers(0.5), np.clip(x, -0.5, 0.5) @ weights + bias, atol=0.5)

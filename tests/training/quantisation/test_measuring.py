"""What 8 bits change is measured in standard deviations, and a dependence on the batch is found."""

import numpy as np
import onnx
import pytest
from onnx import helper

from app.bundle import Input
from tests.toy import gc_graph
from training.errors import ExportRefused
from training.feeder import Feeder
from training.quantisation.measuring import batch_difference, difference
from training.quantisation.running import CpuGraph

FEEDER = Feeder(Input(encoding="one_hot", min_bases=4, max_bases=20, max_tokens=20), {})
SPREAD = np.array([0.1], dtype=np.float32)


def test_differences_are_in_standard_deviations_of_each_target() -> None:
    expected = np.zeros((4, 2), dtype=np.float32)
    answers = np.array([[0.2, 0], [0, 0], [0, 0], [0, 3]], dtype=np.float32)

    apart = difference(answers, expected, np.array([0.1, 3], dtype=np.float32))

    assert apart.largest == pytest.approx(2)
    assert apart.rms == pytest.approx(1)  # of the first: the root of 4 / 4; of the second 1 / 2


def test_no_number_is_refused() -> None:
    answers = np.array([[np.nan]], dtype=np.float32)
    with pytest.raises(ExportRefused, match="no finite number"):
        difference(answers, np.zeros((1, 1), dtype=np.float32), SPREAD)


def test_a_graph_that_rounds_by_the_batch_at_hand_is_refused() -> None:
    plain, dynamic = gc_graph(), rounded_by_its_batch(gc_graph())

    assert batch_difference(CpuGraph(plain, FEEDER), FEEDER, SPREAD, 1e-2) <= 1e-6
    with pytest.raises(ExportRefused, match=r"alone and in a batch differ by .* keep the bundle in fp32"):
        batch_difference(CpuGraph(dynamic, FEEDER), FEEDER, SPREAD, 1e-2)


def rounded_by_its_batch(graph: bytes) -> bytes:
    """Dynamic quantisation: the scale is that of the largest answer in the batch."""
    model = onnx.load_from_string(graph)
    for node in model.graph.node:
        node.output[:] = ["exact" if name == "values" else name for name in node.output]
    names = ["bytes", "scale", "zero"]
    model.graph.node.append(helper.make_node("DynamicQuantizeLinear", ["exact"], names))
    model.graph.node.append(helper.make_node("DequantizeLinear", names, ["values"]))
    return model.SerializeToString()

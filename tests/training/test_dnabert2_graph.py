"""DNABERT-2, arranged for its graph, is the model that was trained."""

import pytest
import torch

from training.backbones.dnabert2 import Dnabert2, Dnabert2Shape
from training.backbones.dnabert2_graph import Dnabert2Graph

IDS = torch.tensor([[5, 6, 7, 8, 9], [9, 8, 3, 3, 3]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])


@pytest.mark.parametrize("heads", [1, 3, 4])  # 3: no power of two, so the scores' scale of 8 ** -0.5 is rounded
def test_its_states_are_those_of_the_backbone(heads: int) -> None:
    torch.manual_seed(heads)
    backbone = Dnabert2(Dnabert2Shape(vocabulary=12, width=8 * heads, layers=2, heads=heads, inner_width=16)).eval()
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))  # a fresh one has no biases
        expected, mask = backbone(IDS, MASK)
        states, graph_mask = Dnabert2Graph(backbone)(IDS, MASK)

    real = MASK.bool()
    assert torch.allclose(states[real], expected[real], atol=1e-5)
    assert torch.equal(graph_mask, mask)


def test_the_backbone_stays_as_it_is() -> None:
    torch.manual_seed(0)
    backbone = Dnabert2(Dnabert2Shape(vocabulary=12, width=8, layers=1, heads=2, inner_width=16)).eval()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}

    Dnabert2Graph(backbone)

    assert backbone.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())

"""The BERT backbone is transformers' BERT, and padding and batch mates do not reach a token's state."""

import pytest
import torch

from training.backbones.bert import Bert, BertShape

SHAPE = BertShape(vocabulary=20, width=8, layers=2, heads=2, inner_width=16, positions=30)


@pytest.fixture(scope="module")
def model() -> Bert:
    torch.manual_seed(0)
    return Bert(SHAPE).eval()


def test_default_size_is_that_of_bert_without_its_pooler() -> None:
    with torch.device("meta"):
        model = Bert(BertShape(vocabulary=30522, width=768, layers=12, heads=12, inner_width=3072, positions=512))

    pooler = 768 * 768 + 768
    assert sum(parameter.numel() for parameter in model.parameters()) + pooler == 109_482_240  # bert-base-uncased


def test_matrices_start_at_berts_spread_at_its_own_width_and_wider_below(model: Bert) -> None:
    assert model.bert.config.initializer_range == pytest.approx(0.02 * (768 / 8) ** 0.5)
    assert model.bert.config._attn_implementation == "eager"


@torch.no_grad()
def test_padding_and_batch_mates_are_inert(model: Bert) -> None:
    ids = torch.tensor([[1, 7, 9, 2, 3, 3], [1, 8, 9, 10, 11, 2]])
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])

    states, floats = model(ids, mask)
    alone, _ = model(ids[:1, :4], mask[:1, :4])

    assert states.shape == (2, 6, 8)
    assert floats.tolist() == mask.float().tolist()
    torch.testing.assert_close(states[:1, :4], alone, atol=1e-6, rtol=0)


@torch.no_grad()
def test_the_order_of_tokens_matters(model: Bert) -> None:
    mask = torch.ones(1, 4, dtype=torch.int64)

    one, _ = model(torch.tensor([[1, 7, 9, 2]]), mask)
    other, _ = model(torch.tensor([[1, 9, 7, 2]]), mask)

    assert not torch.allclose(one[0, 1], other[0, 2], atol=1e-3)

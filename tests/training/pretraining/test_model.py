"""The model has the published keys, reads the masked places only, and its perplexity means what it says."""

import math

import numpy as np
import pytest
import torch

from training.backbones.dnabert2 import Dnabert2, Dnabert2Shape, alibi_bias, alibi_slopes
from training.pretraining.corpus import TokenRuns
from training.pretraining.masking import IGNORED, Masked
from training.pretraining.model import MaskedLanguageModel, fuse_attention
from training.pretraining.perplexity import frequency_perplexity, log_frequencies, measure

SHAPE = Dnabert2Shape(vocabulary=20, width=12, layers=2, heads=3, inner_width=8, dropout=0.0)
ROWS = torch.tensor([[1, 7, 9, 5, 12, 2], [1, 8, 8, 19, 6, 2]])


@pytest.fixture
def model() -> MaskedLanguageModel:
    torch.manual_seed(0)
    model = MaskedLanguageModel(SHAPE).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def masked_at(positions: list[list[int]]) -> Masked:
    places = torch.tensor(positions)
    return Masked(ROWS.scatter(1, places, 4), places, ROWS.gather(1, places))


def test_the_published_model_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = MaskedLanguageModel(Dnabert2Shape(4096, width=768, layers=12, heads=12, inner_width=3072))

    assert sum(parameter.numel() for parameter in model.parameters()) == 117_074_176


def test_scores_are_those_of_the_head_worked_out_in_numpy(model: MaskedLanguageModel) -> None:
    masked = masked_at([[1, 3], [4, 2]])

    scores = model.scores(masked).detach().numpy()

    states = model(masked.ids, torch.ones_like(masked.ids))[0].detach().double().numpy()
    weights = {name: value.double().numpy() for name, value in model.state_dict().items()}
    head = "cls.predictions"
    for row, places in enumerate(masked.positions.tolist()):
        dense = (
            states[row, places] @ weights[f"{head}.transform.dense.weight"].T + weights[f"{head}.transform.dense.bias"]
        )
        gelu = dense * (1 + np.vectorize(math.erf)(dense / math.sqrt(2))) / 2
        centred = gelu - gelu.mean(1, keepdims=True)
        normed = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-12)
        normed = normed * weights[f"{head}.transform.LayerNorm.weight"] + weights[f"{head}.transform.LayerNorm.bias"]
        expected = normed @ weights["bert.embeddings.word_embeddings.weight"].T + weights[f"{head}.decoder.bias"]
        assert np.allclose(scores[row], expected, atol=1e-4)


def test_the_decoder_is_tied_to_the_embeddings_and_stays_so(model: MaskedLanguageModel) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.loss(masked_at([[1], [4]])).backward()
    optimizer.step()

    state = model.state_dict()
    assert torch.equal(state["cls.predictions.decoder.weight"], state["bert.embeddings.word_embeddings.weight"])
    assert len(list(model.parameters())) == len(state) - 1


def test_the_backbone_takes_its_part_of_the_state_with_nothing_missing(model: MaskedLanguageModel) -> None:
    state = {name: value for name, value in model.state_dict().items() if name.startswith("bert.")}

    backbone = Dnabert2(SHAPE).eval()
    backbone.load_state_dict(state, strict=True)

    mask = torch.ones_like(ROWS)
    assert torch.equal(backbone(ROWS, mask)[0], model(ROWS, mask)[0])


def test_what_is_not_to_be_predicted_does_not_count(model: MaskedLanguageModel) -> None:
    masked = masked_at([[1, 3], [4, 2]])
    one_ignored = Masked(masked.ids, masked.positions, torch.tensor([[7, IGNORED], [6, 8]]))

    scores = torch.log_softmax(model.scores(masked).detach(), dim=2)

    expected = -(scores[0, 0, 7] + scores[1, 0, 6] + scores[1, 1, 8]) / 3
    assert model.loss(one_ignored).item() == pytest.approx(float(expected), rel=1e-5)


def test_fused_attention_computes_the_same_states_and_gradients(model: MaskedLanguageModel) -> None:
    fused = MaskedLanguageModel(SHAPE).eval()
    fused.load_state_dict(model.state_dict())
    keys = list(fused.state_dict())
    fuse_attention(fused, SHAPE)
    masked = masked_at([[1, 3], [4, 2]])

    losses = [each.loss(masked) for each in (model, fused)]
    for loss in losses:
        loss.backward()

    assert list(fused.state_dict()) == keys
    assert losses[0].item() == pytest.approx(losses[1].item(), abs=1e-5)
    for (name, one), other in zip(model.named_parameters(), fused.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, atol=1e-5), name


def test_fused_attention_respects_padding(model: MaskedLanguageModel) -> None:
    attention = model.bert.encoder.layer[0].attention.self
    mask = torch.tensor([[1.0] * 6, [1.0] * 4 + [0.0] * 2])
    bias = alibi_bias(torch.tensor(alibi_slopes(3)), mask)
    states = torch.randn(2, 6, 12)
    written_out = attention(states, bias)

    fuse_attention(model, SHAPE)

    assert torch.allclose(model.bert.encoder.layer[0].attention.self(states, bias), written_out, atol=1e-6)


def test_the_perplexity_of_a_model_that_knows_nothing_is_the_vocabulary(model: MaskedLanguageModel) -> None:
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight.zero_()  # and with it the decoder's matrix
        model.cls["predictions"].decoder.bias.zero_()

    quality = measure(model, ROWS, rate=0.5, vocabulary=20, batch=1)

    assert quality.perplexity == pytest.approx(20.0, rel=1e-5)


def test_a_model_that_expects_the_frequencies_has_their_perplexity(model: MaskedLanguageModel) -> None:
    train = TokenRuns(np.array([5, 5, 5, 6, 19], dtype=np.uint16), np.array([5]))
    valid = TokenRuns(np.array([5, 6, 5, 7], dtype=np.uint16), np.array([4]))
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight.zero_()
    model.expect(torch.from_numpy(log_frequencies(train, vocabulary=20)))

    quality = measure(model, torch.tensor([[1, 5, 6, 5, 7, 2]]), rate=0.99, vocabulary=20, batch=1)

    assert quality.perplexity == pytest.approx(frequency_perplexity(train, valid, vocabulary=20), rel=1e-5)


def test_the_perplexity_of_a_model_that_is_sure_and_right_is_one(model: MaskedLanguageModel) -> None:
    with torch.no_grad():
        model.cls["predictions"].decoder.bias[9] = 1000.0
    rows = torch.tensor([[1, 9, 9, 9, 9, 2]])

    quality = measure(model, rows, rate=0.5, vocabulary=20, batch=8)

    assert quality.perplexity == pytest.approx(1.0)
    assert quality.accuracy == 1.0


def test_measuring_twice_gives_the_same_figures_whatever_the_batch(model: MaskedLanguageModel) -> None:
    first, again = (measure(model, ROWS, rate=0.5, vocabulary=20, batch=2) for _ in range(2))

    assert first == again


def test_the_perplexity_of_frequencies_is_worked_out() -> None:
    train = TokenRuns(np.array([5, 5, 5, 6], dtype=np.uint16), np.array([4]))
    valid = TokenRuns(np.array([5, 6], dtype=np.uint16), np.array([2]))

    # Four tokens and one added to each of seven entries: 4/11 and 2/11; their geometric mean's inverse.
    assert frequency_perplexity(train, valid, vocabulary=7) == pytest.approx(11 / math.sqrt(8))

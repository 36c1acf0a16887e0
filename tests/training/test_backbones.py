"""DNABERT-2 is what its published description says, checked against a reference worked out in NumPy."""

import numpy as np
import pytest
import torch

from tests.training.references import dnabert2_states
from training.backbones.convolution import Average, Convolution, ConvolutionShape, Phases, Places
from training.backbones.dnabert2 import Dnabert2, Dnabert2Shape, alibi_bias, alibi_slopes
from training.backbones.kmers import Kmers, kmers_up_to

SHAPE = Dnabert2Shape(vocabulary=20, width=12, layers=2, heads=3, inner_width=8)
PUBLISHED_SLOPES = [2**-1, 2**-2, 2**-3, 2**-4, 2**-5, 2**-6, 2**-7, 2**-8, 2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5]


def test_slopes_of_the_published_model() -> None:
    assert alibi_slopes(12) == pytest.approx(PUBLISHED_SLOPES)


@pytest.mark.parametrize(
    ("heads", "slopes"), [(1, [2**-8]), (4, [2**-2, 2**-4, 2**-6, 2**-8]), (3, [2**-4, 2**-8, 2**-2])]
)
def test_slopes_of_any_number_of_heads(heads: int, slopes: list[float]) -> None:
    assert alibi_slopes(heads) == pytest.approx(slopes)


def test_bias_is_minus_slope_times_distance_and_shuts_padding_out() -> None:
    bias = alibi_bias(torch.tensor([0.5]), torch.tensor([[1.0, 1.0, 0.0]]))

    assert bias.tolist() == [[[[0.0, -0.5, -10001.0], [-0.5, 0.0, -10000.5], [-1.0, -0.5, -10000.0]]]]


def test_keys_are_those_of_the_published_checkpoint() -> None:
    layer = "bert.encoder.layer.1"
    state = Dnabert2(SHAPE).state_dict()

    assert {
        name: tuple(value.shape) for name, value in state.items() if not name.startswith("bert.encoder.layer.0")
    } == {
        "bert.embeddings.word_embeddings.weight": (20, 12),
        "bert.embeddings.token_type_embeddings.weight": (2, 12),
        "bert.embeddings.LayerNorm.weight": (12,),
        "bert.embeddings.LayerNorm.bias": (12,),
        f"{layer}.attention.self.Wqkv.weight": (36, 12),
        f"{layer}.attention.self.Wqkv.bias": (36,),
        f"{layer}.attention.output.dense.weight": (12, 12),
        f"{layer}.attention.output.dense.bias": (12,),
        f"{layer}.attention.output.LayerNorm.weight": (12,),
        f"{layer}.attention.output.LayerNorm.bias": (12,),
        f"{layer}.mlp.gated_layers.weight": (16, 12),
        f"{layer}.mlp.wo.weight": (12, 8),
        f"{layer}.mlp.wo.bias": (12,),
        f"{layer}.mlp.layernorm.weight": (12,),
        f"{layer}.mlp.layernorm.bias": (12,),
    }


def test_published_size_without_head_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Dnabert2(Dnabert2Shape(vocabulary=4096, width=768, layers=12, heads=12, inner_width=3072))

    head = 768 * 768 + 768 + 2 * 768 + 4096  # transform, its norm, decoder bias; the decoder's matrix is the embedding
    assert sum(parameter.numel() for parameter in model.parameters()) + head == 117_074_176


def test_forward_agrees_with_a_reference_in_numpy() -> None:
    model = randomised(Dnabert2(SHAPE).eval())
    ids = [[1, 7, 9, 5, 2], [1, 8, 2, 3, 3]]
    mask = [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]

    states, floats = model(torch.tensor(ids), torch.tensor(mask))

    weights = {name: value.double().numpy() for name, value in model.state_dict().items()}
    for row, real in ((0, 5), (1, 3)):  # the reference knows no padding: it gets the real tokens alone
        expected = dnabert2_states(weights, ids[row][:real], SHAPE.layers, slopes=[2**-4, 2**-8, 2**-2])
        assert np.allclose(states[row, :real].detach().numpy(), expected, atol=1e-5)
    assert floats.tolist() == [[1.0] * 5, [1.0, 1.0, 1.0, 0.0, 0.0]]


@pytest.mark.parametrize("tokens", [1, 2, 600])
def test_the_published_heads_agree_with_the_reference_at_any_length(tokens: int) -> None:
    shape = Dnabert2Shape(vocabulary=20, width=24, layers=1, heads=12, inner_width=8)
    model = randomised(Dnabert2(shape).eval())
    ids = torch.randint(20, (1, tokens), generator=torch.Generator().manual_seed(1))

    states, _ = model(ids, torch.ones_like(ids))

    weights = {name: value.double().numpy() for name, value in model.state_dict().items()}
    expected = dnabert2_states(weights, ids[0].tolist(), layers=1, slopes=PUBLISHED_SLOPES)
    assert np.allclose(states[0].detach().numpy(), expected, atol=1e-5)


def test_layers_stand_in_their_order() -> None:
    model = Dnabert2(SHAPE)

    assert list(model.layers) == [model.bert.encoder.layer[0], model.bert.encoder.layer[1]]


@pytest.mark.parametrize(("length", "positions"), [(3, 2), (8, 4), (9, 5), (110, 55)])
def test_half_length_blocks_drop_no_base(length: int, positions: int) -> None:
    shape = ConvolutionShape(width=4, stem_bases=5, kernel_bases=3, full_dilations=(1,), half_dilations=(1, 2))

    states, mask = Convolution(shape).eval()(torch.zeros(2, length, 4))

    assert states.shape == (2, positions, 4)
    assert mask.shape == (2, positions)


def test_a_dilated_block_sees_as_far_as_its_kernel_reaches() -> None:
    shape = ConvolutionShape(width=4, stem_bases=1, kernel_bases=3, full_dilations=(4,), half_dilations=())
    model = randomised(Convolution(shape).eval())
    bases = torch.zeros(1, 21, 4)
    changed = bases.clone()
    changed[0, 10, 2] = 1.0

    moved = (model(changed)[0] - model(bases)[0]).abs().sum(-1)[0]

    assert set(torch.nonzero(moved).flatten().tolist()) <= {6, 10, 14}


def randomised(model: torch.nn.Module) -> torch.nn.Module:
    """Weights that no symmetry hides behind: norms and biases too."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model


def test_a_phase_scales_and_shifts_every_third_position() -> None:
    phases = Phases(width=1, phases=3)
    with torch.no_grad():
        phases.scale.copy_(torch.tensor([[1.0, 2.0, 3.0]]))
        phases.shift.copy_(torch.tensor([[0.0, 0.0, 10.0]]))

    assert phases(torch.ones(1, 1, 5)).tolist() == [[[1.0, 2.0, 13.0, 1.0, 2.0]]]


def test_an_average_is_of_whole_groups_of_neighbours_above_zero() -> None:
    states = torch.tensor([[[1.0, 3.0, -8.0, 4.0, 100.0]]])

    assert Average(2)(states).tolist() == [[[2.0, 2.0]]]


def test_a_place_adds_its_own_state() -> None:
    places = Places(width=1, places=2)
    with torch.no_grad():
        places.states.copy_(torch.tensor([[5.0, 7.0]]))

    assert places(torch.zeros(2, 1, 2)).tolist() == [[[5.0, 7.0]]] * 2


def test_kmers_are_counted_in_the_part_that_their_first_base_is_in() -> None:
    kmers = Kmers(longest_kmer=2, window_bases=5, bins=2, dropout=0.0)
    bases = one_hot("AAACN")  # parts: AAA and CN

    singles, pairs = (counts[0].T.tolist() for counts in kmers._counts(bases))

    assert singles == [[3, 0], [0, 1], [0, 0], [0, 0]]
    assert pairs[:2] == [[2, 0], [1, 0]]  # AA, and AC, which ends in the other part
    assert pairs[2:] == [[0, 0]] * 14  # nothing that holds the N


def test_counts_are_standardised() -> None:
    kmers = Kmers(longest_kmer=1, window_bases=4, bins=1, dropout=0.0).eval()
    kmers.norm.running_mean.fill_(1.0)
    kmers.norm.running_var.fill_(0.25 - 0.01)

    states, mask = kmers(one_hot("AAAA"))

    assert torch.allclose(states, torch.tensor([[[5.0, -2.0, -2.0, -2.0]]]))  # (4 - 1) / 0.5 is cut at five deviations
    assert mask.tolist() == [[1.0]]
    assert kmers_up_to(4) == 340


def one_hot(sequence: str) -> torch.Tensor:
    return torch.tensor([[[float(letter == base) for base in "ACGT"] for letter in sequence]])

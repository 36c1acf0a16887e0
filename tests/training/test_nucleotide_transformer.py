"""Nucleotide Transformer: transformers' own states for v1, a reference in NumPy for v2, and the traps of its tokens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import EsmConfig, EsmForMaskedLM

from app.bundle import Manifest
from app.encoding import SequenceEncoder, SequenceRefused
from tests.training.published import (
    V1_VOCABULARY,
    V2_VOCABULARY,
    dnabert2_tokenizer,
    random_weights,
    v2_language_head,
    v2_shapes,
    write_v2,
    write_vocabulary,
)
from tests.training.references import v2_states
from training.augmentation import Lengths
from training.config import BundleConfig, check_longest_input
from training.errors import CheckpointError, ConfigError, DataError
from training.examples import as_codes
from training.feeder import Feeder, input_rules
from training.licences import check_licence
from training.published.loading import load_backbone
from training.published.tokenizer import checkpoint_tokenizer
from training.recipe import AugmentationConfig, ModelConfig
from training.regressor import Regressor
from training.tokenizers.building import TrainedTokenizer
from training.tokenizers.six_mer import six_mer_tokenizer, six_mer_vocabulary

V1 = ModelConfig(
    backbone="nucleotide_transformer",
    version="v1",
    width=12,
    layers=2,
    heads=2,
    inner_width=8,
    positions=1002,
    token_dropout=True,
)
V2 = ModelConfig(backbone="nucleotide_transformer", version="v2", width=12, layers=2, heads=2, inner_width=8)
BUNDLE = BundleConfig(
    name="toy",
    version="1.0.0",
    title="Toy",
    summary="",
    task="expression",
    organism="none",
    licence="CC-BY-NC-SA-4.0",
    citation="",
    intended_use="",
    limits="",
    min_bases=1,
    max_bases=5994,
    golden_sequences=("ACGT",),
    ambiguous="n",
)


@pytest.fixture(scope="module")
def v1_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pre-trained v1 as transformers itself writes it."""
    folder = tmp_path_factory.mktemp("v1")
    torch.manual_seed(0)
    theirs = EsmForMaskedLM(v1_config())
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    theirs.save_pretrained(folder)
    write_vocabulary(folder, V1_VOCABULARY)
    return folder


@pytest.fixture(scope="module")
def v1(v1_folder: Path) -> Regressor:
    return loaded(replace(V1, checkpoint=str(v1_folder)), 4105)


@pytest.fixture(scope="module")
def v2(tmp_path_factory: pytest.TempPathFactory) -> Regressor:
    return loaded(replace(V2, checkpoint=str(write_v2(tmp_path_factory.mktemp("v2")))), 4107)


@pytest.mark.parametrize("tokens", [1, 5, 1000])
def test_version_1_has_the_states_of_transformers(tokens: int, v1: Regressor, v1_folder: Path) -> None:
    theirs = EsmForMaskedLM.from_pretrained(v1_folder, attn_implementation="eager").eval()
    ids, mask = torch.randint(4, 4105, (2, tokens)), torch.ones(2, tokens, dtype=torch.int64)

    states, _ = v1.backbone(ids, mask)

    assert torch.allclose(states, theirs.esm(ids, mask).last_hidden_state, atol=1e-5)


@pytest.mark.parametrize("tokens", [1, 6, 600])
def test_version_2_agrees_with_a_reference_in_numpy(tokens: int, v2: Regressor) -> None:
    ids = torch.randint(6, 4107, (1, tokens), generator=torch.Generator().manual_seed(3))

    states, _ = v2.backbone(ids, torch.ones_like(ids))

    weights = {key: value.double().numpy() for key, value in random_weights(v2_shapes() | v2_language_head()).items()}
    assert np.allclose(states[0].detach().numpy(), v2_states(weights, ids[0].tolist(), layers=2, heads=2), atol=2e-5)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_padding_is_inert(version: str, request: pytest.FixtureRequest) -> None:
    model: Regressor = request.getfixturevalue(version)
    alone = model(torch.tensor([[3, 100, 7]]), torch.ones(1, 3, dtype=torch.int64))

    ids = torch.tensor([[3, 100, 7, 1, 1], [3, 9, 9, 4000, 12]])
    padded = model(ids, (ids != 1).long())

    assert torch.allclose(padded[:1], alone, atol=1e-5)


def test_layers_stand_in_their_order(v2: Regressor) -> None:
    assert list(v2.backbone.layers) == [v2.backbone.esm.encoder.layer[0], v2.backbone.esm.encoder.layer[1]]


def test_version_1_reads_1000_tokens_and_the_service_refuses_more() -> None:
    tokenizer = read_as(six_mer_tokenizer(V1_VOCABULARY))
    rules = input_rules(V1, BUNDLE, tokenizer)
    encoder = SequenceEncoder(Manifest.model_construct(name="toy", input=rules), tokenizer.files)

    longest, too_long = encoder.encode(["A" * 5994, "A" * 5987 + "N" * 7])

    assert (rules.max_tokens, rules.pad_token_id) == (1000, 1)
    assert not isinstance(longest, SequenceRefused)
    assert longest.tokens == 1000
    assert isinstance(too_long, SequenceRefused)
    assert too_long.detail.startswith("1010 tokens; this model reads at most 1000.")


def test_version_2_is_bounded_by_its_bundle_alone() -> None:
    tokenizer = read_as(six_mer_tokenizer(V2_VOCABULARY))

    assert input_rules(V2, BUNDLE, tokenizer).max_tokens == 5994 + 1
    assert input_rules(V2, replace(BUNDLE, max_tokens=1200), tokenizer).max_tokens == 1200


@pytest.mark.parametrize("max_bases", [5995, 6000, 12000])
def test_more_bases_than_version_1_reads_are_not_promised(max_bases: int) -> None:
    with pytest.raises(ConfigError, match=r"with 1,002 positions reads 1,000: at most 5,994 bases"):
        check_longest_input(V1, replace(BUNDLE, max_bases=max_bases))
    check_longest_input(V2, replace(BUNDLE, max_bases=max_bases))
    check_longest_input(V1, replace(BUNDLE, max_bases=5994))


def test_a_training_row_that_is_too_long_is_refused() -> None:
    feeder = feeder_of(replace(V1, positions=6), six_mer_tokenizer(V1_VOCABULARY))
    bases, lengths = as_codes(["ACGTACG" * 3])

    with pytest.raises(DataError, match=r"gives 7 tokens; the model reads at most 4 \(.*model\.positions\); shorten"):
        drawn(feeder, bases, lengths)


def test_n_is_a_token_and_lower_case_is_unknown_to_six_mers() -> None:
    tokens = Tokenizer.from_buffer(six_mer_tokenizer(V2_VOCABULARY)).encode("ACGTACGTNNacgtacT").tokens

    assert tokens == ["<cls>", "ACGTAC", "G", "T", "N", "N", "<unk>", "T"]


def test_n_and_lower_case_are_unknown_to_dnabert2() -> None:
    assert Tokenizer.from_buffer(dnabert2_tokenizer()).encode("TGANNa").ids == [1, 11, 0, 0, 0, 2]


def test_the_service_upper_cases_before_it_cuts() -> None:
    tokenizer = read_as(six_mer_tokenizer(V2_VOCABULARY))
    rules = input_rules(V2, BUNDLE, tokenizer)
    encoder = SequenceEncoder(Manifest.model_construct(name="toy", input=rules), tokenizer.files)

    lower, upper, rna = encoder.encode(["acgtacgtn", "ACGTACGTN", "ACGUACGUN"])

    assert not any(isinstance(row, SequenceRefused) for row in (lower, upper, rna))
    assert lower.ids.tolist() == upper.ids.tolist() == rna.ids.tolist()


def test_the_published_vocabularies_are_generated() -> None:
    assert list(six_mer_vocabulary("v1")) == V1_VOCABULARY
    assert list(six_mer_vocabulary("v2")) == V2_VOCABULARY


def test_the_padding_id_is_the_vocabularys_own() -> None:
    rearranged = ["[UNK]", "[CLS]", "[SEP]", "A", "C", "G", "T", "[PAD]", "[MASK]", "AA", "TG", "TGA"]
    dnabert2 = ModelConfig(backbone="dnabert2", width=4, layers=1, inner_width=4)

    assert feeder_of(dnabert2, dnabert2_tokenizer()).rules.pad_token_id == 3
    assert feeder_of(dnabert2, dnabert2_tokenizer(rearranged)).rules.pad_token_id == 7


def test_a_tokenizer_saved_with_truncation_and_padding_does_neither() -> None:
    saved = Tokenizer.from_buffer(dnabert2_tokenizer())
    saved.enable_truncation(4)
    saved.enable_padding(length=20, pad_id=3, pad_token="[PAD]")
    content = saved.to_str().encode()
    dnabert2 = ModelConfig(backbone="dnabert2", width=4, layers=1, inner_width=4)
    feeder = feeder_of(dnabert2, content)

    input_ids, attention_mask = drawn(feeder, *as_codes(["TGACGT", "TGA"]))

    assert input_ids.tolist() == [[1, 11, 6, 7, 8, 2], [1, 11, 2, 3, 3, 3]]
    assert attention_mask.sum(1).tolist() == [6, 3]
    assert feeder.encode(["TGACGT"])[0].tolist() == [1, 11, 6, 7, 8, 2]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (None, r"vocab\.txt: No such file"),
        (
            ["<unk>", "<pad>", "<mask>", "<cls>", *"ACGT"],
            r"vocab\.txt: AAAAAA is missing, so it is not a vocabulary of",
        ),
        ([*V2_VOCABULARY, "A"], r"vocab\.txt: an entry stands there twice"),
        (["no", "vocabulary"], r"vocab\.txt: <unk> is missing"),
        (["<pad>", *V2_VOCABULARY[2:], "<unk>"], r"<pad> is on line 1; the model counts on line 2"),
    ],
)
def test_a_vocabulary_that_is_not_the_familys_is_refused(lines: list[str] | None, message: str, tmp_path: Path) -> None:
    if lines is not None:
        write_vocabulary(tmp_path, lines)

    with pytest.raises(CheckpointError, match=message):
        checkpoint_tokenizer(tmp_path, V2)


@pytest.mark.parametrize("content", [b"{}", Tokenizer(models.WordLevel({"A": 0}, unk_token="A")).to_str().encode()])
def test_a_broken_tokenizer_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)

    with pytest.raises(CheckpointError, match=r"tokenizer\.json: not a tokenizer with a padding token"):
        checkpoint_tokenizer(tmp_path, ModelConfig(backbone="dnabert2", width=4, layers=1, inner_width=4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "v1", "positions": 2}, r"model\.positions: nucleotide_transformer v1 needs more than 2"),
        ({"backbone": "bert", "checkpoint": "x/y"}, r"model\.checkpoint: bert starts from random weights"),
        ({"width": 6, "heads": 2}, "even number of channels"),
        ({"layers": 0}, "nucleotide_transformer needs layers"),
        ({"head": "pooler", "head_width": 4}, "leave head_width out"),
    ],
)
def test_sizes_that_belong_to_no_model_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(V2, **changes)


@pytest.mark.parametrize("licence", ["Apache-2.0", "MIT", "CC-BY-4.0", "CC-BY-SA-4.0"])
def test_the_licence_of_the_weights_travels(licence: str) -> None:
    started = replace(V2, checkpoint="InstaDeepAI/nucleotide-transformer-v2-50m-multi-species")

    with pytest.raises(ConfigError, match=r"licence: .* non-commercial .* licence = \"CC-BY-NC-SA-4.0\""):
        check_licence(started, licence)
    for own in ("CC-BY-NC-SA-4.0", "CC BY-NC-SA 4.0", "CC-BY-NC-4.0", "Non-commercial research use"):
        check_licence(started, own)
    check_licence(V2, licence)  # the architecture is free
    check_licence(ModelConfig(backbone="dnabert2", width=4, layers=1, inner_width=4, checkpoint="x/y"), licence)


def v1_config() -> EsmConfig:
    return EsmConfig(
        vocab_size=4105,
        mask_token_id=2,
        pad_token_id=1,
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=8,
        hidden_dropout_prob=0.0,
        max_position_embeddings=1002,
        position_embedding_type="absolute",
        layer_norm_eps=1e-12,
        emb_layer_norm_before=False,
        token_dropout=True,
    )


def loaded(config: ModelConfig, vocabulary: int) -> Regressor:
    model = Regressor(config, 1, 1, vocabulary).eval()
    load_backbone(model, config)
    return model


def read_as(tokenizer_json: bytes) -> TrainedTokenizer:
    return TrainedTokenizer({"tokenizer.json": tokenizer_json}, "A tokenizer.")


def feeder_of(config: ModelConfig, tokenizer_json: bytes) -> Feeder:
    tokenizer = read_as(tokenizer_json)
    return Feeder(input_rules(config, BUNDLE, tokenizer), tokenizer.files)


def drawn(feeder: Feeder, bases: np.ndarray, lengths: Lengths) -> tuple[torch.Tensor, ...]:
    return feeder.training_tensors(bases, lengths, AugmentationConfig(), np.random.default_rng(0))

"""A model fine-tuned elsewhere becomes a bundle that answers what it answered there, or is refused with a reason."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftConfig, TaskType, get_peft_model
from torch import Tensor, nn
from transformers import EsmForSequenceClassification
from typer.testing import CliRunner

from app.bundle import read_bundle
from app.encoding import EncodedSequence, SequenceEncoder
from app.engine import OnnxModel
from tests.training.published import (
    DNABERT2_VOCABULARY,
    V1_VOCABULARY,
    dnabert2_regression_head,
    dnabert2_shapes,
    random_weights,
    v2_regression_head,
    v2_shapes,
    write_dnabert2,
    write_v2,
    write_vocabulary,
    write_weights,
)
from tests.training.references import dnabert2_states, v2_states
from tests.training.test_nucleotide_transformer import v1_config
from training.__main__ import app
from training.errors import CheckpointError, ConfigError, TrainingError
from training.feeder import predict
from training.importing import ImportCard, find_model, import_model, load_model, read_card
from training.published.families import read_shape
from training.published.loading import load_weights
from training.published.naming import published_names
from training.published.weights import read_weights
from training.regressor import Regressor

RUNNER = CliRunner()
SLOPES = [2**-4, 2**-8, 2**-2]
TGA = "TGAATGACCGT"
TGA_IDS = [1, 10, 9, 11, 6, 6, 7, 8, 2]  # [CLS] TG AA TGA C C G T [SEP]


@pytest.fixture
def toml() -> str:
    return """
[bundle]
name = "imported"
version = "1.0.0"
title = "Imported"
summary = "Predicts."
task = "expression"
organism = "none"
licence = "CC-BY-NC-SA-4.0"
citation = "Nobody."
intended_use = "Tests."
limits = "Means nothing."
min_bases = 1
max_bases = 24
ambiguous = "n"
golden_sequences = ["TGAATGACCGT"]

[[targets]]
name = "first"
unit = "log2 TPM"
scale = "log2"
higher_means = "more"
description = "Made up."
mean = 3.0
standard_deviation = 2.0
"""


@pytest.fixture
def two_targets(toml: str) -> str:
    return toml + toml[toml.index("[[targets]]") :].replace("first", "second").replace("mean = 3.0\n", "")


@pytest.fixture
def card(toml: str, tmp_path: Path) -> ImportCard:
    return card_of(toml, tmp_path)


def test_a_fine_tuned_dnabert2_answers_what_it_answered(two_targets: str, tmp_path: Path) -> None:
    shapes = dnabert2_shapes() | dnabert2_regression_head(2)
    folder = write_dnabert2(tmp_path / "tuned", shapes)
    (folder / "card.toml").write_text(two_targets)

    result = RUNNER.invoke(app, ["import", str(folder), "--models", str(tmp_path)], catch_exceptions=False)

    assert result.exit_code == 0
    weights = as_numpy(random_weights(shapes))
    first = dnabert2_states(weights, TGA_IDS, layers=2, slopes=SLOPES)[0]
    pooled = np.tanh(first @ weights["bert.pooler.dense.weight"].T + weights["bert.pooler.dense.bias"])
    answers = weights["classifier.weight"] @ pooled + weights["classifier.bias"]
    assert served(tmp_path / "imported", TGA) == pytest.approx([3 + 2 * answers[0], 2 * answers[1]], abs=1e-4)


def test_a_bundle_says_where_its_weights_are_from(card: ImportCard, tmp_path: Path) -> None:
    folder = write_v2(tmp_path / "tuned", v2_shapes() | v2_regression_head(1))

    manifest = import_model(find_model(str(folder)), card, tmp_path, "python -m training import tuned").manifest

    assert manifest.licence == "CC-BY-NC-SA-4.0"
    assert manifest.scores == ()
    assert manifest.provenance.data_sha256 is None
    assert manifest.provenance.config["model"]["checkpoint"] == "tuned"
    assert set(manifest.provenance.config["files"]) == {"model.safetensors"}
    assert str(tmp_path) not in manifest.to_json().decode()
    assert "the model was trained elsewhere" in (tmp_path / "imported" / "README.md").read_text()
    assert (manifest.input.pad_token_id, manifest.input.max_tokens) == (1, 25)  # <cls> and at worst 24 single bases

    weights = as_numpy(random_weights(v2_shapes() | v2_regression_head(1)))
    ids = [3, *(ids_of_v2()[token] for token in ("TGAATG", "A", "C", "C", "G", "T"))]
    states = v2_states(weights, ids, layers=2, heads=2)
    hidden = np.tanh(states[0] @ weights["classifier.dense.weight"].T + weights["classifier.dense.bias"])
    answer = weights["classifier.out_proj.weight"][0] @ hidden + weights["classifier.out_proj.bias"][0]
    assert served(tmp_path / "imported", TGA) == pytest.approx([3 + 2 * answer], abs=1e-4)


def test_a_fine_tuned_version_1_answers_what_transformers_answers(card: ImportCard, tmp_path: Path) -> None:
    theirs = randomised(EsmForSequenceClassification(v1_config_with_outputs(1)))
    theirs.save_pretrained(tmp_path / "tuned")
    write_vocabulary(tmp_path / "tuned", V1_VOCABULARY)

    import_model(find_model(str(tmp_path / "tuned")), card, tmp_path, "again")

    ids = torch.tensor([[3, *(V1_VOCABULARY.index(token) for token in ("TGAATG", "A", "C", "C", "G", "T"))]])
    answer = theirs(ids, torch.ones_like(ids)).logits.item()
    assert served(tmp_path / "imported", TGA) == pytest.approx([3 + 2 * answer], abs=1e-4)


HEAD = ["classifier", "pooler"]


@pytest.mark.parametrize(
    "kind",
    [
        LoraConfig(r=2, target_modules=["Wqkv"], modules_to_save=HEAD),
        LoraConfig(r=2, target_modules=["Wqkv", "dense", "gated_layers", "wo"], modules_to_save=HEAD),
    ],
    ids=["LoRA on attention", "LoRA on everything"],
)
def test_an_adapter_on_dnabert2_is_merged(kind: PeftConfig, card: ImportCard, tmp_path: Path) -> None:
    base = write_dnabert2(tmp_path / "base")
    adapted = write_adapter(tmp_path / "adapter", base, kind)

    model, feeder = load_model(find_model(str(tmp_path / "adapter"), str(base)), card)

    assert predict(model, feeder, [TGA])[0, 0] == pytest.approx(3 + 2 * answer_of(adapted), abs=1e-4)


def test_an_adapter_names_its_base(card: ImportCard, tmp_path: Path) -> None:
    base = write_dnabert2(tmp_path / "base")
    write_adapter(tmp_path / "adapter", base)
    edit_json(tmp_path / "adapter" / "adapter_config.json", base_model_name_or_path=str(base), revision="main")

    assert find_model(str(tmp_path / "adapter")).folder == base

    edit_json(tmp_path / "adapter" / "adapter_config.json", base_model_name_or_path=None)
    with pytest.raises(CheckpointError, match="names no base model; name it with --base"):
        find_model(str(tmp_path / "adapter"))


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft's own
def test_an_adapter_on_version_1_is_merged(card: ImportCard, tmp_path: Path) -> None:
    theirs = randomised(EsmForSequenceClassification(v1_config_with_outputs(1)))
    theirs.save_pretrained(tmp_path / "base")
    write_vocabulary(tmp_path / "base", V1_VOCABULARY)
    lora = LoraConfig(task_type=TaskType.SEQ_CLS, r=2, target_modules=["query", "value", "key"], lora_alpha=8)
    adapted = randomised(get_peft_model(theirs, lora)).eval()
    adapted.save_pretrained(tmp_path / "adapter")

    model, feeder = load_model(find_model(str(tmp_path / "adapter"), str(tmp_path / "base")), card)

    ids = torch.tensor(feeder.encode([TGA])[0].astype(np.int64))[None]
    answer = adapted(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.item()
    assert predict(model, feeder, [TGA])[0, 0] == pytest.approx(3 + 2 * answer, abs=1e-4)


def test_an_adapter_whose_pooler_was_not_saved_is_refused(card: ImportCard, tmp_path: Path) -> None:
    base = write_dnabert2(tmp_path / "base")
    write_adapter(tmp_path / "adapter", base, LoraConfig(r=2, target_modules=["Wqkv"], modules_to_save=["classifier"]))

    with pytest.raises(CheckpointError, match=r"adapter: bert\.pooler\.dense\.bias is missing; .*modules_to_save"):
        load_model(find_model(str(tmp_path / "adapter"), str(base)), card)


@pytest.mark.parametrize(
    ("lacking", "added", "message"),
    [
        ("layer.1.attention.self.Wqkv.lora_A", {}, r"layer\.1\.attention\.self\.Wqkv\.lora_A\.weight is missing"),
        ("", {"base_model.model.bert.extra.lora_A.weight": torch.ones(2, 12)}, "no part of its base"),
        ("", {"base_model.model.extra.weight": torch.ones(2)}, "extra.weight is no part of this model"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_by_key(
    lacking: str, added: dict[str, Tensor], message: str, card: ImportCard, tmp_path: Path
) -> None:
    base = write_dnabert2(tmp_path / "base")
    write_adapter(tmp_path / "adapter", base)
    path = tmp_path / "adapter" / "adapter_model.safetensors"
    weights = {key: value.clone() for key, value in read_file(path).items() if not lacking or lacking not in key}
    write_weights(path, weights | added)

    with pytest.raises(CheckpointError, match=message):
        load_model(find_model(str(tmp_path / "adapter"), str(base)), card)


def test_an_adapter_that_cannot_be_merged_is_refused(card: ImportCard, tmp_path: Path) -> None:
    base = write_dnabert2(tmp_path / "base")
    write_adapter(tmp_path / "adapter", base)
    edit_json(tmp_path / "adapter" / "adapter_config.json", peft_type="PROMPT_TUNING")

    with pytest.raises(CheckpointError, match="peft_type is PROMPT_TUNING; only LORA is merged"):
        load_model(find_model(str(tmp_path / "adapter"), str(base)), card)


def test_an_adapter_for_other_sizes_is_refused(card: ImportCard, tmp_path: Path) -> None:
    base = write_dnabert2(tmp_path / "base")
    write_adapter(tmp_path / "adapter", base)
    path = tmp_path / "adapter" / "adapter_model.safetensors"
    weights = {key: value.clone() for key, value in read_file(path).items()}
    key = next(key for key in weights if key.endswith("lora_A.weight"))
    write_weights(path, weights | {key: torch.ones(2, 13)})

    with pytest.raises(CheckpointError, match=r"the adapter does not fit its base \(RuntimeError"):
        load_model(find_model(str(tmp_path / "adapter"), str(base)), card)


def test_a_model_without_a_head_is_refused(card: ImportCard, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"classifier\.weight is missing; a model without a head"):
        load_model(find_model(str(write_dnabert2(tmp_path / "base"))), card)


def test_a_classifier_is_refused(card: ImportCard, tmp_path: Path) -> None:
    folder = write_dnabert2(tmp_path / "tuned", dnabert2_shapes() | dnabert2_regression_head(2))
    edit_json(folder / "config.json", problem_type="single_label_classification")

    with pytest.raises(CheckpointError, match="problem_type is single_label_classification; only regression"):
        find_model(str(folder))


def test_a_card_of_another_number_of_targets_is_refused(card: ImportCard, tmp_path: Path) -> None:
    folder = write_dnabert2(tmp_path / "tuned", dnabert2_shapes() | dnabert2_regression_head(3))

    with pytest.raises(ConfigError, match="the card describes 1, the model answers 3"):
        load_model(find_model(str(folder)), card)


def test_nucleotide_transformer_is_not_given_away_for_commercial_use(card: ImportCard, tmp_path: Path) -> None:
    folder = write_v2(tmp_path / "tuned", v2_shapes() | v2_regression_head(1))
    free = replace(card, bundle=replace(card.bundle, licence="Apache-2.0"))

    with pytest.raises(ConfigError, match="no non-commercial licence"):
        load_model(find_model(str(folder)), free)


def test_everything_that_a_card_lacks_is_listed_at_once(toml: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"card\.toml: bundle: title, licence, limits are missing"):
        card_of(without(toml, "title", "licence", "limits"), tmp_path)
    with pytest.raises(ConfigError, match=r"card\.toml: bundle, targets are missing"):
        card_of("", tmp_path)
    for change in (("standard_deviation = 2.0", "standard_deviation = 0.0"), ("mean = 3.0", "mean = nan")):
        with pytest.raises(ConfigError, match=r"targets: first: mean must be finite, and standard_deviation"):
            card_of(toml.replace(*change), tmp_path)
    with pytest.raises(ConfigError, match=r"card\.toml: not TOML"):
        card_of("[bundle", tmp_path)
    with pytest.raises(ConfigError, match=r"absent\.toml: No such file .*; --template prints a card to fill in"):
        read_card(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "imported"', 'name = "../Imported"', "bundle.name: '../Imported' is not up to 64 of a-z"),
        ('version = "1.0.0"', 'version = "1"', "bundle.version: '1' is not three numbers"),
        ('name = "first"', 'name = "half-life (h)"', r"'half-life \(h\)' names no target"),
        ('name = "second"', 'name = "first"', "targets: first stands there twice"),
    ],
)
def test_what_no_manifest_can_hold_is_refused_with_the_card(
    old: str, new: str, message: str, two_targets: str, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=message):
        card_of(two_targets.replace(old, new), tmp_path)


def test_a_bundle_without_a_licence_is_refused(card: ImportCard, tmp_path: Path) -> None:
    folder = write_dnabert2(tmp_path / "tuned", dnabert2_shapes() | dnabert2_regression_head(1))
    unlicensed = replace(card, bundle=replace(card.bundle, licence=" "))

    with pytest.raises(ConfigError, match=r"bundle\.licence: name one"):
        load_model(find_model(str(folder)), unlicensed)


@pytest.mark.parametrize(("outputs", "licence"), [(1, "Apache-2.0"), (3, "Apache-2.0")])
def test_the_template_is_a_card(outputs: int, licence: str, tmp_path: Path) -> None:
    folder = write_dnabert2(tmp_path / "tuned", dnabert2_shapes() | dnabert2_regression_head(outputs))

    result = RUNNER.invoke(app, ["import", str(folder), "--template"], catch_exceptions=False)

    made = card_of(result.stdout, tmp_path)
    assert [target.name for target in made.targets] == [f"target_{number + 1}" for number in range(outputs)]
    assert made.bundle.licence == licence
    load_model(find_model(str(folder)), made)


def test_the_template_knows_version_1s_licence_and_limit(tmp_path: Path) -> None:
    EsmForSequenceClassification(v1_config_with_outputs(1, positions=302)).save_pretrained(tmp_path / "tuned")

    result = RUNNER.invoke(app, ["import", str(tmp_path / "tuned"), "--template"], catch_exceptions=False)

    made = card_of(result.stdout, tmp_path)
    assert made.bundle.licence == "CC-BY-NC-SA-4.0"
    assert made.bundle.max_bases == 299 * 6


def card_of(toml: str, folder: Path) -> ImportCard:
    path = folder / "card.toml"
    path.write_text(toml)
    return read_card(path)


def without(toml: str, *keys: str) -> str:
    return "\n".join(line for line in toml.splitlines() if line.split(" = ")[0] not in keys)


def served(folder: Path, sequence: str) -> list[float]:
    """What the service answers, its golden examples checked."""
    bundle = read_bundle(folder)
    (row,) = SequenceEncoder(bundle.manifest, bundle.files).encode([sequence])
    assert isinstance(row, EncodedSequence)
    values: list[float] = OnnxModel(bundle).predict([row.ids])[0].tolist()
    return values


def v1_config_with_outputs(outputs: int, positions: int = 1002):
    config = v1_config()
    config.num_labels, config.max_position_embeddings = outputs, positions
    return config


def ids_of_v2() -> dict[str, int]:
    return {"TGAATG": 6 + sum("ATCG".index(base) * 4 ** (5 - place) for place, base in enumerate("TGAATG"))} | {
        base: 4102 + place for place, base in enumerate("ATCGN")
    }


LORA = LoraConfig(r=2, target_modules=["Wqkv"], modules_to_save=HEAD)


def write_adapter(folder: Path, base: Path, kind: PeftConfig = LORA) -> nn.Module:
    """An adapter on a DNABERT-2 with one output, as peft writes it; returns the adapted model."""
    config = replace(read_shape(base), pooling="cls", head="pooler")
    named = published_names(Regressor(config, 1, 1, len(DNABERT2_VOCABULARY)).eval())
    weights = read_weights(base) | random_weights(dnabert2_regression_head(1), seed=9)
    load_weights(named, weights, base)
    adapted = randomised(get_peft_model(named, kind))
    adapted.save_pretrained(folder)
    return adapted


def answer_of(adapted: nn.Module) -> float:
    """The adapted DNABERT-2's answer for `TGA`, through the adapter's own merged weights."""
    weights = as_numpy(adapted.merge_and_unload().state_dict())
    first = dnabert2_states(weights, TGA_IDS, layers=2, slopes=SLOPES)[0]
    pooled = np.tanh(first @ weights["bert.pooler.dense.weight"].T + weights["bert.pooler.dense.bias"])
    return float(weights["classifier.weight"][0] @ pooled + weights["classifier.bias"][0])


def randomised(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.eval()


def as_numpy(weights: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {key: value.double().numpy() for key, value in weights.items()}


def read_file(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))

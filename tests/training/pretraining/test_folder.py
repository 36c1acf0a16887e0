"""What is written is a folder in DNABERT-2's own format, and says what it was trained on."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from tokenizers import Tokenizer

from tests.training.pretraining.conftest import CONFIG
from training.backbones.dnabert2 import Dnabert2
from training.errors import ConfigError, DataError, FitError
from training.pretraining.config import PretrainConfig, VocabularyConfig
from training.pretraining.run import pretrain

CPU = torch.device("cpu")
QUIET = Console(quiet=True)


def published_shapes(vocabulary: int, width: int, layers: int, inner: int) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the published checkpoint, for any size."""
    embeddings, head = "bert.embeddings", "cls.predictions"
    shapes: dict[str, tuple[int, ...]] = {
        f"{embeddings}.word_embeddings.weight": (vocabulary, width),
        f"{embeddings}.token_type_embeddings.weight": (2, width),
        f"{embeddings}.LayerNorm.weight": (width,),
        f"{embeddings}.LayerNorm.bias": (width,),
        f"{head}.transform.dense.weight": (width, width),
        f"{head}.transform.dense.bias": (width,),
        f"{head}.transform.LayerNorm.weight": (width,),
        f"{head}.transform.LayerNorm.bias": (width,),
        f"{head}.decoder.weight": (vocabulary, width),
        f"{head}.decoder.bias": (vocabulary,),
    }
    for number in range(layers):
        layer = f"bert.encoder.layer.{number}"
        shapes |= {
            f"{layer}.attention.self.Wqkv.weight": (3 * width, width),
            f"{layer}.attention.self.Wqkv.bias": (3 * width,),
            f"{layer}.attention.output.dense.weight": (width, width),
            f"{layer}.attention.output.dense.bias": (width,),
            f"{layer}.attention.output.LayerNorm.weight": (width,),
            f"{layer}.attention.output.LayerNorm.bias": (width,),
            f"{layer}.mlp.gated_layers.weight": (2 * inner, width),
            f"{layer}.mlp.wo.weight": (width, inner),
            f"{layer}.mlp.wo.bias": (width,),
            f"{layer}.mlp.layernorm.weight": (width,),
            f"{layer}.mlp.layernorm.bias": (width,),
        }
    return shapes


@pytest.fixture(scope="module")
def run_folder(toy_genome: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, shared: tests must not write into it."""
    folder = tmp_path_factory.mktemp("runs") / CONFIG.name
    pretrain(CONFIG, toy_genome, folder, CPU, QUIET)
    return folder


@pytest.fixture(scope="module")
def pretrained(run_folder: Path) -> Path:
    return run_folder / "pretrained"


def test_keys_and_shapes_are_those_of_the_published_checkpoint_in_fp32(pretrained: Path) -> None:
    state = load_file(pretrained / "model.safetensors")

    assert {name: tuple(value.shape) for name, value in state.items()} == published_shapes(24, 32, 2, 48)
    assert {value.dtype for value in state.values()} == {torch.float32}


def test_the_decoder_is_the_embedding(pretrained: Path) -> None:
    state = load_file(pretrained / "model.safetensors")

    assert torch.equal(state["cls.predictions.decoder.weight"], state["bert.embeddings.word_embeddings.weight"])


def test_the_backbone_loads_its_part_with_nothing_missing(pretrained: Path, config: PretrainConfig) -> None:
    state = load_file(pretrained / "model.safetensors")

    Dnabert2(config.model.shape(24)).load_state_dict(
        {name: value for name, value in state.items() if name.startswith("bert.")}, strict=True
    )


def test_config_has_the_published_keys_and_no_model_type(pretrained: Path) -> None:
    found = json.loads((pretrained / "config.json").read_text())

    assert "model_type" not in found
    assert found["auto_map"]["AutoModelForMaskedLM"].startswith("bert_layers.")
    sizes = {
        "alibi_starting_size": 512,
        "attention_probs_dropout_prob": 0.0,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": 32,
        "intermediate_size": 48,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 512,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "position_embedding_type": "absolute",
        "torch_dtype": "float32",
        "type_vocab_size": 2,
        "vocab_size": 24,
    }
    assert {key: found[key] for key in sizes} == sizes


def test_the_tokenizer_is_dnabert2s(pretrained: Path) -> None:
    tokenizer = Tokenizer.from_file(str(pretrained / "tokenizer.json"))
    settings = json.loads((pretrained / "tokenizer_config.json").read_text())

    assert [tokenizer.token_to_id(token) for token in ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")] == [0, 1, 2, 3, 4]
    assert [tokenizer.token_to_id(base) for base in "ACGT"] == [5, 6, 7, 8]
    assert tokenizer.get_vocab_size() == 24
    assert settings["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert settings["pad_token"] == "[PAD]"


def test_transformers_reads_the_tokenizer(pretrained: Path) -> None:
    transformers = pytest.importorskip("transformers")

    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(str(pretrained))

    assert tokenizer("ACGTN")["input_ids"][0] == 1
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id, tokenizer.model_max_length) == (3, 4, 512)


def test_the_readme_says_what_was_trained_on_and_what_was_kept_from_it(pretrained: Path) -> None:
    text = (pretrained / "README.md").read_text()

    assert "Held out, never trained on: held-out (1,065 bases)" in text  # 15 bases of the word, and 30 times its 35
    assert "Excluded on purpose: nothing." in text
    assert "| a uniform guess | 24 |" in text


def test_the_readme_names_what_was_excluded(toy_genome: Path, config: PretrainConfig, tmp_path: Path) -> None:
    (toy_genome / "toy" / "windows.bed").write_text("second\t0\t300\n")
    genome = replace(config.genome, exclude=("first:1-100",), exclude_bed="toy/windows.bed")

    pretrain(replace(config, genome=genome), toy_genome, tmp_path, CPU, QUIET)

    text = (tmp_path / "pretrained" / "README.md").read_text()
    assert "Excluded on purpose: first:1-100, the intervals in `toy/windows.bed` (400 bases)" in text
    digests = json.loads((tmp_path / "pretrained" / "provenance.json").read_text())["data_sha256"]
    assert sorted(digests) == ["toy/genome.fa", "toy/windows.bed"]


def test_figures_and_provenance_stand_beside(run_folder: Path, pretrained: Path) -> None:
    metrics = json.loads((pretrained / "metrics.json").read_text())
    provenance = json.loads((pretrained / "provenance.json").read_text())

    assert metrics["step"] == 6
    assert metrics["tokens"] == 6 * 8 * 32
    assert 1 < metrics["frequency_perplexity"] < 24
    assert provenance["config"]["name"] == "toy-pretrain"
    assert provenance["code_version"] == (run_folder / "code_version.txt").read_text().strip()
    assert (run_folder / "metrics.csv").read_text().count("\n") == 3
    assert not list(run_folder.glob(".*"))


def test_running_again_rewrites_the_same_weights(
    toy_genome: Path, config: PretrainConfig, run_folder: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        pretrain(config, toy_genome, tmp_path, CPU, QUIET)

    written = (tmp_path / "pretrained" / "model.safetensors").read_bytes()
    assert written == (run_folder / "pretrained" / "model.safetensors").read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_a_run_folder_belongs_to_one_configuration(toy_genome: Path, config: PretrainConfig, run_folder: Path) -> None:
    with pytest.raises(FitError, match="another config"):
        pretrain(replace(config, seed=4), toy_genome, run_folder, CPU, QUIET)


def test_a_missing_genome_is_named(tmp_path: Path, config: PretrainConfig) -> None:
    with pytest.raises(DataError, match=r"genome\.fa: No such file or directory; name the folder"):
        pretrain(config, tmp_path, tmp_path / "run", CPU, QUIET)


def test_rows_longer_than_the_contigs_are_refused(toy_genome: Path, config: PretrainConfig, tmp_path: Path) -> None:
    long = replace(config, fit=replace(config.fit, context_tokens=5000))

    with pytest.raises(
        DataError, match=r"context_tokens: the longest training segment has [\d,]+ tokens, a row needs 4,998"
    ):
        pretrain(long, toy_genome, tmp_path, CPU, QUIET)


def test_a_vocabulary_larger_than_the_genome_teaches_is_refused(
    toy_genome: Path, config: PretrainConfig, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"entries: 30,000 asked for"):
        pretrain(replace(config, vocabulary=VocabularyConfig(entries=30_000)), toy_genome, tmp_path, CPU, QUIET)

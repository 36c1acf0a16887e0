"""What is learnt is learnt from the training rows alone, and is read back as it was written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.config import Config, read_config
from training.datasets.table import Table
from training.errors import ConfigError, DataError
from training.preparation import load_prepared, prepare
from training.tokenizers.building import build_tokenizer
from training.tokenizers.recipe import MorfessorConfig, MotifsConfig, ScoresConfig, TokenizerConfig

MOTIFS = TokenizerConfig(
    kind="motifs", vocabulary=60, motifs=MotifsConfig(bases=3, kept_share=0.3), scores=ScoresConfig()
)
KINDS = {
    "bpe": TokenizerConfig(vocabulary=20),
    "six_mer": TokenizerConfig(kind="six_mer", version="v1"),
    "morfessor": TokenizerConfig(kind="morfessor", vocabulary=60, morfessor=MorfessorConfig(bases=4)),
    "counted": TokenizerConfig(
        kind="morfessor", vocabulary=60, morfessor=MorfessorConfig(corpus="kmers", bases=4, corpus_weight=1.0)
    ),
    "motifs": MOTIFS,
    "enriched": replace(MOTIFS, scores=ScoresConfig(estimator="enrichment")),
}


@pytest.fixture
def config(toy_token_toml: str, tmp_path: Path) -> Config:
    path = tmp_path / "toy.toml"
    path.write_text(toy_token_toml)
    return read_config(path)


def with_other_held_out_rows(table: Table) -> Table:
    """The same training rows; the others have new values and sequences."""
    held_out = table.splits != "train"
    sequences = tuple("G" * 30 if out else text for out, text in zip(held_out, table.sequences, strict=True))
    values = np.where(held_out[:, None], np.float32(99), table.targets.values)
    return replace(table, sequences=sequences, targets=replace(table.targets, values=values))


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_rows_change_nothing(config: Config, toy_data: Path, tmp_path: Path, kind: str) -> None:
    table = prepare(config, toy_data, tmp_path).table

    built = build_tokenizer(KINDS[kind], table.split("train"), toy_data)
    again = build_tokenizer(KINDS[kind], with_other_held_out_rows(table).split("train"), toy_data)

    assert built == again


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_prepared_is_what_is_loaded(config: Config, toy_data: Path, tmp_path: Path, kind: str) -> None:
    chosen = replace(config, tokenizer=KINDS[kind])

    prepared = prepare(chosen, toy_data, tmp_path)

    assert prepared.tokenizer is not None
    assert load_prepared(chosen, tmp_path).tokenizer == prepared.tokenizer


@pytest.mark.parametrize("name", ["tokenizer-source.json", "tokenizer.json", "motifs.txt"])
def test_a_missing_file_sends_back_to_prepare(config: Config, toy_data: Path, tmp_path: Path, name: str) -> None:
    chosen = replace(config, tokenizer=MOTIFS)
    prepare(chosen, toy_data, tmp_path)
    (tmp_path / name).unlink()

    with pytest.raises(DataError, match=f"{name} is missing: run `python -m training prepare`"):
        load_prepared(chosen, tmp_path)


def test_a_lexicon_says_what_it_was_learnt_from(config: Config, toy_data: Path, tmp_path: Path) -> None:
    train = prepare(config, toy_data, tmp_path).table.split("train")

    counted = build_tokenizer(KINDS["counted"], train, toy_data).source

    assert counted.startswith("Morfessor Baseline (corpus weight 1, ")
    assert counted.endswith("the 120 training rows alone, by log2_change_8h_2h.")


def test_given_scores_are_read_beside_the_data(config: Config, toy_data: Path, tmp_path: Path) -> None:
    train = prepare(config, toy_data, tmp_path).table.split("train")
    (tmp_path / "binding.tsv").write_text("kmer\tscore\nACG\t3.5\nTTT\t1\nGGG\t3.4\n")
    given = replace(MOTIFS, scores=ScoresConfig(table="binding.tsv"), motifs=MotifsConfig(bases=3, threshold=3.32))

    built = build_tokenizer(given, train, tmp_path)

    assert built.files["motifs.txt"] == b"ACG\nGGG\n"
    assert built.motifs is not None
    assert built.motifs.scores.startswith("Column score of the table binding.tsv, SHA-256 ")
    assert built.source == "Word pieces learnt from the training rows' motifs: 2 of 3 bases."


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"tokenizer\.vocabulary: a tokenizer of the kind bpe needs"),
        ({"kind": "motifs"}, r"tokenizer\.vocabulary: a tokenizer of the kind motifs needs"),
        ({"kind": "six_mer", "vocabulary": 10}, r"tokenizer\.vocabulary: the kind six_mer has a vocabulary of its own"),
    ],
)
def test_a_tokenizer_is_refused_by_its_key(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TokenizerConfig(**settings)  # type: ignore[arg-type]

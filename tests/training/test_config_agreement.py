"""Tables of a configuration that ask the impossible of each other are refused before anything is trained."""

from dataclasses import replace
from pathlib import Path

import pytest

from training.config import Config, read_config
from training.errors import ConfigError
from training.recipe import DistillationConfig, TeacherConfig

TEN = DistillationConfig(synthetic_sequences=10)


def read(toml: str, folder: Path) -> Config:
    path = folder / "toy.toml"
    path.write_text(toml)
    return read_config(path)


def test_tokens_need_a_tokenizer(toy_token_toml: str, tmp_path: Path) -> None:
    path = tmp_path / "changed.toml"
    path.write_text(toy_token_toml.replace("[tokenizer]\nvocabulary = 32", ""))

    with pytest.raises(ConfigError, match=r"needs a \[tokenizer\] table"):
        read_config(path)


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        ('kind = "motifs"\nvocabulary = 9\n[tokenizer.motifs]\nbases = 12', r"motifs\.bases is larger than"),
        ('kind = "byte pairs"', r"kind: 'byte pairs' is none of bpe"),
    ],
)
def test_a_tokenizer_must_fit_its_model(toy_token_toml: str, tmp_path: Path, tokenizer: str, message: str) -> None:
    changed = toy_token_toml.replace("[tokenizer]\nvocabulary = 32", f"[tokenizer]\n{tokenizer}")
    changed = changed.replace('"dnabert2"', '"bert"').replace(
        "min_bases = 10\nmax_bases = 40", "min_bases = 1\nmax_bases = 11"
    )

    with pytest.raises(ConfigError, match=message):
        read(changed, tmp_path)


@pytest.mark.parametrize(
    ("max_tokens", "message"),
    [(513, r"bundle\.max_tokens: the model reads at most 512"), (-1, r"bundle\.max_tokens must be at least 0")],
)
def test_no_more_tokens_are_promised_than_a_model_reads(
    toy_token_toml: str, tmp_path: Path, max_tokens: int, message: str
) -> None:
    changed = toy_token_toml.replace('"dnabert2"', '"bert"')

    with pytest.raises(ConfigError, match=message):
        read(changed.replace("max_bases = 40", f"max_bases = 40\nmax_tokens = {max_tokens}"), tmp_path)


def test_teachers_need_to_know_what_to_teach(toy_toml: str, tmp_path: Path) -> None:
    path = tmp_path / "changed.toml"
    path.write_text(toy_toml + "\n[distillation]\nsynthetic_sequences = 10\n")

    with pytest.raises(ConfigError, match="belong together"):
        read_config(path)


def test_a_teacher_reads_bases(toy_token_toml: str, tmp_path: Path) -> None:
    config = read(toy_token_toml, tmp_path)

    with pytest.raises(ConfigError, match="a teacher reads bases"):
        replace(config, teachers=(TeacherConfig(1, config.model, config.fit),), distillation=TEN)


def test_a_model_of_bases_cannot_imitate_states(toy_toml: str, tmp_path: Path) -> None:
    config = read(toy_toml, tmp_path)
    imitating = replace(TEN, state_weight=1.0)

    with pytest.raises(ConfigError, match="only a model of tokens"):
        replace(config, teachers=(TeacherConfig(1, config.model, config.fit),), distillation=imitating)


def test_motifs_have_no_states_of_bases_to_imitate(toy_toml: str, toy_token_toml: str, tmp_path: Path) -> None:
    teacher = read(toy_toml, tmp_path)
    motifs = '[tokenizer]\nkind = "motifs"\nvocabulary = 32'
    plain = toy_token_toml.replace("[tokenizer]\nvocabulary = 32", motifs).replace("mutation_rate = 0.01", "")
    config = read(plain, tmp_path)
    imitating = replace(TEN, state_weight=1.0)

    with pytest.raises(ConfigError, match="motifs overlap"):
        replace(config, teachers=(TeacherConfig(1, teacher.model, teacher.fit),), distillation=imitating)


def test_a_student_reads_what_its_teachers_label(toy_toml: str, toy_token_toml: str, tmp_path: Path) -> None:
    teacher = read(toy_toml, tmp_path)
    config = read(toy_token_toml, tmp_path)  # mutates what it reads

    with pytest.raises(ConfigError, match=r"crop and mutate in \[distillation\]"):
        replace(config, teachers=(TeacherConfig(1, teacher.model, teacher.fit),), distillation=TEN)

"""A configuration is refused by the key that is wrong."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from training.config import Config, read_config
from training.errors import ConfigError
from training.recipe import DistillationConfig, ModelConfig, TeacherConfig

FOLDER = Path(__file__).parents[2] / "training" / "configs"
CONFIGS = sorted([*FOLDER.glob("*.toml"), *FOLDER.glob("full-scale/*.toml")])
TEN = DistillationConfig(synthetic_sequences=10)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configurations_are_valid_and_named_after_their_bundle(path: Path) -> None:
    assert read_config(path).bundle.name == path.stem


@pytest.mark.parametrize(
    ("line", "changed", "message"),
    [
        ("epochs = 3", "epoch = 3", r"fit: unknown key epoch; known are .*epochs"),
        ("epochs = 3", "", r"fit: epochs is missing"),
        ("epochs = 3", "epochs = 0", r"fit: epochs, batch and learning_rate"),
        ("epochs = 3", "epochs = true", r"fit: epochs: expected a whole number, found True"),
        ("epochs = 3", 'epochs = "3"', r"fit: epochs: expected a whole number, found '3'"),
        ("full_dilations = [1]", "full_dilations = [1.5]", r"full_dilations\[0\]: expected a whole number"),
        ('source = "utrseq"', 'source = "nothing"', r"data: source: 'nothing' is none of utrseq"),
        ("stem_bases = 5", "stem_bases = 4", r"must be odd"),
        ('backbone = "convolution"', 'backbone = "dnabert2"', r"dnabert2 needs layers"),
        ("epochs = 3", "epochs =", r"not TOML"),
        ("min_bases = 10", "min_bases = 50", r"min_bases <= max_bases"),
        ("epochs = 3", "epochs = 3\naccumulate = 17", r"fit\.accumulate: 1 to fit\.batch"),
        ("epochs = 3", "epochs = 3\nlayer_decay = 1.5", r"layer_decay above 0 and at most 1"),
        ("epochs = 3", "epochs = 3\nwarmup_steps = -1", r"warmup_steps must not be negative"),
        ("epochs = 3", "epochs = 3\nhuber_delta = 0", r"huber_delta must be above 0"),
        ("epochs = 3", 'epochs = 3\nprecision = "fp8"', r"fit: precision: 'fp8' is none of fp32, bf16, fp16"),
        ("epochs = 3", "epochs = 3\nlora = { rank = 0 }", r"fit\.lora: rank and alpha must be at least 1"),
        ("epochs = 3", "epochs = 3\nlora = {}", r"fit\.lora\.targets: name the layers of a convolution backbone"),
        ("epochs = 3", "epochs = 3\ngradient_checkpointing = true", r"fit\.gradient_checkpointing: only a transformer"),
        ("shift_bases = 2", "reverse_complement_probability = 2", r"a number from 0 to 1"),
        (
            "shift_bases = 2",
            "reverse_complement_probability = 0.5",
            r"fit\.augmentation\.reverse_complement_probability: the data set is strand-specific",
        ),
        (
            "head_width = 8",
            "reverse_complement_averaged = true",
            r"model\.reverse_complement_averaged: the data set is strand-specific .*the other strand has another value",
        ),
        ('folder = "toy"', 'folder = "toy"\nstrand_specific = false', r"utrseq measures one strand"),
    ],
)
def test_a_wrong_key_is_named(toy_toml: str, tmp_path: Path, line: str, changed: str, message: str) -> None:
    path = tmp_path / "changed.toml"
    path.write_text(toy_toml.replace(line, changed, 1))

    with pytest.raises(ConfigError, match=message):
        read_config(path)


def test_a_whole_number_is_a_number(toy_toml: str, tmp_path: Path) -> None:
    path = tmp_path / "changed.toml"
    path.write_text(toy_toml.replace("learning_rate = 0.01", "learning_rate = 1"))

    assert read_config(path).fit.learning_rate == 1.0


def test_tokens_need_a_tokenizer(toy_token_toml: str, tmp_path: Path) -> None:
    path = tmp_path / "changed.toml"
    path.write_text(toy_token_toml.replace("[tokenizer]\nvocabulary = 32", ""))

    with pytest.raises(ConfigError, match=r"needs a \[tokenizer\] table"):
        read_config(path)


def test_tokens_of_the_other_strand_cannot_be_made_in_a_graph(toy_token_toml: str, tmp_path: Path) -> None:
    path = tmp_path / "changed.toml"
    path.write_text(toy_token_toml.replace("layers = 2", "layers = 2\nreverse_complement_averaged = true"))

    with pytest.raises(ConfigError, match=r"use fit\.augmentation\.reverse_complement_probability"):
        read_config(path)


def test_teachers_need_to_know_what_to_teach(toy_toml: str, tmp_path: Path) -> None:
    path = tmp_path / "changed.toml"
    path.write_text(toy_toml + "\n[distillation]\nsynthetic_sequences = 10\n")

    with pytest.raises(ConfigError, match="belong together"):
        read_config(path)


def test_a_model_of_bases_cannot_imitate_states(toy_toml: str, tmp_path: Path) -> None:
    config = read(toy_toml, tmp_path)
    imitating = replace(TEN, state_weight=1.0)

    with pytest.raises(ConfigError, match="only a model of tokens"):
        replace(config, teachers=(TeacherConfig(1, config.model, config.fit),), distillation=imitating)


def test_a_student_reads_what_its_teachers_label(toy_toml: str, toy_token_toml: str, tmp_path: Path) -> None:
    teacher = read(toy_toml, tmp_path)
    config = read(toy_token_toml, tmp_path)  # mutates what it reads

    with pytest.raises(ConfigError, match=r"crop and mutate in \[distillation\]"):
        replace(config, teachers=(TeacherConfig(1, teacher.model, teacher.fit),), distillation=TEN)


def test_a_teacher_reads_bases(toy_token_toml: str, tmp_path: Path) -> None:
    config = read(toy_token_toml, tmp_path)

    with pytest.raises(ConfigError, match="a teacher reads bases"):
        replace(config, teachers=(TeacherConfig(1, config.model, config.fit),), distillation=TEN)


def read(toml: str, folder: Path) -> Config:
    path = folder / "toy.toml"
    path.write_text(toml)
    return read_config(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: No such file"):
        read_config(tmp_path / "absent.toml")


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


def test_motifs_have_no_states_of_bases_to_imitate(toy_toml: str, toy_token_toml: str, tmp_path: Path) -> None:
    teacher = read(toy_toml, tmp_path)
    motifs = '[tokenizer]\nkind = "motifs"\nvocabulary = 32'
    plain = toy_token_toml.replace("[tokenizer]\nvocabulary = 32", motifs).replace("mutation_rate = 0.01", "")
    config = read(plain, tmp_path)
    imitating = replace(TEN, state_weight=1.0)

    with pytest.raises(ConfigError, match="motifs overlap"):
        replace(config, teachers=(TeacherConfig(1, teacher.model, teacher.fit),), distillation=imitating)


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


@pytest.mark.parametrize("positions", [0, -1])
def test_a_model_has_positions(toy_token_toml: str, tmp_path: Path, positions: int) -> None:
    with pytest.raises(ConfigError, match=r"model\.positions must be at least 1"):
        read(toy_token_toml.replace("width = 12", f"width = 12\npositions = {positions}"), tmp_path)


def test_a_configuration_that_extends_another_has_its_rows_and_words_and_a_model_of_its_own(
    toy_toml: str, tmp_path: Path
) -> None:
    (tmp_path / "toy.toml").write_text(toy_toml.replace("[data]", 'card = "Three recipes were tried."\n[data]'))
    (tmp_path / "ridge.toml").write_text(
        'extends = "toy.toml"\n[bundle]\nname = "ridge"\ntitle = "Ridge"\n'
        '[baseline]\nkind = "kmer_ridge"\nlongest_kmer = 2\n'
    )

    toy, ridge = read_config(tmp_path / "toy.toml"), read_config(tmp_path / "ridge.toml")

    assert (ridge.data, ridge.split) == (toy.data, toy.split)
    assert ridge.bundle == replace(toy.bundle, name="ridge", title="Ridge", card="")
    assert (ridge.model, ridge.fit) == (None, None)


@pytest.mark.parametrize("key", ["name", "title"])
def test_a_configuration_that_extends_another_is_no_second_one_of_its_name(
    toy_toml: str, tmp_path: Path, key: str
) -> None:
    own = {"name": "ridge", "title": "Ridge"}
    words = "".join(f'{name} = "{value}"\n' for name, value in own.items() if name != key)
    (tmp_path / "toy.toml").write_text(toy_toml)
    (tmp_path / "ridge.toml").write_text(
        f'extends = "toy.toml"\n[bundle]\n{words}[baseline]\nkind = "kmer_ridge"\nlongest_kmer = 2\n'
    )

    with pytest.raises(ConfigError, match=rf"ridge\.toml.*bundle.*{key}"):
        read_config(tmp_path / "ridge.toml")


@pytest.mark.parametrize("there", ["", "../{folder}/"])
def test_configurations_that_extend_each_other_are_refused(tmp_path: Path, there: str) -> None:
    there = there.format(folder=tmp_path.name)
    (tmp_path / "one.toml").write_text(f'extends = "{there}other.toml"\n')
    (tmp_path / "other.toml").write_text(f'extends = "{there}one.toml"\n')

    with pytest.raises(ConfigError, match="does not extend this one"):
        read_config(tmp_path / "one.toml")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"width": 84}, "there are 340 k-mers"),
        ({"pooling": "mean"}, "pooling by bins"),
        ({"window_bases": 0}, "window"),
    ],
)
def test_a_network_over_kmers_says_what_it_counts(wrong: dict[str, Any], named: str) -> None:
    right: dict[str, Any] = {"width": 340, "window_bases": 40, "pooling": "bins", "pooling_bins": 4}

    assert ModelConfig("kmers", **right).pooled_positions == 4
    with pytest.raises(ConfigError, match=named):
        ModelConfig("kmers", **(right | wrong))

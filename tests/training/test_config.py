"""A configuration is read from a file and refused by the key that is wrong."""

from dataclasses import replace
from pathlib import Path

import pytest

from training.config import read_config
from training.errors import ConfigError
from training.people.config import is_of_people, read_people_config
from training.personal.config import is_personal, read_personal_config

FOLDER = Path(__file__).parents[2] / "training" / "configs"
CONFIGS = sorted([*FOLDER.glob("*.toml"), *FOLDER.glob("full-scale/*.toml")])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configurations_are_valid_and_named_after_their_bundle(path: Path) -> None:
    read = read_personal_config if is_personal(path) else read_people_config if is_of_people(path) else read_config
    assert read(path).bundle.name == path.stem


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


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: No such file"):
        read_config(tmp_path / "absent.toml")


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

"""A toy data set in UTR-Seq's own format, small enough to train on in seconds."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from training.config import Config, DataConfig, read_config
from training.datasets.registry import read_source
from training.datasets.table import Table
from training.evaluate import Evaluation, evaluate
from training.export import export
from training.fit import Run
from training.pipeline import Pipeline
from training.preparation import prepare
from training.watching import Watcher

torch.set_num_threads(1)

HOURS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10)
COLUMNS = (
    ["id", "sequence"] + [f"log2_{hour}h" for hour in HOURS] + ["umi_min_1h_2h", "homology_component", "deeputr_split"]
)
SPLITS = ["train"] * 6 + ["valid", "test"]
ROWS, BASES = 160, 30

CONFIG = """
seed = 1

[bundle]
name = "toy-decay"
version = "1.0.0"
title = "Toy decay"
summary = "Predicts a made-up decay from the share of G and C."
task = "decay"
organism = "none"
licence = "Apache-2.0"
citation = "Nobody."
intended_use = "Tests."
limits = "Means nothing."
min_bases = 10
max_bases = 40
golden_sequences = ["ACGTACGTACGTACGTACGT", "GGGGGGGGGGGGCCCC"]

[data]
source = "utrseq"
folder = "toy"
half_weight_umis = 20.0

[split]
description = "disjoint by pairs"

[evaluation]
kmer_ridge = false
"""

ONE_HOT = """
[model]
backbone = "convolution"
width = 8
dropout = 0.1
stem_bases = 5
kernel_bases = 3
full_dilations = [1]
half_dilations = [1, 2]
pooling = "attention"
pooling_heads = 2
head_width = 8

[fit]
epochs = 3
batch = 16
learning_rate = 0.01
average_decay = 0.9
[fit.augmentation]
shift_bases = 2
"""

TOKENS = """
[tokenizer]
vocabulary = 32

[model]
backbone = "dnabert2"
width = 12
dropout = 0.1
layers = 2
heads = 3
inner_width = 16

[fit]
epochs = 3
batch = 16
learning_rate = 0.01
average_decay = 0.9
[fit.augmentation]
cut_rate = 0.05
mutation_rate = 0.01
"""


def _row(number: int, generator: np.random.Generator) -> list[str]:
    sequence = "".join(generator.choice(list("ACGT"), size=BASES))
    decay_per_hour = (sequence.count("G") + sequence.count("C")) / BASES
    levels = [f"{5 - decay_per_hour * hour:.4f}" for hour in HOURS]
    return [f"R{number}", sequence, *levels, str(10 + 5 * (number % 5)), str(number // 2), SPLITS[number // 2 % 8]]


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder; the reporter's level falls by its share of G and C each hour, groups are pairs of rows."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "toy").mkdir()
    generator = np.random.default_rng(7)
    lines = ["\t".join(COLUMNS), *("\t".join(_row(number, generator)) for number in range(ROWS))]
    with gzip.open(folder / "toy" / "reporters_Aplus_with_sequence.tsv.gz", "wt") as file:
        file.write("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session", params=["one_hot", "tokens"])
def toy_config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """One tiny model of each encoding."""
    path = tmp_path_factory.mktemp("configs") / "toy.toml"
    path.write_text(CONFIG + {"one_hot": ONE_HOT, "tokens": TOKENS}[request.param])
    return read_config(path)


@pytest.fixture
def untrained(toy_config: Config, toy_data: Path, tmp_path: Path) -> Pipeline:
    """A prepared toy, with a run folder of its own."""
    folder = tmp_path / "runs" / toy_config.bundle.name
    return Pipeline(toy_config, prepare(toy_config, toy_data, folder), folder)


@pytest.fixture(scope="session")
def trained(toy_config: Config, toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A trained toy, shared: tests must not write into its run folder."""
    folder = tmp_path_factory.mktemp("runs") / toy_config.bundle.name
    pipeline = Pipeline(toy_config, prepare(toy_config, toy_data, folder), folder)
    pipeline.fit(torch.device("cpu"), Watcher(Console(quiet=True)))
    return pipeline


@pytest.fixture(scope="session")
def evaluation(trained: Pipeline) -> Evaluation:
    """The trained toy's figures."""
    return evaluate(trained, {})


@pytest.fixture(scope="session")
def bundle_folder(trained: Pipeline, evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained toy's bundle, shared: tests must not write into it."""
    return export(trained, evaluation, tmp_path_factory.mktemp("models"), "make toy").folder


@pytest.fixture(scope="session")
def utrseq_folder(data_folder: Path) -> Path:
    """The real data set, where there is one."""
    return data_folder / "utrseq-zebrafish-3utr"


@pytest.fixture(scope="session")
def plasmodium_table(data_folder: Path) -> Table:
    """The 4-kb windows of P. falciparum, where there is the real genome; reading them takes seconds."""
    return read_source(DataConfig("plasmodium", "plasmodium-falciparum-promoter"), data_folder)


@pytest.fixture
def toy_toml() -> str:
    """The one-hot toy's configuration, to be changed."""
    return CONFIG + ONE_HOT


@pytest.fixture(scope="session")
def toy_head() -> str:
    """A configuration without its model."""
    return CONFIG


@pytest.fixture(scope="session")
def toy_baseline_toml() -> str:
    """The toy's configuration without a model: windows of one length that may hold N."""
    sequences = [("ACGT" * BASES)[:BASES], ("GGGCC" * BASES)[:BASES]]
    return (
        CONFIG.replace("min_bases = 10", f"min_bases = {BASES}")
        .replace("max_bases = 40", f'max_bases = {BASES}\nambiguous = "n"')
        .replace('["ACGTACGTACGTACGTACGT", "GGGGGGGGGGGGCCCC"]', repr(sequences))
    )


@pytest.fixture
def toy_token_toml() -> str:
    """The token toy's configuration, to be changed."""
    return CONFIG + TOKENS


class Killed(BaseException):
    """What a kill looks like from inside."""


KilledAfter = Callable[[int], AbstractContextManager[None]]


@pytest.fixture
def killed_after() -> KilledAfter:
    """A block in which training takes so many steps and dies in the next."""

    @contextmanager
    def block(steps: int) -> Iterator[None]:
        left = iter(range(steps))

        def step(run: Run, *arguments: object) -> float:
            if next(left, None) is None:
                raise Killed
            return take_step(run, *arguments)

        take_step = Run._step
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Run, "_step", step)
            with pytest.raises(Killed):
                yield

    return block

"""A toy genome that repeats itself, so that a masked token can be told from its neighbours."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training.pretraining.config import GenomeConfig, PretrainConfig, SizesConfig, StepsConfig, VocabularyConfig

torch.set_num_threads(1)

PERIOD = 35
HELD_OUT = "held-out"

TOML = """
name = "toy-pretrain"
seed = 3

[genome]
fasta = "toy/genome.fa"
organism = "none"
held_out = ["held-out"]

[vocabulary]
entries = 24

[model]
width = 32
layers = 2
heads = 4
inner_width = 48
dropout = 0.1

[fit]
steps = 6
batch = 8
context_tokens = 32
learning_rate = 0.01
save_every_steps = 3
valid_rows = 8
"""

CONFIG = PretrainConfig(
    name="toy-pretrain",
    seed=3,
    genome=GenomeConfig(fasta="toy/genome.fa", organism="none", held_out=(HELD_OUT,)),
    vocabulary=VocabularyConfig(entries=24),
    model=SizesConfig(width=32, layers=2, heads=4, inner_width=48, dropout=0.1),
    fit=StepsConfig(steps=6, batch=8, context_tokens=32, learning_rate=0.01, save_every_steps=3, valid_rows=8),
)

Fitted = Callable[..., PretrainConfig]


@pytest.fixture
def config() -> PretrainConfig:
    """What `TOML` says."""
    return CONFIG


@pytest.fixture
def fitted() -> Fitted:
    """The toy's configuration with other steps."""
    return lambda **changed: replace(CONFIG, fit=replace(CONFIG.fit, **changed))


@pytest.fixture(scope="session")
def toy_genome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with three contigs of one random word, repeated; the held-out one starts elsewhere in it."""
    word = "".join(np.random.default_rng(5).choice(list("ACGT"), size=PERIOD))
    contigs = {"first": word * 60, "second": word[10:] + word * 40, HELD_OUT: word[20:] + word * 30}
    folder = tmp_path_factory.mktemp("data")
    (folder / "toy").mkdir()
    text = "".join(f">{name} toy\n{bases}\n" for name, bases in contigs.items())
    (folder / "toy" / "genome.fa").write_text(text)
    return folder

"""A compact Nucleotide Transformer made from the reference alone, in the published format."""

from pathlib import Path

import numpy as np
from rich.console import Console

from training.personal.backbone import load_embedder
from training.personal.config import PretrainingConfig
from training.personal.pretraining import SIX_MERS, VOCABULARY, pretrain_backbone
from training.published.families import read_shape
from training.watching import Watcher

QUIET = Watcher(Console(quiet=True))
CONFIG = PretrainingConfig(
    width=8, layers=1, heads=2, inner_width=8, steps=30, batch=8, learning_rate=0.02, held_out_bases=600
)


def test_the_folder_is_read_as_a_published_one_is(tmp_path: Path) -> None:
    bases = np.random.default_rng(0).choice(list(b"ACGT"), size=3000).astype(np.uint8).tobytes()
    pretrain_backbone(CONFIG, bases, 60, tmp_path, 0, QUIET)
    shape = read_shape(tmp_path)
    assert (shape.backbone, shape.version, shape.width, shape.layers) == ("nucleotide_transformer", "v2", 8, 1)
    assert load_embedder(tmp_path).width == 8


def test_it_learns_more_than_how_frequent_six_mers_are(tmp_path: Path) -> None:
    # Two six-mers in turn, however a row is cut: what is hidden follows from its neighbours.
    figures = pretrain_backbone(CONFIG, b"ACGTTAGGATCC" * 250, 60, tmp_path, 0, QUIET)
    assert figures["perplexity"] < figures["frequency_perplexity"]


def test_the_vocabulary_is_the_published_one() -> None:
    assert len(VOCABULARY) == 4107
    assert [VOCABULARY[place] for place in (SIX_MERS.start, SIX_MERS.stop - 1)] == ["AAAAAA", "GGGGGG"]

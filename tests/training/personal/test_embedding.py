"""Embeddings of segments: computed once, and the same as computed alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from tests.training.published import V2, write_dnabert2, write_v2
from training.errors import ConfigError
from training.personal.backbone import load_embedder
from training.personal.config import SegmentsConfig
from training.personal.embedding import EMBEDDINGS, embedded_once, input_rules, segment_feeder
from training.watching import Watcher

QUIET = Watcher(Console(quiet=True))
SEGMENTS = SegmentsConfig(count=2, bases=30)
# The third has more tokens, since an N is one of its own.
SEQUENCES = ("ACGTAC" * 5, "TTTTTT" * 5, "ACGTN" * 6)


def test_kept_embeddings_are_those_computed_directly(tmp_path: Path) -> None:
    backbone = load_embedder(write_v2(tmp_path / "checkpoint"))
    feeder = segment_feeder(SEGMENTS, backbone)
    first = embedded_once(backbone, feeder, SEQUENCES, tmp_path, QUIET)
    assert first.shape == (3, V2.width)
    for row, sequence in enumerate(SEQUENCES):
        with torch.no_grad():
            alone = backbone.embedder(*feeder.tensors(feeder.encode([sequence]))).numpy()[0]
        assert np.allclose(first[row], alone, atol=1e-6)
    kept = (tmp_path / EMBEDDINGS).stat().st_mtime_ns
    assert np.array_equal(embedded_once(backbone, feeder, SEQUENCES, tmp_path, QUIET), first)
    assert (tmp_path / EMBEDDINGS).stat().st_mtime_ns == kept


def test_other_weights_or_sequences_are_computed_anew(tmp_path: Path) -> None:
    one, other = (load_embedder(write_v2(tmp_path / str(seed), seed=seed)) for seed in (0, 1))
    feeder = segment_feeder(SEGMENTS, one)
    first = embedded_once(one, feeder, SEQUENCES, tmp_path, QUIET)
    assert not np.allclose(embedded_once(other, feeder, SEQUENCES, tmp_path, QUIET), first)
    assert embedded_once(other, feeder, SEQUENCES[:2], tmp_path, QUIET).shape == (2, V2.width)


def test_a_backbone_of_another_family_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="embedded by a Nucleotide Transformer"):
        load_embedder(write_dnabert2(tmp_path))


def test_the_manifest_says_the_whole_window_and_the_longest_segment(tmp_path: Path) -> None:
    rules = input_rules(SEGMENTS, load_embedder(write_v2(tmp_path)))
    assert (rules.min_bases, rules.max_bases, rules.max_tokens, rules.pad_token_id) == (60, 60, 31, 1)
    assert rules.segments is not None
    assert (rules.segments.count, rules.segments.bases) == (2, 30)
    assert rules.window is not None
    assert (rules.window.upstream_bases, rules.window.downstream_bases) == (30, 30)

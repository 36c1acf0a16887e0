"""Each distinct segment's embedding: computed once, kept on disk, and the same as computed when it is served."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from app.bundle import TOKENIZER, Input, Segments, Window
from training.datasets.table import Floats
from training.errors import ConfigError
from training.feeder import Feeder
from training.personal.backbone import LoadedBackbone, SegmentEmbedder
from training.personal.config import SegmentsConfig
from training.tokenizers.layout import read_layout
from training.watching import Watcher

BATCH = 16
EMBEDDINGS = "embeddings.npz"


def input_rules(config: SegmentsConfig, backbone: LoadedBackbone) -> Input:
    """What the model accepts, as its manifest says it: whole windows, cut into segments."""
    side = config.side_bases
    return Input(
        encoding="tokens",
        ambiguous="iupac",
        min_bases=2 * side,
        max_bases=2 * side,
        max_tokens=config.bases + 1,  # six-mers are fewer; N are a token each, and one stands before all
        pad_token_id=read_layout(backbone.tokenizer_json).pad_token_id,
        window=Window(anchor="tss", upstream_bases=side, downstream_bases=side, strand_specific=config.strand_specific),
        segments=Segments(count=config.count, bases=config.bases),
    )


def segment_feeder(config: SegmentsConfig, backbone: LoadedBackbone) -> Feeder:
    """Makes the embedder's inputs of single segments."""
    rules = input_rules(config, backbone).model_copy(
        update={"min_bases": config.bases, "max_bases": config.bases, "window": None, "segments": None}
    )
    return Feeder(rules, {TOKENIZER: backbone.tokenizer_json})


@torch.no_grad()
def embed(embedder: SegmentEmbedder, feeder: Feeder, sequences: Sequence[str], watcher: Watcher) -> Floats:
    """(sequences, width) float32; those of equal length in tokens share a batch, so nothing is padded."""
    rows = feeder.encode(sequences)
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    embedded: dict[int, Floats] = {}
    with watcher.watching("segments", len(rows)) as advance:
        while order:
            length = len(rows[order[0]])
            chosen = [index for index in order[:BATCH] if len(rows[index]) == length]
            order = order[len(chosen) :]
            answers = embedder(*feeder.tensors([rows[index] for index in chosen])).numpy()
            embedded |= dict(zip(chosen, answers, strict=True))
            advance(len(chosen), {})
    return np.stack([embedded[index] for index in range(len(rows))])


def embedded_once(
    backbone: LoadedBackbone, feeder: Feeder, sequences: Sequence[str], folder: Path, watcher: Watcher
) -> Floats:
    """The same, kept in a folder under a digest of the weights and the sequences.

    Raises:
        ConfigError: the model would refuse one of the sequences.
    """
    digest = _digest(backbone, sequences)
    path = folder / EMBEDDINGS
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            if str(kept["digest"]) == digest:
                found: Floats = kept["embeddings"]
                return found
    embeddings = embed(backbone.embedder, feeder, sequences, watcher)
    if not np.isfinite(embeddings).all():
        raise ConfigError("checkpoint: the backbone answers numbers that are not finite")
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{EMBEDDINGS}"
    np.savez(partial, allow_pickle=False, digest=np.array(digest), embeddings=embeddings)
    partial.replace(path)
    return embeddings


def _digest(backbone: LoadedBackbone, sequences: Sequence[str]) -> str:
    digest = hashlib.sha256(backbone.tokenizer_json)
    for key, value in sorted(backbone.embedder.state_dict().items()):
        digest.update(key.encode() + value.float().numpy().tobytes())
    for sequence in sequences:
        digest.update(sequence.encode() + b"\n")
    return digest.hexdigest()

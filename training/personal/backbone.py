"""The backbone of a personal model: a Nucleotide Transformer from its published format, and its mean state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from app.bundle import TOKENIZER
from training.backbones.nucleotide_transformer import NucleotideTransformer, NucleotideTransformerShape
from training.errors import ConfigError
from training.published.families import read_shape
from training.published.loading import load_weights
from training.published.tokenizer import checkpoint_tokenizer
from training.published.weights import read_weights
from training.recipe import ModelConfig
from training.regressor import MaskedMean
from training.tokenizers.layout import read_layout


class SegmentEmbedder(nn.Module):
    """Tokens of a segment to one embedding: the mean state of its tokens.

    It computes in double precision: what one base changes is a hundredth of an embedding, and the head reads that in
    standard deviations, so that what is left of single precision's rounding would differ from machine to machine.

    Args:
        backbone: frozen.
    """

    def __init__(self, backbone: NucleotideTransformer) -> None:
        super().__init__()
        self.backbone = backbone.double().requires_grad_(False)
        self.pooling = MaskedMean()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(batch, width) float32 from (batch, tokens) int64 twice."""
        states, mask = self.backbone(input_ids, attention_mask)
        embedding: Tensor = self.pooling(states, mask)
        return embedding.float()


@dataclass(frozen=True)
class LoadedBackbone:
    """A backbone as it is used.

    Attributes:
        tokenizer_json: the content of the `tokenizer.json` that belongs to it.
        sizes: what it is, in a sentence.
        width: of an embedding.
    """

    embedder: SegmentEmbedder
    tokenizer_json: bytes
    sizes: str
    width: int


def load_embedder(folder: Path) -> LoadedBackbone:
    """Read a Nucleotide Transformer, v1 or v2, in the format it is published in.

    Raises:
        CheckpointError: files are missing, damaged or of another family.
        ConfigError: it is a DNABERT-2.
    """
    config = read_shape(folder)
    if config.backbone != "nucleotide_transformer":
        raise ConfigError("checkpoint: segments are embedded by a Nucleotide Transformer; this is another family")
    tokenizer_json = checkpoint_tokenizer(folder, config).files[TOKENIZER]
    backbone = NucleotideTransformer(shape_of(config, read_layout(tokenizer_json).vocabulary))
    load_weights(backbone, read_weights(folder), folder)
    sizes = f"Nucleotide Transformer {config.version}, {config.layers} layers of width {config.width}"
    return LoadedBackbone(SegmentEmbedder(backbone).eval(), tokenizer_json, sizes, config.width)


def shape_of(config: ModelConfig, vocabulary: int) -> NucleotideTransformerShape:
    """The backbone's sizes, without dropout: it is not trained any more."""
    return NucleotideTransformerShape(
        version=config.version,
        vocabulary=vocabulary,
        width=config.width,
        layers=config.layers,
        heads=config.heads,
        inner_width=config.inner_width,
        positions=config.positions if config.version == "v1" else 0,
        token_dropout=config.token_dropout,
    )

"""What a pre-training gives: the model, and everything that has to be said about it."""

from __future__ import annotations

from dataclasses import dataclass

from training.pretraining.config import PretrainConfig
from training.pretraining.corpus import Corpus
from training.pretraining.genome import Genome
from training.pretraining.model import MaskedLanguageModel


@dataclass(frozen=True)
class Pretrained:
    """A finished pre-training.

    Attributes:
        model: on the CPU.
        tokenizer_json: content of `tokenizer.json`.
        metrics: of its last step.
        data_sha256: file in the data folder to digest.
        code_version: of this package.
        device: where it was trained.
    """

    config: PretrainConfig
    genome: Genome
    corpus: Corpus
    model: MaskedLanguageModel
    tokenizer_json: bytes
    metrics: dict[str, float]
    data_sha256: dict[str, str]
    code_version: str
    device: str

    @property
    def bases_per_token(self) -> float:
        """In the segments that were trained on."""
        return 2 * self.genome.train_bases / len(self.corpus.train.ids)

    @property
    def passes(self) -> float:
        """How often the run could have read each token of both strands."""
        return self.metrics["tokens"] / len(self.corpus.train.ids)

    @property
    def parameters(self) -> int:
        """Each counted once: the decoder's matrix is that of the embeddings."""
        return sum(parameter.numel() for parameter in self.model.parameters())

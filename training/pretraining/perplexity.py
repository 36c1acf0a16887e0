"""How well a model predicts masked tokens of held-out contigs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from training.pretraining.corpus import TokenRuns
from training.pretraining.masking import IGNORED, mask_tokens
from training.pretraining.model import MaskedLanguageModel


@dataclass(frozen=True)
class Quality:
    """Over all masked tokens.

    Attributes:
        loss: mean cross entropy, in nats.
        accuracy: share of the tokens that had the highest score.
    """

    loss: float
    accuracy: float

    @property
    def perplexity(self) -> float:
        """exp(loss): the number of equally likely tokens that would be as hard to tell apart."""
        return math.exp(self.loss)


@torch.no_grad()
def measure(
    model: MaskedLanguageModel, rows: Tensor, rate: float, vocabulary: int, batch: int, seed: int = 0
) -> Quality:
    """Measure in fp32, with the same masks every time.

    Args:
        model: on the rows' device; it is left in evaluation mode.
        rows: (rows, tokens) int64, [CLS] and [SEP] included.
        rate: share of the tokens to predict.
        vocabulary: entries.
        batch: rows at a time.
        seed: of the masks.
    """
    model.eval()
    generator = torch.Generator(rows.device).manual_seed(seed)
    loss, right, predicted = 0.0, 0, 0
    for part in torch.split(rows, batch):
        masked = mask_tokens(part, rate, vocabulary, generator)
        scores, labels = model.scores(masked).float().flatten(0, 1), masked.labels.flatten()
        loss += float(functional.cross_entropy(scores, labels, ignore_index=IGNORED, reduction="sum"))
        right += int((scores.argmax(1) == labels).sum())
        predicted += int((labels != IGNORED).sum())
    return Quality(loss / predicted, right / predicted)


def frequency_perplexity(train: TokenRuns, valid: TokenRuns, vocabulary: int) -> float:
    """The perplexity of guessing by the tokens' frequencies alone (add-one smoothed), which a model has to beat."""
    return float(np.exp(-np.mean(log_frequencies(train, vocabulary)[valid.ids])))


def log_frequencies(runs: TokenRuns, vocabulary: int) -> npt.NDArray[np.float64]:
    """(vocabulary,) float64: the logarithm of each token's share, with one added to every count."""
    counts = np.bincount(runs.ids, minlength=vocabulary) + 1
    logarithms: npt.NDArray[np.float64] = np.log(counts / counts.sum())
    return logarithms

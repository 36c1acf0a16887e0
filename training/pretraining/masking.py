"""BERT's masking: of the tokens to predict 80 % become [MASK], 10 % become a random token, and 10 % stay."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.pretraining.config import SPECIAL_TOKENS_PER_ROW
from training.tokenizers import MASK, SPECIAL_TOKENS

MASKED_SHARE = 0.8
RANDOM_SHARE = 0.1
# What torch's cross entropy skips.
IGNORED = -100


@dataclass(frozen=True)
class Masked:
    """Rows to read and what to predict.

    Attributes:
        ids: (rows, tokens) int64, masked.
        positions: (rows, predicted) int64, where to predict.
        labels: (rows, predicted) int64, the tokens that stood there; `IGNORED` where the row had none left to mask.
    """

    ids: Tensor
    positions: Tensor
    labels: Tensor


def predicted_per_row(tokens: int, rate: float) -> int:
    """How many tokens of a row are predicted: the same in every row, so that shapes never depend on a draw."""
    return max(1, round(rate * (tokens - SPECIAL_TOKENS_PER_ROW)))


def mask_tokens(ids: Tensor, rate: float, vocabulary: int, generator: torch.Generator) -> Masked:
    """Mask some tokens; special tokens never are.

    Args:
        ids: (rows, tokens) int64, [CLS] and [SEP] included.
        rate: share of a row's other tokens that are predicted.
        vocabulary: entries; the random tokens are none of the special ones.
        generator: of the rows' device.
    """
    special = len(SPECIAL_TOKENS)
    lot = torch.rand(ids.shape, generator=generator, device=ids.device).masked_fill(ids < special, -1.0)
    positions = lot.topk(predicted_per_row(ids.shape[1], rate), dim=1).indices
    originals = ids.gather(1, positions)
    is_special = originals < special
    fate = torch.rand(positions.shape, generator=generator, device=ids.device)
    drawn = torch.randint(special, vocabulary, positions.shape, generator=generator, device=ids.device)
    changed = torch.where(fate < MASKED_SHARE, torch.full_like(originals, MASK), drawn)
    kept = is_special | (fate >= MASKED_SHARE + RANDOM_SHARE)
    return Masked(
        ids=ids.scatter(1, positions, torch.where(kept, originals, changed)),
        positions=positions,
        labels=originals.masked_fill(is_special, IGNORED),
    )

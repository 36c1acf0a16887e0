"""Random rows of tokens, drawn where the model trains, so that nothing waits for the host."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from training.pretraining.config import SPECIAL_TOKENS_PER_ROW
from training.pretraining.corpus import TokenRuns, too_long
from training.tokenizers import CLS, SEP


class Windows:
    """All windows of some runs; every window of every run is as likely as any other, and none leaves its run.

    Args:
        runs: tokens, which are kept on the device.
        context_tokens: of a row, [CLS] and [SEP] included.
        device: where rows are drawn.

    Raises:
        DataError: no run is long enough for one row.
    """

    def __init__(self, runs: TokenRuns, context_tokens: int, device: torch.device) -> None:
        self._tokens = context_tokens - SPECIAL_TOKENS_PER_ROW
        windows = np.maximum(runs.lengths - self._tokens + 1, 0)
        self._total = int(windows.sum())
        if not self._total:
            raise too_long(self._tokens, int(runs.lengths.max()), "training")
        # A window's number, plus its run's shift, is the place of its first token.
        self._ends = torch.from_numpy(np.cumsum(windows)).to(device)
        shifts = np.cumsum(runs.lengths) - runs.lengths - (np.cumsum(windows) - windows)
        self._shifts = torch.from_numpy(shifts).to(device)
        self._ids = torch.from_numpy(runs.ids.astype(np.int32)).to(device)
        self._offsets = torch.arange(self._tokens, device=device)

    def draw(self, rows: int, generator: torch.Generator) -> Tensor:
        """Draw with replacement.

        Args:
            rows: how many.
            generator: of the device.

        Returns:
            (rows, context_tokens) int64.
        """
        window = torch.randint(self._total, (rows,), generator=generator, device=self._ids.device)
        first = window + self._shifts[torch.searchsorted(self._ends, window, right=True)]
        return framed(self._ids[first[:, None] + self._offsets].long())


def framed(ids: Tensor) -> Tensor:
    """Put each row of (rows, tokens) between [CLS] and [SEP]."""
    return torch.cat([ids.new_full((len(ids), 1), CLS), ids, ids.new_full((len(ids), 1), SEP)], dim=1)

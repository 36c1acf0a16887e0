"""Counts of k-mers in parts of a window: no order inside a part, and a small network can learn from few rows."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

# Beyond five standard deviations a count says "very many", not how many.
LARGEST_DEVIATION = 5.0
# Most k-mers are rare: one that never varies in training must not blow up when it does.
SMALLEST_VARIANCE = 1e-2


def kmers_up_to(longest: int) -> int:
    """How many k-mers of 1 to `longest` bases there are."""
    return sum(4**k for k in range(1, longest + 1))


class Kmers(nn.Module):
    """The backbone.

    A k-mer belongs to the part that its first base is in. Counts are standardised by the training batches: by a moving
    average of their means and variances, which is what a trained model reads.

    Args:
        longest_kmer: k-mers of 1 to this many bases are counted.
        window_bases: the one length of the input.
        bins: parts of the window, equal but for a base where its length is no multiple.
        dropout: share of the counts that are hidden in training.
    """

    def __init__(self, longest_kmer: int, window_bases: int, bins: int, dropout: float) -> None:
        super().__init__()
        self.longest_kmer, self.bins = longest_kmer, bins
        self.width = kmers_up_to(longest_kmer)
        self.register_buffer("bin_of", torch.arange(window_bases) * bins // window_bases, persistent=False)
        self.bin_of: Tensor
        self.norm = nn.BatchNorm1d(bins * self.width, eps=SMALLEST_VARIANCE, affine=False)
        self.dropout = nn.Dropout(dropout)

    @property
    def layers(self) -> list[nn.Module]:
        """None: nothing here is learnt by gradient."""
        return []

    def forward(self, bases: Tensor) -> tuple[Tensor, Tensor]:
        """States of all parts.

        Args:
            bases: (batch, length, 4) float32, one-hot over A C G T, zeros for N; a k-mer with an N is not counted.

        Returns:
            states (batch, bins, k-mers) and a mask of ones (batch, bins).
        """
        counts = torch.cat(list(self._counts(bases)), dim=2)  # (batch, bins, k-mers)
        standardised = self.norm(counts.flatten(1)).clamp(-LARGEST_DEVIATION, LARGEST_DEVIATION)
        states = self.dropout(standardised).reshape(-1, self.bins, self.width)
        return states, states.new_ones(states.shape[:2])

    def _counts(self, bases: Tensor) -> Iterator[Tensor]:
        """(batch, bins, 4 ** k) for each k, alphabetical."""
        code = bases.argmax(2)  # (batch, length)
        known = bases.sum(2)
        number, whole = code, known
        for k in range(1, self.longest_kmer + 1):
            if k > 1:
                number = number[:, :-1] * 4 + code[:, k - 1 :]
                whole = whole[:, :-1] * known[:, k - 1 :]
            place = self.bin_of[: number.shape[1]] * 4**k + number
            empty = bases.new_zeros(bases.shape[0], self.bins * 4**k)
            yield empty.scatter_add(1, place, whole).reshape(-1, self.bins, 4**k)

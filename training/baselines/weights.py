"""What every baseline comes down to: a weight for each k-mer in each bin, and the model that adds them up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, embedding, pad

from training.baselines.kmers import Matrix, by_length, number_of
from training.regressor import ScaledModel

BASES = 4


@dataclass(frozen=True)
class KmerWeights:
    """A linear model of k-mer counts, in standard deviations of each output.

    Attributes:
        kmers: each once, of any lengths.
        values: (k-mers, bins, outputs), what an occurrence that starts in a bin adds.
        intercepts: (outputs,).
        bin_of_place: (length,) the bin of each place of a window of fixed length; empty: one bin, and any length.
    """

    kmers: tuple[str, ...]
    values: Matrix
    intercepts: Matrix
    bin_of_place: npt.NDArray[np.int64]


class KmerTable(nn.Module):
    """The weights of k-mers of one length.

    Args:
        slot_of_kmer: (4**k + 1,) int32: the slot of each k-mer's number; those without weights share the last slot, and
            so does a k-mer that holds an N, which comes last.
        weights: (bins * slots, outputs) float64, bin after bin.
        bins: how many there are.
    """

    def __init__(self, slot_of_kmer: Tensor, weights: Tensor, bins: int) -> None:
        super().__init__()
        self.register_buffer("slot_of_kmer", slot_of_kmer)
        self.slot_of_kmer: Tensor
        # Double precision: thousands of terms are added, and every runtime adds them in an order of its own.
        self.weights = nn.Parameter(weights, requires_grad=False)
        self.slots = len(weights) // bins
        self.kmers = len(slot_of_kmer) - 1
        k = (self.kmers.bit_length() - 1) // 2
        digits = BASES ** torch.arange(k - 1, -1, -1, dtype=torch.float32)
        letters = torch.arange(BASES, dtype=torch.float32)
        # One filter reads the number, one counts the known bases.
        filters = torch.stack([letters[:, None] * digits, torch.ones(BASES, k)])
        self.register_buffer("filters", filters, persistent=False)
        self.filters: Tensor

    def forward(self, bases: Tensor, bin_of_place: Tensor | None) -> Tensor:
        """Add up.

        Args:
            bases: (batch, length, 4) one-hot, zeros for N.
            bin_of_place: (length,), where there are bins.

        Returns:
            (batch, outputs) float64.
        """
        k = self.filters.shape[-1]
        read = conv1d(pad(bases.transpose(1, 2), (0, k - 1)), self.filters)  # (batch, 2, length)
        known = read[:, 1] > k - 0.5
        numbers = torch.where(known, read[:, 0], float(self.kmers)).round().to(torch.int64)
        rows = embedding(numbers, self.slot_of_kmer[:, None]).squeeze(-1)
        if bin_of_place is not None:
            rows = rows + bin_of_place * self.slots
        return embedding(rows, self.weights).sum(1)


class KmerRegressor(ScaledModel):
    """One baseline, reading one-hot bases.

    Args:
        tables: one per length of k-mers.
        intercepts: (outputs,) float64.
        bin_of_place: (length,) int32; empty where there are no bins.
        targets: how many of the outputs, the first ones, are targets.
    """

    def __init__(self, tables: list[KmerTable], intercepts: Tensor, bin_of_place: Tensor, targets: int) -> None:
        super().__init__(len(intercepts), targets)
        self.tables = nn.ModuleList(tables)
        self.intercepts = nn.Parameter(intercepts, requires_grad=False)
        self.register_buffer("bin_of_place", bin_of_place)
        self.bin_of_place: Tensor

    def standardised(self, *inputs: Tensor) -> Tensor:
        """(batch, outputs) float32, in standard deviations from the mean."""
        (bases,) = inputs
        places = self.bin_of_place if len(self.bin_of_place) else None
        # An input without any weight still decides how many rows are answered.
        answers = self.intercepts + bases[:, 0, :1].double() * 0.0
        for table in self.tables:
            answers = answers + table(bases, places)
        return answers.float()


def model_of(weights: KmerWeights, targets: int) -> KmerRegressor:
    """The model with these weights; its scale is still to be set."""
    bins = weights.values.shape[1]
    row_of = {kmer: row for row, kmer in enumerate(weights.kmers)}
    tables = [
        _table(kmers, weights.values[[row_of[kmer] for kmer in kmers]], bins) for kmers in by_length(weights.kmers)
    ]
    places = torch.from_numpy(weights.bin_of_place.astype(np.int32))
    return KmerRegressor(tables, torch.from_numpy(weights.intercepts), places, targets)


def model_of_state(state: Mapping[str, Tensor], targets: int) -> KmerRegressor:
    """The model that wrote a state, sizes and all."""
    places = state["bin_of_place"]
    bins = int(places.max()) + 1 if len(places) else 1
    numbers = sorted({int(name.split(".")[1]) for name in state if name.startswith("tables.")})
    tables = [
        KmerTable(state[f"tables.{number}.slot_of_kmer"], state[f"tables.{number}.weights"], bins) for number in numbers
    ]
    model = KmerRegressor(tables, state["intercepts"], places, targets)
    model.load_state_dict(state)
    return model


def _table(kmers: list[str], values: Matrix, bins: int) -> KmerTable:
    """`values` is (k-mers, bins, outputs)."""
    slots = np.full(BASES ** len(kmers[0]) + 1, len(kmers), dtype=np.int32)
    slots[[number_of(kmer) for kmer in kmers]] = np.arange(len(kmers))
    by_bin = np.pad(values.transpose(1, 0, 2), ((0, 0), (0, 1), (0, 0)))  # the last slot weighs nothing
    return KmerTable(torch.from_numpy(slots), torch.from_numpy(by_bin.reshape(-1, values.shape[2])), bins)

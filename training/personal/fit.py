"""Fitting the head, in each regime: on the references of genes, on people, or on the one and then the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.averaging import MovingAverage
from training.datasets.table import Floats
from training.metrics import pearson
from training.personal.config import PersonalConfig
from training.personal.cutting import Rows
from training.personal.head import PersonalHead
from training.personal.landmarks import Landmarks, landmarks_of
from training.personal.loss import people_loss
from training.personal.window_data import GeneWindow, gene_window
from training.watching import Watcher

Indices = npt.NDArray[np.int64]
WEIGHT_DECAY = 0.01
CLIP_NORM = 1.0
SMALLEST_SPREAD = 1e-6


@dataclass(frozen=True, eq=False)
class PersonalData:
    """What heads are fitted to and measured on.

    Attributes:
        embeddings: (sequences, width) of the distinct segments.
        rows: (genes, people, 2, segments) which of them each haplotype has.
        reference_rows: (genes, segments).
        expression: (people, genes).
        level_rows: (level genes, segments) references of the genes whose level is known.
        levels: (people, level genes) of each person, on a logarithmic scale.
    """

    embeddings: Floats
    rows: Rows
    reference_rows: Rows
    expression: Floats
    level_rows: Rows
    levels: Floats

    def with_genotypes_of(self, whose: Indices) -> PersonalData:
        """The same expression beside the genotypes of others."""
        return replace(self, rows=self.rows[:, whose])


@dataclass(frozen=True, eq=False)
class Split:
    """Who is learnt from, and who says when to stop; genes too, where some are held out."""

    train: Indices
    valid: Indices
    genes: Indices


@dataclass(frozen=True, eq=False)
class FittedHead:
    """A head and what it needs to answer.

    Attributes:
        history: how well those who say when to stop were predicted, before the first epoch and after each.
        epochs: how many the head has seen.
    """

    head: PersonalHead
    landmarks: Landmarks
    data: PersonalData
    epochs: int = 0
    history: tuple[float, ...] = field(default=())

    @cached_property
    def windows(self) -> list[GeneWindow]:
        """Of all genes."""
        return windows_of(self.data, self.landmarks)

    @torch.no_grad()
    def predict(self, people: Indices) -> Floats:
        """(people, genes): the mean of both haplotypes' values."""
        self.head.eval()
        chosen = torch.from_numpy(people)
        columns = [_values(self.head, gene, window, chosen) for gene, window in enumerate(self.windows)]
        answers: Floats = torch.stack(columns, dim=1).numpy()
        return answers

    @torch.no_grad()
    def predict_levels(self, people: Indices) -> Floats:
        """(people, genes): what each person's own segments say of the gene's level, by the reference regime alone."""
        self.head.eval()
        columns = []
        for rows in self.data.rows:
            distinct, haplotype_of = np.unique(rows[people].reshape(-1, rows.shape[-1]), axis=0, return_inverse=True)
            values = self.head.level_of(torch.from_numpy(self.data.embeddings[distinct])).double().numpy()
            columns.append(values[haplotype_of].reshape(-1, 2).mean(axis=1))
        return np.stack(columns, axis=1)


def fit_head(config: PersonalConfig, data: PersonalData, split: Split, watcher: Watcher, epochs: int = 0) -> FittedHead:
    """Fit in the configuration's regime.

    Args:
        config: how.
        data: everybody's; only those of the split are looked at.
        split: who is learnt from.
        watcher: is told how far it is.
        epochs: on people, exactly so many; 0: as long as those who say when to stop are predicted better.
    """
    torch.manual_seed(config.seed)
    landmarks = landmarks_of(data.embeddings, data.rows[:, split.train], data.reference_rows)
    head = PersonalHead(config.head, landmarks)
    if config.fit.regime != "people only":
        _fit_reference(config, head, data, split.train)
    if config.fit.regime == "reference only":
        return FittedHead(head.eval(), landmarks, data)
    return _fit_people(config, FittedHead(head, landmarks, data), split, watcher, epochs)


@torch.no_grad()
def fit_levels(config: PersonalConfig, data: PersonalData, learnt: npt.NDArray[np.bool_]) -> Floats:
    """(level genes,) every gene's level from its reference, by a head that learnt some genes' levels from everybody."""
    torch.manual_seed(config.seed)
    everybody = np.arange(len(data.expression))
    head = PersonalHead(config.head, landmarks_of(data.embeddings, data.rows, data.reference_rows))
    seen = replace(data, level_rows=data.level_rows[learnt], levels=data.levels[:, learnt])
    with torch.enable_grad():
        _fit_reference(config, head, seen, everybody)
    levels: Floats = head.eval().level_of(torch.from_numpy(data.embeddings[data.level_rows])).numpy()
    return levels


def restored(config: PersonalConfig, data: PersonalData, state: Mapping[str, Tensor]) -> FittedHead:
    """A head that was fitted to everybody, from its weights."""
    landmarks = landmarks_of(data.embeddings, data.rows, data.reference_rows)
    head = PersonalHead(config.head, landmarks)
    head.load_state_dict(dict(state))
    return FittedHead(head.eval(), landmarks, data)


def windows_of(data: PersonalData, landmarks: Landmarks) -> list[GeneWindow]:
    """Every gene's window."""
    return [gene_window(data.embeddings, rows, landmarks, gene) for gene, rows in enumerate(data.rows)]


def _fit_reference(config: PersonalConfig, head: PersonalHead, data: PersonalData, train: Indices) -> None:
    """The levels of genes, by their mean over the people learnt from, from their reference's segments alone."""
    levels = data.levels[train].mean(axis=0)
    spread = max(float(levels.std()), SMALLEST_SPREAD)
    wanted = torch.from_numpy(((levels - levels.mean()) / spread).astype(np.float32))
    references = torch.from_numpy(data.embeddings[data.level_rows])
    optimiser = torch.optim.AdamW(head.parameters(), lr=config.fit.learning_rate, weight_decay=WEIGHT_DECAY)
    head.train()
    for _ in range(config.fit.reference_epochs):
        _step(optimiser, head, functional.huber_loss(head.level_of(references), wanted))


def _fit_people(config: PersonalConfig, fitted: FittedHead, split: Split, watcher: Watcher, epochs: int) -> FittedHead:
    """On people; without a number of epochs, the average of the weights that predicts the valid people best is kept."""
    head = fitted.head
    with torch.no_grad():
        learnt = torch.from_numpy(split.genes)
        head.means[learnt] = torch.from_numpy(fitted.data.expression[split.train][:, split.genes].mean(axis=0))
    optimiser, average = _optimiser(config, head), MovingAverage(head, config.fit.average_decay)
    generator = np.random.default_rng(config.seed)
    kept, history = _state(head), [0.0]
    with watcher.watching(f"people, {config.fit.regime}", epochs or config.fit.epochs) as advance:
        for _ in range(epochs or config.fit.epochs):
            _run_epoch(config, fitted, split, generator, optimiser, average)
            with average.applied(head):
                history.append(0.0 if epochs else explained(fitted, split))
                if epochs or history[-1] > max(history[:-1]):
                    kept = _state(head)
            advance(1, {})
            if not epochs and len(history) - 1 - int(np.argmax(history)) >= config.fit.patience:
                break
    head.load_state_dict(kept)
    return FittedHead(head.eval(), fitted.landmarks, fitted.data, epochs or int(np.argmax(history)), tuple(history))


def _run_epoch(
    config: PersonalConfig,
    fitted: FittedHead,
    split: Split,
    generator: np.random.Generator,
    optimiser: torch.optim.Optimizer,
    average: MovingAverage,
) -> None:
    fit, values = config.fit, torch.from_numpy(fitted.data.expression)
    fitted.head.train()
    for gene, people in _batches(split, fit.batch, generator):
        predicted = _values(fitted.head, gene, fitted.windows[gene], people)
        _step(
            optimiser, fitted.head, people_loss(predicted, values[people, gene], fit.pairwise_weight, fit.huber_delta)
        )
        average.update(fitted.head)


def _state(head: PersonalHead) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in head.state_dict().items()}


def _batches(split: Split, size: int, generator: np.random.Generator) -> list[tuple[int, Tensor]]:
    """Every gene's people in parts of about a size, all in a random order."""
    parts = max(1, round(len(split.train) / size))
    dealt = [
        (int(gene), torch.from_numpy(part))
        for gene in split.genes
        for part in np.array_split(generator.permutation(split.train), parts)
    ]
    return [dealt[index] for index in generator.permutation(len(dealt))]


def _values(head: PersonalHead, gene: int, window: GeneWindow, people: Tensor) -> Tensor:
    """(people,) the mean of both haplotypes' values; equal haplotypes are computed once."""
    distinct, position = torch.unique(window.haplotype_of[people], return_inverse=True)
    values: Tensor = head(gene, window, distinct)[position].mean(1)
    return values


def explained(fitted: FittedHead, split: Split) -> float:
    """The mean over genes of the signed square of the correlation across the people who say when to stop.

    Of the correlations themselves the mean would follow the many genes without signal.
    """
    measured = fitted.data.expression[split.valid][:, split.genes].T.astype(np.float64)
    found = pearson(measured, fitted.predict(split.valid)[:, split.genes].T.astype(np.float64))
    return float((found * np.abs(found)).mean())


def _optimiser(config: PersonalConfig, head: PersonalHead) -> torch.optim.Optimizer:
    own = [head.readouts]
    others = [each for each in head.parameters() if each is not head.readouts]
    fit = config.fit
    return torch.optim.AdamW(
        [
            {"params": own, "lr": fit.readout_learning_rate, "weight_decay": fit.weight_decay},
            {"params": others, "lr": fit.learning_rate, "weight_decay": WEIGHT_DECAY},
        ]
    )


def _step(optimiser: torch.optim.Optimizer, head: nn.Module, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch's own signature is untyped
    nn.utils.clip_grad_norm_(head.parameters(), CLIP_NORM)
    optimiser.step()

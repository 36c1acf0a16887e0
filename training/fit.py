"""Training one model: one readable loop over epochs, resumable after each.

An epoch's draws (order of rows, augmentation, dropout) are seeded by the run's seed and the epoch's number alone, so a
run that was killed and resumed ends with the very weights of one that was not.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from training.checkpoint import Progress, RunFolder
from training.datasets.table import Floats
from training.distillation import StateMatcher
from training.errors import FitError
from training.examples import Batch, Examples, Material
from training.feeder import Feeder, predict
from training.metrics import r2
from training.optimiser import (
    MovingAverage,
    adamw,
    clip_gradient,
    fast_autocast,
    learning_rate,
    set_learning_rate,
)
from training.regressor import Regressor
from training.stage import Stage, load_trained
from training.watching import Watcher


def fit(
    stage: Stage, train: Material, valid: Examples, feeder: Feeder, device: torch.device, watcher: Watcher
) -> Regressor:
    """Train a model, or go on where its run stopped.

    Args:
        stage: what to train.
        train: rows to learn from.
        valid: rows that choose the epoch that is kept.
        feeder: makes the model's inputs.
        device: where to train.
        watcher: is told how far it is.

    Returns:
        The model of the best epoch, on the CPU.

    Raises:
        FitError: the loss is no longer finite, or the folder holds another run.
    """
    run = Run(stage, feeder, device)
    with watcher.watching(stage.name, stage.fit.epochs * run.steps_per_epoch(train)) as advance:
        advance(run.epochs * run.steps_per_epoch(train), run.latest)
        while not run.finished:
            for _ in run.train_one_epoch(train):
                advance(1, run.latest)
            run.validate(valid)
            run.save()
    return load_trained(stage, feeder)


class Run:
    """A model in training: its weights, its optimizer and how far they have come.

    Args:
        stage: what to train; its folder is read for where the run stands.
        feeder: makes the model's inputs.
        device: where to train.
    """

    def __init__(self, stage: Stage, feeder: Feeder, device: torch.device) -> None:
        self.stage, self.feeder, self.device = stage, feeder, device
        self.folder = RunFolder(stage.folder, stage.identity)
        self.model = stage.new_model(feeder.vocabulary).to(device)
        self.matcher = _matcher(stage, feeder, device)
        self.trained = nn.ModuleList(part for part in (self.model, self.matcher) if part is not None)
        self.average = MovingAverage(self.model, stage.fit.average_decay)
        self.optimizer = adamw(self.trained, stage.fit)
        self.output_weights = _output_weights(stage).to(device)
        self.epochs = 0
        self.history: list[dict[str, float]] = []
        self.finished = False
        self._resume()

    @property
    def latest(self) -> dict[str, float]:
        """Figures of the last finished epoch."""
        return self.history[-1] if self.history else {}

    def steps_per_epoch(self, train: Material) -> int:
        """Whole batches; what is left over has its turn in another epoch's order."""
        return max(1, len(train) // self.stage.fit.batch)

    def train_one_epoch(self, train: Material) -> Iterator[None]:
        """Take one pass over the rows, yielding after each step."""
        torch.manual_seed(self._epoch_seed())
        generator = np.random.default_rng(self._epoch_seed())
        steps = self.steps_per_epoch(train)
        losses = []
        self.model.train()
        for batch in np.array_split(generator.permutation(len(train))[: steps * self.stage.fit.batch], steps):
            rate = learning_rate(self.average.steps, steps * self.stage.fit.epochs, self.stage.fit)
            set_learning_rate(self.optimizer, rate)
            losses.append(self._step(train.draw(batch, generator), generator))
            yield
        self.epochs += 1
        self.history.append({"epoch": self.epochs, "train_loss": float(np.mean(losses))})

    def validate(self, valid: Examples) -> None:
        """Score the averaged weights; keep them when they are the best so far."""
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.average.state)
        targets = len(self.stage.targets)
        predicted = predict(model, self.feeder, valid.sequences, standardised=True)[:, :targets]
        values, weights = valid.values[:, :targets], valid.weights[:, :targets]
        best = min((row["valid_loss"] for row in self.history[:-1]), default=float("inf"))
        self.latest["valid_loss"] = float(np.sum((predicted - values) ** 2 * weights) / np.sum(weights))
        for column, name in enumerate(self.stage.targets):
            self.latest[f"r2_{name}"] = _measured_r2(values[:, column], predicted[:, column], weights[:, column])
        if self.latest["valid_loss"] < best:
            self.folder.save_best(model.state_dict())
        self.finished = self.epochs == self.stage.fit.epochs or self._is_stale()

    def save(self) -> None:
        """Write where the run stands."""
        progress = Progress(
            identity=self.folder.identity,
            epochs=self.epochs,
            weights=self.trained.state_dict(),
            average=self.average.state,
            average_steps=self.average.steps,
            optimizer=self.optimizer.state_dict(),
            history=self.history,
            finished=self.finished,
        )
        self.folder.save(progress)

    def _step(self, batch: Batch, generator: np.random.Generator) -> float:
        config = self.stage.fit
        tensors = self.feeder.training_tensors(batch.bases, batch.lengths, config.augmentation, generator)
        inputs = [tensor.to(self.device) for tensor in tensors]
        with fast_autocast(self.device, config.precision):
            predicted, states = self.model.with_states(*inputs)
        loss = self._loss(predicted, batch)
        if self.matcher is not None and batch.states is not None:
            loss = loss + self.stage.state_weight * self.matcher(states, inputs[0], batch.states)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise FitError(f"{self.stage.name}: the loss is no longer finite; lower fit.learning_rate")
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own signature is untyped
        clip_gradient(self.trained, config.clip_norm)
        self.optimizer.step()
        self.average.update(self.model)
        return value

    def _loss(self, predicted: Tensor, batch: Batch) -> Tensor:
        """Squared error weighted by row and by column; a value that was not measured has weight 0."""
        values = torch.from_numpy(batch.values).to(self.device)
        weights = torch.from_numpy(batch.weights).to(self.device) * self.output_weights
        return ((predicted - values) ** 2 * weights).sum() / len(values)

    def _epoch_seed(self) -> int:
        return self.stage.seed * 1_000_003 + self.epochs

    def _is_stale(self) -> bool:
        patience = self.stage.fit.patience_epochs
        losses = [row["valid_loss"] for row in self.history]
        return patience > 0 and len(losses) - 1 - int(np.argmin(losses)) >= patience

    def _resume(self) -> None:
        progress = self.folder.load()
        if progress is None:
            return
        self.trained.load_state_dict(progress.weights)
        self.average.restore(progress.average, progress.average_steps)
        self.optimizer.load_state_dict(progress.optimizer)
        self.epochs, self.history, self.finished = progress.epochs, progress.history, progress.finished


def _matcher(stage: Stage, feeder: Feeder, device: torch.device) -> StateMatcher | None:
    if not stage.state_weight:
        return None
    return StateMatcher(stage.model.width, stage.teacher_width, feeder.token_bases).to(device)


def _output_weights(stage: Stage) -> Tensor:
    """(outputs,): 1 for a target; the auxiliary columns share `auxiliary_weight` times the number of targets."""
    weights = torch.ones(len(stage.mean))
    targets, auxiliary = len(stage.targets), len(stage.mean) - len(stage.targets)
    weights[targets:] = stage.fit.auxiliary_weight * targets / max(1, auxiliary)
    return weights


def _measured_r2(values: Floats, predicted: Floats, weights: Floats) -> float:
    measured: npt.NDArray[np.bool_] = weights > 0
    return float(r2(values[measured].astype(np.float64), predicted[measured].astype(np.float64)))

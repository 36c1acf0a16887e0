"""Training one model: one readable loop over epochs, resumable after each.

An epoch's draws (order of rows, augmentation, dropout) are seeded by the run's seed and the epoch's number alone, so a
run that was killed and resumed ends with the very weights of one that was not.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from training.averaging import MovingAverage
from training.batches import Maker, Part
from training.checkpoint import Progress, RunFolder
from training.datasets.table import Floats
from training.examples import Examples, Material
from training.facts import run_facts, run_results
from training.failures import last_loss, memory_named
from training.feeder import Feeder, predict
from training.lora import merged
from training.objective import new_objective
from training.optimiser import adamw, clip_gradient, learning_rate, set_learning_rate
from training.precision import Precision
from training.processes import ALONE, Processes
from training.regressor import Regressor
from training.stage import Stage, load_trained
from training.tensorboard import tensorboard_log
from training.validation import is_stale, validation_figures
from training.watching import Watcher

# A figure that is read from a GPU waits for all steps before it; a CPU has nothing to wait for.
STEPS_PER_READING = {"cpu": 1}
STEPS_PER_READING_ELSEWHERE = 20


def fit(
    stage: Stage,
    train: Material,
    valid: Examples,
    feeder: Feeder,
    device: torch.device,
    watcher: Watcher,
    processes: Processes = ALONE,
) -> Regressor:
    """Train a model, or go on where its run stopped.

    Args:
        stage: what to train.
        train: rows to learn from.
        valid: rows that choose the epoch that is kept.
        feeder: makes the model's inputs.
        device: where to train.
        watcher: is told how far it is.
        processes: that train it together.

    Returns:
        The model of the best epoch, on the CPU.

    Raises:
        FitError: the loss is no longer finite, the memory does not suffice, or the folder holds another run.
    """
    run = Run(stage, feeder, device, processes)
    if run.precision.note:
        watcher.say(f"{stage.name}: {run.precision.note}")
    with (
        memory_named(stage.name, stage.fit),
        watcher.watching(stage.name, run.all_steps(train)) as advance,
        tensorboard_log(stage.folder, run.steps, processes.is_main) as log,
    ):
        advance(run.steps, run.latest)
        while not run.finished:
            for figures in run.train_one_epoch(train):
                advance(1, figures)
                log(run.steps, figures)
            run.validate(valid, last=run.steps == run.all_steps(train))
            advance(0, run.latest)
            log(run.steps, run.latest)
            run.save()
    return load_trained(stage, feeder)


class Run:
    """A model in training: its weights, its optimizer and how far they have come.

    Args:
        stage: what to train; its folder is read for where the run stands.
        feeder: makes the model's inputs.
        device: where to train.
        processes: that train it together.
    """

    def __init__(self, stage: Stage, feeder: Feeder, device: torch.device, processes: Processes = ALONE) -> None:
        self.stage, self.feeder, self.device, self.processes = stage, feeder, device, processes
        self.folder = RunFolder(stage.folder, stage.identity, writes=processes.is_main)
        self.precision = Precision.on(device, stage.fit.precision)
        self.objective = new_objective(stage, feeder, self.precision).to(device)
        self.model = self.objective.model
        self.average = MovingAverage(self.model, stage.fit.average_decay)
        self.optimizer = adamw(self.objective, stage.fit)
        self.scaler = self.precision.scaler()
        self.epochs = 0
        self.history: list[dict[str, float]] = []
        self.finished = False
        self.facts = run_facts(stage, self.model, self.precision, processes.count)
        self._resume()
        self._loss_of = processes.prepare(self.objective)

    @property
    def latest(self) -> dict[str, float]:
        """Figures of the last finished epoch."""
        return self.history[-1] if self.history else {}

    @property
    def steps(self) -> int:
        """How many were taken."""
        return self.average.steps

    def steps_per_epoch(self, train: Material) -> int:
        """Whole batches; what is left over has its turn in another epoch's order."""
        return max(1, len(train) // self.stage.fit.batch)

    def all_steps(self, train: Material) -> int:
        """Steps of all epochs, or of the dry run."""
        return min(self.stage.fit.epochs * self.steps_per_epoch(train), self.stage.steps or sys.maxsize)

    def train_one_epoch(self, train: Material) -> Iterator[dict[str, float]]:
        """Take one pass over the rows, yielding after each step the figures that became known with it."""
        started, rate = time.monotonic(), 0.0
        torch.manual_seed(self._epoch_seed() + self.processes.rank)
        generator = np.random.default_rng(self._epoch_seed())
        losses: list[Tensor] = []
        self.model.train()
        for left, parts in self._steps_of_epoch(train, generator):
            rate = learning_rate(self.steps, self.all_steps(train), self.stage.fit)
            set_learning_rate(self.optimizer, rate)
            losses.append(self._step(parts))
            yield self._figures(losses, rate) if self._is_read(left) else {}
        self.epochs += 1
        loss = float(self.processes.mean(torch.stack(losses).double().mean()))
        seconds = round(time.monotonic() - started, 3)
        self.history.append({"epoch": self.epochs, "train_loss": loss, "learning_rate": rate, "seconds": seconds})

    def validate(self, valid: Examples, last: bool = False) -> None:
        """Score the averaged weights; keep them when they are the best so far.

        Args:
            valid: the rows.
            last: no step is left to take.
        """
        started = time.monotonic()
        best = min((row["valid_loss"] for row in self.history[:-1]), default=float("inf"))
        self.processes.as_main(self.average.state)
        with self.average.applied(self.model):
            self.latest.update(validation_figures(self._predicted(valid), valid, self.stage.targets))
            if self.latest["valid_loss"] < best:
                plain = merged(self.model) if self.stage.fit.lora else self.model
                self.folder.save_best(plain.state_dict())
        self.latest["seconds"] = round(self.latest["seconds"] + time.monotonic() - started, 3)
        self.finished = last or is_stale(self.history, self.stage.fit.patience_epochs)

    def save(self) -> None:
        """Write where the run stands."""
        progress = Progress(
            identity=self.folder.identity,
            epochs=self.epochs,
            weights=self.objective.state_dict(),
            average=self.average.state,
            average_steps=self.average.steps,
            optimizer=self.optimizer.state_dict(),
            scaler=self.scaler.state_dict(),
            history=self.history,
            finished=self.finished,
        )
        self.folder.save(progress)
        self.folder.save_facts(self.facts | run_results(self.history, self.steps, self.finished))
        self.processes.wait()

    def _step(self, parts: list[Part]) -> Tensor:
        """Move the weights once; the step's loss, still on the device."""
        self.optimizer.zero_grad()
        losses = []
        for number, part in enumerate(parts, start=1):
            alone = self.processes.without_sync(self._loss_of) if number < len(parts) else nullcontext()
            with alone:
                loss = self._loss_of(part.to(self.device))
                self.scaler.scale(loss).backward()
            losses.append(loss.detach())
        self.scaler.unscale_(self.optimizer)
        clip_gradient(self.objective, self.stage.fit.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update(self.model)
        return torch.stack(losses).sum()

    def _steps_of_epoch(self, train: Material, generator: np.random.Generator) -> Iterator[tuple[int, list[Part]]]:
        """The parts of each step, and how many steps of the epoch follow it."""
        steps = min(self.steps_per_epoch(train), self.all_steps(train) - self.steps)
        rows = generator.permutation(len(train))[: self.steps_per_epoch(train) * self.stage.fit.batch]
        batches = np.array_split(rows, self.steps_per_epoch(train))[:steps]
        processes, pin = self.processes, self.device.type == "cuda"
        maker = Maker(train, self.feeder, self.stage.fit, processes.rank, processes.count, pin)
        return zip(reversed(range(steps)), maker.steps(batches, self._draws(generator)), strict=False)

    def _draws(self, generator: np.random.Generator) -> np.random.Generator:
        """What this process's parts are drawn with: the main one goes on with the generator of the order."""
        rank = self.processes.rank
        return np.random.default_rng([self._epoch_seed(), rank]) if rank else generator

    def _predicted(self, valid: Examples) -> Floats:
        """Every process answers its share of the rows, and knows all answers."""
        rows = np.array_split(np.arange(len(valid)), self.processes.count)[self.processes.rank]
        with self.precision.autocast():
            return self.processes.joined(predict(self.model, self.feeder, valid.rows(rows).sequences, True))

    def _is_read(self, left: int) -> bool:
        return left % STEPS_PER_READING.get(self.device.type, STEPS_PER_READING_ELSEWHERE) == 0

    def _figures(self, losses: list[Tensor], rate: float) -> dict[str, float]:
        unread = losses[-STEPS_PER_READING_ELSEWHERE:]
        return {"loss": last_loss(unread, self.steps, self.stage.name), "learning_rate": rate}

    def _epoch_seed(self) -> int:
        return self.stage.seed * 1_000_003 + self.epochs

    def _resume(self) -> None:
        progress = self.folder.load()
        if progress is None:
            return
        self.objective.load_state_dict(progress.weights)
        self.average.restore(progress.average, progress.average_steps)
        self.optimizer.load_state_dict(progress.optimizer)
        self.scaler.load_state_dict(progress.scaler)
        self.epochs, self.history, self.finished = progress.epochs, progress.history, progress.finished

"""The training loop: rows are drawn, masked and learnt from on the device; the host looks only now and then.

A step's draws (rows, masks, dropout) are seeded by the run's seed and the step's number alone, so a run that was killed
and resumed ends, on a CPU and with a limit in steps, with the very weights of one that was not.
"""

from __future__ import annotations

import math
from pathlib import Path
from time import monotonic

import torch
from torch import Tensor, nn

from training.errors import FitError
from training.precision import Precision
from training.pretraining.config import SPECIAL_TOKENS_PER_ROW, PretrainConfig
from training.pretraining.corpus import Corpus, rows_in_order
from training.pretraining.masking import mask_tokens
from training.pretraining.model import MaskedLanguageModel, fuse_attention
from training.pretraining.perplexity import log_frequencies, measure
from training.pretraining.progress import Progress, load_progress, save_progress
from training.pretraining.schedule import learning_rate, share_done
from training.pretraining.watching import Report
from training.pretraining.windows import Windows, framed

# Steps between two looks at the loss, each of which makes the device wait.
STEPS_PER_LOOK = 50
BETAS = (0.9, 0.98)


class Pretraining:
    """A model in pre-training.

    Args:
        config: how to train.
        corpus: tokens of the genome.
        folder: is read for where the run stands.
        device: where to train.

    Raises:
        DataError: no segment is long enough for one row.
    """

    def __init__(self, config: PretrainConfig, corpus: Corpus, folder: Path, device: torch.device) -> None:
        self.config, self.folder, self.device = config, folder, device
        self._windows = Windows(corpus.train, config.fit.context_tokens, device)
        self._valid = _validation_rows(config, corpus).to(device)
        self.model = new_model(config, device)
        self.model.expect(torch.from_numpy(log_frequencies(corpus.train, config.vocabulary.entries)))
        self._loss = torch.compile(self.model.loss) if config.fit.compile else self.model.loss
        self._optimizer = _adamw(self.model, config)
        self._generator = torch.Generator(device)
        self._losses = torch.zeros((), device=device)
        self.step, self.seconds, self.history = 0, 0.0, list[dict[str, float]]()
        self._resume()

    @property
    def done(self) -> float:
        """Share of the run, from 0 to 1."""
        return share_done(self.step, self.seconds, self.config.fit)

    def train(self, report: Report) -> None:
        """Take all steps that are left.

        Args:
            report: is told how far the run is.

        Raises:
            FitError: the loss is no longer finite.
        """
        while self.done < 1:
            self._train_until_checkpoint(report)
            self._measure()
            self._save()

    def _train_until_checkpoint(self, report: Report) -> None:
        """Take steps until the next checkpoint is due, or the run ends."""
        self.model.train()
        self._losses.zero_()
        first, before, started = self.step, self.seconds, monotonic()
        while self.done < 1:
            if self.step % STEPS_PER_LOOK == 0:
                self._mean_loss(first)
                report(self.done, self._shown())
            self._take_step()
            self.seconds = before + monotonic() - started
            if self.step % self.config.fit.save_every_steps == 0:
                break
        loss = self._mean_loss(first)
        self.seconds = before + monotonic() - started
        self.history.append(self._figures(first, before) | {"train_loss": loss})
        report(self.done, self._shown())

    def _figures(self, first: int, before: float) -> dict[str, float]:
        """Of the steps since `first`, when the run was `before` seconds old."""
        tokens_per_step = self.config.fit.batch * self.config.fit.context_tokens
        return {
            "step": self.step,
            "tokens": self.step * tokens_per_step,
            "seconds": round(self.seconds, 3),
            "tokens_per_second": round((self.step - first) * tokens_per_step / (self.seconds - before)),
            "learning_rate": self._optimizer.param_groups[0]["lr"],
        }

    def _take_step(self) -> None:
        config = self.config.fit
        seed = self.config.seed * 1_000_003 + self.step
        self._generator.manual_seed(seed)
        torch.manual_seed(seed)  # of dropout
        rows = self._windows.draw(config.batch, self._generator)
        masked = mask_tokens(rows, config.masking_rate, self.config.vocabulary.entries, self._generator)
        with Precision.on(self.device, config.precision).autocast():
            loss = self._loss(masked)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own signature is untyped
        nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self.done, config)
        self._optimizer.step()
        self._losses += loss.detach()
        self.step += 1

    def _mean_loss(self, first: int) -> float:
        """Of the steps since `first`; reading it makes the device catch up."""
        loss = float(self._losses) / max(1, self.step - first)
        if not math.isfinite(loss):
            raise FitError(
                f"{self.config.name}: the loss is no longer finite at step {self.step:,}; lower fit.learning_rate "
                "and remove the run's folder"
            )
        return loss

    def _measure(self) -> None:
        fit = self.config.fit
        quality = measure(self.model, self._valid, fit.masking_rate, self.config.vocabulary.entries, fit.batch)
        self.history[-1] |= {
            "valid_loss": quality.loss,
            "valid_perplexity": quality.perplexity,
            "valid_accuracy": quality.accuracy,
        }

    def _shown(self) -> dict[str, float]:
        names = ("tokens_per_second", "train_loss", "valid_perplexity")
        latest = self.history[-1] if self.history else {}
        return {"step": self.step} | {name: latest[name] for name in names if name in latest}

    def _save(self) -> None:
        progress = Progress(
            self.step, self.seconds, self.model.state_dict(), self._optimizer.state_dict(), self.history
        )
        save_progress(self.folder, progress)

    def _resume(self) -> None:
        progress = load_progress(self.folder)
        if progress is None:
            return
        self.model.load_state_dict(progress.weights)
        self._optimizer.load_state_dict(progress.optimizer)
        self.step, self.seconds, self.history = progress.step, progress.seconds, progress.history


def new_model(config: PretrainConfig, device: torch.device) -> MaskedLanguageModel:
    """The model with random weights, which the seed decides on every device."""
    torch.manual_seed(config.seed)
    shape = config.model.shape(config.vocabulary.entries)
    model = MaskedLanguageModel(shape)
    if device.type != "cpu":  # on a CPU, torch's fused attention is slow to train with a bias
        fuse_attention(model, shape)
    return model.to(device)


def _validation_rows(config: PretrainConfig, corpus: Corpus) -> Tensor:
    tokens = config.fit.context_tokens - SPECIAL_TOKENS_PER_ROW
    return framed(torch.from_numpy(rows_in_order(corpus.valid, tokens, config.fit.valid_rows)))


def _adamw(model: nn.Module, config: PretrainConfig) -> torch.optim.AdamW:
    """AdamW in one kernel, which decays matrices and leaves vectors (biases, norms) alone."""
    parameters = list(model.parameters())
    groups = [
        {"params": [each for each in parameters if each.ndim > 1], "weight_decay": config.fit.weight_decay},
        {"params": [each for each in parameters if each.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.fit.learning_rate, betas=BETAS, fused=True)

"""Teaching one model what others have learnt: they label the training rows and synthetic relatives of them.

The synthetic sequences of a batch are drawn when the batch is, so a student never sees one twice and nothing is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from training.augmentation import Lengths, crop, mutate
from training.datasets.table import Floats
from training.examples import Batch, Codes, Examples, N, as_text, stacked
from training.feeder import Feeder
from training.precision import Precision
from training.recipe import DistillationConfig
from training.regressor import Regressor

# Rows over which the spread of the teacher's states is measured.
SCALE_ROWS = 1000


class Teachers:
    """Trained models that answer together; all answer the same columns in the same units.

    Args:
        models: each with what makes its inputs; the first one's states are what a student may imitate.
        device: where they answer.
        precision: `bf16` where the device is fast at it.
    """

    def __init__(
        self, models: Sequence[tuple[Regressor, Feeder]], device: torch.device, precision: str = "fp32"
    ) -> None:
        self.models = [(model.to(device).eval(), feeder) for model, feeder in models]
        self._device, self._precision = device, Precision.on(device, precision)

    @property
    def width(self) -> int:
        """Channels of the first teacher's states."""
        return self.models[0][0].width

    @torch.no_grad()
    def answer(self, bases: Codes, lengths: Lengths) -> tuple[Floats, Tensor]:
        """Answer a batch.

        Returns:
            values (batch, outputs): their mean, in standard deviations; and states (batch, longest, width): the first
            teacher's, at each base, 0 after a row's end.
        """
        values = np.empty((len(bases), len(self.models[0][0].mean)), dtype=np.float32)
        states = torch.zeros(*bases.shape, self.width, device=self._device)
        for length in np.unique(lengths):
            same = np.flatnonzero(lengths == length)
            texts = as_text(bases[same], lengths[same])
            answers = [self._answer(model, feeder, texts) for model, feeder in self.models]
            values[same] = np.mean([answer.cpu().numpy() for answer, _ in answers], axis=0)
            states[torch.from_numpy(same).to(self._device), :length] = _per_base(answers[0][1], int(length))
        return values, states

    def _answer(self, model: Regressor, feeder: Feeder, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        inputs = [tensor.to(self._device) for tensor in feeder.tensors(feeder.encode(texts))]
        with self._precision.autocast():
            answer, states = model.with_states(*inputs)
        return answer, states.float()


class Distilled:
    """Training material whose values come from teachers: the measured rows, then synthetic ones.

    Args:
        measured: the training rows.
        teachers: label everything.
        config: how much of what.
    """

    def __init__(self, measured: Examples, teachers: Teachers, config: DistillationConfig) -> None:
        self._measured, self._teachers, self._config = measured, teachers, config
        first = measured.rows(np.arange(min(SCALE_ROWS, len(measured))))
        _, states = teachers.answer(first.bases, first.lengths)
        real = torch.from_numpy(np.arange(states.shape[1]) < first.lengths[:, None])
        self._mean, self._deviation = states[real].mean(0), states[real].std(0) + 1e-3

    def __len__(self) -> int:
        return len(self._measured) + self._config.synthetic_sequences

    def draw(self, rows: npt.NDArray[np.int64], generator: np.random.Generator) -> Batch:
        """A batch: rows below the number of measured ones are those; each other row is a new synthetic sequence."""
        measured = self._measured.rows(rows[rows < len(self._measured)])
        synthetic = synthesise(self._measured, len(rows) - len(measured), self._config, generator)
        batch = stacked(measured, synthetic)
        answers, states = self._teachers.answer(batch.bases, batch.lengths)
        blended = blend(batch, answers, self._config)
        return replace(blended.draw_all(), states=(states - self._mean) / self._deviation)


def blend(measured: Examples, answers: Floats, config: DistillationConfig) -> Examples:
    """The weighted mean of answer and measured value: the better a value was measured, the more it counts."""
    trust = measured.weights * np.float32(config.measured_weight)
    share = trust / (trust + np.float32(config.teacher_weight))
    values = (answers + share * (measured.values - answers)).astype(np.float32)
    return replace(measured, values=values, weights=np.ones_like(values))


def synthesise(rows: Examples, count: int, config: DistillationConfig, generator: np.random.Generator) -> Examples:
    """Relatives of the training rows, not measured: mosaics of their pieces, mutated; all are cropped or none."""
    bases, lengths = mosaics(rows, count, config.largest_pieces, generator)
    rates = generator.random(count) * config.largest_mutation_rate
    bases = mutate(bases, np.where(generator.random(count) < config.mutated_fraction, rates, 0.0), generator)
    if count and generator.random() < config.cropped_fraction:
        bases, lengths = crop(bases, lengths, config.crop_min_bases, generator)
    unmeasured = np.zeros((count, rows.values.shape[1]), dtype=np.float32)
    return Examples(bases, lengths, unmeasured, unmeasured)


def mosaics(rows: Examples, count: int, largest_pieces: int, generator: np.random.Generator) -> tuple[Codes, Lengths]:
    """Sequences of 1 to `largest_pieces` pieces, each from a random place of a random row; one piece is a row as it is.

    Returns:
        bases (count, longest) with N after each end, and lengths (count,), which are those of rows.
    """
    width = rows.bases.shape[1]
    source = generator.integers(0, len(rows), size=(count, largest_pieces))
    pieces = generator.integers(1, largest_pieces + 1, size=(count, 1))
    joints = generator.integers(1, max(2, width), size=(count, largest_pieces - 1))
    joints = np.where(np.arange(largest_pieces - 1) < pieces - 1, joints, width)
    place = np.arange(width)
    piece = (place[None, :, None] >= joints[:, None, :]).sum(axis=2)  # (count, width): which piece a place is in
    chosen = np.take_along_axis(source, piece, axis=1)
    turns = generator.integers(0, width, size=source.shape) * (pieces > 1)
    turned = (place + np.take_along_axis(turns, piece, axis=1)) % rows.lengths[chosen]
    lengths = rows.lengths[source[:, 0]]
    bases = rows.bases[chosen, turned]
    return np.where(place < lengths[:, None], bases, np.uint8(N)), lengths


class StateMatcher(nn.Module):
    """How far a student's token states are from a teacher's states of the bases that each token covers.

    A linear layer translates between the two; it is trained with the student and thrown away.

    Args:
        width: channels of the student's states.
        teacher_width: channels of the teacher's.
        token_bases: (vocabulary,) int64, bases in each token, 0 for special tokens.
    """

    def __init__(self, width: int, teacher_width: int, token_bases: npt.NDArray[np.int64]) -> None:
        super().__init__()
        self.translate = nn.Linear(width, teacher_width)
        self.register_buffer("token_bases", torch.from_numpy(token_bases), persistent=False)
        self.token_bases: Tensor

    def forward(self, states: Tensor, input_ids: Tensor, teacher_states: Tensor) -> Tensor:
        """Mean squared difference.

        Args:
            states: (batch, tokens, width), the student's.
            input_ids: (batch, tokens) int64.
            teacher_states: (batch, bases, teacher width).
        """
        bases = self.token_bases[input_ids]  # (batch, tokens)
        covered = (bases > 0)[:, :, None]
        wanted = _mean_over_spans(teacher_states, bases)
        differences = torch.where(covered, self.translate(states.float()) - wanted, 0.0)
        return (differences**2).sum() / (covered.sum() * wanted.shape[2])


def _mean_over_spans(values: Tensor, lengths: Tensor) -> Tensor:
    """Mean of `values` (batch, bases, width) over consecutive spans of `lengths` (batch, spans); 0 for empty spans."""
    sums = nn.functional.pad(values.cumsum(1), (0, 0, 1, 0))  # (batch, bases + 1, width)
    ends = lengths.cumsum(1)
    edges = torch.stack([ends, ends - lengths])[..., None].expand(-1, -1, -1, values.shape[2])
    totals = sums.gather(1, edges[0]) - sums.gather(1, edges[1])
    return totals / lengths.clamp(min=1)[:, :, None]


def _per_base(states: Tensor, length: int) -> Tensor:
    """States at half length, each given to the two bases it stands for; states at full length as they are."""
    return states if states.shape[1] == length else states.repeat_interleave(2, dim=1)[:, :length]

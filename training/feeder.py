"""Sequences become what a model reads, by the service's own rules: app.encoding encodes, app.engine makes the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from app.bundle import TOKENIZER, Input, Manifest, Window
from app.encoding import EncodedSequence, Ids, SequenceEncoder
from app.engine import feed
from training.augmentation import Lengths, augment, cut
from training.baselines.recipe import BaselineConfig
from training.config import BundleConfig
from training.datasets.table import Floats
from training.errors import DataError
from training.examples import Codes, as_text
from training.recipe import AugmentationConfig, ModelConfig
from training.regressor import ScaledModel
from training.tokenizers.building import TrainedTokenizer
from training.tokenizers.layout import Layout, read_layout

PREDICTION_BATCH = 256
# At once, padding included: a few GB for the widest backbone, whose attention has the square of a row's length.
PREDICTION_POSITIONS = 32_768


def input_rules(model: ModelConfig | BaselineConfig, bundle: BundleConfig, tokenizer: TrainedTokenizer | None) -> Input:
    """What the model accepts, as its manifest says it.

    Args:
        model: knows how many tokens it can read.
        bundle: says which letters, how many bases and how many tokens are accepted.
        tokenizer: for the encoding `tokens`.
    """
    rules = Input(
        encoding="one_hot",
        ambiguous=bundle.ambiguous,
        min_bases=bundle.min_bases,
        max_bases=bundle.max_bases,
        max_tokens=bundle.max_bases,
        window=None if bundle.window is None else Window(**asdict(bundle.window)),
        reverse_complement_averaged=isinstance(model, ModelConfig) and model.reverse_complement_averaged,
    )
    if tokenizer is None or not isinstance(model, ModelConfig):
        return rules
    most = tokenizer.most_tokens(bundle.max_bases, only_bases=bundle.ambiguous == "refused")
    tokens = {
        "encoding": "tokens",
        "max_tokens": min(limit for limit in (most, bundle.max_tokens, model.longest_tokens) if limit),
        "pad_token_id": read_layout(tokenizer.files[TOKENIZER]).pad_token_id,
        "motifs": tokenizer.motifs,
    }
    return Input.model_validate(rules.model_dump() | tokens)


class Feeder:
    """Makes a model's input tensors.

    Args:
        rules: what the model accepts.
        files: name to content of the files that its encoding needs, as they stand in the bundle.
    """

    def __init__(self, rules: Input, files: Mapping[str, bytes]) -> None:
        self.rules, self.files = rules, files
        # The encoder reads only these two fields; the rest of the manifest is not known before the model is trained.
        self._encoder = SequenceEncoder(Manifest.model_construct(name="in-training", input=rules), files)
        self._layout: Layout | None = read_layout(files[TOKENIZER]) if rules.encoding == "tokens" else None

    @property
    def vocabulary(self) -> int:
        """Entries of the tokenizer; 0 without one."""
        return 0 if self._layout is None else self._layout.vocabulary

    @property
    def token_bases(self) -> npt.NDArray[np.int64]:
        """(vocabulary,) int64: bases in each token, 0 for special tokens; empty without a tokenizer."""
        return np.zeros(0, dtype=np.int64) if self._layout is None else self._layout.token_bases

    def encode(self, sequences: Sequence[str]) -> list[Ids]:
        """Encode as the service does.

        Raises:
            DataError: the model would refuse a sequence.
        """
        rows = []
        for index, encoded in enumerate(self._encoder.encode(sequences)):
            if not isinstance(encoded, EncodedSequence):
                raise DataError(f"sequence {index}: {encoded.detail}")
            rows.append(encoded.ids)
        return rows

    def tensors(self, rows: Sequence[Ids]) -> tuple[Tensor, ...]:
        """The graph's inputs for a batch, in the graph's order; rows of `one_hot` must have one length."""
        return tuple(torch.from_numpy(array) for array in feed(rows, self.rules).values())

    def training_tensors(
        self, bases: Codes, lengths: Lengths, config: AugmentationConfig, generator: np.random.Generator
    ) -> tuple[Tensor, ...]:
        """The graph's inputs for an augmented batch.

        Args:
            bases: (batch, longest) base codes.
            lengths: (batch,), in bases.
            config: how to augment.
            generator: where the draws come from.

        Raises:
            DataError: a sequence gives more tokens than the model reads.
        """
        bases, lengths = augment(bases, lengths, config, generator)
        if self._layout is None:
            return self.tensors(list(bases))
        texts = as_text(bases, lengths)
        if not config.cut_rate:
            return self.tensors(self._readable(texts))
        rows = self._encoder.encode_checked([cut(text, config.cut_rate, generator) for text in texts])
        # A row that is too long once it is cut is read as it was.
        return self.tensors(
            [self._readable([text])[0] if self._too_long(row) else row for row, text in zip(rows, texts, strict=True)]
        )

    def _readable(self, texts: Sequence[str]) -> list[Ids]:
        rows = self._encoder.encode_checked(texts)
        if longest := max((len(row) for row in rows if self._too_long(row)), default=0):
            raise DataError(
                f"a training sequence gives {longest:,} tokens; the model reads at most {self.rules.max_tokens:,} "
                "(bundle.max_tokens, model.positions); shorten the sequences or raise the limit"
            )
        return rows

    def _too_long(self, row: Ids) -> bool:
        return len(row) > self.rules.max_tokens


def predict(model: ScaledModel, feeder: Feeder, sequences: Sequence[str], standardised: bool = False) -> Floats:
    """Predict in batches of rows of one length; on a GPU, which gains by larger batches, tokens of similar length.

    Args:
        model: on any device; it is put into evaluation mode.
        feeder: the model's.
        sequences: upper-case bases.
        standardised: all outputs in standard deviations, instead of the targets in their units.

    Returns:
        (sequences, columns) float32.
    """
    return predict_rows(model, feeder, feeder.encode(sequences), standardised)


@torch.no_grad()
def predict_rows(model: ScaledModel, feeder: Feeder, rows: Sequence[Ids], standardised: bool = False) -> Floats:
    """Predict rows that are encoded; arguments and result are those of `predict`."""
    model.eval()
    answer = model.standardised if standardised else model
    device = model.mean.device
    pads = device.type != "cpu" and feeder.rules.encoding == "tokens"
    batches = list(batches_of_similar_length(rows, PREDICTION_POSITIONS) if pads else batches_of_one_length(rows))
    answers = [_answer(answer, feeder.tensors([rows[row] for row in batch]), device) for batch in batches]
    answered: Floats = torch.cat(answers).cpu().numpy()
    predicted = np.empty_like(answered)
    predicted[np.concatenate(batches)] = answered
    return predicted


def _answer(model: Callable[..., Tensor], inputs: Sequence[Tensor], device: torch.device) -> Tensor:
    """Still on the device: reading each answer by itself would wait for it."""
    return model(*(tensor.to(device, non_blocking=True) for tensor in inputs)).float()


def batches_of_similar_length(rows: Sequence[Ids], most_positions: int) -> Iterator[list[int]]:
    """Indices of rows, sorted by length, in batches of at most so many positions, padding included; one row at least.

    Args:
        rows: encoded sequences.
        most_positions: rows of a batch times its longest row.
    """
    batch: list[int] = []
    for row in sorted(range(len(rows)), key=lambda row: len(rows[row])):
        if batch and (len(batch) + 1) * len(rows[row]) > most_positions:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def batches_of_one_length(rows: Sequence[Ids]) -> Iterator[list[int]]:
    """Indices of rows, sorted by length, in batches of rows that are equally long."""
    by_length = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    for length, same in groupby(by_length, key=lambda row: len(rows[row])):
        indices = list(same)
        size = min(PREDICTION_BATCH, max(1, PREDICTION_POSITIONS // length))
        for start in range(0, len(indices), size):
            yield indices[start : start + size]

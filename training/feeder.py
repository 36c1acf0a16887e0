"""Sequences become what a model reads, by the service's own rules: app.encoding encodes, app.engine makes the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor

from app.bundle import TOKENIZER, Input, Manifest
from app.encoding import EncodedSequence, Ids, SequenceEncoder
from app.engine import feed
from training.augmentation import Lengths, augment, cut
from training.config import BundleConfig
from training.datasets.table import Floats
from training.errors import DataError
from training.examples import Codes, as_text
from training.recipe import AugmentationConfig, ModelConfig
from training.regressor import Regressor
from training.tokenizers.special import padding_id, special_ids, special_tokens_per_sequence

PREDICTION_BATCH = 256
# Attention's scores grow with rows times length squared: long inputs are predicted a few at a time.
PREDICTION_POSITIONS = 32768


def input_rules(model: ModelConfig, bundle: BundleConfig, tokenizer_json: bytes | None) -> Input:
    """What the model accepts, as its manifest says it.

    Args:
        model: knows how many tokens it can read.
        bundle: says how many bases are accepted.
        tokenizer_json: content of `tokenizer.json`, for the encoding `tokens`.
    """
    tokenizer = None if tokenizer_json is None else Tokenizer.from_buffer(tokenizer_json)
    return Input(
        encoding=model.encoding,
        ambiguous=bundle.ambiguous,
        min_bases=bundle.min_bases,
        max_bases=bundle.max_bases,
        max_tokens=bundle.max_bases if tokenizer is None else _max_tokens(model, bundle, tokenizer),
        pad_token_id=None if tokenizer is None else padding_id(tokenizer),
    )


def _max_tokens(model: ModelConfig, bundle: BundleConfig, tokenizer: Tokenizer) -> int:
    # At worst each base is a token of its own.
    worst = bundle.max_bases + special_tokens_per_sequence(tokenizer)
    return min(limit for limit in (worst, bundle.max_tokens, model.token_limit) if limit)


class Feeder:
    """Makes a model's input tensors.

    Args:
        rules: what the model accepts.
        tokenizer_json: content of `tokenizer.json`, for the encoding `tokens`.
    """

    def __init__(self, rules: Input, tokenizer_json: bytes | None) -> None:
        self.rules = rules
        self.tokenizer_json = tokenizer_json
        files = {} if tokenizer_json is None else {TOKENIZER: tokenizer_json}
        # The encoder reads only these two fields; the rest of the manifest is not known before the model is trained.
        self._encoder = SequenceEncoder(Manifest.model_construct(name="in-training", input=rules), files)
        self._tokenizer = None if tokenizer_json is None else _whole_sequences(tokenizer_json)

    @property
    def vocabulary(self) -> int:
        """Entries of the tokenizer; 0 without one."""
        return 0 if self._tokenizer is None else self._tokenizer.get_vocab_size()

    @property
    def token_bases(self) -> npt.NDArray[np.int64]:
        """(vocabulary,) int64: bases in each token, 0 for special tokens; empty without a tokenizer."""
        bases = np.zeros(self.vocabulary, dtype=np.int64)
        for token, number in self._tokenizer.get_vocab().items() if self._tokenizer else ():
            bases[number] = 0 if number in self.special_ids else len(token)
        return bases

    @property
    def special_ids(self) -> frozenset[int]:
        """Ids of tokens that stand for no base; none without a tokenizer."""
        return frozenset() if self._tokenizer is None else special_ids(self._tokenizer)

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
            DataError: a row is longer than the model reads.
        """
        bases, lengths = augment(bases, lengths, config, generator)
        if self._tokenizer is None:
            return self.tensors(list(bases))
        texts = as_text(bases, lengths)
        if config.cut_rate:
            texts = [cut(text, config.cut_rate, generator) for text in texts]
        encodings = self._tokenizer.encode_batch_fast(texts)
        self._refuse_tokens(max(len(encoding) for encoding in encodings))
        return self.tensors([np.array(encoding.ids, dtype=np.uint16) for encoding in encodings])

    def _refuse_tokens(self, tokens: int) -> None:
        limit = self.rules.max_tokens
        if tokens > limit:
            raise DataError(
                f"a training sequence is {tokens:,} tokens long and this model reads at most {limit:,}; "
                "shorten the sequences or lower fit.augmentation.cut_rate"
            )


def _whole_sequences(tokenizer_json: bytes) -> Tokenizer:
    """The tokenizer as the service reads it: a file saved by transformers may truncate and pad."""
    tokenizer = Tokenizer.from_buffer(tokenizer_json)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@torch.no_grad()
def predict(model: Regressor, feeder: Feeder, sequences: Sequence[str], standardised: bool = False) -> Floats:
    """Predict without padding: in batches of rows of one length.

    Args:
        model: on any device; it is put into evaluation mode.
        feeder: the model's.
        sequences: upper-case bases.
        standardised: all outputs in standard deviations, instead of the targets in their units.

    Returns:
        (sequences, columns) float32.
    """
    model.eval()
    answer = model.standardised if standardised else model
    device = model.mean.device
    rows = feeder.encode(sequences)
    batches = list(_batches_of_one_length(rows))
    answers = [_answer(answer, feeder.tensors([rows[row] for row in batch]), device) for batch in batches]
    predicted = np.empty((len(rows), answers[0].shape[1]), dtype=np.float32)
    predicted[np.concatenate(batches)] = np.concatenate(answers)
    return predicted


def _answer(model: Callable[..., Tensor], inputs: Sequence[Tensor], device: torch.device) -> Floats:
    answer: Floats = model(*(tensor.to(device) for tensor in inputs)).float().cpu().numpy()
    return answer


def _batches_of_one_length(rows: Sequence[Ids]) -> Iterator[list[int]]:
    by_length = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    for length, same in groupby(by_length, key=lambda row: len(rows[row])):
        indices = list(same)
        size = max(1, min(PREDICTION_BATCH, PREDICTION_POSITIONS // length))
        for start in range(0, len(indices), size):
            yield indices[start : start + size]

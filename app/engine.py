"""Models on a device: graphs that have proved they predict what their manifest promises."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from app.bundle import GRAPH, Bundle, Golden, Input
from app.dosage import read_variants
from app.encoding import EncodedSequence, Ids, SequenceEncoder
from app.errors import InferenceFailed
from app.golden import check_golden, refused, sequences
from app.session import CPU, Device, Feed, OnnxSession
from app.timing import Budget, row_seconds

Values = npt.NDArray[np.float32]  # (batch, targets), in the targets' units

GRAPH_INPUTS = {"tokens": {"input_ids", "attention_mask"}, "one_hot": {"bases"}, "dosage": {"dosage"}}
ONE_HOT = np.vstack([np.eye(4, dtype=np.float32), np.zeros((1, 4), dtype=np.float32)])  # A C G T, N = zeros

# Its fast attention kernels want it (fp16), and it sees fewer shapes.
CUDA_LENGTH_MULTIPLE = 8

PAIR = 2  # in which the golden examples have been predicted
GROUPS = (PAIR, 1, 8, 32)  # of rows, that are measured
MEASURE = Budget(0.1)  # for each graph, beyond its first group
MEASURE_PADDED = Budget(0.5, firsts=8)  # the same where rows may be padded, which asks for more groups than one


class OnnxGraph(ABC):
    """One graph as a worker uses it.

    Args:
        session: of the graph.
        make_feed: its inputs for a batch.
        values: how many an answer has; None for as many as the first one has.
    """

    length_multiple = 1

    def __init__(self, session: OnnxSession, make_feed: Callable[[Sequence[Ids]], Feed], values: int | None) -> None:
        self._session, self._make_feed, self._values = session, make_feed, values

    @property
    def provider(self) -> str:
        """What computes, as ONNX Runtime names it."""
        return self._session.provider

    @property
    def on_cpu(self) -> bool:
        return self.provider == CPU

    @property
    def fell_back(self) -> bool:
        """Whether the CPU stands in for a GPU that was asked for, or that this ONNX Runtime is made for."""
        return self._session.fell_back

    def predict(self, rows: Sequence[Ids]) -> Values:
        """Predict a batch.

        Args:
            rows: encoded sequences; for `one_hot` all of one length, since that graph has no mask. For `dosage`
                a person's dosages each.

        Returns:
            (rows, values) float32: targets in their units, or an embedding.

        Raises:
            OutOfMemory: the device could not hold the batch.
            DeviceLost: the device does not work any more.
            InferenceFailed: the graph answers another shape.
        """
        values = self._session.run(self._make_feed(rows))
        if self._values is None and values.ndim == 2:
            self._values = values.shape[1]
        if values.shape != (len(rows), self._values):
            expected = f"{len(rows)} rows" + (f" of {self._values} values" if self._values else "")
            raise InferenceFailed(f"The graph answers an array of shape {values.shape} for {expected}.")
        return values

    def row_seconds(self, budget: Budget = MEASURE) -> Mapping[int, float]:
        """What an example takes in groups of some sizes, by how many they are; a pair is always there.

        On a CPU by the time that the thread had a core, so that it says nothing of what else the machine does.

        Args:
            budget: for all groups but the first, of which those are left out that take longer.
        """
        row = self.example_row()
        clock = time.thread_time if self.on_cpu and self._session.threads == 1 else time.perf_counter
        return row_seconds(lambda rows: self.predict([row] * rows), GROUPS, budget, clock)

    def time_longest(self) -> float:
        """Seconds that the longest input takes by itself, once the device has seen one of its length."""
        row = self.longest_row()
        if not self.on_cpu:
            self.predict([row])
        started = time.perf_counter()
        self.predict([row])
        return time.perf_counter() - started

    def rebuild(self) -> None:
        """Open another session in place of this one, whose memory is free before.

        Raises:
            BundleError: the new one does not open or predicts something else.
        """
        self._session.reopen()
        self.verify()

    @abstractmethod
    def verify(self) -> None:
        """Predict the golden examples.

        Raises:
            BundleError: one is refused, fails or differs.
        """

    @abstractmethod
    def example_row(self) -> Ids:
        """An input such as are predicted."""

    @abstractmethod
    def longest_row(self) -> Ids:
        """An input as long as it may be."""


class OnnxModel(OnnxGraph):
    """A bundle of one graph.

    Args:
        bundle: verified files and their manifest.
        device: `cpu`, `cuda:N`, or `auto` (CUDA where this ONNX Runtime has it, else the CPU).
        threads: intra-op threads on the CPU.
        allow_cpu: accept the CPU when CUDA was asked for and did not start.
        length_multiple: what the length of a padded batch is rounded up to; None leaves it to the device.

    Raises:
        BundleError: the graph does not load, has other inputs or outputs, or fails a golden example.
    """

    def __init__(
        self,
        bundle: Bundle,
        device: Device = "cpu",
        threads: int = 1,
        allow_cpu: bool = True,
        length_multiple: int | None = None,
    ) -> None:
        self.manifest = bundle.manifest
        self.sha256 = bundle.sha256
        rules = self.manifest.input
        if rules.encoding == "dosage":
            read_variants(self.manifest, bundle.files)
        self._encoder = SequenceEncoder(bundle.manifest, bundle.files)
        inputs = GRAPH_INPUTS[rules.encoding]
        session = OnnxSession(bundle, GRAPH, inputs, "values", device, threads, allow_cpu)
        self.length_multiple = multiple_for(session.provider, rules, length_multiple)
        super().__init__(session, lambda rows: feed(rows, rules, self.length_multiple), len(self.manifest.targets))
        self.verify()

    def verify(self) -> None:
        rows = self._golden_rows()
        check_golden(self.manifest, lambda: np.stack([self.predict([row, row]) for row in rows]))

    def example_row(self) -> Ids:
        return self._golden_rows()[-1]

    def longest_row(self) -> Ids:
        return np.resize(self._golden_rows()[0], self.manifest.input.max_tokens)  # repeats it

    def _golden_rows(self) -> list[Ids]:
        rows = golden_rows(self.manifest.golden, self._encoder)
        if len(rows) < len(self.manifest.golden.examples):
            raise refused(self.manifest)
        return rows


def multiple_for(provider: str, rules: Input, wanted: int | None) -> int:
    """What the length of a padded batch is rounded up to: 1 where nothing may be padded."""
    if rules.encoding != "tokens":
        return 1
    return wanted or (1 if provider == CPU else CUDA_LENGTH_MULTIPLE)


def feed(rows: Sequence[Ids], rules: Input, length_multiple: int = 1) -> Feed:
    """The graph's inputs for a batch of encoded sequences.

    Args:
        length_multiple: what the length of the longest is rounded up to by padding, if the model reads so much.
    """
    if rules.encoding == "one_hot":
        return {"bases": ONE_HOT.take(np.array(rows), axis=0)}  # (batch, length, 4)
    if rules.encoding == "dosage":
        return {"dosage": np.array(rows)}  # (batch, variants)
    longest, shortest = max(map(len, rows)), min(map(len, rows))
    length = max(longest, min(rules.max_tokens, -(-longest // length_multiple) * length_multiple))
    if shortest == length:
        input_ids = np.array(rows, dtype=np.int64)
        return {"input_ids": input_ids, "attention_mask": np.ones((len(rows), length), dtype=np.int64)}
    input_ids = np.full((len(rows), length), rules.pad_token_id, dtype=np.int64)
    attention_mask = np.zeros((len(rows), length), dtype=np.int64)
    for index, row in enumerate(rows):
        input_ids[index, : len(row)] = row
        attention_mask[index, : len(row)] = 1
    return {"input_ids": input_ids, "attention_mask": attention_mask}


def golden_rows(golden: Golden, encoder: SequenceEncoder) -> list[Ids]:
    """The golden examples as the model reads them, but for those that it refuses."""
    encoded = encoder.encode(sequences(golden))
    dosages = [example.dosage for example in golden.examples if example.dosage is not None]
    accepted = [row.ids for row in encoded if isinstance(row, EncodedSequence)]
    return accepted + [np.array(dosage, dtype=np.float32) for dosage in dosages]

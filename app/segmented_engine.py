"""Models with segments on a device: an embedder of segments, and a head over the embeddings of a window."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from app.bundle import EMBEDDER, HEAD, Bundle, Manifest
from app.encoding import Ids
from app.engine import GRAPH_INPUTS, OnnxGraph, OnnxModel, Values, feed, multiple_for
from app.golden import check_golden, refused, sequences
from app.session import Device, Feed, OnnxSession
from app.window_encoding import EncodedWindow, WindowEncoder

# Of the golden examples, so that a batch of theirs is one that the device must be able to hold.
GOLDEN_BATCH = 8


class SegmentedModel:
    """A bundle of two graphs.

    Args:
        bundle, device, threads, allow_cpu, length_multiple: as for `OnnxModel`.

    Raises:
        BundleError: a graph does not load, has other inputs or outputs, or both together fail a golden example.

    Attributes:
        embedder: tokens of a segment → its embedding.
        head: the embeddings of a window's segments, end to end → values.
    """

    def __init__(
        self,
        bundle: Bundle,
        device: Device = "cpu",
        threads: int = 1,
        allow_cpu: bool = True,
        length_multiple: int | None = None,
    ) -> None:
        self.manifest = manifest = bundle.manifest
        rules, segments = manifest.input, manifest.input.segments
        assert segments is not None  # noqa: S101 - what this class is for
        self._encoder = WindowEncoder(manifest, segments, bundle.files)
        open_session = partial(OnnxSession, bundle, device=device, threads=threads, allow_cpu=allow_cpu)
        tokens = open_session(EMBEDDER, GRAPH_INPUTS["tokens"], "embedding")
        embeddings = open_session(HEAD, {"embeddings"}, "values")
        multiple = multiple_for(tokens.provider, rules, length_multiple)
        self.embedder = _Part(tokens, lambda rows: feed(rows, rules, multiple), None, self.verify, rules.max_tokens)
        self.embedder.length_multiple = multiple
        joined = partial(head_feed, segments=segments.count)
        self.head = _Part(embeddings, joined, len(manifest.targets), self.verify, None)
        self.verify()

    def verify(self) -> None:
        """Predict the golden examples, which are whole windows.

        Raises:
            BundleError: one is refused, fails or differs.
        """
        windows = golden_windows(self.manifest, self._encoder)
        embedded: list[Ids] = []

        def predicted_twice() -> Values:
            embedded[:] = self._embedded_by_all_cores(windows)
            return np.stack([self.head.predict([row, row]) for row in embedded])

        check_golden(self.manifest, predicted_twice)
        self.embedder.example, self.head.example = windows[-1].segments[-1], embedded[-1]

    def predict(self, windows: Sequence[EncodedWindow]) -> Values:
        """(windows, targets) float32 for windows one by one: what the service answers, without its queue."""
        return np.concatenate([self.head.predict([self._embedded(window)]) for window in windows])

    def _embedded(self, window: EncodedWindow) -> Ids:
        """(segments * width,) float32."""
        return _end_to_end(self.embedder.predict(batch) for batch in _batches(window.segments))

    def _embedded_by_all_cores(self, windows: Sequence[EncodedWindow]) -> list[Ids]:
        """The same of each; before the service is ready nobody else wants the cores, and there are many segments."""
        with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if self.embedder.on_cpu else 1) as pool:
            embedded = [pool.map(self.embedder.predict, _batches(window.segments)) for window in windows]
            return [_end_to_end(batches) for batches in embedded]


class _Part(OnnxGraph):
    """One of the two graphs, which prove themselves together.

    Args:
        prove: both.
        longest_tokens: of the longest input; None where all are of one length.

    Attributes:
        example: an input.
    """

    def __init__(
        self,
        session: OnnxSession,
        make_feed: Callable[[Sequence[Ids]], Feed],
        values: int | None,
        prove: Callable[[], None],
        longest_tokens: int | None,
    ) -> None:
        super().__init__(session, make_feed, values)
        self._prove, self._longest_tokens = prove, longest_tokens
        self.example: Ids = np.zeros(0, dtype=np.float32)

    def verify(self) -> None:
        self._prove()

    def example_row(self) -> Ids:
        return self.example

    def longest_row(self) -> Ids:
        return np.resize(self.example, self._longest_tokens or len(self.example))  # repeats it


def open_graphs(
    bundle: Bundle,
    device: Device = "cpu",
    *,
    threads: int = 1,
    allow_cpu: bool = True,
    length_multiple: int | None = None,
) -> tuple[OnnxGraph, ...]:
    """The graphs of a bundle on a device, in the order of its manifest, once they have proved themselves.

    Args:
        bundle, device, threads, allow_cpu, length_multiple: as for `OnnxModel`.

    Raises:
        BundleError: they do not open there, or predict something else than the manifest promises.
    """
    if bundle.manifest.input.segments is None:
        return (OnnxModel(bundle, device, threads, allow_cpu, length_multiple),)
    model = SegmentedModel(bundle, device, threads, allow_cpu, length_multiple)
    return model.embedder, model.head


def head_feed(rows: Sequence[Ids], segments: int) -> Feed:
    """The head's inputs for a batch of windows, each (segments * width,) embeddings end to end."""
    return {"embeddings": np.stack(rows).reshape(len(rows), segments, -1)}


def golden_windows(manifest: Manifest, encoder: WindowEncoder) -> list[EncodedWindow]:
    """The golden examples as the model reads them.

    Raises:
        BundleError: it refuses one.
    """
    encoded = encoder.encode(sequences(manifest.golden))
    windows = [window for window in encoded if isinstance(window, EncodedWindow)]
    if len(windows) < len(manifest.golden.examples):
        raise refused(manifest)
    return windows


def _end_to_end(embeddings: Iterable[Values]) -> Ids:
    return np.concatenate(list(embeddings)).reshape(-1)


def _batches(segments: Sequence[Ids]) -> Iterator[Sequence[Ids]]:
    return (segments[start : start + GOLDEN_BATCH] for start in range(0, len(segments), GOLDEN_BATCH))

"""Whole windows become the tokens of their segments, by the rules of the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.bundle import Manifest, Segments
from app.encoding import EncodedSequence, Ids, SequenceEncoder, SequenceRefused

Cut = list[bytes]


@dataclass(frozen=True, slots=True)
class EncodedWindow:
    """One window as a model with segments reads it.

    Attributes:
        bases: length of what the caller sent.
        segments: each (length,) token ids with special tokens, in reading order.
    """

    bases: int
    segments: tuple[Ids, ...]

    @property
    def tokens(self) -> int:
        """Of all segments together."""
        return sum(map(len, self.segments))


class WindowEncoder:
    """Checks, cuts and encodes windows for one model with segments; safe to use from several threads.

    Args:
        manifest: the model's.
        segments: how it cuts a window.
        files: the bundle's; `tokenizer.json` is read.

    Raises:
        BundleError: the tokenizer cannot be read.
    """

    def __init__(self, manifest: Manifest, segments: Segments, files: Mapping[str, bytes]) -> None:
        self._segments = segments
        self._encoder = SequenceEncoder(manifest, files)

    def encode(self, windows: Sequence[str]) -> list[EncodedWindow | SequenceRefused]:
        """Encode each window, or say why it is refused; the order is kept, and equal segments are tokenised once."""
        cut = [self._cut(window) for window in windows]
        encoded = self._encoded([segment for each in cut if isinstance(each, list) for segment in each])
        return [_joined(len(text), each, encoded) for text, each in zip(windows, cut, strict=True)]

    def encode_segments(self, texts: Sequence[str]) -> list[EncodedSequence | SequenceRefused]:
        """Encode segments of a window that were cut by its coordinates; each has the right length."""
        checked = [self._encoder.normalise_letters(text) for text in texts]
        encoded = self._encoded([text for text in checked if isinstance(text, bytes)])
        return [encoded[text] if isinstance(text, bytes) else text for text in checked]

    def _cut(self, window: str) -> Cut | SequenceRefused:
        text = self._encoder.normalise(window)
        if isinstance(text, SequenceRefused):
            return text
        bases = self._segments.bases
        return [text[start : start + bases] for start in range(0, len(text), bases)]

    def _encoded(self, segments: Sequence[bytes]) -> dict[bytes, EncodedSequence | SequenceRefused]:
        distinct = list(dict.fromkeys(segments))
        return dict(zip(distinct, self._encoder.encode_normalised(distinct), strict=True))


def _joined(
    bases: int, cut: Cut | SequenceRefused, encoded: Mapping[bytes, EncodedSequence | SequenceRefused]
) -> EncodedWindow | SequenceRefused:
    if isinstance(cut, SequenceRefused):
        return cut
    segments = [encoded[segment] for segment in cut]
    refused = next((each for each in segments if isinstance(each, SequenceRefused)), None)
    if refused is not None:
        return refused
    return EncodedWindow(bases, tuple(each.ids for each in segments if isinstance(each, EncodedSequence)))

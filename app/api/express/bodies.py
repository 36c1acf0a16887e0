"""A body that is one that was read before, but for its sequences: what stands around them is compared, not read.

    {"model": "pf-expression", "sequences": ["ACGT", "GGCA"]}
    └─────────────── frame ───────────────┘            └frame┘

A frame has been read with letters in it, and letters end no string: whatever letters stand there, JSON has one meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from app.api.bodies import parse_json
from app.api.predict import NO_QUERY, usual_call

BEGINNING, END = b'["', b'"]'
BETWEEN, BETWEEN_AS_PYTHON_WRITES = b'","', b'", "'
LONGEST_FRAME_BYTES = 256
MOST_FRAMES = 64


class Frame(NamedTuple):
    """What stands before and after the sequences."""

    before: bytes
    after: bytes


class Question(NamedTuple):
    """What a body asks.

    Attributes:
        model: None where it names none.
    """

    model: str | None
    sequences: Sequence[str]


class KnownBodies:
    """Reads bodies of bare sequences; those whose frame it knows at a fraction of the price.

    Args:
        max_sequences: that a request may have.
    """

    def __init__(self, max_sequences: int) -> None:
        self._max_sequences = max_sequences
        self._models: dict[Frame, str | None] = {}

    def read(self, body: bytes) -> Question | None:
        """What a body asks; None if it is not a usual one.

        Raises:
            ServiceError: it is no JSON, or is refused as such.
        """
        start, end = body.find(BEGINNING) + len(BEGINNING), body.rfind(END)
        frame = Frame(body[:start], body[end:])
        sequences = _letters(body[start:end]) if start < end else None
        if sequences is not None and frame in self._models and len(sequences) <= self._max_sequences:
            return Question(self._models[frame], sequences)
        call = usual_call(parse_json(body), self._max_sequences, NO_QUERY)
        if call is None:
            return None
        if sequences is not None:
            self._learn(frame, call.model)
        return Question(call.model, call.sequences)

    def _learn(self, frame: Frame, model: str | None) -> None:
        if len(frame.before) + len(frame.after) > LONGEST_FRAME_BYTES:
            return
        if len(self._models) >= MOST_FRAMES:
            self._models.clear()
        self._models[frame] = model


def _letters(text: bytes) -> list[str] | None:
    """The sequences in a text between the first's opening and the last's closing quotes, if all are of letters."""
    if text.isalpha():
        return [text.decode("ascii")]
    texts = text.replace(BETWEEN_AS_PYTHON_WRITES, BETWEEN).split(BETWEEN)
    return [each.decode("ascii") for each in texts] if all(map(bytes.isalpha, texts)) else None

"""How long a request may wait for its answer: the body's word, the header's, or the default."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.fields import Fields
from app.api.schemas import MIN_DEADLINE_MS
from app.errors import ItemError, Unprocessable

DEADLINE_HEADER = "x-deadline-ms"


@dataclass(frozen=True, slots=True)
class DeadlineLimits:
    """How long a request may wait for its answer."""

    default_ms: int = 10_000
    max_ms: int = 120_000

    def chosen_ms(self, of_body: int | None, fields: Fields, pointer: str = "/deadline_ms") -> int:
        """The body's word, the header's, or the default; what is said must be valid even where it loses.

        Args:
            pointer: to what the body says.

        Raises:
            Unprocessable: what is said is out of bounds.
        """
        given = fields.get(DEADLINE_HEADER)
        deadline_ms = self.default_ms if given is None else self._checked(_whole(given), "")
        return deadline_ms if of_body is None else self._checked(of_body, pointer)

    def _checked(self, deadline_ms: int, pointer: str) -> int:
        if MIN_DEADLINE_MS <= deadline_ms <= self.max_ms:
            return deadline_ms
        detail = f"A deadline is a whole number of milliseconds from {MIN_DEADLINE_MS} to {self.max_ms}."
        raise Unprocessable(detail, items=[ItemError(pointer, "invalid_value", detail)])


def _whole(text: str) -> int:
    """A short whole number; -1 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1

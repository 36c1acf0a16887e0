"""Who predicts for the command line; one protocol, two forms, the same errors.

local: the service inside this process, nothing to start before; remote: one that runs behind a URL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model said of one sequence; `values` in the order of its targets."""

    bases: int
    tokens: int
    values: tuple[float, ...]


class Client(Protocol):
    """Predicts with one model; safe to use from several threads.

    Attributes:
        model: `name@version`.
        targets: names of the values it predicts.
    """

    model: str
    targets: tuple[str, ...]

    def predict(self, sequences: Sequence[str]) -> list[Prediction]:
        """Predict for each sequence, in order.

        Raises:
            ServiceError: none is predicted; its items point at the sequences at fault, if some are.
            ServerError: the service cannot be reached.
        """

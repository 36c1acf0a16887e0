"""Who predicts for the command line; one protocol, two forms, the same errors.

local: the service inside this process, nothing to start before; remote: one that runs behind a URL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Progress = Callable[[int, int], None]


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

    def predict_people(self, request: Mapping[str, Any], vcf: Path, progress: Progress) -> dict[str, Any]:
        """Predict for each person of a VCF.

        Args:
            request: as POST /predict/individual takes it, without the model and where the genotypes come from.
            progress: told how many distinct haplotypes of how many have their values.

        Returns:
            The document that the service answers.

        Raises:
            ServiceError: the request is refused.
            ServerError: the service cannot be reached.
        """

    def ask(self, route: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request to a route that takes and answers one JSON document.

        Args:
            request: without the model.

        Returns:
            The document that the service answers.

        Raises:
            ServiceError: the request is refused.
            ServerError: the service cannot be reached.
        """

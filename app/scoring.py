"""Any number of variants through a client: a request at a time, order kept, what is refused set aside.

A request that is too much at once is halved, and when the service is busy it is asked again later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from app.bulk import Patience
from app.client import Client
from app.errors import BodyTooLarge, DeadlineExceeded, ItemError, ServiceError, Unprocessable
from app.variants.question import Asked

ROUTE = "/predict/variants"
LIST = "/variants"
REQUEST_VARIANTS = 256


@dataclass(frozen=True, slots=True)
class Refused:
    """A variant without an effect, and why."""

    asked: Asked
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Scored:
    """What became of some variants.

    Attributes:
        effects: as the service answers them, in order.
        skipped: how many do not touch the window.
        model: as the service tells it; empty where nothing was answered.
    """

    effects: list[dict[str, Any]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    skipped: int = 0
    model: Mapping[str, Any] = field(default_factory=dict)

    @property
    def variants(self) -> int:
        """How many these are."""
        return len(self.effects) + len(self.refused) + self.skipped

    def __add__(self, other: Scored) -> Scored:
        effects, refused = self.effects + other.effects, self.refused + other.refused
        return Scored(effects, refused, self.skipped + other.skipped, self.model or other.model)


def score_all(
    client: Client, variants: Sequence[Asked], request: Mapping[str, Any], patience: Patience
) -> Iterator[Scored]:
    """What becomes of each request's variants.

    Args:
        request: the fields of POST /predict/variants beside the model and the variants.

    Raises:
        BasecastError: the client cannot go on.
    """
    for start in range(0, len(variants), REQUEST_VARIANTS):
        yield score(client, variants[start : start + REQUEST_VARIANTS], request, patience)


def score(client: Client, variants: Sequence[Asked], request: Mapping[str, Any], patience: Patience) -> Scored:
    """Score what the service accepts, and set aside what it refuses."""
    listed = {**request, "variants": [asdict(asked.variant) for asked in variants], "priority": "bulk"}
    try:
        told = patience.ask(lambda: client.ask(ROUTE, listed))
    except (Unprocessable, BodyTooLarge, DeadlineExceeded) as error:
        if at_fault := _at_fault(error.items, len(variants)):
            return _without(client, variants, at_fault, request, patience)
        return _halved(client, variants, error, request, patience)
    return Scored(told["variants"], [], len(told["skipped"]), told["model"])


def _at_fault(items: Iterable[ItemError], size: int) -> dict[int, ItemError]:
    """Which variants the items point at, or into, by index in the request."""
    places = {item.pointer.removeprefix(f"{LIST}/").partition("/")[0]: item for item in items}
    return {index: places[str(index)] for index in range(size) if str(index) in places}


def _without(
    client: Client,
    variants: Sequence[Asked],
    at_fault: Mapping[int, ItemError],
    request: Mapping[str, Any],
    patience: Patience,
) -> Scored:
    refused = Scored([], [Refused(variants[index], item.code, item.detail) for index, item in at_fault.items()])
    rest = [asked for index, asked in enumerate(variants) if index not in at_fault]
    return refused + score(client, rest, request, patience) if rest else refused


def _halved(
    client: Client, variants: Sequence[Asked], error: ServiceError, request: Mapping[str, Any], patience: Patience
) -> Scored:
    is_size = not isinstance(error, Unprocessable) or any(item.pointer == LIST for item in error.items)
    if len(variants) == 1 or not is_size:
        raise error
    middle = len(variants) // 2
    first = score(client, variants[:middle], request, patience)
    return first + score(client, variants[middle:], request, patience)

"""Any number of variants through a client: nothing lost, nothing doubled, whatever the service refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.bulk import Patience
from app.client import Prediction, Progress
from app.errors import BodyTooLarge, DeadlineExceeded, ItemError, Overloaded, ServiceError, Unprocessable
from app.genome.variants import Variant
from app.scoring import REQUEST_VARIANTS, Scored, score_all
from app.variants.question import Asked, ListPlace


class Service:
    """A fake client that answers up to `most` variants at once, and refuses positions that are multiples of `bad`."""

    model, targets = "fake@1.0.0", ("one",)

    def __init__(self, most: int = 10_000, bad: int = 10_000, too_much: ServiceError | None = None) -> None:
        self.most, self.bad, self.too_much = most, bad, too_much or BodyTooLarge()
        self.sizes: list[int] = []
        self.busy = 0

    def ask(self, route: str, request: Mapping[str, Any]) -> dict[str, Any]:
        assert (route, request["gene"], request["priority"]) == ("/predict/variants", "G", "bulk")
        positions = [variant["position"] for variant in request["variants"]]
        if self.busy:
            self.busy -= 1
            raise Overloaded(retry_after_ms=1)
        self.sizes.append(len(positions))
        if len(positions) > self.most:
            raise self.too_much
        wrong = [index for index, position in enumerate(positions) if position % self.bad == 0]
        if wrong:
            items = [ItemError(f"/variants/{index}", "reference_mismatch", "No.") for index in wrong[:20]]
            raise Unprocessable("Refused.", items=items)
        skipped = [{"index": 0, "reason": "outside_window"}] if positions[0] == 1 else []
        effects = [{"position": position} for position in positions[len(skipped) :]]
        return {"model": {"name": "fake"}, "variants": effects, "skipped": skipped}

    def predict(self, sequences: Sequence[str]) -> list[Prediction]:
        raise NotImplementedError

    def predict_people(self, request: Mapping[str, Any], vcf: Path, progress: Progress) -> dict[str, Any]:
        raise NotImplementedError


def score(service: Service, count: int) -> Scored:
    asked = [Asked(Variant("c", position, "A", "G"), ListPlace(position - 1)) for position in range(1, count + 1)]
    everything = Scored()
    for scored in score_all(service, asked, {"gene": "G"}, Patience(lambda _: None)):
        everything += scored
    return everything


def positions(scored: Scored) -> list[int]:
    return [effect["position"] for effect in scored.effects]


def test_requests_are_of_one_size_and_answers_in_order() -> None:
    service = Service()
    scored = score(service, 2 * REQUEST_VARIANTS + 1)
    assert service.sizes == [REQUEST_VARIANTS, REQUEST_VARIANTS, 1]
    assert positions(scored) == list(range(2, 2 * REQUEST_VARIANTS + 2))
    assert (scored.skipped, scored.model, scored.refused) == (1, {"name": "fake"}, [])


def test_what_is_refused_is_set_aside_even_where_not_all_of_it_is_told_at_once() -> None:
    scored = score(Service(bad=2), 100)
    assert positions(scored) == list(range(3, 100, 2))
    assert [refused.asked.variant.position for refused in scored.refused] == list(range(2, 101, 2))
    assert {refused.code for refused in scored.refused} == {"reference_mismatch"}


@pytest.mark.parametrize(
    "too_much",
    [
        BodyTooLarge(),
        DeadlineExceeded(),
        Unprocessable("Too many.", items=[ItemError("/variants", "too_many", "Too many.")]),
    ],
)
def test_a_request_that_is_too_much_is_halved(too_much: ServiceError) -> None:
    service = Service(most=3, too_much=too_much)
    assert positions(score(service, 10)) == list(range(2, 11))
    assert service.sizes == [10, 5, 2, 3, 5, 2, 3]


def test_a_variant_that_is_too_much_even_alone_ends_the_run() -> None:
    with pytest.raises(DeadlineExceeded):
        score(Service(most=0, too_much=DeadlineExceeded()), 4)


def test_a_refusal_of_something_else_ends_the_run() -> None:
    gene = Unprocessable("No gene.", items=[ItemError("/gene", "invalid_value", "No gene.")])
    service = Service(most=0, too_much=gene)
    with pytest.raises(Unprocessable, match="No gene"):
        score(service, 4)
    assert service.sizes == [4]


def test_a_busy_service_is_asked_again() -> None:
    service = Service()
    service.busy = 2
    assert positions(score(service, 3)) == [2, 3]

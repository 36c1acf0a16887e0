"""A plan's values, and what they say of each variant."""

from __future__ import annotations

from dataclasses import dataclass

from app.bundle import Target
from app.chunks import Errand, predict_in_chunks
from app.predictor import Predictor
from app.scales import log2_fold_change
from app.variants.plan import Placed, Plan


@dataclass(frozen=True, slots=True)
class Effect:
    """What a model says of a variant; lists in the order of its targets.

    Attributes:
        reference, alternate: values of the window without the variant and with it, in the target's unit.
    """

    placed: Placed
    reference: list[float]
    alternate: list[float]

    @property
    def difference(self) -> list[float]:
        """The alternate's value less the reference's."""
        return [one - other for one, other in zip(self.alternate, self.reference, strict=True)]

    def log2_fold_changes(self, targets: tuple[Target, ...]) -> list[float | None]:
        """Of the alternate to the reference; None where the target's scale gives it no meaning."""
        return [log2_fold_change(*each) for each in zip(self.alternate, self.reference, targets, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """The answer to all variants of a plan, in its order.

    Attributes:
        tokens: read in all.
        seconds: in each phase.
    """

    plan: Plan
    effects: tuple[Effect, ...]
    tokens: int
    seconds: dict[str, float]


async def predict_effects(predictor: Predictor, plan: Plan, errand: Errand) -> Effects:
    """Predict a plan.

    Raises:
        ServiceError: one of its sequences cannot be predicted.
    """
    found = await predict_in_chunks(predictor, plan.sequences, errand)
    effects = (Effect(each, found.values[each.reference], found.values[each.alternate]) for each in plan.variants)
    return Effects(plan, tuple(effects), found.tokens, found.seconds)

"""The loss: Huber on each person's value, and Huber on the differences between people."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def people_loss(predicted: Tensor, measured: Tensor, pairwise_weight: float, delta: float) -> Tensor:
    """The loss of one gene.

    Args:
        predicted, measured: (people,), at least two.
        pairwise_weight: of the second term: all pairs of people, each pair's difference against the measured one.
        delta: where Huber's square turns into a line.
    """
    own = functional.huber_loss(predicted, measured, delta=delta)
    first, second = _pairs(predicted), _pairs(measured)
    return own + pairwise_weight * functional.huber_loss(first, second, delta=delta)


def _pairs(values: Tensor) -> Tensor:
    """(pairs,) the difference of every two people, each pair once."""
    people = len(values)
    above = values.new_ones(people, people).triu(1).bool()
    return (values[:, None] - values[None])[above]

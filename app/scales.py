"""Values of targets: what two haplotypes make together, how far one is from the reference's, its digits."""

from __future__ import annotations

import math
from collections.abc import Sequence

from app.bundle import Scale, Target

BASES: dict[Scale, float] = {"log2": 2.0, "log10": 10.0, "ln": math.e}
"""The logarithms among the scales."""


def combined(values: Sequence[float], target: Target) -> float:
    """The mean on the linear scale, told on the target's own; the plain mean where there is no way to the linear one.

    The pseudocount takes no part: it is added to each value alike, and so to their mean.
    """
    base = BASES.get(target.scale)
    if base is None:
        return math.fsum(values) / len(values)
    largest = max(values)  # kept out of the powers, which would overflow
    mean = math.fsum(base ** (value - largest) for value in values) / len(values)
    return largest + math.log(mean, base)


def log2_fold_change(value: float, reference: float, target: Target) -> float | None:
    """How many times as much as the reference, in doublings; pseudocounts stay in both.

    Returns:
        None where the scale is `other`, or where a value on the linear scale is not above 0.
    """
    base = BASES.get(target.scale)
    if base is not None:
        return (value - reference) * math.log2(base)
    counted = (value + target.pseudocount, reference + target.pseudocount)
    if target.scale != "linear" or min(counted) <= 0:
        return None
    return math.log2(counted[0] / counted[1])


def shortest(value: float) -> float:
    """The value with the seven digits that float32 holds, so that -1.38 does not read -1.3799999952316284."""
    return float(f"{value:.7g}")

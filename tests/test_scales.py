"""What two haplotypes make together, how far that is from the reference, and the digits of a value."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bundle import Scale, Target
from app.scales import combined, log2_fold_change, shortest


def target(scale: Scale, pseudocount: float = 0.0) -> Target:
    return Target(
        name="level", unit="1", scale=scale, pseudocount=pseudocount, higher_means="more", description="A toy.",
        mean=0, standard_deviation=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("scale", "values", "expected"),
    [
        ("linear", [1, 3], 2),
        ("log2", [1, 3], math.log2((2 + 8) / 2)),
        ("log10", [0, 2], math.log10((1 + 100) / 2)),
        ("ln", [0, math.log(3)], math.log(2)),
        ("other", [1, 3], 2),
        ("log2", [5000, 5000], 5000),  # 2 ** 5000 is no float
        ("log2", [2.5], 2.5),
    ],
)
def test_haplotypes_combine_on_the_linear_scale(scale: Scale, values: list[float], expected: float) -> None:
    assert combined(values, target(scale)) == pytest.approx(expected)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=2), st.sampled_from([0.01, 1.0]))
def test_a_pseudocount_takes_no_part_in_the_mean(values: list[float], pseudocount: float) -> None:
    mean = sum(10**value - pseudocount for value in values) / len(values)
    assert combined(values, target("log10", pseudocount)) == pytest.approx(math.log10(mean + pseudocount))


@pytest.mark.parametrize(
    ("scale", "pseudocount", "value", "reference", "expected"),
    [
        ("log2", 0, 3.5, 1.5, 2),
        ("log10", 0.01, 1, 0, math.log2(10)),
        ("ln", 0, 2, 1, math.log2(math.e)),
        ("linear", 0, 8, 2, 2),
        ("linear", 1, 7, 1, 2),
        ("linear", 0, 8, 0, None),
        ("linear", 0, -8, 2, None),
        ("other", 0, 8, 2, None),
    ],
)
def test_a_fold_change_is_told_where_the_scale_makes_it_meaningful(
    scale: Scale, pseudocount: float, value: float, reference: float, expected: float | None
) -> None:
    found = log2_fold_change(value, reference, target(scale, pseudocount))
    assert found == (expected if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("value", [-1.38, 0.1, 123456.7, 1e-30, 0.0])
def test_a_float32_reads_as_it_was_written(value: float) -> None:
    assert shortest(float(np.float32(value))) == value

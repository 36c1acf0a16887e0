"""A run ends at its limit in steps or in time, whichever comes first, and the learning rate follows it there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.pretraining.config import StepsConfig
from training.pretraining.schedule import learning_rate, share_done


def limits(steps: int, minutes: float) -> StepsConfig:
    return StepsConfig(batch=1, context_tokens=8, learning_rate=1.0, steps=steps, minutes=minutes, warmup_fraction=0.1)


@pytest.mark.parametrize(
    ("steps", "minutes", "expected"),
    [(100, 0, 0.25), (0, 1, 0.5), (100, 1, 0.5), (50, 1, 0.5), (40, 1, 0.625), (10, 1, 1)],
)
def test_the_limit_that_comes_first_counts(steps: int, minutes: float, expected: float) -> None:
    assert share_done(step=25, seconds=30.0, config=limits(steps, minutes)) == pytest.approx(expected)


def test_the_rate_rises_to_its_peak_and_falls_as_a_cosine() -> None:
    rate = {done: learning_rate(done, limits(100, 0)) for done in (0.0, 0.05, 0.1, 0.4, 0.55, 1.0)}

    assert rate[0.0] == pytest.approx(0.01)
    assert rate[0.05] == pytest.approx(0.505)
    assert rate[0.1] == pytest.approx(1.0)
    assert rate[0.4] == pytest.approx(0.01 + 0.99 * 0.75)  # a third of the way down: (1 + cos 60 degrees) / 2
    assert rate[0.55] == pytest.approx(0.505)
    assert rate[1.0] == pytest.approx(0.01)


@given(st.floats(0, 1))
def test_the_rate_is_never_zero_and_never_above_its_peak(done: float) -> None:
    assert 0.0099 < learning_rate(done, limits(100, 0)) <= 1.0

"""A setting is only worth a change if it gains more than two equal candidates differ by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.comparison import (
    LEAST_GAIN,
    Candidate,
    Group,
    Rate,
    compare,
    compare_groups,
    doubted,
    settings_of,
    under_limits,
)

USUAL = Candidate("usual")
OTHER = Candidate("other", (("threads", 2),))


def test_a_rate_is_the_median_of_its_rounds_and_their_middle_half_its_spread() -> None:
    # 10 rows in 1, 2, 2.5, 5 and 10 s: 10, 5, 4, 2 and 1 a second
    assert Rate.of(10, [1, 10, 2, 5, 2.5]) == Rate(4, (5 - 2) / 4, 5)


@pytest.mark.parametrize(
    ("usual", "other", "worth"),
    [
        (Rate(100, 0.01, 9), Rate(120, 0.01, 9), True),
        (Rate(100, 0.01, 9), Rate(104, 0.01, 9), False),  # too little
        (Rate(100, 0.3, 9), Rate(120, 0.01, 9), False),  # within the spread of the usual
        (Rate(100, 0.01, 9), Rate(120, 0.3, 9), False),  # within its own
        (Rate(100, 0.01, 9), Rate(80, 0.01, 9), False),
    ],
)
def test_the_usual_stays_unless_another_clearly_beats_it(usual: Rate, other: Rate, *, worth: bool) -> None:
    compared = compare("runs", [USUAL, OTHER], {"usual": usual, "other": other})
    assert (compared.chosen is OTHER) == worth
    assert settings_of([compared]) == ({"threads": 2} if worth else {})


@pytest.mark.parametrize(("share", "stays"), [(0.95, False), (0.6, False), (0.59, True)])
def test_by_the_wall_clock_nothing_is_chosen_where_others_have_the_cores(share: float, *, stays: bool) -> None:
    compared = compare("runs", [USUAL, OTHER], {"usual": Rate(1, 0, 9), "other": Rate(2, 0, 9)})
    seen = doubted(compared, share)
    assert (seen.chosen is USUAL) == stays == bool(seen.doubt)


# A row alone takes 1 s at any length; in fours it gains at 10 tokens and loses at 100.
RATES = {
    Group(10, 1): Rate(1, 0.0, 3),
    Group(10, 4): Rate(4, 0.1, 3),
    Group(100, 1): Rate(1, 0.0, 3),
    Group(100, 4): Rate(0.25, 0.2, 2),
}


def test_what_limits_allow_is_as_fast_as_the_largest_group_of_each_length() -> None:
    assert under_limits(RATES, 4, 1000) == Rate(pytest.approx(1), 0.2, 2)  # 4 and a quarter
    assert under_limits(RATES, 4, 399) == Rate(pytest.approx(2), 0.1, 3)  # 4 and 1
    assert under_limits(RATES, 1, 1000).per_second == pytest.approx(1)
    assert under_limits(RATES, 4, 1).per_second == pytest.approx(1)  # a longer row goes alone


def test_long_rows_go_alone_where_they_lose_in_company() -> None:
    compared = compare_groups("groups", RATES, (4, 1000), [200, 1000])
    assert compared.settings == {"max_batch_sequences": 4, "max_batch_tokens": 200}
    assert compared.usual.label == "at most 4 rows, 1,000 tokens"
    assert {"1 x 10 tokens", "4 x 100 tokens", compared.usual.label, compared.chosen.label} <= compared.rates.keys()


rates = st.builds(Rate, st.floats(1e-3, 1e6), st.floats(0, 1), st.integers(1, 9))


@given(st.lists(rates, min_size=1, max_size=6))
def test_no_choice_is_slower_than_the_usual(measured: list[Rate]) -> None:
    candidates = [Candidate(str(place)) for place in range(len(measured))]
    compared = compare("any", candidates, {str(place): rate for place, rate in enumerate(measured)})
    chosen = measured[int(compared.chosen.label)]
    assert compared.chosen == candidates[0] or chosen.per_second > (1 + LEAST_GAIN) * measured[0].per_second

"""Runs of true values, filled in and grown."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.inspection.notice.spans import bridged, grown, runs

TRUTHS = st.lists(st.booleans(), max_size=40).map(lambda each: np.array(each, np.bool_))


@given(TRUTHS, st.integers(0, 6))
def test_a_place_is_within_the_grown_where_a_true_one_is_so_near(
    truths: np.ndarray, by: int
) -> None:
    wanted = [bool(truths[max(at - by, 0) : at + by + 1].any()) for at in range(len(truths))]

    assert grown(truths, by).tolist() == wanted


@given(TRUTHS, st.integers(0, 6))
def test_bridging_fills_the_short_holes_between_two_runs_and_nothing_else(
    truths: np.ndarray, longest: int
) -> None:
    found = bridged(truths, longest)

    for first, after in runs(~truths):
        is_between = first > 0 and after < len(truths)
        filled = is_between and after - first <= longest
        assert found[first:after].all() if filled else not found[first:after].any()
    assert found[truths].all()

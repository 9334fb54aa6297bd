"""How appraisals are counted and compared."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.learning.rules import Answer, NoKappa, Question, fleiss, pairs, score

YES, PARTLY, NO, NONE = Answer
GREETED = Question(key="greeted", text="Представился", weight=1)
SOLVED = Question(key="solved", text="Решил", weight=3)
WARNED = Question(key="warned", text="Предупредил о записи", weight=2, is_critical=True)
FORM = [GREETED, SOLVED, WARNED]


def _score(*answers: Answer, pass_percent: int = 80) -> tuple[int | None, tuple[str, ...], bool]:
    keys = [one.key for one in FORM]
    found = score(FORM, dict(zip(keys, answers, strict=True)), pass_percent=pass_percent)
    return found.percent, found.failed, found.is_passed


def test_an_appraisal_is_the_share_of_the_weights_that_apply() -> None:
    assert _score(YES, YES, YES) == (100, (), True)
    assert _score(NO, YES, YES) == (83, (), True)
    assert _score(YES, PARTLY, YES) == (75, (), False)
    assert _score(YES, NONE, YES) == (100, (), True)
    assert _score(NONE, NONE, NONE) == (None, (), False)


def test_a_no_to_a_critical_question_fails_the_whole() -> None:
    assert _score(YES, YES, NO, pass_percent=0) == (67, ("warned",), False)
    assert _score(YES, YES, PARTLY, pass_percent=0) == (83, (), True)
    assert _score(YES, YES, NONE, pass_percent=0)[2]


@given(st.lists(st.sampled_from(Answer), min_size=3, max_size=3), st.integers(0, 100))
def test_a_better_answer_never_counts_less(answers: list[Answer], needed: int) -> None:
    percent, _, passed = _score(*answers, pass_percent=needed)
    better = [YES if one != NONE else NONE for one in answers]
    best, failed, best_passed = _score(*better, pass_percent=needed)
    assert (best or 0) >= (percent or 0)
    assert not failed
    assert best_passed or not passed


def test_pairs_are_the_plain_share() -> None:
    assert pairs([YES]) is None
    assert pairs([YES, YES]) == 1
    assert pairs([YES, YES, NO]) == Fraction(1, 3)
    assert pairs([YES, NO]) == 0


def test_kappa_is_that_of_a_table_counted_by_hand() -> None:
    """Two of three calls agree; yes and no are half each: (2/3 - 1/2) / (1 - 1/2)."""
    found = fleiss([[YES, YES], [NO, NO], [YES, NO]])
    assert found.value == Fraction(1, 3)


def test_kappa_is_one_for_full_agreement_and_below_nought_for_less_than_chance() -> None:
    assert fleiss([[YES, YES, YES], [NO, NO, NO]]).value == 1
    below = fleiss([[YES, NO], [NO, YES]]).value
    assert below == -1


@pytest.mark.parametrize(
    ("calls", "why"),
    [
        ([], NoKappa.FEW_CALLS),
        ([[YES, NO]], NoKappa.FEW_CALLS),
        ([[YES, NO], [YES, NO, NO]], NoKappa.UNEVEN),
        ([[YES], [NO]], NoKappa.UNEVEN),
        ([[YES, YES], [YES, YES]], NoKappa.ONE_ANSWER),
    ],
)
def test_where_there_is_no_kappa_it_is_said_why(calls: list[list[Answer]], why: NoKappa) -> None:
    found = fleiss(calls)
    assert (found.value, found.why) == (None, why)

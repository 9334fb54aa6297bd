"""How an appraisal is counted, and how far reviewers agree. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import combinations

MOST_QUESTIONS = 30
MOST_WEIGHT = 100


class Answer(StrEnum):
    """How a question of a form is answered."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"
    NOT_APPLICABLE = "not_applicable"


WORTH = {Answer.YES: Fraction(1), Answer.PARTLY: Fraction(1, 2), Answer.NO: Fraction(0)}
"""What share of a question's weight an answer earns; what does not apply is not counted."""


class Method(StrEnum):
    """How agreement is measured."""

    PAIRS = "pairs"
    FLEISS = "fleiss"


class NoKappa(StrEnum):
    """Why there is no kappa."""

    FEW_CALLS = "few_calls"
    UNEVEN = "uneven"
    ONE_ANSWER = "one_answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question of a form; a no to a critical one fails the whole."""

    key: str
    text: str
    weight: int
    is_critical: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What an appraisal amounts to; no per cent where no question applied."""

    percent: int | None
    failed: tuple[str, ...]
    is_passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Kappa:
    """Agreement beyond chance, or why it cannot be told."""

    value: Fraction | None
    why: NoKappa | None


def score(
    questions: Sequence[Question], answers: Mapping[str, Answer], *, pass_percent: int
) -> Score:
    """Count an appraisal: the weights earned of those that apply, and what is critical."""
    applying = [one for one in questions if answers[one.key] != Answer.NOT_APPLICABLE]
    whole = sum(one.weight for one in applying)
    earned = sum((one.weight * WORTH[answers[one.key]] for one in applying), Fraction(0))
    percent = int(earned * 100 / whole + Fraction(1, 2)) if whole else None
    failed = tuple(
        one.key for one in questions if one.is_critical and answers[one.key] == Answer.NO
    )
    passed = not failed and percent is not None and percent >= pass_percent
    return Score(percent=percent, failed=failed, is_passed=passed)


def pairs(answers: Sequence[Answer]) -> Fraction | None:
    """Return the share of pairs of reviewers who gave the same answer; None of less than two."""
    both = list(combinations(answers, 2))
    if not both:
        return None
    return Fraction(sum(one == other for one, other in both), len(both))


def fleiss(calls: Sequence[Sequence[Answer]]) -> Kappa:
    """Return Fleiss' kappa of one question over calls that as many reviewers answered each.

    Source: Fleiss 1971, Measuring nominal scale agreement among many raters.
    """
    if len(calls) < 2:  # noqa: PLR2004 - one call tells nothing of what chance would do.
        return Kappa(value=None, why=NoKappa.FEW_CALLS)
    raters = {len(call) for call in calls}
    if len(raters) > 1 or min(raters) < 2:  # noqa: PLR2004 - agreement needs two.
        return Kappa(value=None, why=NoKappa.UNEVEN)
    count = len(calls) * min(raters)
    shares = [Fraction(sum(call.count(one) for call in calls), count) for one in Answer]
    chance = sum((share * share for share in shares), Fraction(0))
    if chance == 1:
        return Kappa(value=None, why=NoKappa.ONE_ANSWER)
    found = sum((pairs(call) or Fraction(0) for call in calls), Fraction(0)) / len(calls)
    return Kappa(value=(found - chance) / (1 - chance), why=None)

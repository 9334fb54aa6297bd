"""Until when an answer stands if nothing is written: time alone begins and ends evidence. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from app.consent.casefile import CaseFile, Clause
from app.consent.grounds import ASSESSMENT_HOLDS


def next_turn(case: CaseFile, *, at: datetime) -> datetime | None:
    """Return the first moment after `at` at which the answer may become another by itself.

    Which evidence the answer stands on is not asked: what begins or ends anywhere in the case
    counts, so that this cannot fall behind the rules.
    """
    return min(
        (moment for moment in _moments(case) if moment is not None and moment > at), default=None
    )


def _moments(case: CaseFile) -> Iterator[datetime | None]:
    for one in case.assertions:
        yield from (one.proposed_at, one.valid_from, one.valid_to, one.since + ASSESSMENT_HOLDS)
        if one.clause is not None:
            yield from _of_clause(one.clause)
    for contract in case.processors:
        yield from (contract.valid_from, contract.valid_to)
    yield from (screened.at for screened in case.screenings)
    yield from (sound.received_at for sound in case.sounds)


def _of_clause(clause: Clause) -> Iterator[datetime | None]:
    yield from (clause.valid_from, clause.valid_to, clause.terminated_at)
    yield from (clause.survives_until, clause.retroactive_from)

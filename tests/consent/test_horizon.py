"""Until its next turn an answer stands: time alone changes nothing before."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.consent.casefile import Asserted, Clause, ProcessorContract, Screened, Sound
from app.consent.grounds import ASSESSMENT_HOLDS
from app.consent.horizon import next_turn
from app.consent.purposes import GroundCode, Kind, Purpose, RecipientClass
from tests.consent.test_rules import SOME, worlds
from tests.consent.worlds import (
    CASE,
    CLIENT,
    DAY,
    NOW,
    World,
    asserted,
    assessed,
    clause,
    screened,
    told,
    uid,
)

A_MOMENT = timedelta(microseconds=1)
LATER = NOW + DAY
PROCESSOR = ProcessorContract(
    id=uid("processor"),
    processor="7700000000",
    valid_from=NOW - DAY,
    valid_to=None,
    purposes=frozenset({"transcription"}),
)
SOUND = Sound(leg="mixed", sha256="00", received_at=NOW - DAY)
BY_CLASS: dict[type, tuple[str, Any]] = {
    Asserted: ("assertions", told()),
    ProcessorContract: ("processors", PROCESSOR),
    Screened: ("screenings", screened()),
    Sound: ("sounds", SOUND),
}
STARTS = st.sampled_from([None, None, None, NOW - 3 * DAY, NOW + 20 * DAY])
ENDS = st.sampled_from([None, None, NOW - DAY, NOW + 10 * DAY, NOW + 30 * DAY])


def moments_of(kind: type) -> list[str]:
    return [one.name for one in fields(kind) if "datetime" in str(one.type)]


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in BY_CLASS for name in moments_of(kind)]
)
def test_each_moment_of_a_case_is_a_turn(kind: type, name: str) -> None:
    place, one = BY_CLASS[kind]
    only: dict[str, Any] = {
        "assertions": (),
        "screenings": (),
        place: (replace(one, **{name: LATER}),),
    }
    case = replace(CASE, **only)
    assert next_turn(case, at=NOW) == LATER
    assert next_turn(case, at=LATER) != LATER


@pytest.mark.parametrize("name", moments_of(Clause))
def test_each_moment_of_a_clause_is_a_turn(name: str) -> None:
    case = replace(CASE, assertions=(clause(**{name: LATER}),), screenings=())
    assert next_turn(case, at=NOW) == LATER


def test_an_assessment_that_grows_old_is_a_turn() -> None:
    case = replace(CASE, assertions=(assessed(),), screenings=())
    assert next_turn(case, at=NOW) == NOW - DAY + ASSESSMENT_HOLDS


def test_nothing_that_lies_behind_is_a_turn() -> None:
    case = replace(CASE, assertions=(told(proposed_at=NOW - 800 * DAY),), screenings=())
    assert next_turn(case, at=NOW) is None


@st.composite
def timed(draw: st.DrawFn) -> World:
    """Draw a world whose evidence begins and ends, some of it a ground to listen inside."""
    world: World = draw(worlds())
    found = [
        replace(one, valid_from=draw(STARTS), valid_to=draw(ENDS))
        if one.kind != Kind.EMPLOYEE_ACK
        else one
        for one in world.case.assertions
    ]
    if draw(st.booleans()):
        found.append(
            asserted(
                "interest",
                Kind.OTHER_GROUND,
                code=GroundCode.LEGITIMATE_INTEREST,
                party_id=CLIENT.id,
                purposes=frozenset({"internal_quality", "dispute_client"}),
                valid_from=draw(STARTS),
                valid_to=draw(ENDS),
            )
        )
    world = replace(world, case=replace(world.case, assertions=tuple(found)))
    if draw(st.booleans()):
        recipient = replace(
            world.question.recipient, recipient_class=RecipientClass.OWN_STAFF_MANAGER
        )
        world = world.asking(purpose=Purpose.INTERNAL_QUALITY, recipient=recipient)
    return world


def test_an_answer_stands_until_its_next_turn() -> None:
    met: Counter[str] = Counter()

    @SOME
    @given(world=timed(), share=st.floats(0, 1))
    def check(world: World, share: float) -> None:
        now = world.decide()
        turn = now.turns_at
        end = turn - A_MOMENT if turn is not None else NOW + 2000 * DAY
        later = replace(world, at=NOW + share * (end - NOW)).decide()
        assert (later.outcome, later.reasons) == (now.outcome, now.reasons)
        met.update([now.outcome.value])
        if turn is not None:
            after = replace(world, at=turn).decide()
            met.update(["turned" if after.outcome != now.outcome else "the same after"])

    check()
    assert {"ALLOW", "DENY", "turned", "the same after"} <= met.keys()

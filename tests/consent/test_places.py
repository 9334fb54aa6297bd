"""Where a party is: the surest of what is known, and a weak hint never makes anything milder."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.consent import service
from app.consent.places import Located, locate, of_number
from app.consent.purposes import PlaceBy
from app.core.ids import new_id
from app.recordings.models import Party
from tests.consent.test_rules import PLACES, SOME, rank, worlds
from tests.consent.worlds import ALLOWED, CLIENT, ENGINEER, World
from tests.factories import DAY, Make

_B = PlaceBy


@pytest.mark.parametrize(
    ("said", "card", "contract", "number", "expected"),
    [
        ("DE", "RU", "KZ", "+74952345678", (_B.PERSON, "DE", None)),
        (None, "RU", "KZ", "+493012345678", (_B.CARD, "RU", None)),
        (None, None, "KZ", "+493012345678", (_B.CONTRACT, "KZ", None)),
        (None, None, None, "+493012345678", (_B.NUMBER, "DE", None)),
        (None, None, None, "+74952345678", (_B.NUMBER, "RU", None)),
        (None, None, None, "+4915112345678", (_B.MOBILE, None, "DE")),
        (None, None, None, "+79161234567", (_B.MOBILE, None, "RU")),
        (None, None, None, "+14155550132", (_B.MOBILE, None, "US")),
        (None, None, None, "+80012345678", (_B.NOBODY, None, None)),
        (None, None, None, "+999", (_B.NOBODY, None, None)),
        (None, None, None, "nobody", (_B.NOBODY, None, None)),
        (None, None, None, None, (_B.NOBODY, None, None)),
        ("", "", "", "", (_B.NOBODY, None, None)),
    ],
)
def test_the_surest_place_is_taken(
    said: str | None,
    card: str | None,
    contract: str | None,
    number: str | None,
    expected: tuple[PlaceBy, str | None, str | None],
) -> None:
    found = locate(said=said, card=card, contract=contract, number=number)
    assert (found.by, found.place, found.hint) == expected


def test_a_number_is_looked_up_once() -> None:
    assert of_number("+493012345678") is of_number("+493012345678")
    assert isinstance(of_number("x"), Located)


def test_decision_with_a_hint_is_never_more_permissive() -> None:
    met: Counter[str] = Counter()

    @SOME
    @given(world=worlds(), data=st.data())
    def check(world: World, data: st.DataObject) -> None:
        parties = tuple(
            p if p.side == "own" else replace(p, hint=data.draw(PLACES)) for p in world.case.parties
        )
        before, after = world.decide(), world.about(parties=parties).decide()
        assert rank(after.outcome) >= rank(before.outcome)
        met.update(["harder" if after.outcome != before.outcome else before.outcome.value])

    check()
    assert met["harder"] > 0
    assert met["ALLOW"] > 0


def test_a_hint_is_heard_beside_the_strictest_rules_not_in_their_stead() -> None:
    moving = replace(CLIENT, place=None, place_by=PlaceBy.MOBILE, hint="RU")
    decision = ALLOWED.about(parties=(ENGINEER, moving)).decide()
    assert "J_DEFAULT_STRICT" in {reason.code for reason in decision.reasons}
    assert "C_TOO_WEAK" in {reason.code for reason in decision.reasons}


def test_the_case_says_how_a_place_was_found(session: Session, make: Make) -> None:
    client = make.client(jurisdiction=None)
    recording = make.recording(client=client)
    party = Party(
        id=new_id(),
        recording_id=recording.id,
        label="moving",
        side="client",
        client_id=client.id,
        number="+4915112345678",
        how_identified="number",
    )
    session.add(party)

    def found() -> tuple[PlaceBy, str | None, str | None]:
        case = service.case_file(session, recording.id, at=make.clock.now())
        heard = next(p for p in case.parties if p.label == "moving")
        return heard.place_by, heard.place, heard.hint

    assert found() == (_B.MOBILE, None, "DE")
    case = service.case_file(session, recording.id, at=make.clock.now())
    assert "DE" in case.packs
    contract = make.contract(client)
    contract.jurisdiction = "KZ"
    assert found() == (_B.CONTRACT, "KZ", None)
    other = make.contract(client)
    other.jurisdiction = "BY"
    assert found() == (_B.MOBILE, None, "DE"), "two contracts of different places tell nothing"
    other.valid_to = recording.started_at - DAY
    assert found() == (_B.CONTRACT, "KZ", None)
    client.jurisdiction = "RU"
    assert found() == (_B.CARD, "RU", None)
    party.jurisdiction = "FR"
    assert found() == (_B.PERSON, "FR", None)

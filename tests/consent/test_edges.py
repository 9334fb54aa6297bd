"""The cases between the rows of the decision table, at the edge of a millisecond or a moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.consent import spans, states
from app.consent.casefile import (
    Asserted,
    Heard,
    ProcessorContract,
    Question,
    Sound,
    inputs_digest,
    policy_sha256,
)
from app.consent.packs import Pack
from app.consent.purposes import (
    ClauseScope,
    GroundCode,
    Kind,
    PlaceBy,
    Purpose,
    RecipientClass,
    ScreeningResult,
    Side,
    State,
    Status,
    Strength,
)
from app.consent.rules import ConsentRefused, fail_closed, grant
from app.consent.spans import FOREVER_MS, WHOLE, Segment, SegmentInvalid
from tests.consent.test_decision_table import (
    BY_CONTRACT,
    CONTRACT_ENDED,
    NAMES_NO_RECIPIENT,
    NOBODY,
    REFUSED,
    ROWS,
    SAID_QUALITY,
    THIRD,
    UNKNOWN,
    counsel,
    in_place,
    own_manager,
)
from tests.consent.worlds import (
    ACK,
    ALLOWED,
    CALLED,
    CLIENT,
    DAY,
    ENGINEER,
    GUEST,
    NOW,
    PACKS,
    QUALITY,
    World,
    agreed,
    asserted,
    assessed,
    clause,
    pack,
    screened,
    told,
    uid,
)

TICK = timedelta(microseconds=1)
DISPUTE = frozenset({"dispute_client"})
TRAINING = frozenset({"internal_training"})
NOT_TOLD = "C_UNKNOWN:cli"
GONE = "G_NONE"


def by(*evidence: Asserted, ack: bool = True, world: World = ALLOWED) -> World:
    return world.with_evidence(*([ACK] if ack else []), *evidence)


def office(world: World, **values: Any) -> World:  # noqa: ANN401 - a test names the fields it changes.
    """Change fields of the pack of the office, which is that of all parties too."""
    changed: Pack = pack("RU", **values)
    return world.about(packs={**world.case.packs, "RU": changed})


def by_clause(**values: Any) -> World:  # noqa: ANN401 - a test names the fields it changes.
    """Let a clause alone carry the giving; the notice names nobody."""
    return by(NAMES_NO_RECIPIENT, clause(**values))


def later(since: datetime | None, **values: Any) -> dict[str, Any]:  # noqa: ANN401 - as above.
    signed = CALLED + 3 * DAY
    facts = {"signed_on": signed.date(), "valid_from": signed, "retroactive_from": since}
    return facts | values


def claimed(**values: Any) -> World:  # noqa: ANN401 - as above.
    """Let an assessment alone carry the giving, with two approvals."""
    one = replace(assessed(), **values)
    world = CONTRACT_ENDED.about(assertions=(*CONTRACT_ENDED.case.assertions, one))
    return world.approved_by("anna", "boris")


def vendor(world: World = ALLOWED, **values: Any) -> World:  # noqa: ANN401 - as above.
    facts: dict[str, Any] = {
        "id": uid("vendor"),
        "processor": "7701234567",
        "valid_from": CALLED - DAY,
        "valid_to": None,
        "purposes": frozenset({"transcription"}),
    } | values
    world = by(told(purposes=frozenset({"transcription"})), world=world)
    asked = world.about(processors=(ProcessorContract(**facts),))
    asked = asked.asking(purpose=Purpose.TRANSCRIPTION)
    return asked.to(RecipientClass.PROCESSOR, processor="7701234567")


def demanded(**values: Any) -> World:  # noqa: ANN401 - as above.
    order = replace(asserted("order", Kind.LEGAL_DEMAND), **values)
    world = by(REFUSED, order).asking(purpose=Purpose.LEGAL_DEMAND).to(RecipientClass.AUTHORITY)
    return world.approved_by("lawyer", roles=("legal",))


def authority(world: World) -> World:
    asked = world.asking(purpose=Purpose.CLAIM_DEFENCE)
    return asked.to(RecipientClass.AUTHORITY, verified=True).approved_by("anna", "boris")


def base(**values: Any) -> Asserted:  # noqa: ANN401 - as above.
    facts = {"party_id": CLIENT.id, "purposes": QUALITY, "matter": "7"} | values
    return asserted("base", Kind.OTHER_GROUND, code=GroundCode.LEGITIMATE_INTEREST, **facts)


def ack(**values: Any) -> World:  # noqa: ANN401 - as above.
    return by(told(), replace(ACK, **values), ack=False)


def presence(from_ms: int, *, told_at_ms: int) -> World:
    client = replace(CLIENT, present=Segment(from_ms, None))
    world = by(told(segment=Segment(told_at_ms, None)))
    segment = Segment(max(from_ms, told_at_ms), 600_000)
    return world.about(parties=(ENGINEER, client)).asking(segment=segment)


STAFF_NO = asserted("no", Kind.WITHDRAWAL, party_id=ENGINEER.id, purposes=QUALITY)
WRITTEN = replace(agreed(), kind=Kind.WRITTEN_CONSENT)
LATER_YES = agreed(proposed_at=NOW - DAY)
SOUND = Sound(leg="mixed", sha256="00", received_at=NOW - DAY)
PRIVATE = screened(result=ScreeningResult.PRIVATE, at=NOW - 3 * DAY)

BETWEEN: dict[str, tuple[World, str]] = {
    # Moments: what begins holds from its first moment, what ends has ended at its last.
    "a consent that begins now": (by(agreed(valid_from=NOW)), ""),
    "a consent that begins in a moment": (by(agreed(valid_from=NOW + TICK)), NOT_TOLD),
    "a consent that ends in a moment": (by(agreed(valid_to=NOW + TICK)), ""),
    "a consent that ends now": (by(agreed(valid_to=NOW)), "C_EXPIRED:cli"),
    "an acknowledgement from the call's first moment": (ack(valid_from=CALLED), ""),
    "an acknowledgement a moment late": (
        ack(valid_from=CALLED + TICK),
        "C_STAFF_UNACKNOWLEDGED:eng",
    ),
    "an acknowledgement that ended with the call's beginning": (
        ack(valid_to=CALLED),
        "C_EXPIRED_AT_CALL:eng",
    ),
    "an acknowledgement that ended a moment later": (ack(valid_to=CALLED + TICK), ""),
    "an acknowledgement of no date": (ack(valid_from=None), "C_STAFF_UNACKNOWLEDGED:eng"),
    "a client's acknowledgement": (
        by(replace(ACK, id=uid("his"), agent=None, party_id=CLIENT.id, in_recording=True)),
        NOT_TOLD,
    ),
    "staff told by an announcement instead": (by(told(), told(ENGINEER), ack=False), ""),
    "staff told by a beep": (
        office(
            by(told(), replace(told(ENGINEER), kind=Kind.BEEP), ack=False), beep_counts_as="NOTICE"
        ),
        "",
    ),
    "staff told for a part": (
        by(told(), told(ENGINEER, segment=Segment(4_001, None)), ack=False),
        "C_TOO_WEAK:eng",
    ),
    "an office that wants more of its staff": (
        office(ALLOWED, record_own_min="EXPRESS"),
        "C_TOO_WEAK:eng",
    ),
    "an own employee's withdrawal for another purpose": (by(told(), STAFF_NO), ""),
    "an own employee's withdrawal for this purpose": (
        own_manager(Purpose.INTERNAL_QUALITY, by(told(), STAFF_NO)),
        "C_WITHDRAWN:eng",
    ),
    "an own employee's proposed no": (
        by(told(), replace(STAFF_NO, purposes=NOBODY, status=Status.PROPOSED)),
        "C_WITHDRAWAL_PROPOSED:eng",
    ),
    "an own employee with another ground only": (
        by(told(), replace(base(), party_id=ENGINEER.id), ack=False),
        "C_STAFF_UNACKNOWLEDGED:eng",
    ),
    # Clauses.
    "a clause signed on the day of the call": (by_clause(signed_on=CALLED.date()), ""),
    "a clause signed on the next day": (
        by_clause(signed_on=(CALLED + DAY).date()),
        GONE,
    ),
    "a clause that holds from the call's first moment": (by_clause(valid_from=CALLED), ""),
    "a clause that holds a moment later": (by_clause(valid_from=CALLED + TICK), GONE),
    "a contract that ended with the call's beginning": (
        by_clause(valid_to=CALLED, survives_until=NOW + DAY),
        GONE,
    ),
    "a contract that ended a moment later and survives": (
        by_clause(valid_to=CALLED + TICK, survives_until=NOW + DAY),
        "",
    ),
    "a clause that has survived": (
        by_clause(valid_to=CALLED + TICK, survives_until=NOW),
        GONE,
    ),
    "a clause alone, of the call's day": (by(clause(signed_on=CALLED.date())), ""),
    "a clause alone, from the call on": (by(clause(valid_from=CALLED)), ""),
    "a clause alone, a moment late": (by(clause(valid_from=CALLED + TICK)), NOT_TOLD),
    "a clause alone, ended with the call's beginning": (
        by(clause(valid_to=CALLED)),
        "C_EXPIRED_AT_CALL:cli",
    ),
    "a clause alone, ended a moment later": (by(clause(valid_to=CALLED + TICK)), GONE),
    "a clause alone that reaches back to the call": (
        by(clause(**later(CALLED))),
        "C_RETROACTIVE_ONLY:cli",
    ),
    "a clause alone that reaches back almost": (by(clause(**later(CALLED + TICK))), NOT_TOLD),
    "a clause alone that reaches back to nothing": (by(clause(**later(None))), NOT_TOLD),
    "a clause that reaches back to the call": (by_clause(**later(CALLED)), "A_COMPLIANCE_2"),
    "a clause that reaches back almost": (by_clause(**later(CALLED + TICK)), GONE),
    "a clause that reaches back to nothing": (by_clause(**later(None)), GONE),
    "a clause that reaches back, and another clause tells": (
        by(
            clause(**later(CALLED)),
            replace(clause(scope=frozenset({ClauseScope.NOTICE})), id=uid("old clause")),
        ),
        GONE,
    ),
    "a clause whose words are others now": (by(replace(clause(), clause=None)), NOT_TOLD),
    "a clause on disclosure alone": (
        by(clause(scope=frozenset({ClauseScope.DISCLOSE_TO_MANAGEMENT}))),
        NOT_TOLD,
    ),
    "a clause that is only proposed": (
        by(NAMES_NO_RECIPIENT, replace(clause(), status=Status.PROPOSED)),
        GONE,
    ),
    "a clause under another kind": (
        by(NAMES_NO_RECIPIENT, replace(clause(), kind=Kind.OTHER_GROUND)),
        GONE,
    ),
    "a clause for quality alone": (by_clause(purposes=QUALITY), GONE),
    "a clause verified for quality alone": (
        by(NAMES_NO_RECIPIENT, replace(clause(), purposes=QUALITY)),
        GONE,
    ),
    "a clause for nobody": (by_clause(recipients=NOBODY), GONE),
    "a clause verified for nobody": (
        by(NAMES_NO_RECIPIENT, replace(clause(), recipients=NOBODY)),
        GONE,
    ),
    "a clause with another firm": (
        by(
            NAMES_NO_RECIPIENT,
            replace(clause(client_id=uid("other")), client_id=None, contact_id=uid("director")),
        ),
        GONE,
    ),
    # What is covered.
    "told while he was there": (presence(3_999, told_at_ms=4_000), ""),
    "told as he came": (presence(4_000, told_at_ms=4_000), NOT_TOLD),
    "told before the recording, there at its first sample": (presence(0, told_at_ms=0), ""),
    "told before the recording, there a millisecond later": (presence(1, told_at_ms=0), NOT_TOLD),
    "asked to the last covered millisecond": (by(told(segment=Segment(4_000, 600_000))), ""),
    "asked for one millisecond more": (
        by(told(segment=Segment(4_000, 599_999))),
        "C_SEGMENT_UNCOVERED:cli",
    ),
    "two pieces of evidence that meet": (
        by(
            told(segment=Segment(4_000, 60_000)),
            replace(told(segment=Segment(60_000, None)), id=uid("second")),
        ),
        "",
    ),
    "two pieces of evidence that nearly meet": (
        by(
            told(segment=Segment(4_000, 60_000)),
            replace(told(segment=Segment(60_001, None)), id=uid("second")),
        ),
        "C_SEGMENT_UNCOVERED:cli",
    ),
    # No, and what undoes it.
    "a no and a yes of one moment": (
        by(told(), replace(REFUSED, proposed_at=NOW - DAY), LATER_YES),
        "C_REFUSED:cli",
    ),
    "a yes that speaks from the moment of the no": (
        by(
            told(), replace(REFUSED, valid_from=NOW - DAY), replace(LATER_YES, valid_from=NOW - DAY)
        ),
        "",
    ),
    "a yes that speaks from before the no": (
        by(
            told(),
            replace(REFUSED, valid_from=NOW - DAY),
            replace(LATER_YES, valid_from=NOW - DAY - TICK),
        ),
        "C_REFUSED:cli",
    ),
    "a later yes that begins tomorrow": (
        by(told(), REFUSED, replace(LATER_YES, valid_from=NOW + DAY)),
        "C_REFUSED:cli",
    ),
    "a later yes that has ended": (
        by(told(), REFUSED, replace(LATER_YES, valid_to=NOW)),
        "C_REFUSED:cli",
    ),
    "a withdrawal": (by(told(), replace(REFUSED, kind=Kind.WITHDRAWAL)), "C_WITHDRAWN:cli"),
    "a proposed withdrawal": (
        by(told(), replace(REFUSED, kind=Kind.WITHDRAWAL, status=Status.PROPOSED)),
        "C_WITHDRAWAL_PROPOSED:cli",
    ),
    "a refusal and a withdrawal": (
        by(told(), replace(REFUSED, kind=Kind.WITHDRAWAL), replace(REFUSED, id=uid("no 2"))),
        "C_REFUSED:cli",
    ),
    "a withdrawal of another purpose": (
        by(told(), replace(REFUSED, kind=Kind.WITHDRAWAL, purposes=QUALITY)),
        "",
    ),
    # States without support.
    "evidence taken back": (by(told(status=Status.INVALIDATED)), "C_INVALIDATED:cli"),
    "another ground taken back": (by(base(status=Status.INVALIDATED)), NOT_TOLD),
    "another ground proposed": (by(base(status=Status.PROPOSED)), "C_PENDING:cli"),
    "a demand proposed": (
        by(asserted("order", Kind.LEGAL_DEMAND, party_id=CLIENT.id, status=Status.PROPOSED)),
        NOT_TOLD,
    ),
    "evidence replaced by what says less": (
        by(told(), replace(told(purposes=QUALITY), id=uid("new"), supersedes=uid("told cli"))),
        "C_PURPOSE_NOT_ANNOUNCED:cli G_NONE",
    ),
    "evidence that a proposal would replace": (
        by(
            told(),
            replace(
                told(purposes=QUALITY, status=Status.PROPOSED),
                id=uid("new"),
                supersedes=uid("told cli"),
            ),
        ),
        "",
    ),
    # Other grounds carry listening in the house, and nothing out of it.
    "another ground, in the house": (own_manager(Purpose.INTERNAL_QUALITY, by(base())), ""),
    "another ground for another purpose": (
        own_manager(Purpose.INTERNAL_QUALITY, by(base(purposes=DISPUTE))),
        "C_TOO_WEAK:cli",
    ),
    "another ground, out of the house": (
        by(base(purposes=DISPUTE)),
        "C_TOO_WEAK:cli G_NONE",
    ),
    "another ground from now on": (
        own_manager(Purpose.INTERNAL_QUALITY, by(base(valid_from=NOW))),
        "",
    ),
    "another ground from the next moment on": (
        own_manager(Purpose.INTERNAL_QUALITY, by(base(valid_from=NOW + TICK))),
        NOT_TOLD,
    ),
    "another ground to the next moment": (
        own_manager(Purpose.INTERNAL_QUALITY, by(base(valid_to=NOW + TICK))),
        "",
    ),
    "another ground that ends now": (
        own_manager(Purpose.INTERNAL_QUALITY, by(base(valid_to=NOW))),
        NOT_TOLD,
    ),
    "another ground that was rejected": (
        own_manager(Purpose.INTERNAL_QUALITY, by(base(status=Status.REJECTED))),
        NOT_TOLD,
    ),
    "another ground for a part": (
        own_manager(Purpose.INTERNAL_QUALITY, by(base(segment=Segment(4_001, None)))),
        "C_SEGMENT_UNCOVERED:cli",
    ),
    # Packs.
    "a beep where it counts for nothing": (
        own_manager(
            Purpose.INTERNAL_QUALITY,
            office(by(replace(told(), kind=Kind.BEEP)), beep_counts_as="NONE"),
        ),
        "C_TOO_WEAK:cli",
    ),
    "a beep where it counts": (
        own_manager(
            Purpose.INTERNAL_QUALITY,
            office(by(replace(told(), kind=Kind.BEEP)), beep_counts_as="NOTICE"),
        ),
        "",
    ),
    "an express consent where staying counts for nothing": (
        office(by(agreed()), stay_counts_as="NONE"),
        "",
    ),
    "staff's acknowledgement where staying counts for nothing": (
        office(by(agreed()), stay_counts_as="NONE", record_own_min="NOTICE"),
        "",
    ),
    "training where it must be agreed to, told only": (
        own_manager(
            Purpose.INTERNAL_TRAINING,
            office(by(told(purposes=TRAINING)), training_listening="express"),
        ),
        "C_TOO_WEAK:cli",
    ),
    "quality where training must be agreed to": (
        own_manager(Purpose.INTERNAL_QUALITY, office(by(told()), training_listening="express")),
        "",
    ),
    "training where it is free": (
        own_manager(Purpose.INTERNAL_TRAINING, office(by(told()), training_listening="free")),
        "",
    ),
    "another purpose where training is free": (
        own_manager(
            Purpose.INTERNAL_QUALITY,
            office(by(told(purposes=DISPUTE)), training_listening="free"),
        ),
        "C_PURPOSE_NOT_ANNOUNCED:cli",
    ),
    "purposes that need not be named": (
        own_manager(
            Purpose.INTERNAL_QUALITY,
            office(by(told(purposes=NOBODY)), notice_must_name_purposes=False),
        ),
        "",
    ),
    "two places, one of them known": (
        in_place("RU").about(parties=(ENGINEER, CLIENT, replace(GUEST, place="ZZ"))),
        "C_TOO_WEAK:cli C_UNKNOWN:guest J_DEFAULT_STRICT",
    ),
    # Recipients.
    "a manager of no known firm": (
        ALLOWED.to(RecipientClass.CLIENT_SAME_ENTITY, verified=True),
        "RCPT_WRONG_ENTITY",
    ),
    "an unverified man of another firm": (
        ALLOWED.to(RecipientClass.CLIENT_SAME_ENTITY, client_id=uid("other")),
        "RCPT_UNVERIFIED RCPT_WRONG_ENTITY",
    ),
    "an unverified man of no firm": (
        ALLOWED.to(RecipientClass.CLIENT_SAME_ENTITY),
        "RCPT_UNVERIFIED",
    ),
    "an unverified man of no firm, by a clause": (
        BY_CONTRACT.to(RecipientClass.CLIENT_SAME_ENTITY),
        "RCPT_UNVERIFIED",
    ),
    "a recipient who does not go with the purpose": (
        ALLOWED.to(RecipientClass.OWN_COUNSEL),
        "P_RECIPIENT",
    ),
    "a consent that names the man": (
        THIRD.with_evidence(
            ACK, told(), agreed(recipients=frozenset({f"contact:{uid('court expert')}"}))
        ),
        "",
    ),
    "a consent that names another man": (
        THIRD.with_evidence(ACK, told(), agreed(recipients=frozenset({f"contact:{uid('x')}"}))),
        GONE,
    ),
    "a consent that names a man, and nobody is known": (
        World()
        .to(RecipientClass.THIRD_PARTY, verified=True)
        .with_evidence(ACK, told(), agreed(recipients=frozenset({"contact:None"}))),
        GONE,
    ),
    "a notice that names the man": (
        by(told(recipients=frozenset({f"contact:{uid('director')}"}))),
        GONE,
    ),
    "a told party where consent must be written": (
        office(by(told()), disclosure_consent_min="WRITTEN"),
        "",
    ),
    "an express consent where it must be written": (
        office(by(NAMES_NO_RECIPIENT, agreed()), disclosure_consent_min="WRITTEN"),
        GONE,
    ),
    "a written consent where it must be written": (
        office(by(NAMES_NO_RECIPIENT, WRITTEN), disclosure_consent_min="WRITTEN"),
        "",
    ),
    # Assessments.
    "an assessment from now on": (claimed(valid_from=NOW), ""),
    "an assessment from the next moment on": (claimed(valid_from=NOW + TICK), GONE),
    "an assessment in its last moment": (claimed(valid_from=NOW - 365 * DAY + TICK), ""),
    "an assessment a year old": (claimed(valid_from=NOW - 365 * DAY), GONE),
    "an assessment that ends now": (claimed(valid_to=NOW), GONE),
    "an assessment that ends in a moment": (claimed(valid_to=NOW + TICK), ""),
    "an assessment of what was not announced": (
        by(SAID_QUALITY, assessed()).approved_by("anna", "boris"),
        "",
    ),
    "an assessment of no matter": (claimed(matter=""), GONE),
    "an assessment of another kind": (claimed(code=GroundCode.LEGAL_OBLIGATION), GONE),
    "an assessment that is only proposed": (claimed(status=Status.PROPOSED), GONE),
    "an assessment for another purpose": (claimed(purposes=QUALITY), GONE),
    "an assessment of a part": (claimed(segment=Segment(4_001, None)), GONE),
    "an assessment about somebody else": (claimed(party_id=ENGINEER.id), GONE),
    "an assessment about him": (claimed(party_id=CLIENT.id), ""),
    "an assessment about another client": (
        claimed(in_recording=False, client_id=uid("other")),
        GONE,
    ),
    "what is no assessment": (claimed(kind=Kind.LEGAL_DEMAND), GONE),
    # Vendors.
    "a vendor from now on": (vendor(valid_from=NOW), ""),
    "another vendor": (vendor(processor="7707654321"), "G_NONE"),
    "a vendor from the next moment on": (vendor(valid_from=NOW + TICK), GONE),
    "a vendor to the next moment": (vendor(valid_to=NOW + TICK), ""),
    "a vendor until now": (vendor(valid_to=NOW), GONE),
    "a vendor for something else": (vendor(purposes=QUALITY), GONE),
    # Demands.
    "a demand from now on": (demanded(valid_from=NOW), ""),
    "a demand from the next moment on": (demanded(valid_from=NOW + TICK), "L_DEMAND_MISSING"),
    "a demand until now": (demanded(valid_to=NOW), "L_DEMAND_MISSING"),
    "a demand to the next moment": (demanded(valid_to=NOW + TICK), ""),
    "a demand that is only proposed": (demanded(status=Status.PROPOSED), "L_DEMAND_MISSING"),
    "a demand for another recording": (
        demanded(in_recording=False, client_id=uid("firm")),
        "L_DEMAND_MISSING",
    ),
    "what is no demand": (demanded(kind=Kind.OTHER_GROUND), "L_DEMAND_MISSING"),
    # Claims.
    "counsel, told of all": (
        counsel(by(told(purposes=frozenset({"claim_defence"})))),
        "",
    ),
    "counsel, told of all, and nobody has approved": (
        counsel(by(told(purposes=frozenset({"claim_defence"})))).approved_by(),
        "A_COMPLIANCE_1",
    ),
    "unknown, and nobody has approved": (UNKNOWN.approved_by(), "A_COMPLIANCE_1 C_UNKNOWN:cli"),
    "counsel, another purpose announced": (counsel(by(told())), "C_PURPOSE_NOT_ANNOUNCED:cli"),
    "counsel, agreed, place unknown": (
        counsel(by(agreed(purposes=frozenset({"claim_defence"})), world=in_place(None, ALLOWED))),
        "J_DEFAULT_STRICT",
    ),
    "counsel, told, in an unlawful place": (
        counsel(in_place("US-CA", by(told(purposes=frozenset({"claim_defence"}))))),
        "A_COUNSEL",
    ),
    "counsel, unknown, where one suffices": (
        office(counsel(UNKNOWN), counsel_people=1),
        NOT_TOLD,
    ),
    "counsel, unknown, where nobody is asked for": (
        office(counsel(UNKNOWN), counsel_people=0),
        NOT_TOLD,
    ),
    "counsel, not screened": (
        counsel(by(told())).about(screenings=()),
        "C_PURPOSE_NOT_ANNOUNCED:cli",
    ),
    "a court, not screened": (
        authority(by(told())).about(screenings=()),
        "C_PURPOSE_NOT_ANNOUNCED:cli S_SCREEN_REQUIRED",
    ),
    "a court, screened": (authority(by(told())), "C_PURPOSE_NOT_ANNOUNCED:cli"),
    "a court, screened to the part asked for": (
        authority(by(told())).about(screenings=(screened(Segment(4_000, 600_000)),)),
        "C_PURPOSE_NOT_ANNOUNCED:cli",
    ),
    # Several parties.
    "one pending, another without a ground": (
        by(told(status=Status.PROPOSED), told(GUEST, recipients=NOBODY)).about(
            parties=(ENGINEER, CLIENT, replace(GUEST, present=WHOLE))
        ),
        "C_PENDING:cli G_NONE",
    ),
    "one without a ground, another with a weak one": (
        by(
            told(recipients=NOBODY),
            told(GUEST, recipients=NOBODY),
            replace(assessed(), in_recording=False, party_id=GUEST.id),
        ).about(parties=(ENGINEER, CLIENT, replace(GUEST, present=WHOLE))),
        "A_COMPLIANCE_2 G_NONE",
    ),
    # Screenshots.
    "a screenshot, and a refusal": (
        ROWS["D53"][0].about(assertions=(*ROWS["D53"][0].case.assertions, REFUSED)),
        "C_REFUSED:cli",
    ),
    # Screening.
    "heard since the last leg came": (ALLOWED.about(sounds=(SOUND,)), ""),
    "heard a moment before the last leg came": (
        ALLOWED.about(sounds=(replace(SOUND, received_at=NOW - DAY + TICK),)),
        "S_SCREEN_REQUIRED",
    ),
    "clear and private at one moment": (
        ALLOWED.about(screenings=(PRIVATE, screened(by="pavel", at=PRIVATE.at))),
        "S_PRIVATE",
    ),
    "private, and a secret of others": (
        ALLOWED.about(
            screenings=(
                PRIVATE,
                screened(result=ScreeningResult.THIRD_PARTY_SECRET),
            )
        ),
        "S_PRIVATE S_THIRD_PARTY_SECRET",
    ),
    "the end is not known": (ALLOWED.about(duration_ms=None), ""),
    "the end is not known and all is asked for": (
        ALLOWED.about(duration_ms=None).asking(segment=Segment(4_000, None)),
        "",
    ),
    "asked beyond the end": (ALLOWED.asking(segment=Segment(700_000, 800_000)), ""),
    "asked to behind the end, covered to the end": (
        by(told(segment=Segment(4_000, 600_000))).asking(segment=Segment(4_000, None)),
        "",
    ),
}


@pytest.mark.parametrize("case", BETWEEN)
def test_between_the_rows(case: str) -> None:
    world, reasons = BETWEEN[case]
    assert " ".join(reason.text for reason in world.decide().reasons) == reasons


DUTIES: list[tuple[World, str]] = [
    (own_manager(Purpose.INTERNAL_QUALITY), "LOG_ACCESS"),
    (ALLOWED, "EXPIRE LOG_ACCESS MINIMISE RECIPIENT_TERMS WATERMARK"),
    (ALLOWED.approved_by(), "EXPIRE LOG_ACCESS MINIMISE RECIPIENT_TERMS WATERMARK"),
    (ALLOWED.about(screenings=()), ""),
    (UNKNOWN, ""),
    (
        ROWS["D37"][0].about(integrity_failed=True),
        (
            "DISCLOSE_INTEGRITY_FAILURE EXPIRE LOG_ACCESS MINIMISE RECIPIENT_TERMS SCOPE_ONLY "
            "WATERMARK"
        ),
    ),
    (
        ROWS["D39"][0],
        "EXPIRE KEEP_DEADLINE LOG_ACCESS MINIMISE RECIPIENT_TERMS REDACT_OTHERS WATERMARK",
    ),
    (
        ROWS["D41"][0],
        "EXPIRE LOG_ACCESS MINIMISE RECIPIENT_TERMS WARN_UNLAWFUL_RECORDING WATERMARK",
    ),
]


@pytest.mark.parametrize(("world", "duties"), DUTIES)
def test_what_must_be_done_with_what_goes(world: World, duties: str) -> None:
    assert " ".join(world.decide().obligations) == duties


def test_the_grounds_and_the_end_of_a_yes_are_told() -> None:
    assert ALLOWED.decide().grounds == ("notice_disclosure:cli",)
    assert BY_CONTRACT.decide().grounds == ("contract_disclosure:cli",)
    assert ROWS["D24"][0].decide().grounds == ("claims_assessed:cli",)
    assert ROWS["D37"][0].decide().grounds == ("legal_demand",)
    both = by(told(), told(GUEST)).about(parties=(ENGINEER, CLIENT, replace(GUEST, present=WHOLE)))
    assert both.decide().grounds == ("notice_disclosure:cli", "notice_disclosure:guest")
    assert ALLOWED.decide().valid_until is None
    assert ROWS["D24"][0].decide().valid_until == NOW - DAY + timedelta(days=365)
    assert claimed(valid_to=NOW + DAY).decide().valid_until == NOW + DAY
    assert claimed(valid_to=NOW + 900 * DAY).decide().valid_until == NOW + 364 * DAY
    assert vendor(valid_to=NOW + DAY).decide().valid_until == NOW + DAY
    assert vendor().decide().valid_until is None


def test_a_yes_ends_with_the_first_that_it_stands_on() -> None:
    ends = by(NAMES_NO_RECIPIENT, agreed(valid_to=NOW + 9 * DAY))
    assert ends.decide().valid_until == NOW + 9 * DAY
    halves = by(
        told(segment=Segment(4_000, 60_000), valid_to=NOW + 9 * DAY),
        replace(told(segment=Segment(60_000, None), valid_to=NOW + 2 * DAY), id=uid("second")),
    )
    assert halves.decide().valid_until == NOW + 2 * DAY
    stands = own_manager(Purpose.INTERNAL_QUALITY, by(told(valid_to=NOW + DAY)))
    assert stands.decide().valid_until == NOW + DAY
    endless = by(replace(NAMES_NO_RECIPIENT, valid_to=NOW + DAY), clause())
    assert endless.decide().valid_until == NOW + DAY


def test_a_ground_for_one_person_is_better_than_one_for_two() -> None:
    both = by(told(), assessed())
    assert both.decide().allowed
    assert both.decide().grounds == ("notice_disclosure:cli",)


def test_of_two_grounds_the_one_that_lasts_is_stood_on() -> None:
    assert by(told(), clause()).decide().grounds == ("notice_disclosure:cli",)
    ends = by(told(valid_to=NOW + DAY), clause())
    assert ends.decide().grounds == ("contract_disclosure:cli",)


def test_what_could_go_is_cut_joined_and_not_too_short() -> None:
    def parts(world: World) -> list[str]:
        return [str(part) for part in world.decide().allowed_segments]

    assert parts(ALLOWED) == ["4000-600000"]
    assert parts(ALLOWED.approved_by()) == ["4000-600000"]
    assert parts(ALLOWED.about(erased=True)) == []
    whole = ALLOWED.asking(segment=WHOLE)
    assert parts(whole) == ["4000-600000"]
    assert parts(whole.about(screenings=(screened(Segment(0, 60_000)), screened()))) == [
        "4000-600000"
    ]
    thirds = (screened(Segment(0, 60_000)), screened(Segment(60_000, 120_000)), screened())
    assert parts(whole.about(screenings=thirds)) == ["4000-600000"]
    agreed_for_now = by(agreed(segment=Segment(4_000, None), valid_to=NOW + DAY), world=whole)
    assert parts(agreed_for_now.about(screenings=thirds)) == ["4000-600000"]
    middle = whole.about(
        screenings=(
            screened(Segment(0, 60_000)),
            screened(Segment(60_000, 61_000), ScreeningResult.PRIVATE),
            screened(Segment(61_000, 62_000)),
            screened(Segment(62_000, 63_000), ScreeningResult.PRIVATE),
            screened(Segment(63_000, 63_999)),
            screened(Segment(63_999, 65_000), ScreeningResult.PRIVATE),
            screened(Segment(65_000, None)),
        )
    )
    assert parts(middle) == ["4000-60000", "61000-62000", "65000-600000"]
    cuts = [code for code in middle.decide().remedies if code.startswith("CUT_SEGMENT")]
    assert cuts == [f"CUT_SEGMENT:{part}" for part in parts(middle)]


def test_two_parts_that_may_go_alone_do_not_go_together_if_together_they_may_not() -> None:
    visitor = replace(GUEST, present=Segment(4_000, 300_000), place="US-CA")
    other = replace(GUEST, id=uid("o"), label="o", present=Segment(300_000, None), place="RU")
    world = by(
        told(), told(visitor, segment=Segment(4_001, None)), told(other, segment=Segment(0, None))
    ).about(parties=(ENGINEER, CLIENT, visitor, other))
    for part in world.decide().allowed_segments:
        assert world.asking(segment=part).decide().allowed


def test_an_answer_says_what_it_is_an_answer_to() -> None:
    decision = ALLOWED.decide()
    question: Question = decision.question
    assert decision.inputs_digest == inputs_digest(ALLOWED.case, question)
    assert decision.policy_sha256 == policy_sha256(ALLOWED.case)
    broken = ALLOWED.about(packs={}).decide()
    assert broken.recording_id == ALLOWED.case.recording_id
    assert broken.question.purpose == Purpose.DISPUTE_CLIENT
    closed = fail_closed(uid("recording"), question)
    assert (closed.recording_id, closed.question) == (uid("recording"), question)
    assert closed.remedies == ("CALL_ADMINISTRATOR",)
    assert (closed.obligations, closed.allowed_segments, closed.grounds) == ((), (), ())
    assert (closed.inputs_digest, closed.policy_sha256, closed.valid_until) == ("", "", None)


def test_a_permit_is_for_what_was_asked_and_a_refusal_names_its_reasons() -> None:
    decision = claimed().decide()
    permit = grant(decision)
    assert permit.purpose == Purpose.DISPUTE_CLIENT
    assert permit.recipient == decision.question.recipient
    assert permit.valid_until == decision.valid_until is not None
    with pytest.raises(ConsentRefused) as refused:
        grant(ROWS["D10"][0].decide())
    assert refused.value.detail == "DENY: C_PURPOSE_NOT_ANNOUNCED:cli, G_NONE."


def test_segments_at_their_edges() -> None:
    with pytest.raises(SegmentInvalid) as refused:
        Segment(7, 7)
    assert refused.value.facts == {"from_ms": 7, "to_ms": 7}
    assert str(WHOLE) == "0-end"
    assert str(Segment(1, 2)) == "1-2"
    assert spans.between(5, FOREVER_MS) == Segment(5, None)
    assert spans.between(5, 5) is None
    assert Segment(0, FOREVER_MS).end_ms == FOREVER_MS
    with pytest.raises(SegmentInvalid):
        Segment(0, FOREVER_MS + 1)
    assert spans.cut(Segment(3, 9), [3, 5, 9]) == [Segment(3, 5), Segment(5, 9)]
    assert not spans.covered(Segment(3, 9), [Segment(3, 5), Segment(6, 20)])
    assert spans.covered(Segment(3, 9), [Segment(0, 9), Segment(10, 20)])
    assert Segment(0, 5).overlap(Segment(5, 9)) is None


def _state(*evidence: Asserted, purpose: Purpose | None = Purpose.DISPUTE_CLIENT) -> State:
    case = by(*evidence).case
    return states.standing(case, CLIENT, purpose, at=NOW).state


def test_how_a_party_stands() -> None:
    assert _state() == State.UNKNOWN
    assert _state(told()) == State.NOTIFIED
    assert _state(agreed()) == State.CONSENTED
    assert _state(told(), agreed()) == State.CONSENTED
    assert _state(base()) == State.BASIS
    assert _state(agreed(valid_to=NOW)) == State.EXPIRED
    other = replace(REFUSED, purposes=QUALITY)
    assert _state(told(), other) == State.NOTIFIED
    assert _state(told(), other, purpose=None) == State.REFUSED
    # For all purposes at once nothing lifts a no, for the consent names only some of them.
    assert _state(told(), REFUSED, LATER_YES) == State.CONSENTED
    assert _state(told(), REFUSED, LATER_YES, purpose=None) == State.REFUSED


def test_the_flag_is_the_worst_state_of_those_outside() -> None:
    def flag(world: World) -> str:
        return states.flag_of(world.case, at=world.at)

    assert flag(ALLOWED) == "notified"
    assert flag(ALLOWED.about(parties=(ENGINEER,))) == "unknown"
    both = (ENGINEER, CLIENT, GUEST)
    assert flag(ALLOWED.about(parties=both)) == "unknown"
    assert flag(by(told(), replace(agreed(GUEST))).about(parties=both)) == "notified"
    assert flag(by(told(), REFUSED, agreed(GUEST)).about(parties=both)) == "refused"
    assert flag(by(base(), agreed(GUEST)).about(parties=both)) == "basis"
    assert flag(by(clause(valid_to=CALLED))) == "expired"
    assert flag(by(agreed(valid_to=NOW))) == "expired"
    assert flag(by(agreed(valid_to=NOW + TICK))) == "consented"


@pytest.mark.parametrize(
    ("kind", "side", "stay", "beep", "counts"),
    [
        (Kind.IVR_NOTICE, Side.CLIENT, "NONE", "NOTICE", Strength.NONE),
        (Kind.IVR_NOTICE, Side.CLIENT, "NOTICE", "NONE", Strength.NOTICE),
        (Kind.IVR_NOTICE, Side.OWN, "NONE", "NONE", Strength.NOTICE),
        (Kind.BEEP, Side.CLIENT, "NOTICE", "NONE", Strength.NONE),
        (Kind.BEEP, Side.OWN, "NONE", "NOTICE", Strength.NOTICE),
        (Kind.VERBAL_CONSENT, Side.CLIENT, "NONE", "NONE", Strength.EXPRESS),
        (Kind.WRITTEN_CONSENT, Side.OWN, "NONE", "NONE", Strength.WRITTEN),
    ],
)
def test_what_a_piece_of_evidence_counts_for(
    kind: Kind, side: Side, stay: str, beep: str, counts: Strength
) -> None:
    demands = pack("RU", stay_counts_as=stay, beep_counts_as=beep).demands
    party: Heard = replace(CLIENT, side=side)
    assert states.counted(replace(told(), kind=kind), party, demands) == counts


@pytest.mark.parametrize(
    ("hint", "reasons"), [("FR", {"C_TOO_WEAK", "J_DEFAULT_STRICT"}), ("ZZ", {"J_DEFAULT_STRICT"})]
)
def test_the_rules_of_a_hint_are_asked_where_there_are_any(hint: str, reasons: set[str]) -> None:
    packs = {**ALLOWED.case.packs, "DEFAULT": PACKS["RU"], "FR": PACKS["DE"]}
    moving = replace(CLIENT, place=None, place_by=PlaceBy.MOBILE, hint=hint)
    found = ALLOWED.about(packs=packs, parties=(ENGINEER, moving)).decide()
    assert {reason.code for reason in found.reasons if reason.code[0] in "CJ"} == reasons

"""Every row of the decision table, by its name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.consent.casefile import ProcessorContract
from app.consent.purposes import (
    ClauseScope,
    Kind,
    Outcome,
    Purpose,
    RecipientClass,
    ScreeningResult,
    Status,
)
from app.consent.spans import WHOLE
from tests.consent.worlds import (
    ACK,
    ALLOWED,
    CALLED,
    CLIENT,
    DAY,
    DIRECTOR,
    ENGINEER,
    GUEST,
    MANAGEMENT,
    NOW,
    QUALITY,
    World,
    agreed,
    asserted,
    assessed,
    clause,
    screened,
    told,
    uid,
)

NOBODY: frozenset[str] = frozenset()
UNKNOWN = ALLOWED.with_evidence(ACK)
SAID_QUALITY = told(purposes=QUALITY, recipients=NOBODY)
NAMES_NO_RECIPIENT = told(recipients=NOBODY)
BY_CONTRACT = ALLOWED.with_evidence(ACK, NAMES_NO_RECIPIENT, clause())
CONTRACT_ENDED = ALLOWED.with_evidence(
    ACK, NAMES_NO_RECIPIENT, clause(terminated_at=CALLED + 2 * DAY)
)
WITH_CLAIM = CONTRACT_ENDED.about(assertions=(*CONTRACT_ENDED.case.assertions, assessed()))
REFUSED = asserted("no", Kind.REFUSAL, party_id=CLIENT.id)
THIRD = World().to(RecipientClass.THIRD_PARTY, contact_id=uid("court expert"), verified=True)


def own_manager(purpose: Purpose, world: World = ALLOWED) -> World:
    return world.asking(purpose=purpose).to(RecipientClass.OWN_STAFF_MANAGER)


def counsel(world: World) -> World:
    return world.asking(purpose=Purpose.CLAIM_DEFENCE).to(RecipientClass.OWN_COUNSEL)


def in_place(place: str | None, world: World = ALLOWED) -> World:
    return world.about(parties=(ENGINEER, replace(CLIENT, place=place)))


def strict(world: World) -> World:
    """Put the office under the strict pack; the parties are in the same country."""
    packs = {**world.case.packs, "RU": world.case.packs["RU-strict"]}
    return world.about(packs=packs)


ROWS: dict[str, tuple[World, str, str]] = {
    "D01": (BY_CONTRACT, "ALLOW", ""),
    "D02": (BY_CONTRACT.approved_by(), "NEEDS_APPROVAL", "A_COMPLIANCE_1"),
    "D03": (BY_CONTRACT.approved_by("manager"), "NEEDS_APPROVAL", "A_SAME_PERSON"),
    "D04": (BY_CONTRACT.about(screenings=()), "REVIEW", "S_SCREEN_REQUIRED"),
    "D05": (
        BY_CONTRACT.about(screenings=(screened(result=ScreeningResult.PRIVATE),)),
        "DENY",
        "S_PRIVATE",
    ),
    "D06": (
        BY_CONTRACT.about(screenings=(screened(result=ScreeningResult.THIRD_PARTY_SECRET),)),
        "DENY",
        "S_THIRD_PARTY_SECRET",
    ),
    "D07": (ALLOWED, "ALLOW", ""),
    "D08": (strict(ALLOWED), "DENY", "G_NONE"),
    "D10": (
        ALLOWED.with_evidence(ACK, SAID_QUALITY),
        "DENY",
        "C_PURPOSE_NOT_ANNOUNCED:cli G_NONE",
    ),
    "D11": (ALLOWED.with_evidence(ACK, SAID_QUALITY, clause()), "ALLOW", ""),
    "D12": (UNKNOWN, "DENY", "C_UNKNOWN:cli"),
    "D13": (
        ALLOWED.with_evidence(ACK, told(), replace(REFUSED, status=Status.PROPOSED)),
        "DENY",
        "C_REFUSAL_PROPOSED:cli",
    ),
    "D15": (replace(ALLOWED, digest="0" * 64), "NEEDS_APPROVAL", "A_STALE"),
    "D16": (ALLOWED.about(held_only=True), "DENY", "R_HELD_ONLY"),
    "D17": (
        ALLOWED.with_evidence(ACK, told(status=Status.PROPOSED)),
        "REVIEW",
        "C_PENDING:cli",
    ),
    "D18": (ALLOWED.with_evidence(ACK, told(), REFUSED), "DENY", "C_REFUSED:cli"),
    "D20": (
        ALLOWED.with_evidence(ACK, clause(valid_to=CALLED - DAY)),
        "DENY",
        "C_EXPIRED_AT_CALL:cli",
    ),
    "D21": (
        ALLOWED.with_evidence(
            ACK,
            clause(
                signed_on=(CALLED + 3 * DAY).date(),
                valid_from=CALLED + 3 * DAY,
                retroactive_from=CALLED - 30 * DAY,
            ),
        ),
        "DENY",
        "C_RETROACTIVE_ONLY:cli",
    ),
    "D22": (CONTRACT_ENDED, "DENY", "G_NONE"),
    "D23": (WITH_CLAIM, "NEEDS_APPROVAL", "A_COMPLIANCE_2"),
    "D24": (WITH_CLAIM.approved_by("anna", "boris"), "ALLOW", ""),
    "D25": (ALLOWED.asking(segment=WHOLE), "DENY", "C_SEGMENT_UNCOVERED:cli"),
    "D27": (
        ALLOWED.about(parties=(ENGINEER, CLIENT, GUEST)),
        "DENY",
        "C_UNKNOWN:guest",
    ),
    "D28": (
        ALLOWED.about(parties=(ENGINEER, CLIENT, GUEST)).asking(
            segment=replace(ALLOWED.question.segment, to_ms=300_000)
        ),
        "ALLOW",
        "",
    ),
    "D30": (
        ALLOWED.asking(recipient=replace(DIRECTOR, verified=False)),
        "DENY",
        "RCPT_UNVERIFIED",
    ),
    "D32": (
        THIRD.with_evidence(ACK, told(), agreed(recipients=frozenset({"third_party"}))),
        "ALLOW",
        "",
    ),
    "D33": (own_manager(Purpose.INTERNAL_QUALITY), "ALLOW", ""),
    "D34": (own_manager(Purpose.INTERNAL_QUALITY, UNKNOWN), "DENY", "C_UNKNOWN:cli"),
    "D35": (
        UNKNOWN.asking(purpose=Purpose.CONSENT_REVIEW).to(RecipientClass.OWN_COMPLIANCE),
        "ALLOW",
        "",
    ),
    "D36": (own_manager(Purpose.INTERNAL_TRAINING), "DENY", "C_PURPOSE_NOT_ANNOUNCED:cli"),
    "D37": (
        ALLOWED.about(restricted=True)
        .with_evidence(ACK, REFUSED, asserted("order", Kind.LEGAL_DEMAND))
        .asking(purpose=Purpose.LEGAL_DEMAND)
        .to(RecipientClass.AUTHORITY)
        .approved_by("lawyer", roles=("legal",)),
        "ALLOW",
        "",
    ),
    "D39": (
        UNKNOWN.about(restricted=True)
        .asking(purpose=Purpose.SUBJECT_ACCESS)
        .to(RecipientClass.DATA_SUBJECT, contact_id=uid("director"), verified=True),
        "ALLOW",
        "",
    ),
    "D40": (counsel(UNKNOWN), "NEEDS_APPROVAL", "A_COUNSEL C_UNKNOWN:cli"),
    "D41": (counsel(UNKNOWN).approved_by("anna", "boris"), "ALLOW", "C_UNKNOWN:cli"),
    "D42": (ALLOWED.about(integrity_failed=True), "DENY", "R_INTEGRITY"),
    "D44": (ALLOWED.about(restricted=True), "DENY", "R_RESTRICTED"),
    "D45": (ALLOWED.about(erased=True), "DENY", "R_ERASED"),
    "D47": (
        ALLOWED.with_evidence(ACK, told(purposes=frozenset({"transcription"})))
        .about(
            processors=(
                ProcessorContract(
                    id=uid("vendor"),
                    processor="7701234567",
                    valid_from=CALLED - DAY,
                    valid_to=None,
                    purposes=frozenset({"transcription"}),
                ),
            )
        )
        .asking(purpose=Purpose.TRANSCRIPTION)
        .to(RecipientClass.PROCESSOR, processor="7701234567"),
        "ALLOW",
        "",
    ),
    "D48": (in_place("DE"), "DENY", "C_TOO_WEAK:cli G_NONE"),
    "D51": (
        counsel(in_place("US-CA", UNKNOWN)),
        "NEEDS_APPROVAL",
        "A_COUNSEL C_UNKNOWN:cli",
    ),
    "D52": (in_place(None), "DENY", "C_TOO_WEAK:cli G_NONE J_DEFAULT_STRICT"),
    "D53": (
        ALLOWED.about(object_kind="screenshot", parties=(CLIENT,))
        .with_evidence(clause(scope=frozenset({ClauseScope.DISCLOSE_TO_MANAGEMENT})))
        .asking(segment=WHOLE),
        "ALLOW",
        "",
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_decision_table_row(row: str) -> None:
    world, outcome, reasons = ROWS[row]
    decision = world.decide()
    assert " ".join(reason.text for reason in decision.reasons) == reasons
    assert decision.outcome == Outcome(outcome)
    assert decision.allowed is (outcome == "ALLOW")


def test_every_row_of_the_table_is_here() -> None:
    left_out = {
        9,
        14,
        19,
        26,
        29,
        31,
        38,
        43,
        46,
        49,
        50,
    }  # The table has no rows of these numbers.
    assert set(ROWS) == {f"D{n:02}" for n in range(1, 54) if n not in left_out}


def test_every_outcome_is_met_by_the_table() -> None:
    assert {world.decide().outcome for world, _, _ in ROWS.values()} == set(Outcome)


def test_the_clip_of_row_d28_is_the_remedy_of_row_d27() -> None:
    assert "CUT_SEGMENT:4000-300000" in ROWS["D27"][0].decide().remedies


def test_a_vendor_who_was_not_announced_gets_nothing() -> None:
    world, _, _ = ROWS["D47"]
    quality_only = world.with_evidence(ACK, told())
    assert [r.text for r in quality_only.decide().reasons] == ["C_PURPOSE_NOT_ANNOUNCED:cli"]


def test_a_retroactive_clause_needs_other_notice_and_two_people() -> None:
    later = clause(
        signed_on=(CALLED + 3 * DAY).date(),
        valid_from=CALLED + 3 * DAY,
        retroactive_from=CALLED - 30 * DAY,
    )
    world = ALLOWED.with_evidence(ACK, NAMES_NO_RECIPIENT, later)
    assert [r.text for r in world.decide().reasons] == ["A_COMPLIANCE_2"]
    assert world.approved_by("anna", "boris").decide().allowed
    assert not world.approved_by("anna", "anna").decide().allowed


def test_an_assessment_of_last_year_carries_nothing() -> None:
    old = replace(assessed(), valid_from=NOW - 366 * DAY)
    world = CONTRACT_ENDED.about(assertions=(*CONTRACT_ENDED.case.assertions, old))
    assert [r.text for r in world.approved_by("anna", "boris").decide().reasons] == ["G_NONE"]


def test_consent_after_a_refusal_lifts_it_only_if_express_later_and_for_this_purpose() -> None:
    later = agreed(proposed_at=NOW - DAY)
    recipients = MANAGEMENT
    assert ALLOWED.with_evidence(ACK, told(), REFUSED, later).decide().allowed
    for too_little in (
        agreed(proposed_at=CALLED),
        agreed(proposed_at=NOW - DAY, purposes=QUALITY),
        told(proposed_at=NOW - DAY, recipients=recipients),
    ):
        world = ALLOWED.with_evidence(ACK, told(), REFUSED, replace(too_little, id=uid("later")))
        assert [r.text for r in world.decide().reasons] == ["C_REFUSED:cli"]


def test_a_refusal_is_not_lifted_before_it_is_reviewed_nor_by_what_was_said_before_it() -> None:
    later = agreed(proposed_at=NOW - DAY)
    proposed = replace(REFUSED, status=Status.PROPOSED)
    world = ALLOWED.with_evidence(ACK, told(), proposed, later)
    assert [r.text for r in world.decide().reasons] == ["C_REFUSAL_PROPOSED:cli"]
    prepared = agreed(proposed_at=CALLED, valid_from=NOW - DAY)
    world = ALLOWED.with_evidence(ACK, told(), REFUSED, prepared)
    assert [r.text for r in world.decide().reasons] == ["C_REFUSED:cli"]

"""The database as the last witness: hostile SQL by the application's own role."""

from __future__ import annotations

import hashlib
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from app.consent.models import Assertion, AssertionVote, NoticeText, PolicyPackRow, Screening
from app.consent.purposes import STRENGTH, Kind
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.recordings.models import Party, Recording
from tests.consent.evidences import complete
from tests.factories import DAY, Make


def refused(session: Session, sql: str, **values: object) -> str:
    """Run a statement that the database must refuse, and return why it did."""
    with pytest.raises(DatabaseError) as caught, session.begin_nested():
        session.execute(text(sql), values)
    return str(caught.value.orig)


def stamp(session: Session, recording: Recording, contact: UUID | None = None) -> str:
    return str(
        session.scalar(text("SELECT consent_stamp(:r, :c)"), {"r": recording.id, "c": contact})
    )


def blocked(session: Session, recording: UUID, purpose: str = "dispute_client") -> bool:
    return bool(
        session.scalar(text("SELECT consent_blocked(:r, :p)"), {"r": recording, "p": purpose})
    )


def party(session: Session, recording: Recording, label: str = "cli") -> Party:
    return session.query(Party).filter_by(recording_id=recording.id, label=label).one()


def assertion(
    make: Make,
    recording: Recording,
    kind: Kind = Kind.VERBAL_CONSENT,
    *,
    by: Actor | None = None,
    label: str = "cli",
) -> Assertion:
    """Insert an assertion as the application could, without asking the rules."""
    proposer = by or make.manager
    row = Assertion(
        id=new_id(),
        kind=kind,
        strength=STRENGTH[kind],
        recording_id=recording.id,
        party_id=party(make.session, recording, label).id,
        from_ms=0,
        purposes=["dispute_client"] if kind != Kind.REFUSAL else [],
        recipients=["client_same_entity"],
        evidence=complete(make, kind),
        evidence_sha256=hashlib.sha256(b"evidence").digest(),
        valid_to=make.clock.now() + 300 * DAY if kind == Kind.OTHER_GROUND else None,
        proposed_by=proposer.id,
        proposed_at=make.clock.now(),
        status="proposed",
    )
    make.session.add(row)
    make.session.flush()
    return row


def vote(make: Make, row: Assertion, voter: Actor, verdict: str = "verify") -> None:
    make.session.add(
        AssertionVote(
            id=new_id(),
            assertion_id=row.id,
            verdict=verdict,
            voter_id=voter.id,
            voter_role=voter.role,
            reason="Проверено.",
            at=make.clock.now(),
        )
    )
    make.session.flush()


def listen(make: Make, row: Assertion, *listeners: Actor) -> None:
    """Write down, as the door of the sound does, that people have heard the recording."""
    assert row.recording_id is not None
    for listener in listeners:
        ledger.append(
            make.session,
            listener,
            Act.MEDIA_PLAYED,
            ("recording", row.recording_id),
            at=make.clock.now(),
        )


SETTLE = """
UPDATE assertions SET status = :status, decided_by = :first, decided_at = now(),
    second_by = :second, second_at = now() WHERE id = :id
"""


def settle(
    session: Session, row: Assertion, status: str, first: Actor, second: Actor | None = None
) -> None:
    values = {"status": status, "first": first.id, "second": second.id if second else None}
    session.execute(text(SETTLE), values | {"id": row.id})


def test_nobody_verifies_what_he_proposed(session: Session, make: Make) -> None:
    row = assertion(make, make.recording(), by=make.reviewer)
    why = refused(
        session,
        SETTLE,
        status="verified",
        first=make.reviewer.id,
        second=None,
        id=row.id,
    )
    assert "verdicts" in why or "four_eyes" in why
    with pytest.raises(DatabaseError, match="proposed it"), session.begin_nested():
        vote(make, row, make.reviewer)


def test_nothing_is_verified_without_a_verdict(session: Session, make: Make) -> None:
    row = assertion(make, make.recording())
    values = {"status": "verified", "first": make.reviewer.id, "second": None, "id": row.id}
    assert "verdicts" in refused(session, SETTLE, **values)
    vote(make, row, make.reviewer)
    session.execute(text(SETTLE), values)


@pytest.mark.parametrize("role", ["manager", "agent", "admin", "auditor"])
def test_only_compliance_gives_verdicts(session: Session, make: Make, role: str) -> None:
    row = assertion(make, make.recording(), by=make.approver)
    with pytest.raises(DatabaseError, match="reviewer, approver or legal"), session.begin_nested():
        vote(make, row, getattr(make, role))


def test_a_role_cannot_be_borrowed_for_a_verdict(session: Session, make: Make) -> None:
    row = assertion(make, make.recording(), Kind.OTHER_GROUND)
    borrowed = Actor(kind="user", id=make.reviewer.id, role=make.legal.role)
    with pytest.raises(DatabaseError, match="reviewer, approver or legal"), session.begin_nested():
        vote(make, row, borrowed)


def test_a_refusal_is_put_aside_by_two_and_by_an_approver(session: Session, make: Make) -> None:
    row = assertion(make, make.recording(), Kind.REFUSAL)
    other = make.user(make.reviewer.role)  # type: ignore[arg-type]  # a person has a role.
    with pytest.raises(DatabaseError, match="has listened"), session.begin_nested():
        vote(make, row, make.reviewer, "reject")
    listen(make, row, make.reviewer, make.approver, other)
    vote(make, row, make.reviewer, "reject")
    values = {"status": "rejected", "first": make.reviewer.id, "id": row.id}
    assert "verdicts" in refused(session, SETTLE, second=None, **values)
    assert "verdicts" in refused(session, SETTLE, second=make.approver.id, **values)
    vote(make, row, other, "reject")
    assert "verdicts" in refused(session, SETTLE, second=other.id, **values)
    vote(make, row, make.approver, "reject")
    session.execute(text(SETTLE), {**values, "second": make.approver.id})


def test_a_confirmed_refusal_stays(session: Session, make: Make) -> None:
    row = assertion(make, make.recording(), Kind.REFUSAL)
    vote(make, row, make.reviewer)
    settle(session, row, "verified", make.reviewer)
    with pytest.raises(DatabaseError, match="no verdict"), session.begin_nested():
        vote(make, row, make.approver, "invalidate")
    for status in ("proposed", "rejected", "invalidated"):
        why = refused(
            session,
            SETTLE,
            status=status,
            first=make.approver.id,
            second=make.legal.id,
            id=row.id,
        )
        assert "no way leads" in why or "verdicts" in why


@pytest.mark.parametrize(
    "table",
    [
        "notice_texts",
        "assertions",
        "assertion_votes",
        "screenings",
        "contact_verifications",
        "policy_packs",
        "consent_epochs",
        "consent_decisions",
    ],
)
def test_nothing_is_removed(session: Session, table: str) -> None:
    assert "permission denied" in refused(session, f"DELETE FROM {table}")  # noqa: S608 - a fixed name.
    assert "permission denied" in refused(session, f"TRUNCATE {table}")


@pytest.mark.parametrize(
    "change",
    [
        "purposes = '{dispute_client,internal_training}'",
        "recipients = '{third_party}'",
        "evidence = '{}'",
        "party_id = NULL",
        "kind = 'written_consent'",
        "proposed_by = NULL",
        "from_ms = 1",
        "supersedes = NULL",
    ],
)
def test_what_was_asserted_is_never_edited(session: Session, make: Make, change: str) -> None:
    row = assertion(make, make.recording())
    sql = f"UPDATE assertions SET {change} WHERE id = :id"  # noqa: S608 - fixed texts above.
    assert "permission denied" in refused(session, sql, id=row.id)


def test_an_assertion_begins_as_proposed_and_without_a_verdict(
    session: Session, make: Make
) -> None:
    row = assertion(make, make.recording())
    copy = (
        "INSERT INTO assertions SELECT (jsonb_populate_record(a, CAST(:new AS jsonb))).* "
        "FROM assertions a WHERE a.id = :id"
    )
    for new in (
        f'{{"id": "{new_id()}", "status": "verified"}}',
        f'{{"id": "{new_id()}", "decided_by": "{make.reviewer.id}"}}',
    ):
        assert "begins as proposed" in refused(session, copy, new=new, id=row.id)
    stronger = f'{{"id": "{new_id()}", "strength": "WRITTEN"}}'
    assert "ck_assertions_strength" in refused(session, copy, new=stronger, id=row.id)


def test_a_party_of_another_recording_is_refused(session: Session, make: Make) -> None:
    row = assertion(make, make.recording())
    elsewhere = party(session, make.recording())
    copy = (
        "INSERT INTO assertions SELECT (jsonb_populate_record(a, CAST(:new AS jsonb))).* "
        "FROM assertions a WHERE a.id = :id"
    )
    new = f'{{"id": "{new_id()}", "party_id": "{elsewhere.id}"}}'
    assert "another recording" in refused(session, copy, new=new, id=row.id)


def test_nothing_empty_is_verified(session: Session, make: Make) -> None:
    row = assertion(make, make.recording())
    copy = (
        "INSERT INTO assertions SELECT (jsonb_populate_record(a, CAST(:new AS jsonb))).* "
        "FROM assertions a WHERE a.id = :id"
    )
    empty = new_id()
    new = f'{{"id": "{empty}", "evidence": {{}}}}'
    session.execute(text(copy), {"new": new, "id": row.id})
    vote(make, session.get_one(Assertion, empty), make.reviewer)
    values = {"status": "verified", "first": make.reviewer.id, "second": None, "id": empty}
    assert "lacks" in refused(session, SETTLE, **values)


def notice(make: Make) -> NoticeText:
    row = NoticeText(
        id=new_id(),
        version=1,
        language="ru",
        text="Разговор записывается.",
        purposes=["internal_quality"],
        recipients=[],
        lines=[],
        valid_from=make.clock.now(),
        object_id=make.sealed(b"audio"),
        media_type="audio/wav",
        audio_sha256=hashlib.sha256(b"audio").digest(),
        created_by=make.admin.id,
        created_at=make.clock.now(),
    )
    make.session.add(row)
    make.session.flush()
    return row


def test_a_notice_text_is_approved_once_by_an_approver_and_ended_once(
    session: Session, make: Make
) -> None:
    row = notice(make)
    assert "permission denied" in refused(session, "UPDATE notice_texts SET text = 'другой'")
    assert "permission denied" in refused(session, "UPDATE notice_texts SET purposes = '{}'")
    approve = "UPDATE notice_texts SET approved_by = :by, approved_at = now() WHERE id = :id"
    for wrong in (make.admin, make.reviewer):
        why = refused(session, approve, by=wrong.id, id=row.id)
        assert "by an approver" in why or "four_eyes" in why
    session.execute(text(approve), {"by": make.approver.id, "id": row.id})
    again = make.user(make.approver.role)  # type: ignore[arg-type]  # a person has a role.
    assert "never changed" in refused(session, approve, by=again.id, id=row.id)
    end = "UPDATE notice_texts SET valid_to = :to WHERE id = :id"
    session.execute(text(end), {"to": make.clock.now() + DAY, "id": row.id})
    later = make.clock.now() + 2 * DAY
    assert "never changed" in refused(session, end, to=later, id=row.id)


def test_a_pack_is_put_in_force_by_two(session: Session, make: Make) -> None:
    row = PolicyPackRow(
        id=new_id(),
        jurisdiction="RU",
        version=2,
        body={},
        sha256=hashlib.sha256(b"{}").digest(),
        effective_from=make.clock.now().date(),
        created_by=make.admin.id,
        created_at=make.clock.now(),
    )
    session.add(row)
    session.flush()
    activate = (
        "UPDATE policy_packs SET activated_by = :a, second_by = :b, activated_at = now() "
        "WHERE id = :id"
    )
    one, two = make.approver.id, make.legal.id
    assert "four_eyes" in refused(session, activate, a=one, b=one, id=row.id)
    assert "activation" in refused(session, activate, a=one, b=None, id=row.id)
    session.execute(text(activate), {"a": one, "b": two, "id": row.id})
    assert "activated once" in refused(session, activate, a=two, b=one, id=row.id)
    assert "permission denied" in refused(session, "UPDATE policy_packs SET body = '{}'")


def test_a_refusal_changes_the_stamp_and_blocks_at_once(session: Session, make: Make) -> None:
    recording = make.recording()
    before = stamp(session, recording)
    assert not blocked(session, recording.id)
    row = assertion(make, recording, Kind.REFUSAL, by=make.agent)
    proposed = stamp(session, recording)
    assert proposed != before
    assert blocked(session, recording.id)
    assert not blocked(session, recording.id, "claim_defence")
    vote(make, row, make.reviewer)
    settle(session, row, "verified", make.reviewer)
    assert stamp(session, recording) not in {before, proposed}
    assert blocked(session, recording.id)


def test_a_later_express_consent_lifts_a_confirmed_refusal(session: Session, make: Make) -> None:
    recording = make.recording()
    refusal = assertion(make, recording, Kind.REFUSAL)
    vote(make, refusal, make.reviewer)
    settle(session, refusal, "verified", make.reviewer)
    make.clock.advance(DAY)
    consent = assertion(make, recording, Kind.VERBAL_CONSENT)
    assert blocked(session, recording.id)
    vote(make, consent, make.reviewer)
    settle(session, consent, "verified", make.reviewer)
    assert not blocked(session, recording.id)
    assert blocked(session, recording.id, "internal_quality")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE recordings SET restricted_at = now() WHERE id = :r",
        "UPDATE recordings SET integrity_failed_at = now() WHERE id = :r",
        "UPDATE recordings SET duration_ms = 5 WHERE id = :r",
        "UPDATE parties SET jurisdiction = 'DE' WHERE recording_id = :r",
        (
            "UPDATE events SET client_id = NULL"
            " WHERE id = (SELECT event_id FROM recordings WHERE id = :r)"
        ),
        (
            "UPDATE clients SET jurisdiction = 'DE' WHERE id IN"
            " (SELECT client_id FROM parties WHERE recording_id = :r)"
        ),
        (
            "UPDATE contracts SET terminated_at = now() WHERE client_id IN"
            " (SELECT client_id FROM parties WHERE recording_id = :r)"
        ),
        "DELETE FROM contract_clauses",
        "UPDATE contacts SET left_at = now() WHERE id = :c",
        (
            "INSERT INTO parties (id, recording_id, label, side, how_identified)"
            " SELECT gen_random_uuid(), :r, 'guest', 'other', 'unknown'"
        ),
    ],
)
def test_whatever_a_decision_depends_on_changes_the_stamp(
    session: Session, make: Make, change: str
) -> None:
    client = make.client()
    contact = make.contact(client)
    make.contract(client, scope=["notice"])
    recording = make.recording(client=client)
    before = stamp(session, recording, contact.id)
    assert stamp(session, recording, contact.id) == before
    session.execute(text(change), {"r": recording.id, "c": contact.id})
    assert stamp(session, recording, contact.id) != before


def test_the_stamp_never_goes_back(session: Session, make: Make) -> None:
    recording = make.recording()
    session.execute(text("UPDATE recordings SET restricted_at = now()"))
    why = refused(session, "UPDATE recordings SET consent_epoch = 0")
    assert "only grows" in why
    restricted = stamp(session, recording)
    session.execute(text("UPDATE recordings SET restricted_at = NULL"))
    assert stamp(session, recording) != restricted


def test_what_is_not_known_is_blocked(session: Session, make: Make) -> None:
    recording = make.recording()
    assert blocked(session, new_id())
    assert blocked(session, recording.id, "gossip")
    assert blocked(session, recording.id, "publish")
    assert not blocked(session, recording.id)


def test_a_screening_is_never_changed(session: Session, make: Make) -> None:
    recording = make.recording()
    before = stamp(session, recording)
    session.add(
        Screening(
            id=new_id(),
            recording_id=recording.id,
            from_ms=0,
            result="private",
            screened_by=make.reviewer.id,
            at=make.clock.now(),
        )
    )
    session.flush()
    assert stamp(session, recording) != before
    assert "permission denied" in refused(session, "UPDATE screenings SET result = 'clear'")


@pytest.mark.parametrize(
    ("purpose", "is_blocked"),
    [("dispute_client", True), ("internal_quality", True), ("claim_defence", False)],
)
def test_what_only_a_hold_keeps_is_blocked_but_for_what_holds_are_for(
    session: Session, make: Make, purpose: str, *, is_blocked: bool
) -> None:
    recording, contact = make.recording(), None
    before = stamp(session, recording, contact)
    assert not blocked(session, recording.id, purpose)
    recording.kept_only_by_hold = True
    session.flush()
    assert blocked(session, recording.id, purpose) is is_blocked
    assert stamp(session, recording, contact) != before, "what was decided before is stale at once"

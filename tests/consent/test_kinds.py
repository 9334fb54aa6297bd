"""Each kind of evidence: whole it can be verified, without one of its parts by nobody."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from app.clients.models import Client
from app.consent import evidence, papers, review
from app.consent.evidence import REQUIRED, EvidenceIncomplete
from app.consent.models import Assertion, Verdict
from app.consent.papers import (
    AssessmentOver,
    DocumentNotKept,
    DocumentNotSeparate,
    NotListened,
)
from app.consent.purposes import BLOCKS, STRENGTH, Kind, Purpose, Status
from app.consent.review import Proposal
from app.core.ids import new_id
from app.documents.models import Document
from app.identity.actor import Actor
from app.recordings.models import Recording
from tests.consent.evidences import MATCHED, NAMED_BESIDE, PLAYED, complete
from tests.consent.test_database import listen, party, settle, vote
from tests.factories import DAY, Make

WAYS = {
    Kind.IVR_NOTICE: "heard.quote",
    Kind.EMPLOYEE_ACK: "signature.document_sha256",
    Kind.REFUSAL: "quote",
}
SETTLERS = {
    Kind.OTHER_GROUND: ("approver", "legal"),
    Kind.LEGAL_DEMAND: ("legal",),
    Kind.CONTRACT_CLAUSE: ("reviewer", "approver"),
}


def _fields(kind: Kind) -> Iterator[str]:
    """Give each path that a kind must carry; of several ways that of the sample."""
    for path in REQUIRED[kind]:
        yield WAYS[kind] if "|" in path else path.removesuffix("[]")


CASES = [(kind, field) for kind in Kind for field in _fields(kind)]


def without(told: dict[str, Any], path: str) -> dict[str, Any]:
    left = copy.deepcopy(told)
    *outer, last = path.split(".")
    inside = left
    for step in outer:
        inside = inside[step]
    del inside[last]
    return left


def put(make: Make, recording: Recording, kind: Kind, told: dict[str, Any]) -> Assertion:
    """Insert evidence as the application's role could, without asking the rules."""
    is_wide = kind == Kind.CONTRACT_CLAUSE
    row = Assertion(
        id=new_id(),
        kind=kind,
        strength=STRENGTH[kind],
        recording_id=None if is_wide else recording.id,
        client_id=party(make.session, recording).client_id if is_wide else None,
        party_id=None if is_wide else party(make.session, recording).id,
        from_ms=5_000,
        valid_to=make.clock.now() + 300 * DAY if kind == Kind.OTHER_GROUND else None,
        purposes=[] if kind in BLOCKS else ["dispute_client"],
        recipients=[] if kind in BLOCKS else ["client_same_entity"],
        evidence=told,
        evidence_sha256=hashlib.sha256(b"x").digest(),
        proposed_by=make.manager.id,
        proposed_at=make.clock.now(),
        status="proposed",
    )
    make.session.add(row)
    make.session.flush()
    return row


def people(make: Make, kind: Kind) -> list[Actor]:
    return [getattr(make, role) for role in SETTLERS.get(kind, ("reviewer",))]


def verify_by_sql(session: Session, make: Make, row: Assertion) -> None:
    voters = people(make, Kind(row.kind))
    for voter in voters:
        vote(make, row, voter)
    settle(session, row, "verified", voters[0], voters[1] if len(voters) > 1 else None)


def test_the_table_has_every_kind() -> None:
    assert set(REQUIRED) == set(Kind)
    assert len(CASES) > 60


@pytest.mark.parametrize("kind", list(Kind))
def test_whole_evidence_is_verified_by_whom_it_needs(
    session: Session, make: Make, kind: Kind
) -> None:
    told = complete(make, kind)
    assert evidence.missing(kind, told, from_ms=5_000) == []
    row = put(make, make.recording(), kind, told)
    verify_by_sql(session, make, row)
    session.refresh(row)
    assert row.status == "verified"


@pytest.mark.parametrize(("kind", "field"), CASES)
def test_a_missing_part_is_named_and_the_database_verifies_nothing_without_it(
    session: Session, make: Make, kind: Kind, field: str
) -> None:
    told = without(complete(make, kind), field)
    named = evidence.missing(kind, told, from_ms=5_000)
    ways = next((path for path in REQUIRED[kind] if field in path.replace("[]", "")), field)
    assert named in ([field], [f"{field}[]"], [ways])
    row = put(make, make.recording(), kind, told)
    with pytest.raises(DatabaseError, match=r"lacks|not kept"), session.begin_nested():
        verify_by_sql(session, make, row)


def test_program_and_database_ask_for_the_same(session: Session) -> None:
    for kind in Kind:
        found = session.scalar(text("SELECT evidence_lacks(:k, '{}')"), {"k": str(kind)})
        assert tuple(found) == REQUIRED[kind]
        assert evidence.missing(kind, {}, from_ms=0) == list(REQUIRED[kind])
    assert session.scalar(text("SELECT evidence_lacks('gossip', '{}')")) == ["kind"]


@pytest.mark.parametrize("proof", [{"pbx": PLAYED}, {"match": MATCHED}])
def test_an_announcement_is_proved_by_the_exchange_or_the_audio_too(
    make: Make, proof: dict[str, dict[str, object]]
) -> None:
    told = without(complete(make, Kind.IVR_NOTICE), "heard")
    assert evidence.missing(Kind.IVR_NOTICE, told | proof, from_ms=5_000) == []
    (name, parts), *_ = proof.items()
    for part in parts:
        less = told | {name: without(dict(parts), part)}
        assert evidence.missing(Kind.IVR_NOTICE, less, from_ms=5_000) == [f"{name}.{part}"]


@pytest.mark.parametrize("share", ["0.899", "0.5", "1.2", "NaN", "x", None])
def test_a_part_of_an_announcement_proves_nothing(make: Make, share: object) -> None:
    told = without(complete(make, Kind.IVR_NOTICE), "heard")
    part = told | {"match": MATCHED | {"matched_share": share}}
    assert evidence.missing(Kind.IVR_NOTICE, part, from_ms=5_000) == ["match.matched_share"]


@pytest.mark.parametrize(
    ("kind", "changes", "wrong"),
    [
        (Kind.LEGAL_DEMAND, {"date": "вчера"}, ["date"]),
        (Kind.LEGAL_DEMAND, {"deadline": "9999-01-01"}, ["deadline"]),
        (Kind.WRITTEN_CONSENT, {"signed_on": "x"}, ["signed_on"]),
        (Kind.WRITTEN_CONSENT, {"document_id": "x"}, ["document_id"]),
        (Kind.WRITTEN_CONSENT, {"document_sha256": "AB" * 32}, ["document_sha256"]),
        (Kind.WITHDRAWAL, {"received_at": "2026-11-20T10:00:00"}, ["received_at"]),
        (Kind.WITHDRAWAL, {"effective_at": 5}, ["effective_at"]),
        (Kind.OTHER_GROUND, {"code": ["legal_claims"]}, ["code"]),
        (Kind.VERBAL_NOTICE, {"reaction": "objected"}, ["reaction"]),
    ],
)
def test_what_cannot_be_so_is_named(
    make: Make, kind: Kind, changes: dict[str, object], wrong: list[str]
) -> None:
    assert evidence.missing(kind, complete(make, kind) | changes, from_ms=5_000) == wrong


# What follows goes through the service, as a person does.


class Desk:
    """A recording, and people who propose and decide on it."""

    def __init__(self, session: Session, make: Make) -> None:
        self.session, self.make = session, make
        self.firm: Client = make.client()
        assert make.agent.id
        self.recording = make.recording(client=self.firm)

    def propose(
        self,
        kind: Kind,
        told: dict[str, Any] | None = None,
        *,
        by: Actor | None = None,
        naming: bool = True,
        **more: Any,  # noqa: ANN401 - what a proposal has.
    ) -> Assertion:
        named = naming and kind not in BLOCKS | {Kind.CONTRACT_CLAUSE, Kind.EMPLOYEE_ACK}
        values: dict[str, Any] = {
            "party": "own" if kind == Kind.EMPLOYEE_ACK else "cli",
            "purposes": (Purpose.DISPUTE_CLIENT,) if named else (),
            "recipients": ("client_same_entity",) if named else (),
        } | more
        proposal = Proposal(
            kind=kind, evidence=complete(self.make, kind) if told is None else told, **values
        )
        return review.propose(
            self.session,
            by or self.make.manager,
            self.recording.id,
            proposal,
            at=self.make.clock.now(),
        )

    def decide(
        self, row: Assertion, by: Actor, verdict: Verdict = Verdict.VERIFY, reason: str | None = "x"
    ) -> Assertion:
        return review.decide(
            self.session, by, row.id, verdict, reason=reason, at=self.make.clock.now()
        )

    def invalidated(self, row: Assertion) -> Assertion:
        self.decide(row, self.make.reviewer, Verdict.INVALIDATE)
        return self.decide(row, self.make.approver, Verdict.INVALIDATE)


@pytest.fixture
def desk(session: Session, make: Make) -> Desk:
    return Desk(session, make)


SERVED = [kind for kind in Kind if kind not in {Kind.IVR_NOTICE, Kind.CONTRACT_CLAUSE}]
FILLED = {
    (Kind.EMPLOYEE_ACK, "employee"),
    (Kind.REFUSAL, "scope"),
    (Kind.WITHDRAWAL, "scope"),
    (Kind.WITHDRAWAL, "effective_at"),
}
"""What the archive writes down itself where it was not said."""


@pytest.mark.parametrize(
    ("kind", "field"), [case for case in CASES if case[0] in SERVED and case not in FILLED]
)
def test_the_service_names_what_is_missing(desk: Desk, kind: Kind, field: str) -> None:
    told = without(complete(desk.make, kind), field)
    with pytest.raises(EvidenceIncomplete) as refused:
        desk.propose(kind, told)
    assert refused.value.facts["missing"]


@pytest.mark.parametrize(("kind", "field"), sorted(FILLED))
def test_the_archive_says_what_it_knows_itself(desk: Desk, kind: Kind, field: str) -> None:
    row = desk.propose(kind, without(complete(desk.make, kind), field))
    assert row.evidence[field]


@pytest.mark.parametrize("kind", [Kind.VERBAL_CONSENT, Kind.WRITTEN_CONSENT])
def test_a_consent_names_purposes_and_recipients(desk: Desk, kind: Kind) -> None:
    with pytest.raises(EvidenceIncomplete) as refused:
        desk.propose(kind, naming=False)
    assert refused.value.facts["missing"] == list(NAMED_BESIDE)


@pytest.mark.parametrize(
    "kind", [Kind.WRITTEN_CONSENT, Kind.OTHER_GROUND, Kind.LEGAL_DEMAND, Kind.EMPLOYEE_ACK]
)
def test_a_document_that_is_named_is_kept_with_these_bytes(desk: Desk, kind: Kind) -> None:
    told = complete(desk.make, kind)
    place = told["signature"] if kind == Kind.EMPLOYEE_ACK else told
    for name, other in (("document_sha256", "ab" * 32), ("document_id", str(new_id()))):
        kept = place[name]
        place[name] = other
        with pytest.raises(DocumentNotKept):
            desk.propose(kind, told)
        place[name] = kept
    desk.propose(kind, told)


def test_a_refusal_by_letter_names_a_kept_letter(desk: Desk) -> None:
    paper = desk.make.document(b"%PDF-1.7 letter", role="refusal")
    named = {"document_id": str(paper.id), "document_sha256": paper.sha256.hex()}
    row = desk.propose(Kind.REFUSAL, named, by=desk.make.agent)
    with pytest.raises(NotListened):
        desk.decide(row, desk.make.reviewer, Verdict.REJECT)
    with pytest.raises(DocumentNotKept):
        desk.propose(Kind.REFUSAL, named | {"document_sha256": "00" * 32})


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind != Kind.IVR_NOTICE])
def test_a_document_that_is_half_named_is_refused(desk: Desk, kind: Kind) -> None:
    told = complete(desk.make, kind)
    if kind == Kind.CONTRACT_CLAUSE:
        contract = desk.make.contract(desk.firm, scope=["notice"])
        told = {"contract_id": str(contract.id), "clause_ref": "1"}
    paper = desk.make.document(b"%PDF-1.7 half", role="other")
    digest = paper.sha256.hex()
    for named, lacking in (
        ({"document_id": str(paper.id)}, "document_sha256"),
        ({"document_id": str(paper.id), "document_sha256": "zz" * 32}, "document_sha256"),
        ({"document_id": "the letter", "document_sha256": digest}, "document_id"),
    ):
        with pytest.raises(EvidenceIncomplete) as refused:
            desk.propose(kind, told | {"signature": named})
        assert refused.value.facts["missing"] == [f"signature.{lacking}"]


def test_an_announcement_too_names_a_document_whole_or_not(make: Make) -> None:
    told = complete(make, Kind.IVR_NOTICE) | {"document_id": "x"}
    assert evidence.missing(Kind.IVR_NOTICE, told, from_ms=5_000) == [
        "document_id",
        "document_sha256",
    ]


def test_a_contract_is_no_written_consent(desk: Desk) -> None:
    contract = desk.make.contract(desk.firm, scope=["notice"])
    paper = desk.session.query(Document).filter_by(sha256=contract.document_sha256).one()
    told = complete(desk.make, Kind.WRITTEN_CONSENT)
    named = {"document_id": str(paper.id), "document_sha256": paper.sha256.hex()}
    with pytest.raises(DocumentNotSeparate):
        desk.propose(Kind.WRITTEN_CONSENT, told | named)


def test_a_clause_rests_on_the_contract_that_was_uploaded(desk: Desk) -> None:
    contract = desk.make.contract(desk.firm, scope=["notice", "employee_notice_duty"])
    told = {"contract_id": str(contract.id), "clause_ref": "7.2"}
    row = desk.propose(Kind.CONTRACT_CLAUSE, told, party=None)
    assert row.evidence["document_sha256"] == contract.document_sha256.hex()
    assert row.evidence["scope"] == ["employee_notice_duty", "notice"]
    assert desk.decide(row, desk.make.reviewer).status == Status.PROPOSED
    assert desk.decide(row, desk.make.approver).status == Status.VERIFIED
    contract.document_sha256 = hashlib.sha256(b"another").digest()
    desk.session.flush()
    with pytest.raises(DocumentNotKept, match="not uploaded"):
        desk.propose(Kind.CONTRACT_CLAUSE, told, party=None)


@pytest.mark.parametrize(("days", "is_fit"), [(1, True), (366, True), (368, False)])
def test_an_assessment_holds_for_twelve_months(desk: Desk, days: int, *, is_fit: bool) -> None:
    day: date = (desk.make.clock.now() + days * DAY).date()
    told = complete(desk.make, Kind.OTHER_GROUND) | {"expires_on": day.isoformat()}
    if is_fit:
        desk.propose(Kind.OTHER_GROUND, told, valid_to=desk.make.clock.now() + 900 * DAY)
    else:
        with pytest.raises(EvidenceIncomplete, match="twelve months"):
            desk.propose(Kind.OTHER_GROUND, told)


# The transitions of the consent model, 5.4: allowed to whom they are, and to nobody else.


def test_t1_proposing_is_for_staff_and_the_database_knows_them(
    session: Session, make: Make
) -> None:
    recording = make.recording()
    row = put(make, recording, Kind.VERBAL_CONSENT, complete(make, Kind.VERBAL_CONSENT))
    copied = (
        "INSERT INTO assertions SELECT (jsonb_populate_record(a, CAST(:new AS jsonb))).* "
        "FROM assertions a WHERE a.id = :id"
    )
    for who, is_fit in (("admin", False), ("auditor", False), ("agent", True), ("legal", True)):
        new = f'{{"id": "{new_id()}", "proposed_by": "{getattr(make, who).id}"}}'
        if is_fit:
            session.execute(text(copied), {"new": new, "id": row.id})
            continue
        with pytest.raises(DatabaseError, match="no such evidence"), session.begin_nested():
            session.execute(text(copied), {"new": new, "id": row.id})


@pytest.mark.parametrize("kind", [Kind.BEEP, Kind.DTMF_CONSENT, Kind.VERBAL_CONSENT])
def test_t2_t3_another_than_the_proposer_verifies(desk: Desk, kind: Kind) -> None:
    row = desk.propose(kind, by=desk.make.reviewer)
    with pytest.raises(review.ProposerDecides):
        desk.decide(row, desk.make.reviewer)
    assert desk.decide(row, desk.make.legal).status == Status.VERIFIED


def test_t2_words_are_verified_by_who_has_heard_them(desk: Desk) -> None:
    row = desk.propose(Kind.VERBAL_NOTICE)
    with pytest.raises(NotListened):
        desk.decide(row, desk.make.reviewer)
    listen(desk.make, row, desk.make.approver)
    with pytest.raises(NotListened):
        desk.decide(row, desk.make.reviewer)
    listen(desk.make, row, desk.make.reviewer)
    assert desk.decide(row, desk.make.reviewer).status == Status.VERIFIED


def test_t4_a_ground_is_verified_by_approver_and_legal(desk: Desk) -> None:
    row = desk.propose(Kind.OTHER_GROUND)
    with pytest.raises(review.RoleCannotSettle):
        desk.decide(row, desk.make.reviewer)
    assert desk.decide(row, desk.make.approver).status == Status.PROPOSED
    again = desk.make.user(desk.make.approver.role)  # type: ignore[arg-type]  # a person has a role.
    assert desk.decide(row, again).status == Status.PROPOSED
    assert desk.decide(row, desk.make.legal).status == Status.VERIFIED
    later = desk.propose(Kind.OTHER_GROUND)
    desk.make.clock.advance(timedelta(days=301))
    with pytest.raises(AssessmentOver):
        desk.decide(later, desk.make.legal)


def test_t5_putting_aside_needs_a_reason_and_another_person(desk: Desk, session: Session) -> None:
    row = desk.propose(Kind.VERBAL_CONSENT, by=desk.make.reviewer)
    with pytest.raises(review.ProposerDecides):
        desk.decide(row, desk.make.reviewer, Verdict.REJECT)
    with pytest.raises(review.ReasonMissing):
        desk.decide(row, desk.make.legal, Verdict.REJECT, reason=" ")
    unsaid = (
        "INSERT INTO assertion_votes (id, assertion_id, verdict, voter_id, voter_role, at)"
        " VALUES (gen_random_uuid(), :a, 'reject', :v, 'legal', now())"
    )
    with pytest.raises(DatabaseError, match="needs a reason"), session.begin_nested():
        session.execute(text(unsaid), {"a": row.id, "v": desk.make.legal.id})
    assert desk.decide(row, desk.make.legal, Verdict.REJECT).status == Status.REJECTED


def test_a_proposal_is_taken_back_by_who_made_it_and_by_nobody_else(
    desk: Desk, session: Session
) -> None:
    at = desk.make.clock.now()
    row = desk.propose(Kind.VERBAL_CONSENT)
    desk.session.refresh(desk.recording)
    assert desk.recording.flag == "pending"
    with pytest.raises(review.NotTheProposer):
        review.retract(session, desk.make.reviewer, row.id, reason="x", at=at)
    assert review.retract(session, desk.make.manager, row.id, reason="Ошибка.", at=at).status == (
        Status.RETRACTED
    )
    desk.session.refresh(desk.recording)
    assert desk.recording.flag == "unknown"
    with pytest.raises(review.TransitionRefused):
        review.retract(session, desk.make.manager, row.id, reason="x", at=at)
    with pytest.raises(review.TransitionRefused):
        desk.decide(row, desk.make.reviewer)
    said_no = desk.propose(Kind.REFUSAL)
    with pytest.raises(review.TransitionRefused):
        review.retract(session, desk.make.manager, said_no.id, reason="x", at=at)


def test_the_database_lets_nobody_retract_for_another_nor_what_blocks(
    desk: Desk, session: Session
) -> None:
    row, said_no = desk.propose(Kind.VERBAL_CONSENT), desk.propose(Kind.REFUSAL)
    for one, who in ((row, desk.make.reviewer), (said_no, desk.make.manager)):
        with pytest.raises(DatabaseError, match="taken back"), session.begin_nested():
            vote(desk.make, one, who, "retract")
        change = "UPDATE assertions SET status = 'retracted', decided_at = now() WHERE id = :id"
        with pytest.raises(DatabaseError, match="taken back"), session.begin_nested():
            session.execute(text(change), {"id": one.id})


@pytest.mark.parametrize("kind", sorted(BLOCKS))
@pytest.mark.parametrize("role", ["agent", "manager", "reviewer", "approver", "legal", "admin"])
def test_t7_t10_any_staff_blocks_at_once(desk: Desk, kind: Kind, role: str) -> None:
    blocked = text("SELECT consent_blocked(:r, 'dispute_client')")
    assert desk.session.scalar(blocked, {"r": desk.recording.id}) is False
    asked = {"received_at": "2026-11-20", "channel": "x"}
    told = {"quote": "нет"} if kind == Kind.REFUSAL else asked
    desk.propose(kind, told, by=getattr(desk.make, role))
    assert desk.session.scalar(blocked, {"r": desk.recording.id}) is True


def test_t8_t9_a_refusal_is_confirmed_by_one_and_put_aside_by_two(desk: Desk) -> None:
    row = desk.propose(Kind.REFUSAL)
    assert desk.decide(row, desk.make.reviewer).status == Status.VERIFIED
    other = desk.propose(Kind.REFUSAL)
    listen(desk.make, other, desk.make.reviewer, desk.make.legal, desk.make.approver)
    for one in (desk.make.reviewer, desk.make.legal):
        assert desk.decide(other, one, Verdict.REJECT).status == Status.PROPOSED
    assert desk.decide(other, desk.make.approver, Verdict.REJECT).status == Status.REJECTED


def test_t10_a_withdrawal_is_confirmed_when_it_is_known_who_withdraws(
    desk: Desk, session: Session
) -> None:
    told = without(complete(desk.make, Kind.WITHDRAWAL), "identity_check")
    row = desk.propose(Kind.WITHDRAWAL, told)
    with pytest.raises(EvidenceIncomplete) as refused:
        desk.decide(row, desk.make.reviewer, reason=None)
    assert refused.value.facts["missing"] == ["identity_check"]
    other = put(desk.make, desk.recording, Kind.WITHDRAWAL, told)
    unsaid = (
        "INSERT INTO assertion_votes (id, assertion_id, verdict, voter_id, voter_role, at)"
        " VALUES (gen_random_uuid(), :a, 'verify', :v, 'reviewer', now())"
    )
    session.execute(text(unsaid), {"a": other.id, "v": desk.make.reviewer.id})
    with pytest.raises(DatabaseError, match="identity_check"), session.begin_nested():
        settle(session, other, "verified", desk.make.reviewer)
    assert desk.decide(row, desk.make.reviewer, reason="Паспорт.").status == Status.VERIFIED


def test_t12_what_proved_wrong_takes_two_and_names_what_it_let_out(desk: Desk) -> None:
    row = desk.propose(Kind.VERBAL_CONSENT)
    desk.decide(row, desk.make.reviewer)
    assert desk.decide(row, desk.make.reviewer, Verdict.INVALIDATE).status == Status.VERIFIED
    with pytest.raises(review.VerdictRepeated):
        desk.decide(row, desk.make.reviewer, Verdict.INVALIDATE)
    assert desk.decide(row, desk.make.approver, Verdict.INVALIDATE).status == Status.INVALIDATED
    assert papers.affected_shares(desk.session, row.id) == []


ENDED = ("verified", "rejected", "invalidated", "retracted")


@pytest.mark.parametrize("status", ENDED)
@pytest.mark.parametrize("to", ["proposed", *ENDED])
def test_t14_no_other_way_leads_anywhere(desk: Desk, status: str, to: str) -> None:
    row = desk.propose(Kind.VERBAL_CONSENT)
    if status == "retracted":
        review.retract(
            desk.session, desk.make.manager, row.id, reason="x", at=desk.make.clock.now()
        )
    else:
        verdict = Verdict.REJECT if status == "rejected" else Verdict.VERIFY
        desk.decide(row, desk.make.reviewer, verdict)
    if status == "invalidated":
        desk.invalidated(row)
    assert row.status == status
    change = "UPDATE assertions SET status = :to WHERE id = :id"
    with pytest.raises(DatabaseError, match=r"no way leads|verdicts"), desk.session.begin_nested():
        desk.session.execute(text(change), {"to": to, "id": row.id})

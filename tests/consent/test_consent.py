"""From the notice to the decision through the doors: what may, what may not, and what is told."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.clients.models import Contact
from app.consent import service
from app.consent.jobs import handle_refresh_flags
from app.consent.models import Assertion, DecisionRow, NoticeText, PolicyPackRow
from app.consent.purposes import Purpose, RecipientClass
from app.consent.rules import Approval, ConsentRefused, Decision, Outcome
from app.consent.spans import Segment
from app.core.clock import SetClock
from app.core.db import Database
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.recordings.models import Recording
from tests.conftest import Acts
from tests.consent.conftest import As, Client
from tests.factories import DAY, Make, notice, wav

TEXT = "Разговор записывается для контроля качества и разрешения спорных вопросов."


class World:
    """A recording of a client's director, and the people who decide about it."""

    def __init__(self, session: Session, make: Make, as_: As) -> None:
        self.session, self.make, self.as_ = session, make, as_
        self.firm = make.client()
        self.director: Contact = make.contact(self.firm)
        assert make.agent.role
        self.recording = make.recording(client=self.firm)
        self.manager, self.reviewer = as_(make.manager), as_(make.reviewer)
        self.approver, self.admin = as_(make.approver), as_(make.admin)
        self.clock = make.clock

    def notice(self, *purposes: str, approved: bool = True, **changes: Any) -> str:  # noqa: ANN401
        told = {
            "language": "ru",
            "text": TEXT,
            "purposes": purposes or ("internal_quality", "dispute_client"),
            "recipients": ["client_same_entity"],
            "valid_from": (self.clock.now() - 30 * DAY).isoformat(),
        } | changes
        answer = self.admin.post(
            "/v1/notice-texts",
            files=[
                ("metadata", (None, json.dumps(told))),
                ("file", ("n.wav", notice(), "audio/wav")),
            ],
        )
        assert answer.status_code == 201, answer.text
        text_id = str(answer.json()["id"])
        if approved:
            assert self.approver.post(f"/v1/notice-texts/{text_id}/approve").status_code == 200
        return text_id

    def propose(self, by: Client, kind: str, evidence: dict[str, Any], **body: Any) -> Any:  # noqa: ANN401
        return by.post(
            f"/v1/recordings/{self.recording.id}/assertions",
            json={"kind": kind, "evidence": evidence} | body,
        )

    def told(self, text_id: str, **body: Any) -> str:  # noqa: ANN401
        evidence = {
            "notice": {"id": text_id, "version": 1},
            "played_ms": [0, 4000],
            "stayed_after_ms": 20_000,
            "heard": {"quote": TEXT},
        }
        answer = self.propose(self.manager, "ivr_notice", evidence, party="cli", **body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def acknowledged(self) -> str:
        evidence = {"act_number": "7", "act_version": "1", "signed_on": "2026-01-10", "log": "x"}
        answer = self.propose(self.manager, "employee_ack", evidence, party="own", wide=True)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def listen(self) -> None:
        """Let everybody of compliance hear the recording."""
        for who in (self.make.reviewer, self.make.approver, self.make.legal):
            ledger.append(
                self.session,
                who,
                Act.MEDIA_PLAYED,
                ("recording", self.recording.id),
                at=self.clock.now(),
            )

    def verify(self, by: Client, assertion_id: str, verdict: str = "verify") -> Any:  # noqa: ANN401
        body = {"reason": "Прослушано."}
        return by.post(f"/v1/assertions/{assertion_id}/{verdict}", json=body)

    def clear(self) -> None:
        """Do all that must be done before it may leave, but the approval."""
        for assertion_id in (self.told(self.notice()), self.acknowledged()):
            assert self.verify(self.reviewer, assertion_id).status_code == 200
        found = self.reviewer.post(
            f"/v1/recordings/{self.recording.id}/screenings", json={"result": "clear"}
        )
        assert found.status_code == 201
        basis = {"identity_basis": "Паспорт.", "mandate_basis": "Выписка из ЕГРЮЛ."}
        done = self.reviewer.post(f"/v1/contacts/{self.director.id}/verify", json=basis)
        assert done.status_code == 201

    def ask(self, *approvers: UUID | None, from_ms: int = 4000) -> Decision:
        def asked(digest: str | None) -> Decision:
            approvals = [
                Approval(by=who, inputs_digest=digest or "", at=self.clock.now(), role="approver")
                for who in approvers
                if who is not None and digest is not None
            ]
            manager = self.make.manager.id
            assert manager is not None
            self.question = service.question(
                self.session,
                purpose=Purpose.DISPUTE_CLIENT,
                contact_id=self.director.id,
                segment=Segment(from_ms, None),
                requested_by=manager,
                approvals=approvals,
                recording_id=self.recording.id,
            )
            return service.decide(
                self.session, self.recording.id, self.question, at=self.clock.now()
            )

        return asked(asked(None).inputs_digest)

    def codes(self, *approvers: UUID | None, from_ms: int = 4000) -> list[str]:
        return [reason.text for reason in self.ask(*approvers, from_ms=from_ms).reasons]

    def flag(self) -> str:
        self.session.expire_all()
        return self.session.get_one(Recording, self.recording.id).flag


@pytest.fixture
def world(session: Session, make: Make, as_: As) -> World:
    return World(session, make, as_)


def test_a_recording_begins_as_unknown_and_goes_nowhere(world: World) -> None:
    assert world.codes() == [
        "A_COMPLIANCE_1",
        "C_STAFF_UNACKNOWLEDGED:own",
        "C_UNKNOWN:cli",
        "RCPT_UNVERIFIED",
        "S_SCREEN_REQUIRED",
    ]


def test_told_screened_verified_and_approved_it_may_go(world: World, acts: Acts) -> None:
    world.clear()
    assert world.flag() == "notified"
    assert world.codes() == ["A_COMPLIANCE_1"]
    assert world.ask(world.make.approver.id).allowed
    assert world.codes(from_ms=0) == ["A_COMPLIANCE_1", "C_SEGMENT_UNCOVERED:cli"]
    assert acts(world.recording.id) == [
        "assertion.proposed",
        "assertion.proposed",
        "assertion.verified",
        "screening.recorded",
    ]
    assert acts(world.director.id) == ["contact.verified"]


def test_the_decision_route_explains_a_denial_with_200(world: World) -> None:
    world.clear()
    asked = {"purpose": "dispute_client", "contact": str(world.director.id), "lang": "ru"}
    answer = world.manager.get(f"/v1/recordings/{world.recording.id}/decision", params=asked)
    assert answer.status_code == 200
    body = answer.json()
    assert body["outcome"] == "DENY"
    assert [r["code"] for r in body["reasons"]] == ["A_COMPLIANCE_1", "C_SEGMENT_UNCOVERED"]
    assert body["reasons"][1]["title"] == "Фрагмент шире уведомления"
    assert {r["code"] for r in body["remedies"]} == {"ASK_APPROVAL", "CUT_SEGMENT:4000-600000"}
    assert body["allowed_segments"] == [{"from_ms": 4000, "to_ms": 600000}]


def test_a_refusal_by_an_agent_blocks_at_once_and_two_put_it_aside(world: World) -> None:
    world.clear()
    agent = world.as_(world.make.agent)
    said = world.propose(agent, "refusal", {"quote": "Не записывайте."}, party="cli")
    assert said.status_code == 201
    assert world.flag() == "refusal_proposed"
    assert "C_REFUSAL_PROPOSED:cli" in world.codes(world.make.approver.id)
    refusal = said.json()["id"]
    unheard = world.verify(world.reviewer, refusal, "reject")
    assert (unheard.status_code, unheard.json()["type"]) == (409, "/problems/not-listened")
    world.listen()
    assert world.verify(world.reviewer, refusal, "reject").json()["status"] == "proposed"
    again = world.verify(world.reviewer, refusal, "reject")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/verdict-repeated")
    assert world.flag() == "refusal_proposed"
    done = world.verify(world.approver, refusal, "reject").json()
    assert (done["status"], done["decided_by"]) == ("rejected", str(world.make.reviewer.id))
    assert done["second_by"] == str(world.make.approver.id)
    assert world.flag() == "notified"
    assert world.ask(world.make.approver.id).allowed


def test_who_proposed_does_not_verify(world: World) -> None:
    quote = {"from_ms": 0, "to_ms": 4, "speaker": "own", "quote": "x", "reaction": "continued"}
    said = world.propose(world.reviewer, "verbal_notice", quote, party="cli")
    refused = world.verify(world.reviewer, said.json()["id"])
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/proposer-decides")


def test_what_is_settled_tells_what_is_still_possible(world: World) -> None:
    told = world.told(world.notice())
    assert world.verify(world.reviewer, told).status_code == 200
    again = world.verify(world.approver, told)
    assert (again.status_code, again.json()["allowed"]) == (409, ["invalidate"])
    assert world.verify(world.reviewer, told, "invalidate").json()["status"] == "verified"
    assert world.verify(world.approver, told, "invalidate").json()["status"] == "invalidated"
    assert world.flag() == "invalidated"


@pytest.mark.parametrize("role", ["agent", "manager", "admin", "auditor"])
def test_only_compliance_settles(world: World, role: str) -> None:
    told = world.told(world.notice())
    somebody = world.as_(getattr(world.make, role))
    assert world.verify(somebody, told).status_code == 403
    screened = somebody.post(
        f"/v1/recordings/{world.recording.id}/screenings", json={"result": "clear"}
    )
    assert screened.status_code == 403


def test_an_unapproved_or_ended_text_clears_nothing(world: World) -> None:
    told = world.told(world.notice(approved=False))
    refused = world.verify(world.reviewer, told)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/notice-not-approved")
    later = (world.clock.now() + DAY).isoformat()
    told = world.told(world.notice(valid_from=later))
    assert world.verify(world.reviewer, told).status_code == 409


def test_nobody_claims_more_than_the_notice_says(world: World) -> None:
    text_id = world.notice("internal_quality")
    evidence = {
        "notice": {"id": text_id, "version": 1},
        "played_ms": [0, 4000],
        "stayed_after_ms": 20_000,
        "heard": {"quote": TEXT},
    }
    more = world.propose(
        world.manager, "ivr_notice", evidence, party="cli", purposes=["dispute_client"]
    )
    assert (more.status_code, more.json()["type"]) == (400, "/problems/names-too-much")
    short = world.propose(
        world.manager, "ivr_notice", evidence | {"stayed_after_ms": 10}, party="cli"
    )
    assert short.json()["missing"] == ["stayed_after_ms"]
    early = world.propose(world.manager, "ivr_notice", evidence, party="cli", from_ms=0)
    assert early.json()["missing"] == ["played_ms"]
    absent = world.propose(world.manager, "ivr_notice", {}, party="cli")
    assert absent.status_code == 400


def test_evidence_names_a_party_that_is_heard(world: World) -> None:
    evidence = {"act_number": "7", "act_version": "1", "signed_on": "2026-01-10", "log": "x"}
    for party in ("nobody", "cli"):
        answer = world.propose(world.manager, "employee_ack", evidence, party=party)
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/party-unknown")


def test_a_clause_is_verified_by_two_at_first_and_carries_only_its_own_words(
    world: World, session: Session, database: Database, clock: SetClock
) -> None:
    world.clear()
    contract = world.make.contract(world.firm, scope=["notice", "disclose_to_management"])
    evidence = {"contract_id": str(contract.id), "clause_ref": "7.2"}
    said = world.propose(world.manager, "contract_clause", evidence)
    assert said.status_code == 201, said.text
    assert said.json()["client_id"] == str(world.firm.id)
    assert world.verify(world.reviewer, said.json()["id"]).json()["status"] == "proposed"
    assert world.verify(world.approver, said.json()["id"]).json()["status"] == "verified"
    approver = world.make.approver.id
    assert "contract_disclosure:cli" in world.ask(approver).grounds or world.ask(approver).allowed
    session.execute(text("UPDATE contract_clauses SET quote = 'другое'"))
    session.expire_all()
    assert "contract_disclosure:cli" not in world.ask(approver).grounds

    class Tools:
        def __init__(self) -> None:
            self.database, self.clock = database, clock

    handle_refresh_flags(Tools(), said.json()["id"])
    assert world.flag() == "notified"


def test_what_breaks_is_a_denial(world: World, session: Session) -> None:
    world.clear()
    approver = world.make.approver.id
    assert world.ask(approver).allowed
    session.info["jurisdiction"] = "ZZ"
    assert world.codes(approver) == ["E_INTERNAL"]
    session.info["jurisdiction"] = "RU"
    session.add(
        PolicyPackRow(
            id=new_id(),
            jurisdiction="RU",
            version=2,
            body={"altered": True},
            sha256=hashlib.sha256(b"").digest(),
            effective_from=world.clock.now().date() - 2 * DAY,
            created_by=world.make.admin.id,
            created_at=world.clock.now(),
            activated_by=world.make.approver.id,
            second_by=world.make.legal.id,
            activated_at=world.clock.now() - DAY,
        )
    )
    session.flush()
    assert world.codes(approver) == ["E_INTERNAL"]


def test_a_decision_is_kept_with_the_stamp_it_was_made_under(
    world: World, session: Session, acts: Acts
) -> None:
    world.clear()
    decision = world.ask(world.make.approver.id)
    permit = service.permit_for(
        session, world.make.manager, world.recording.id, world.question, at=world.clock.now()
    )
    assert permit.inputs_digest == decision.inputs_digest
    row = session.scalars(select(DecisionRow)).one()
    values = {"r": world.recording.id, "c": world.director.id}
    present = text("SELECT consent_stamp(:r, :c)")
    assert row.stamp == decision.stamp == session.scalar(present, values)
    assert acts(world.recording.id)[-1] == "decision.made"
    world.propose(world.manager, "refusal", {"quote": "нет"}, party="cli")
    assert session.scalar(present, values) != row.stamp
    with pytest.raises(ConsentRefused):
        service.permit_for(
            session, world.make.manager, world.recording.id, world.question, at=world.clock.now()
        )


def test_another_firms_contact_is_another_entity(world: World) -> None:
    world.clear()
    stranger = world.make.contact(world.make.client())
    asked = {"purpose": "dispute_client", "contact": str(stranger.id), "from_ms": 4000}
    body = world.manager.get(f"/v1/recordings/{world.recording.id}/decision", params=asked).json()
    assert [r["code"] for r in body["reasons"]] == ["A_COMPLIANCE_1", "G_NONE", "RCPT_UNVERIFIED"]
    assert body["outcome"] == Outcome.DENY
    whom = RecipientClass.CLIENT_SAME_ENTITY
    assert whom not in {r["subject"] for r in body["reasons"]}


def test_versions_of_a_text_follow_each_other(world: World, session: Session) -> None:
    text_id = world.notice()
    assert world.notice(id=text_id, approved=False) == text_id
    versions = session.scalars(select(NoticeText.version).order_by(NoticeText.version)).all()
    assert list(versions) == [1, 2]
    listed = world.manager.get("/v1/notice-texts").json()["items"]
    assert [(n["version"], n["approved_at"] is None) for n in listed] == [(1, False), (2, True)]
    again = world.approver.post(f"/v1/notice-texts/{text_id}/approve", json={"version": 1})
    assert again.status_code == 409
    assert world.approver.post(f"/v1/notice-texts/{new_id()}/approve").status_code == 404


def test_a_draft_of_a_text_is_withdrawn_by_its_writer_or_rejected_by_another(
    world: World, acts: Acts
) -> None:
    first = world.notice(approved=False)
    why = {"reason": "Опечатка"}
    other = world.approver.post(f"/v1/notice-texts/{first}/withdraw", json=why)
    assert other.status_code == 403
    done = world.admin.post(f"/v1/notice-texts/{first}/withdraw", json=why).json()
    assert (done["ended"]["how"], done["approved_at"]) == ("withdrawn", None)
    late = world.approver.post(f"/v1/notice-texts/{first}/approve")
    assert (late.status_code, late.json()["type"]) == (409, "/problems/notice-text-ended")
    assert acts(UUID(first))[-1] == "notice_text.withdrawn"
    second = world.notice(id=first, approved=False)
    done = world.approver.post(f"/v1/notice-texts/{second}/reject", json=why).json()
    assert (done["version"], done["ended"]["how"]) == (2, "rejected")
    assert acts(UUID(first))[-1] == "notice_text.rejected"
    listed = world.manager.get("/v1/notice-texts").json()["items"]
    assert [n["ended"]["how"] for n in listed] == ["withdrawn", "rejected"]
    approved = world.notice()
    told = world.approver.post(f"/v1/notice-texts/{approved}/reject", json=why)
    assert (told.status_code, told.json()["type"]) == (409, "/problems/notice-text-approved")


def test_a_notice_text_is_written_by_an_admin_with_real_audio(world: World) -> None:
    told = {"language": "ru", "text": TEXT, "purposes": ["internal_quality"]}
    told |= {"valid_from": "2026-01-01T00:00:00Z"}
    parts = [("metadata", (None, json.dumps(told))), ("file", ("n.wav", b"MZ not audio at all"))]
    assert world.admin.post("/v1/notice-texts", files=parts).status_code == 415
    assert world.manager.post("/v1/notice-texts", files=parts).status_code == 403
    bad = [("metadata", (None, "{}")), ("file", ("n.wav", wav()))]
    assert world.admin.post("/v1/notice-texts", files=bad).status_code == 422
    assert world.admin.get("/v1/notice-texts").json()["items"] == []


@pytest.mark.parametrize("unfit", ['{"quote": NaN}', '{"quote": "\\u0000"}', '{"n": 1e400}'])
def test_evidence_that_cannot_be_kept_is_refused(world: World, unfit: str) -> None:
    answer = world.manager.post(
        f"/v1/recordings/{world.recording.id}/assertions",
        content=f'{{"kind": "refusal", "party": "cli", "evidence": {unfit}}}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code in {400, 422}, answer.text


def test_unknown_things_are_not_found(world: World) -> None:
    nothing = new_id()
    assert world.verify(world.reviewer, str(nothing)).status_code == 404
    decision = world.manager.get(
        f"/v1/recordings/{nothing}/decision", params={"purpose": "dispute_client"}
    )
    assert decision.status_code == 404
    assert world.manager.get(f"/v1/recordings/{nothing}/assertions").status_code == 404
    basis = {"identity_basis": "Паспорт.", "mandate_basis": "Выписка."}
    assert world.reviewer.post(f"/v1/contacts/{nothing}/verify", json=basis).status_code == 404


def test_evidence_is_listed_with_what_can_follow(world: World, session: Session) -> None:
    told = world.told(world.notice())
    listed = world.manager.get(f"/v1/recordings/{world.recording.id}/assertions").json()["items"]
    assert [(a["id"], a["allowed"]) for a in listed] == [(told, ["verify", "reject"])]
    kept = session.get_one(Assertion, UUID(told))
    assert listed[0]["evidence_sha256"] == kept.evidence_sha256.hex()


def test_reasons_are_explained_in_both_languages(world: World) -> None:
    for lang, title in (("ru", "Нет основания для передачи"), ("en", "No ground for disclosure")):
        items = world.manager.get("/v1/reasons", params={"lang": lang}).json()["items"]
        assert {i["code"]: i["title"] for i in items}["G_NONE"] == title

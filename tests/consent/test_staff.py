"""The employees' side, processors, and what ends a verification, each through its door."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from app.consent import grounds as rules_of_grounds
from app.consent import notices, papers, policy, processing, queries, review, service, staff
from app.consent.models import ProcessingContract, Verdict
from app.consent.processing import ContractTold
from app.consent.purposes import Kind, Purpose, RecipientClass
from app.consent.staff import ActTold
from app.core.ids import new_id
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.permissions import Role
from app.identity.service import NoLongerHere
from app.review import batches
from app.review.models import BatchVerdict
from tests.consent.test_database import refused, stamp
from tests.factories import DAY, Make
from tests.live import Live
from tests.papers import pdf, upload

ACT = "/v1/local-acts"
MINE = "/v1/me/acknowledgements"


def post(live: Live, who: str, path: str, **body: object) -> Any:  # noqa: ANN401 - JSON.
    return live.call("POST", path, who=who, json=body)


def add_act(live: Live, version: str = "1", since: str = "2026-01-01T00:00:00Z") -> Any:  # noqa: ANN401 - JSON.
    paper = upload(
        live, pdf(text=version), who="legal", role="local_act", upload_id=f"act-{version}"
    )
    return post(
        live,
        "legal",
        ACT,
        number="3-ЗП",
        version=version,
        title="О записи разговоров",
        document_id=paper.json()["id"],
        valid_from=since,
    )


def standings(live: Live, **params: object) -> dict[str, Any]:
    answer = live.call("GET", "/v1/people/acknowledgements", who="manager", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_employee_reads_the_act_acknowledges_it_and_another_verifies(live: Live) -> None:
    live.add_agent("106")
    act = add_act(live)
    assert act.status_code == 201, act.text
    assert standings(live)["items"][0]["status"] == "none"
    read = live.call("GET", f"{ACT}/{act.json()['id']}/file", who="106")
    assert read.content == pdf(text="1")
    assert read.headers["content-disposition"].startswith("attachment")
    said = post(live, "106", MINE, act_number="3-ЗП", act_version="1")
    assert said.status_code == 201, said.text
    told = said.json()
    assert (told["kind"], told["agent"], told["status"]) == ("employee_ack", "106", "proposed")
    assert told["evidence"]["log"]["acknowledgement_id"]
    assert post(live, "106", MINE, act_number="3-ЗП", act_version="1").status_code == 409
    assert standings(live, missing=True)["missing"] == 1
    verify = f"/v1/assertions/{told['id']}/verify"
    assert post(live, "106", verify).status_code == 403
    assert post(live, "reviewer", verify).json()["status"] == "verified"
    assert standings(live, missing=True) == {"items": [], "missing": 0}
    add_act(live, "2", "2026-02-01T00:00:00Z")
    (one,) = standings(live)["items"]
    assert (one["status"], one["act_version"]) == ("earlier", "2")
    table = live.call("GET", "/v1/people/acknowledgements.csv", who="auditor")
    assert table.headers["content-type"].startswith("text/csv")
    assert "106,3-ЗП,2,earlier," in table.text


def test_nobody_acknowledges_what_is_not_or_is_not_heard(live: Live) -> None:
    live.add_agent("106")
    add_act(live, since="2199-01-01T00:00:00Z")
    later = post(live, "106", MINE, act_number="3-ЗП", act_version="1")
    assert (later.status_code, later.json()["type"]) == (409, "/problems/local-act-not-in-force")
    assert post(live, "106", MINE, act_number="3-ЗП", act_version="9").status_code == 404
    add_act(live, "2")
    unheard = post(live, "manager", MINE, act_number="3-ЗП", act_version="2")
    assert (unheard.status_code, unheard.json()["type"]) == (409, "/problems/not-heard-here")
    assert add_act(live, "2").status_code == 409
    unfit = upload(live, pdf("/X 1"), who="legal", role="other", upload_id="o").json()["id"]
    told = {"number": "4", "version": "1", "title": "x", "valid_from": "2026-01-01T00:00:00Z"}
    assert post(live, "legal", ACT, **told, document_id=unfit).status_code == 400


def test_a_cell_of_the_table_is_no_formula(live: Live) -> None:
    with live.tools.database.transaction() as session:
        identity.add_user(
            session,
            Actor.system("tests"),
            "mallory",
            role=Role.AGENT,
            agent_ref="=cmd|x",
            at=live.tools.clock.now(),
        )
    table = live.call("GET", "/v1/people/acknowledgements.csv", who="manager").text
    assert "'=cmd|x," in table


def test_the_log_of_another_proves_nothing(session: Session, make: Make) -> None:
    at = make.clock.now()
    paper = make.document(role="local_act", by=make.legal)
    told = ActTold(number="3", version="1", title="x", document_id=paper.id, valid_from=at - DAY)
    staff.add_act(session, make.legal, told, at=at)
    row = staff.acknowledge(session, make.agent, "3", "1", at=at)
    copied = (
        "INSERT INTO assertions SELECT (jsonb_populate_record(a, CAST(:new AS jsonb))).* "
        "FROM assertions a WHERE a.id = :id"
    )
    other = new_id()
    session.execute(text(copied), {"new": f'{{"id": "{other}", "agent": "999"}}', "id": row.id})
    with pytest.raises(papers.AcknowledgementUnknown):
        review.decide(session, make.reviewer, other, Verdict.VERIFY, reason=None, at=at)
    vote = (
        "INSERT INTO assertion_votes (id, assertion_id, verdict, voter_id, voter_role, at)"
        " VALUES (gen_random_uuid(), :a, 'verify', :v, 'reviewer', now())"
    )
    session.execute(text(vote), {"a": other, "v": make.reviewer.id})
    settle = "UPDATE assertions SET status='verified', decided_by=:v, decided_at=now() WHERE id=:a"
    assert "has acknowledged so" in refused(session, settle, a=other, v=make.reviewer.id)
    done = review.decide(session, make.reviewer, row.id, Verdict.VERIFY, reason=None, at=at)
    assert done.status == "verified"
    assert "permission denied" in refused(session, "UPDATE acknowledgements SET agent = '999'")


# Contracts with processors.


def contract(make: Make, **changes: Any) -> ContractTold:  # noqa: ANN401 - parts of a contract.
    paper = make.document(role="processing_contract", by=make.legal)
    values: dict[str, Any] = {
        "processor": "7701234567",
        "name": "ООО «Речь»",
        "number": f"Р-{new_id()}",
        "signed_on": make.clock.now().date(),
        "document_id": paper.id,
        "purposes": ("transcription",),
        "valid_from": make.clock.now() - DAY,
        "valid_to": None,
    } | changes
    return ContractTold(**values)


def grounds(session: Session, make: Make, recording: UUID, processor: str | None) -> int:
    """Return how many contracts carry a transcription to this processor."""
    assert make.manager.id is not None
    question = service.question(
        session,
        purpose=Purpose.TRANSCRIPTION,
        recipient_class=RecipientClass.PROCESSOR,
        processor=processor,
        requested_by=make.manager.id,
    )
    case = service.case_file(session, recording, at=make.clock.now())
    return len(rules_of_grounds._by_processing(case, question, make.clock.now()))


def test_a_processor_counts_from_approval_by_another_until_its_end(
    session: Session, make: Make
) -> None:
    at, recording = make.clock.now(), make.recording()
    row = processing.propose(session, make.legal, contract(make), at=at)
    assert grounds(session, make, recording.id, "7701234567") == 0
    before = stamp(session, recording)
    processing.approve(session, make.approver, row.id, at=at)
    assert stamp(session, recording) != before
    assert grounds(session, make, recording.id, "7701234567") == 1
    assert grounds(session, make, recording.id, "7700000000") == 0
    assert grounds(session, make, recording.id, None) == 0
    approved = stamp(session, recording)
    processing.terminate(session, make.legal, row.id, at=at)
    assert stamp(session, recording) != approved
    assert grounds(session, make, recording.id, "7701234567") == 0
    with pytest.raises(processing.ProcessingContractSettled):
        processing.terminate(session, make.legal, row.id, at=at)


def test_a_processor_has_a_document_and_four_eyes(session: Session, make: Make) -> None:
    at = make.clock.now()
    with pytest.raises(processing.ProcessingContractUnfit):
        processing.propose(
            session, make.legal, contract(make, document_id=make.document().id), at=at
        )
    with pytest.raises(processing.ProcessingContractUnfit):
        processing.propose(session, make.legal, contract(make, valid_to=at - 2 * DAY), at=at)
    row = processing.propose(session, make.approver, contract(make), at=at)
    with pytest.raises(processing.WriterApprovesContract):
        processing.approve(session, make.approver, row.id, at=at)
    approve = "UPDATE processing_contracts SET approved_by = :by, approved_at = now() WHERE id = :i"
    assert "by an approver" in refused(session, approve, by=make.legal.id, i=row.id)
    assert "four_eyes" in refused(session, approve, by=make.approver.id, i=row.id)
    widen = "UPDATE processing_contracts SET purposes = '{ai_training}' WHERE id = :i"
    assert "permission denied" in refused(session, widen, i=row.id)
    other = make.user(Role.APPROVER)
    processing.approve(session, other, row.id, at=at)
    assert "ended once" in refused(session, approve, by=make.user(Role.APPROVER).id, i=row.id)
    begun = ProcessingContract(
        id=new_id(),
        processor="1",
        name="x",
        number="1",
        signed_on=at.date(),
        document_id=row.document_id,
        purposes=["transcription"],
        valid_from=at,
        created_by=make.legal.id,
        created_at=at,
        approved_by=other.id,
        approved_at=at,
    )
    session.add(begun)
    with pytest.raises(DatabaseError, match="begins without approval"):
        session.flush()
    session.rollback()


def test_a_processor_over_the_routes(live: Live) -> None:
    paper = upload(live, pdf(), who="legal", role="processing_contract").json()["id"]
    told = {
        "processor": "7701234567",
        "name": "ООО «Речь»",
        "number": "1",
        "signed_on": "2026-01-01",
        "document_id": paper,
        "purposes": ["transcription"],
        "valid_from": "2026-01-01T00:00:00Z",
    }
    path = "/v1/processing-contracts"
    made = post(live, "legal", path, **told)
    assert made.status_code == 201, made.text
    assert post(live, "legal", path, **told).status_code == 409
    one = f"{path}/{made.json()['id']}"
    assert post(live, "legal", f"{one}/approve").status_code == 403
    assert post(live, "approver", f"{one}/approve").json()["approved_at"]
    assert post(live, "approver", f"{one}/approve").status_code == 409
    assert post(live, "legal", f"{one}/terminate").json()["terminated_at"]
    assert len(live.call("GET", path, who="auditor").json()["items"]) == 1


# What is only held, and what ends a verification.


def test_what_only_a_hold_keeps_goes_to_no_client(session: Session, make: Make) -> None:
    recording = make.recording()
    before = stamp(session, recording)
    session.execute(text("UPDATE recordings SET kept_only_by_hold = true"))
    assert stamp(session, recording) != before
    assert service.case_file(session, recording.id, at=make.clock.now()).held_only
    assert make.manager.id is not None
    question = service.question(
        session,
        purpose=Purpose.DISPUTE_CLIENT,
        recipient_class=RecipientClass.CLIENT_SAME_ENTITY,
        requested_by=make.manager.id,
    )
    decision = service.decide(session, recording.id, question, at=make.clock.now())
    assert "R_HELD_ONLY" in {reason.code for reason in decision.reasons}


CHANGES = {
    "name": "UPDATE contacts SET name = 'Другой' WHERE id = :c",
    "position": "UPDATE contacts SET position = 'бухгалтер' WHERE id = :c",
    "email": "UPDATE contacts SET email = 'other@example.org' WHERE id = :c",
    "management": "UPDATE contacts SET is_management = NOT is_management WHERE id = :c",
    "firm's name": "UPDATE clients SET name = 'ООО «Другая»' WHERE id = :f",
    "firm's number": "UPDATE clients SET tax_id = '7700000001' WHERE id = :f",
    "new phone": "INSERT INTO contact_phones (contact_id, number) VALUES (:c, '+74950000002')",
    "other phone": "UPDATE contact_phones SET number = '+74950000003' WHERE contact_id = :c",
    "no phone": "DELETE FROM contact_phones WHERE contact_id = :c",
}


@pytest.mark.parametrize("change", CHANGES)
def test_who_is_another_than_was_looked_at_is_not_verified(
    session: Session, make: Make, change: str
) -> None:
    firm = make.client()
    director = make.contact(firm, phones=["+74950000001"])
    recording = make.recording(client=firm)
    basis = {"identity_basis": "Паспорт.", "mandate_basis": "Устав."}
    at = make.clock.now()
    review.verify_contact(session, make.reviewer, director.id, **basis, at=at)

    def verified() -> bool:
        found = queries.contact(session, director.id)
        assert found is not None
        return found[1]

    assert verified()
    before = stamp(session, recording, director.id)
    session.execute(text(CHANGES[change]), {"c": director.id, "f": firm.id})
    assert not verified()
    assert stamp(session, recording, director.id) != before
    review.verify_contact(session, make.reviewer, director.id, **basis, at=at)
    assert verified()


def test_nobody_says_what_was_looked_at_but_the_database(session: Session, make: Make) -> None:
    firm = make.client()
    director = make.contact(firm)
    basis = {"identity_basis": "Паспорт.", "mandate_basis": "Устав."}
    row = review.verify_contact(session, make.reviewer, director.id, **basis, at=make.clock.now())
    told = (
        "INSERT INTO contact_verifications SELECT (jsonb_populate_record(v, CAST(:new AS jsonb))).*"
        " FROM contact_verifications v WHERE v.id = :id"
    )
    session.execute(text("UPDATE contacts SET name = 'Другой' WHERE id = :c"), {"c": director.id})
    looks = session.scalar(text("SELECT contact_looks(:c)"), {"c": director.id})
    new = f'{{"id": "{new_id()}", "contact_sha256": "\\\\x00"}}'
    session.execute(text(told), {"new": new, "id": row.id})
    kept = text("SELECT contact_sha256 FROM contact_verifications ORDER BY id")
    assert looks in {bytes(one) for one in session.scalars(kept)}


def test_who_was_changed_since_somebody_looked_is_looked_at_again(live: Live) -> None:
    def contact(**changes: object) -> Any:  # noqa: ANN401 - JSON.
        told = {"name": "Директор", "phones": ["+74950008414"], "is_management": True} | changes
        body = {"name": "ООО «Ромашка»", "contacts": [told]}
        answer = live.call("PUT", "/v1/clients/C-1", who="manager", json=body)
        return answer.json()["contacts"][0]

    seen = contact()
    assert contact()["looks"] == seen["looks"]
    path = f"/v1/contacts/{seen['id']}/verify"
    basis = {"identity_basis": "Паспорт.", "mandate_basis": "Устав."}
    changed = contact(email="other@example.org")
    refusal = post(live, "reviewer", path, **basis, looks=seen["looks"])
    assert (refusal.status_code, refusal.json()["type"]) == (409, "/problems/contact-changed")
    with live.tools.database.transaction() as session:
        found = queries.contact(session, UUID(seen["id"]))
        assert found is not None
        assert not found[1]
    assert post(live, "reviewer", path, **basis, looks=changed["looks"]).status_code == 201


# Who was shut out a moment ago binds nobody any more.


def shut_out(make: Make, actor: Actor) -> None:
    name = make.session.scalar(text("SELECT name FROM users WHERE id = :id"), {"id": actor.id})
    identity.disable_user(make.session, make.admin, str(name), at=make.clock.now())
    make.session.flush()


def test_who_was_shut_out_approves_activates_and_decides_nothing(
    session: Session, make: Make
) -> None:
    at = make.clock.now()
    assert make.admin.id
    for person in (make.approver, make.reviewer, make.legal):
        shut_out(make, person)
    nobody = new_id()
    with pytest.raises(NoLongerHere):
        notices.approve(session, make.approver, nobody, version=1, at=at)
    with pytest.raises(NoLongerHere):
        policy.activate(session, make.approver, "RU", 9, at=at)
    with pytest.raises(NoLongerHere):
        processing.approve(session, make.approver, nobody, at=at)
    firm = make.contact(make.client())
    with pytest.raises(NoLongerHere):
        review.verify_contact(
            session, make.reviewer, firm.id, identity_basis="x", mandate_basis="x", at=at
        )


def test_who_was_shut_out_decides_and_undoes_no_batch(session: Session, make: Make) -> None:
    at = make.clock.now()
    recording = make.recording(duration_ms=8000)
    row = review.propose(
        session,
        make.manager,
        recording.id,
        review.Proposal(
            kind=Kind.BEEP,
            evidence={"frequency_hz": 1400, "interval_ms": 15_000, "first_offset_ms": 1},
            party="cli",
        ),
        at=at,
    )
    wanted = batches.Wanted(assertion_ids=(row.id,))
    batch = batches.freeze(session, make.reviewer, wanted, at=at)
    shut_out(make, make.reviewer)
    later = at + timedelta(minutes=1)
    with pytest.raises(NoLongerHere):
        batches.decide(
            session,
            make.reviewer,
            batch.id,
            verdict=BatchVerdict.VERIFY,
            reason=None,
            at=later,
        )
    with pytest.raises(NoLongerHere):
        batches.undo(session, make.reviewer, batch.id, reason="x", at=later)

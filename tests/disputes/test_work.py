"""The work on a dispute over HTTP: each step of the story, and each refusal."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from app.clients.models import Client, Event
from app.core.ids import new_id
from app.custody.ledger import DetailCipher
from app.custody.models import CustodyEntry, CustodyPrivate
from app.disputes.jobs import handle_remind
from app.disputes.models import DisputeReminder, DocumentRequest
from app.disputes.rules import CHECKLIST
from app.identity.models import User
from app.identity.permissions import Role
from app.mail.models import Kind, Mail
from tests.conftest import DETAIL_KEY
from tests.disputes.conftest import ANSWER, COMPLAINT, OUTCOME, VERDICT, Desk, kind_of

SOON = "2026-11-21T20:00:00+03:00"
LONG_AGO = "2026-11-20T20:00:00+03:00"


def test_a_dispute_opens_with_its_complaint_and_checklist(desk: Desk) -> None:
    desk.open(
        complaint=COMPLAINT,
        due_at=SOON,
        period_from="2026-11-18T00:00:00+03:00",
        period_to="2026-11-22T00:00:00+03:00",
    )
    told = desk.told("auditor")
    assert [step["kind"] for step in told["steps"]] == list(CHECKLIST)
    (complaint,) = told["statements"]
    assert (complaint["kind"], complaint["channel"]) == ("complaint", "phone")
    assert complaint["words"] == COMPLAINT["words"]
    assert (told["state"], told["allowed"]) == ("open", [])
    assert desk.told()["allowed"] == ["calling_back", "checking", "closed"]
    assert desk.told("legal")["allowed"] == ["closed"]
    assert told["people"][told["owner_id"]]


def test_the_whole_story_is_told_in_order(desk: Desk) -> None:
    dispute_id = desk.open(complaint=COMPLAINT)
    desk.move("calling_back", "checking")
    desk.must(f"/steps/{desk.step('call_back')}/done", result="Перезвонили через 20 минут.")
    desk.must(f"/steps/{desk.step('first_validity')}/skip", reason="Присылать было нечего.")
    desk.must("/findings", words="Инженер был в другом здании.")
    desk.move("with_specialist")
    desk.must("/verdicts", **VERDICT)
    desk.move("decided", "handed_over")
    desk.must("/answers", **ANSWER)
    desk.must("/outcomes", **OUTCOME)
    desk.must("/lessons", words="Спрашивать, что подключали сами.")
    desk.must("/lessons", kind="praise", words="Спокойно выслушал.", agent="101")
    desk.move("answered", "closed")
    told = desk.told()
    assert [move["to_state"] for move in told["moves"]] == [
        "calling_back",
        "checking",
        "with_specialist",
        "decided",
        "handed_over",
        "answered",
        "closed",
    ]
    assert told["closed_at"] is not None
    assert told["allowed"] == ["reopened"]
    acts = desk.house.acts(dispute_id)
    assert acts[:2] == ["dispute.opened", "dispute.stated"]
    assert acts.count("dispute.moved") == 7
    assert acts.count("dispute.stated") == 7
    assert acts.count("dispute.step") == 2


def test_words_stand_in_the_ledger_sealed_and_nowhere_else(desk: Desk) -> None:
    dispute_id = desk.open(complaint=COMPLAINT)
    cipher = DetailCipher(DETAIL_KEY)
    with desk.house.database.transaction() as session:
        entries = session.scalars(
            select(CustodyEntry).where(CustodyEntry.object_id == dispute_id)
        ).all()
        beside = session.scalars(
            select(CustodyPrivate).where(CustodyPrivate.entry_id.in_([e.id for e in entries]))
        ).all()
    assert "сеть" not in str([entry.facts for entry in entries])
    opened = [cipher.open(p.entry_id, p.label, p.ciphertext).decode() for p in beside]
    assert any(str(COMPLAINT["words"]) in one for one in opened)


@pytest.mark.parametrize(
    ("way", "to", "reason", "expected"),
    [
        ([], "decided", None, (409, "move-not-allowed")),
        ([], "open", None, (409, "move-not-allowed")),
        ([], "closed", None, (409, "move-lacks")),
        ([], "closed", "Звонили по ошибке.", (409, "move-lacks")),
        (["checking"], "with_specialist", None, (409, "move-lacks")),
        (["checking"], "decided", None, (409, "move-lacks")),
    ],
)
def test_a_move_that_the_table_has_not_is_refused(
    desk: Desk, way: list[str], to: str, reason: str | None, expected: tuple[int, str]
) -> None:
    desk.open()
    desk.move(*way)
    answer = desk.post("/moves", to=to, reason=reason)
    assert kind_of(answer) == expected
    if expected[1] == "move-not-allowed":
        assert answer.json()["allowed"] == ["calling_back", "checking", "closed"]
    assert desk.told()["state"] == (way or ["open"])[-1]


def test_what_lacks_is_named(desk: Desk) -> None:
    desk.open()
    assert desk.post("/moves", to="closed").json()["missing"] == ["outcome", "reason"]


@pytest.mark.parametrize(
    ("who", "to", "status"),
    [("approver", "checking", 409), ("reviewer", "checking", 403), ("auditor", "checking", 403)],
)
def test_the_table_says_who_moves(desk: Desk, who: str, to: str, status: int) -> None:
    desk.open()
    assert desk.post("/moves", who, to=to).status_code == status


def test_whoever_was_shut_out_moves_nothing(desk: Desk) -> None:
    desk.open()
    assert desk.call("GET", "/disputes", "legal").status_code == 200  # Now he is remembered.
    desk.must("/outcomes", **OUTCOME)
    desk.house.disable("legal")
    answer = desk.post("/moves", "legal", to="closed", reason="x")
    assert kind_of(answer) == (403, "no-longer-here")


def test_a_closed_dispute_takes_nothing_until_it_is_reopened(desk: Desk) -> None:
    desk.open()
    step = desk.step("lessons")
    desk.close()
    for path, body in (
        ("/findings", {"words": "x"}),
        ("/plan", {"due_at": SOON}),
        ("/steps", {"title": "x"}),
        (f"/steps/{step}/done", {"result": "x"}),
        ("/requests", {"asked": "x"}),
        ("/conducts", {"agent": "x"}),
        ("/hours", {"role": "engineer", "minutes": 5, "worked_on": "2026-11-20"}),
        ("/exhibits", {"recording_id": str(new_id())}),
    ):
        assert kind_of(desk.post(path, **body)) == (409, "dispute-closed"), path
    assert kind_of(desk.post("/moves", to="reopened")) == (409, "move-lacks")
    desk.move("reopened", who="approver", reason="Повторилось.")
    assert desk.told()["closed_at"] is None
    desk.must("/findings", words="x")


@pytest.mark.parametrize(
    "path",
    [
        "/moves",
        "/plan",
        "/conducts",
        "/steps",
        "/steps/order",
        "/complaints",
        "/findings",
        "/verdicts",
        "/bases",
        "/answers",
        "/outcomes",
        "/lessons",
        "/requests",
        "/hours",
    ],
)
def test_what_is_not_there_is_not_found_and_readers_write_nothing(desk: Desk, path: str) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "/moves": {"to": "checking"},
        "/conducts": {"agent": "101"},
        "/steps": {"title": "x"},
        "/steps/order": {"steps": [], "reason": "x"},
        "/complaints": COMPLAINT,
        "/findings": {"words": "x"},
        "/verdicts": VERDICT,
        "/bases": {"contract": "x", "clause_ref": "1", "words": "x"},
        "/answers": ANSWER,
        "/outcomes": OUTCOME,
        "/lessons": {"words": "x"},
        "/requests": {"asked": "x"},
        "/hours": {"role": "engineer", "minutes": 5, "worked_on": "2026-11-20"},
    }
    desk.dispute_id = str(new_id())
    body = bodies.get(path, {})
    assert kind_of(desk.post(path, **body)) == (404, "dispute-not-found")
    for who in ("reviewer", "auditor", "agent"):
        assert desk.post(path, who, **body).status_code == 403


@pytest.mark.parametrize("path", ["", "/board", "/{id}", "/{id}/history"])
def test_an_agent_reads_no_dispute(desk: Desk, path: str) -> None:
    dispute_id = desk.open()
    where = f"/disputes{path.format(id=dispute_id)}"
    assert desk.call("GET", where, "agent").status_code == 403
    assert desk.call("GET", where, "reviewer").status_code == 200


def test_a_plan_names_who_and_what_is_there(desk: Desk) -> None:
    desk.open()
    with desk.house.making() as make:
        event = make.event(make.session.get_one(Client, UUID(desk.client_id))).external_id
        other = make.event(make.client()).external_id
    owner = str(desk.house.people["reviewer"].id)
    told = desk.must("/plan", owner_id=owner, due_at=SOON, event=event)
    assert (told["owner_id"], told["event_id"] is not None) == (owner, True)
    assert kind_of(desk.post("/plan", event=other)) == (404, "dispute-event-unknown")
    assert kind_of(desk.post("/plan", owner_id=str(new_id()))) == (404, "dispute-person-unknown")
    ended = {"period_from": SOON, "period_to": LONG_AGO}
    assert kind_of(desk.post("/plan", **ended)) == (400, "period-invalid")


def test_steps_are_planned_reordered_skipped_and_taken_up_with_reasons(desk: Desk) -> None:
    desk.open()
    first = desk.step("call_back")
    owner = str(desk.house.people["agent"].id)
    assert desk.must(f"/steps/{first}/plan", owner_id=owner, due_at=SOON)["owner_id"] == owner
    own = desk.must("/steps", title="Съездить ещё раз")
    order = [one["id"] for one in desk.told()["steps"]]
    assert order[-1] == own["id"]
    desk.call(
        "POST",
        f"/disputes/{desk.dispute_id}/steps/order",
        json={"steps": order[::-1], "reason": "Срочно."},
    ).raise_for_status()
    assert [one["id"] for one in desk.told()["steps"]] == order[::-1]
    done = desk.must(f"/steps/{first}/done", result="Перезвонили.")
    assert (done["state"], done["result"]) == ("done", "Перезвонили.")
    assert kind_of(desk.post(f"/steps/{first}/skip", reason="x")) == (409, "step-settled")
    again = desk.must(f"/steps/{first}/again", reason="Не дозвонились.")
    assert (again["state"], again["result"]) == ("todo", None)
    assert kind_of(desk.post(f"/steps/{first}/again", reason="x")) == (409, "step-settled")
    desk.must(f"/steps/{first}/skip", reason="Сам перезвонил.")
    assert kind_of(desk.post(f"/steps/{new_id()}/done", result="x")) == (404, "step-not-found")
    assert desk.post(f"/steps/{first}/skip").status_code == 422


@pytest.mark.parametrize("spoil", ["twice", "short", "foreign"])
def test_an_order_names_each_step_once(desk: Desk, spoil: str) -> None:
    desk.open()
    order = [one["id"] for one in desk.told()["steps"]]
    wrong = {
        "twice": [*order, order[0]],
        "short": order[1:],
        "foreign": [*order[1:], str(new_id())],
    }
    answer = desk.post("/steps/order", steps=wrong[spoil], reason="x")
    assert kind_of(answer) == (400, "steps-incomplete")


def test_history_keeps_what_a_step_was(desk: Desk) -> None:
    desk.open()
    step = desk.step("our_check")
    desk.must(f"/steps/{step}/done", result="Первый взгляд.")
    desk.must(f"/steps/{step}/again", reason="Ещё раз.")
    page = desk.call("GET", f"/disputes/{desk.dispute_id}/history?limit=200").json()
    of_step = [one for one in page["items"] if one["row_id"] == step]
    assert [one["after"]["state"] for one in of_step] == ["todo", "done", "todo"]
    assert of_step[2]["before"]["result"] == "Первый взгляд."
    assert of_step[1]["changed_by"] == str(desk.house.people["manager"].id)
    first = desk.call("GET", f"/disputes/{desk.dispute_id}/history?limit=2").json()
    rest = f"/disputes/{desk.dispute_id}/history?limit=200&after={first['next_after']}"
    assert first["items"] + desk.call("GET", rest).json()["items"] == page["items"]


def test_a_statement_is_replaced_once_and_both_are_kept(desk: Desk) -> None:
    desk.open()
    old = desk.must("/findings", words="Кажется, сервер.")
    new = desk.must("/findings", words="Коммутатор.", replaces=old["id"])
    assert [one["id"] for one in desk.told()["statements"]] == [new["id"]]
    again = desk.post("/findings", words="x", replaces=old["id"])
    assert kind_of(again) == (409, "statement-replaced")
    assert again.json()["by"] == new["id"]
    wrong = desk.post("/lessons", words="x", replaces=new["id"])
    assert kind_of(wrong) == (404, "statement-unknown")


def test_a_verdict_names_its_specialist(desk: Desk) -> None:
    desk.open()
    person = str(desk.house.people["agent"].id)
    found = desk.must("/verdicts", value="no_problem", words="Всё работало.", person_id=person)
    assert found["said_by"]
    assert (found["value"], found["person_id"]) == ("no_problem", person)
    assert desk.post("/verdicts", value="ours", words="x").status_code == 422
    both = desk.post("/verdicts", value="ours", words="x", person_id=person, said_by="x")
    assert both.status_code == 422
    assert desk.post("/verdicts", value="guilty", words="x", said_by="x").status_code == 422
    unknown = desk.post("/verdicts", value="ours", words="x", person_id=str(new_id()))
    assert kind_of(unknown) == (404, "dispute-person-unknown")


def test_statements_are_of_this_client(desk: Desk) -> None:
    desk.open()
    with desk.house.making() as make:
        other = make.client()
        contact, contract = make.contact(other), make.contract(other, scope=["notice"])
    wrong = desk.post("/complaints", **COMPLAINT, contact_id=str(contact.id))
    assert kind_of(wrong) == (404, "dispute-contact-unknown")
    basis = {"contract": contract.number, "clause_ref": "7.2", "words": "x"}
    assert kind_of(desk.post("/bases", **basis)) == (404, "clause-unknown")
    shown = desk.post("/findings", words="x", exhibit_id=str(new_id()))
    assert kind_of(shown) == (404, "exhibit-not-found")
    heard = desk.post("/findings", words="x", recording_id=str(new_id()))
    assert kind_of(heard) == (404, "exhibit-recording-unknown")


def test_the_basis_keeps_the_clause_in_its_words(desk: Desk) -> None:
    desk.open()
    told = {"contract": desk.contract, "clause_ref": "7.2", "words": "Платно."}
    found = desk.must("/bases", **told, amount_minor=250_000, currency="RUB")
    assert found["quote"] == "Записи могут быть переданы руководству Заказчика."
    assert (found["amount_minor"], found["currency"]) == (250_000, "RUB")
    assert desk.post("/bases", **told, amount_minor=1).status_code == 422


def test_whose_conduct_is_in_question_decides_nothing(desk: Desk) -> None:
    desk.open()
    manager = str(desk.house.people["manager"].id)
    desk.house.person("second", Role.MANAGER)
    mark = desk.must("/conducts", "second", user_id=manager)
    for path, body in (
        ("/moves", {"to": "checking"}),
        ("/verdicts", VERDICT),
        ("/outcomes", OUTCOME),
        (f"/conducts/{mark['id']}/clear", {"reason": "Это не я."}),
    ):
        assert kind_of(desk.post(path, **body)) == (403, "conduct-in-question"), path
    assert desk.told()["allowed"] == []
    by_him = desk.post("/verdicts", "second", value="ours", words="x", person_id=manager)
    assert kind_of(by_him) == (403, "conduct-in-question")
    desk.must("/findings", words="Что видел, то записал.")
    desk.must(f"/conducts/{mark['id']}/clear", "second", reason="Был в отпуске.")
    cleared = desk.post(f"/conducts/{mark['id']}/clear", "second", reason="x")
    assert kind_of(cleared) == (409, "conduct-cleared")
    desk.move("checking")
    unknown = desk.post(f"/conducts/{new_id()}/clear", reason="x")
    assert kind_of(unknown) == (404, "conduct-unknown")


def test_an_agent_is_meant_by_the_name_that_softphones_have_for_him(desk: Desk) -> None:
    desk.open()
    desk.must("/conducts", agent=" 101 ")
    agent = str(desk.house.people["agent"].id)
    answer = desk.post("/verdicts", value="ours", words="x", person_id=agent)
    assert kind_of(answer) == (403, "conduct-in-question")
    assert desk.post("/conducts").status_code == 422
    unknown = desk.post("/conducts", user_id=str(new_id()))
    assert kind_of(unknown) == (404, "dispute-person-unknown")


def test_whose_conduct_is_in_question_approves_no_release(desk: Desk) -> None:
    recording = desk.house.recording()
    with desk.house.making() as make:
        event = make.session.get_one(Event, recording.event_id)
        desk.client = make.session.get_one(Client, event.client_id).external_id
    desk.open()
    desk.must("/exhibits", recording_id=str(recording.id))
    desk.must("/conducts", user_id=str(desk.house.people["approver"].id))
    asked = desk.must("/releases", contact_id=str(desk.house.contact_id))
    answer = desk.house.approve(asked["id"])
    assert kind_of(answer) == (403, "approver-involved")
    assert desk.told()["releases"] == [asked["id"]]


def test_documents_are_asked_for_received_and_judged(desk: Desk) -> None:
    desk.open()
    asked = desk.must("/requests", asked="Снимок экрана с ошибкой", due_at=SOON)
    assert (asked["state"], asked["link_until"]) == ("asked", None)
    path = f"/requests/{asked['id']}"
    early = desk.post(f"{path}/check", state="valid", words="x")
    assert kind_of(early) == (409, "request-cannot")
    assert early.json()["allowed"] == ["given_up", "received"]
    with desk.house.making() as make:
        document = str(make.document(client=make.session.get_one(Client, UUID(desk.client_id))).id)
    got = desk.must(f"{path}/received", document_ids=[document])
    assert (got["state"], got["document_ids"]) == ("received", [document])
    again = desk.must(f"{path}/check", state="asked_again", words="Не видно даты.")
    assert (again["state"], again["words"]) == ("asked_again", "Не видно даты.")
    desk.must(f"{path}/received", document_ids=[document])
    assert desk.must(f"{path}/check", state="valid", words="Годится.")["state"] == "valid"
    acts = desk.house.acts(desk.dispute_id)
    assert acts.count("dispute.request") == 5


def test_a_request_refuses_what_is_not_there(desk: Desk) -> None:
    desk.open()
    asked = desk.must("/requests", asked="x")
    with desk.house.making() as make:
        foreign = str(make.document(b"%PDF-1.7 other").id)
        contact = str(make.contact(make.client()).id)
    unknown = desk.post(f"/requests/{asked['id']}/received", document_ids=[foreign])
    assert kind_of(unknown) == (404, "request-document-unknown")
    nobody = desk.post("/requests", asked="x", contact_id=contact)
    assert kind_of(nobody) == (404, "dispute-contact-unknown")
    for tail, body in (
        ("received", {"document_ids": [foreign]}),
        ("check", {"state": "given_up", "words": "x"}),
        ("link", {}),
    ):
        answer = desk.post(f"/requests/{new_id()}/{tail}", **body)
        assert kind_of(answer) == (404, "request-not-found")


def test_a_link_is_told_once_and_made_while_something_is_waited_for(desk: Desk) -> None:
    desk.open()
    asked = desk.must("/requests", asked="Выгрузка журнала")
    path = f"/requests/{asked['id']}"
    first = desk.must(f"{path}/link", days=3)["token"]
    second = desk.must(f"{path}/link", days=3)
    assert second["request"]["link_until"]
    assert second["token"] not in str(desk.told())
    with desk.house.database.transaction() as session:
        kept = session.get_one(DocumentRequest, UUID(asked["id"])).token_digest
    assert kept == sha256(second["token"].encode()).digest() != sha256(first.encode()).digest()
    desk.must(f"{path}/check", state="given_up", words="Не прислали.")
    assert kind_of(desk.post(f"{path}/link")) == (409, "request-cannot")


def test_hours_cost_what_they_cost_on_their_day(desk: Desk) -> None:
    desk.open()
    for hour_minor, since in ((100_000, "2026-01-01"), (130_000, "2026-11-01")):
        rate = {
            "role": "engineer",
            "hour_minor": hour_minor,
            "currency": "RUB",
            "valid_from": since,
        }
        assert desk.call("POST", "/work-rates", json=rate).status_code == 201
    desk.must("/hours", role="engineer", minutes=90, worked_on="2026-10-31", what="Проверка")
    wrong = desk.must("/hours", role="engineer", minutes=600, worked_on="2026-11-20")
    desk.must("/hours", role="engineer", minutes=60, worked_on="2026-11-20", replaces=wrong["id"])
    desk.must("/hours", role="legal", minutes=30, worked_on="2026-11-20")
    cost = desk.told()["cost"]
    assert cost["total_minor"] == {"RUB": 150_000 + 130_000}
    assert [
        (one["role"], one["minutes"], one["minutes_without_rate"]) for one in cost["lines"]
    ] == [
        ("engineer", 150, 0),
        ("legal", 30, 30),
    ]
    twice = desk.post(
        "/hours", role="engineer", minutes=1, worked_on="2026-11-20", replaces=wrong["id"]
    )
    assert kind_of(twice) == (409, "hours-replaced")
    for body in ({"minutes": 0}, {"minutes": 5, "replaces": str(new_id())}):
        answer = desk.post("/hours", role="legal", worked_on="2026-11-20", **body)
        assert kind_of(answer) == (404, "hours-unknown")
    assert len(desk.call("GET", "/work-rates", "auditor").json()) == 2
    assert desk.call("POST", "/work-rates", "auditor", json={}).status_code == 403


def test_the_list_is_narrowed_paged_and_counted(desk: Desk) -> None:
    first = desk.open(due_at=LONG_AGO, complaint=COMPLAINT)
    desk.house.clock.advance(timedelta(hours=1))
    second = desk.open(subject="Печать")
    desk.house.clock.advance(timedelta(hours=1))
    desk.open(subject="Закрыт")
    desk.close()

    def ids(query: str) -> list[str]:
        answer = desk.call("GET", f"/disputes?{query}")
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["items"]]

    assert ids("") == [desk.dispute_id, second, first]
    assert ids("state=closed") == [desk.dispute_id]
    assert ids("overdue=true") == [first]
    assert ids("q=визита инженера") == [first]
    assert ids("q=василёк") == [desk.dispute_id, second, first]
    assert ids(f"client={desk.client}&q=Печать") == [second]
    assert ids("client=nobody") == []
    assert ids(f"owner={desk.house.people['manager'].id}&state=open") == [second, first]
    assert ids(f"owner={new_id()}") == []
    assert ids("since=2026-11-21T12:30:00Z&until=2026-11-21T13:30:00Z") == [second]
    page = desk.call("GET", "/disputes?limit=2").json()
    assert ids(f"limit=2&cursor={page['next']}") == [first]
    board = desk.call("GET", "/disputes/board").json()
    assert (board["counts"]["open"], board["counts"]["closed"], board["total"]) == (2, 1, 3)
    assert desk.call("GET", "/disputes/board?overdue=true").json()["total"] == 1
    assert kind_of(desk.call("GET", "/disputes?cursor=x")) == (400, "cursor-invalid")


@pytest.mark.parametrize("what", ["step", "request"])
def test_a_promise_of_a_step_or_a_request_makes_it_overdue(desk: Desk, what: str) -> None:
    desk.open()
    if what == "step":
        desk.must(f"/steps/{desk.step('call_back')}/plan", due_at=LONG_AGO)
    else:
        desk.must("/requests", asked="x", due_at=LONG_AGO)
    assert desk.call("GET", "/disputes?overdue=true").json()["items"]
    if what == "step":
        desk.must(f"/steps/{desk.step('call_back')}/skip", reason="x")
        assert desk.call("GET", "/disputes?overdue=true").json()["items"] == []


def test_reminders_are_noted_once_for_each_person_and_told_once(desk: Desk) -> None:
    desk.open(due_at=SOON)
    owner = str(desk.house.people["agent"].id)
    with desk.house.database.transaction() as session:
        for name in ("agent", "manager"):
            user = session.get_one(User, desk.house.people[name].id)
            user.email = f"{name}@example.com"
    desk.must(f"/steps/{desk.step('call_back')}/plan", owner_id=owner, due_at=LONG_AGO)
    desk.must("/requests", asked="x", due_at="2027-01-01T00:00:00Z")
    for _ in range(2):
        handle_remind(desk.house.worker())
    database, clock = desk.house.database, desk.house.clock
    with database.transaction() as session:
        noted = session.scalars(select(DisputeReminder)).all()
        assert sorted((t.subject_kind, t.urgency, str(t.person_id)) for t in noted) == [
            ("dispute", "due_soon", str(desk.house.people["manager"].id)),
            ("step", "overdue", owner),
        ]
        assert all(row.told_at is not None for row in noted)
        mails = session.scalars(select(Mail)).all()
        assert sorted((mail.facts["urgency"], str(mail.user_id)) for mail in mails) == [
            ("due_soon", str(desk.house.people["manager"].id)),
            ("overdue", owner),
        ]
        assert {mail.kind for mail in mails} == {Kind.DEADLINE}
    clock.advance(timedelta(hours=12))
    handle_remind(desk.house.worker())
    with database.transaction() as session:
        assert len(session.scalars(select(DisputeReminder.id)).all()) == 3
        late = session.scalars(select(Mail).order_by(Mail.id)).all()[-1]
        assert (late.facts["urgency"], late.about_kind) == ("overdue", "dispute")
        assert len(session.scalars(select(Mail.id)).all()) == 3


def test_a_reminder_of_somebody_without_an_address_waits_untold(desk: Desk) -> None:
    desk.open(due_at=SOON)
    handle_remind(desk.house.worker())
    with desk.house.database.transaction() as session:
        (row,) = session.scalars(select(DisputeReminder)).all()
        assert row.told_at is None
        assert session.scalars(select(Mail.id)).all() == []


def test_reminders_are_listed(desk: Desk) -> None:
    desk.open(due_at=SOON)
    owner = str(desk.house.people["agent"].id)
    desk.must(f"/steps/{desk.step('call_back')}/plan", owner_id=owner, due_at=LONG_AGO)
    handle_remind(desk.house.worker())
    desk.house.clock.advance(timedelta(hours=12))
    handle_remind(desk.house.worker())
    assert len(desk.call("GET", "/dispute-reminders").json()) == 2
    assert len(desk.call("GET", "/dispute-reminders?mine=false", "auditor").json()) == 3
    assert desk.call("GET", "/dispute-reminders", "agent").status_code == 403

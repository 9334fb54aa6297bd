"""The database keeps a dispute's rules itself, whoever writes the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import exc, text
from sqlalchemy.orm import Session

from app.clients.models import Client
from app.core.clock import SetClock
from app.core.ids import DisputeId, new_id
from app.disputes import service, statements
from app.disputes.models import Dispute
from app.disputes.rules import Outcome, StatementKind
from app.disputes.statements import Told
from tests.factories import Make


@dataclass(kw_only=True)
class Rows:
    """One dispute, and the application's own hand on its rows."""

    session: Session
    clock: SetClock
    make: Make
    client: Client
    dispute: Dispute

    def insert(self, table: str, **values: Any) -> None:  # noqa: ANN401 - any column's value.
        row = {"id": new_id(), "dispute_id": self.dispute.id} | values
        names = ", ".join(row)
        places = ", ".join(f":{name}" for name in row)
        with self.session.begin_nested():
            self.session.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), row)  # noqa: S608 - names of this file.

    def move(self, to: str, **other: object) -> None:
        told: dict[str, object] = {
            "from_state": self.dispute.state,
            "to_state": to,
            "role": "manager",
            "reason": "Так надо.",
            "moved_by": self.make.manager.id,
            "at": self.clock.now(),
        }
        self.insert("dispute_moves", **(told | other))
        self.session.refresh(self.dispute)

    def statement(self, **other: object) -> None:
        told: dict[str, object] = {
            "kind": "finding",
            "words": "x",
            "noted_by": self.make.manager.id,
            "at": self.clock.now(),
        }
        self.insert("dispute_statements", **(told | other))

    def question(self, **whom: object) -> None:
        told = {"noted_by": self.make.manager.id, "at": self.clock.now()}
        self.insert("dispute_conducts", **(told | whom))

    def update(self, table: str, change: str, *, where: str = "dispute_id") -> None:
        self.refused(f"UPDATE {table} SET {change} WHERE {where} = :id")  # noqa: S608 - words of this file.

    def refused(self, statement: str) -> None:
        with self.session.begin_nested():
            self.session.execute(text(statement), {"id": self.dispute.id})


@pytest.fixture
def rows(session: Session, make: Make, clock: SetClock) -> Rows:
    client = make.client()
    dispute = service.open_dispute(
        session, make.manager, client=client.external_id, subject="Сеть", at=clock.now()
    )
    return Rows(session=session, clock=clock, make=make, client=client, dispute=dispute)


def test_a_move_moves_and_nothing_else_does(rows: Rows) -> None:
    rows.move("checking")
    assert rows.dispute.state == "checking"
    for change in ("state = 'decided'", "closed_at = now()", "subject = 'x'", "client_id = id"):
        with pytest.raises(exc.DBAPIError, match="permission denied"):
            rows.update("disputes", change, where="id")


@pytest.mark.parametrize(
    ("to", "other", "said"),
    [
        ("with_specialist", {}, "moves by its table"),
        ("open", {}, "moves by its table"),
        ("checking", {"from_state": "decided"}, "moves by its table"),
        ("checking", {"role": "legal"}, "moves by its table"),
        ("closed", {"reason": None}, "says why"),
        ("closed", {"reason": " "}, "says why"),
        ("closed", {}, "is not there"),
    ],
)
def test_a_move_is_of_the_table(rows: Rows, to: str, other: dict[str, object], said: str) -> None:
    with pytest.raises(exc.IntegrityError, match=said):
        rows.move(to, **other)


def test_a_role_is_that_of_the_person(rows: Rows) -> None:
    with pytest.raises(exc.IntegrityError, match="moves by its table"):
        rows.move("checking", moved_by=rows.make.reviewer.id)


@pytest.mark.parametrize(("way", "to"), [("checking", "with_specialist"), ("checking", "decided")])
def test_a_state_asks_for_what_it_needs(rows: Rows, way: str, to: str) -> None:
    rows.move(way)
    with pytest.raises(exc.IntegrityError, match="is not there"):
        rows.move(to)


def test_who_is_in_question_moves_decides_and_clears_nothing(rows: Rows) -> None:
    rows.question(user_id=rows.make.manager.id)
    with pytest.raises(exc.IntegrityError, match="moves nothing"):
        rows.move("checking")
    for kind, value in (("verdict", "ours"), ("outcome", "agreed")):
        with pytest.raises(exc.IntegrityError, match="decides nothing"):
            rows.statement(kind=kind, value=value, said_by="x")
    clear = "UPDATE dispute_conducts SET cleared_by = noted_by, cleared_at = now(), reason = 'x'"
    with pytest.raises(exc.IntegrityError):
        rows.refused(f"{clear} WHERE dispute_id = :id")


def test_a_specialist_is_not_in_question(rows: Rows) -> None:
    rows.question(agent=rows.make.agent.agent_ref)
    with pytest.raises(exc.IntegrityError, match="decides nothing"):
        rows.statement(kind="verdict", value="client", said_by="x", person_id=rows.make.agent.id)


@pytest.mark.parametrize(
    "told",
    [
        {"kind": "gossip"},
        {"words": " "},
        {"value": "ours"},
        {"kind": "verdict", "said_by": "x"},
        {"kind": "verdict", "value": "agreed", "said_by": "x"},
        {"kind": "verdict", "value": "ours"},
        {"kind": "complaint", "said_by": "x"},
        {"kind": "answer", "value": "acknowledged"},
        {"kind": "outcome"},
        {"kind": "basis"},
        {"clause_ref": "7.2"},
        {"amount_minor": 5},
        {"amount_minor": -5, "currency": "RUB"},
        {"amount_minor": 5, "currency": "rub"},
    ],
)
def test_a_statement_has_the_parts_of_its_kind(rows: Rows, told: dict[str, object]) -> None:
    with pytest.raises(exc.IntegrityError):
        rows.statement(**told)


def test_a_statement_is_of_its_dispute_and_client(rows: Rows) -> None:
    other = rows.make.contact(rows.make.client())
    with pytest.raises(exc.IntegrityError, match="of its dispute and client"):
        rows.statement(contact_id=other.id)
    rows.statement(contact_id=rows.make.contact(rows.client).id)


def test_a_closed_dispute_takes_no_rows(rows: Rows) -> None:
    statements.state(
        rows.session,
        rows.make.manager,
        DisputeId(rows.dispute.id),
        Told(kind=StatementKind.OUTCOME, words="x", value=Outcome.NO_PROBLEM),
        at=rows.clock.now(),
    )
    rows.move("closed")
    assert rows.dispute.closed_at == rows.clock.now()
    with pytest.raises(exc.IntegrityError, match="is closed"):
        rows.statement()
    with pytest.raises(exc.IntegrityError, match="is closed"):
        rows.refused("UPDATE dispute_steps SET position = 99 WHERE dispute_id = :id")
    with pytest.raises(exc.IntegrityError, match="is closed"):
        rows.question(agent="x")


@pytest.mark.parametrize("start", ["closed", "decided"])
def test_a_dispute_begins_open(rows: Rows, start: str) -> None:
    told = {
        "id": new_id(),
        "client": rows.client.id,
        "by": rows.make.manager.id,
        "at": rows.clock.now(),
        "state": start,
    }
    made = (
        "INSERT INTO disputes (id, client_id, subject, opened_by, opened_at, state, closed_at) "
        "VALUES (:id, :client, 'x', :by, :at, :state, CASE :state WHEN 'closed' THEN now() END)"
    )
    with pytest.raises(exc.IntegrityError, match="begins open"), rows.session.begin_nested():
        rows.session.execute(text(made), told)


def test_code_from_before_still_opens_disputes(rows: Rows) -> None:
    told = {
        "id": new_id(),
        "client": rows.client.id,
        "by": rows.make.manager.id,
        "at": rows.clock.now(),
    }
    made = (
        "INSERT INTO disputes (id, client_id, subject, opened_by, opened_at) "
        "VALUES (:id, :client, 'x', :by, :at) RETURNING owner_id, changed_by, state"
    )
    found = rows.session.execute(text(made), told).one()
    assert tuple(found) == (told["by"], told["by"], "open")


@pytest.mark.parametrize(
    "table",
    [
        "dispute_moves",
        "dispute_statements",
        "dispute_hours",
        "work_rates",
        "dispute_history",
        "dispute_transitions",
        "dispute_request_documents",
    ],
)
@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET at = now()", "TRUNCATE {}"])
def test_the_application_has_no_right_to_change_what_was_said(
    rows: Rows, table: str, change: str
) -> None:
    if table in {"dispute_history", "dispute_transitions"}:
        change = change.replace("at =", "changed_by =").replace("now()", "NULL")
        change = change.replace("changed_by", "needs_reason") if "trans" in table else change
    with pytest.raises(exc.DBAPIError, match="permission denied"):
        rows.refused(change.format(table))


def test_the_application_writes_no_history_of_its_own(rows: Rows) -> None:
    with pytest.raises(exc.DBAPIError, match="permission denied"):
        rows.refused(
            "INSERT INTO dispute_history (dispute_id, what, row_id, after) "
            "VALUES (:id, 'x', :id, '{}')"
        )
    with pytest.raises(exc.DBAPIError, match="permission denied"):
        rows.refused("INSERT INTO dispute_transitions VALUES ('open', 'decided', 'manager', false)")


@pytest.mark.parametrize("to", ["valid", "asked_again"])
def test_a_request_goes_on_by_its_table(rows: Rows, to: str) -> None:
    asked = {
        "asked": "x",
        "asked_by": rows.make.manager.id,
        "asked_at": rows.clock.now(),
        "changed_by": rows.make.manager.id,
        "changed_at": rows.clock.now(),
    }
    with pytest.raises(exc.IntegrityError, match="begins as asked"):
        rows.insert("dispute_requests", state="received", **asked)
    rows.insert("dispute_requests", **asked)
    with pytest.raises(exc.IntegrityError, match="goes on by its table"):
        rows.update("dispute_requests", f"words = 'x', state = '{to}'")


@pytest.mark.parametrize(
    "change", ["state = 'done'", "state = 'skipped', reason = NULL", "state = 'lost'"]
)
def test_a_step_is_done_with_a_result_and_skipped_with_a_reason(rows: Rows, change: str) -> None:
    with pytest.raises(exc.IntegrityError):
        rows.update("dispute_steps", change)

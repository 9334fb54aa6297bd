"""A pack from its proposal to its activation by two people, and what it changes."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from app.consent import flips, policy, service
from app.consent.flips import Page, Place
from app.consent.models import PolicyPackRow
from app.consent.packs import parse, shipped
from app.consent.policy import Kept
from app.consent.policy_routes import router
from app.consent.purposes import Outcome, Purpose, ScreeningResult
from app.core.clock import SetClock
from app.core.db import Database
from app.core.ids import new_id
from app.core.paging import CursorInvalid
from app.custody.models import CustodyEntry
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.models import User
from app.identity.permissions import PERMISSIONS, Permission, Role
from app.releases import jobs
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.sealed import SealedStore
from tests.conftest import Acts
from tests.consent.conftest import As
from tests.consent.worlds import ALLOWED, NOW, World, screened
from tests.factories import DAY, Make
from tests.releases.house import House, opened


def body_of(code: str = "RU", **values: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON of any type.
    """Return a shipped pack without its version, and with other values in the fields named."""
    body = copy.deepcopy(dict(shipped()[code]))
    del body["version"]
    for name, value in values.items():
        body["fields"][name] = {"value": value, "mark": "firm"}
    return body


def only(*grounds: str) -> dict[str, Any]:
    return body_of(disclosure_grounds=list(grounds))


@pytest.fixture(autouse=True)
def mounted(web: FastAPI) -> None:
    web.include_router(router)


def refused(session: Session, sql: str, **values: object) -> str:
    """Run a statement that the database must refuse, and return why it did."""
    with pytest.raises(DatabaseError) as caught, session.begin_nested():
        session.execute(text(sql), values)
    return str(caught.value.orig)


def test_a_pack_comes_into_force_by_two_others(
    make: Make, as_: As, acts: Acts, session: Session
) -> None:
    said = as_(make.admin).post("/v1/packs", json=only("contract_disclosure"))
    assert said.status_code == 201, said.text
    pack = said.json()
    assert (pack["version"], pack["state"], pack["is_shipped"]) == (3, "proposed", False)
    assert pack["proposed_by"] == str(make.admin.id)
    assert pack["sha256"] == hashlib.sha256(rfc8785.dumps(pack["body"])).hexdigest()
    path = "/v1/packs/RU/3/activate"
    once = as_(make.approver).post(path).json()
    assert (once["state"], once["first_by"]) == ("approved", str(make.approver.id))
    assert service.in_force(session)["RU"].version == 2
    twice = as_(make.legal).post(path).json()
    assert (twice["state"], twice["second_by"]) == ("active", str(make.legal.id))
    assert service.in_force(session)["RU"].sha256 == pack["sha256"]
    listed = {p["jurisdiction"]: p for p in as_(make.auditor).get("/v1/packs").json()["items"]}
    assert listed["RU"]["version"] == 3
    assert listed["DE"]["is_shipped"]
    before = as_(make.auditor).get("/v1/packs/RU/2").json()
    assert (before["state"], before["is_shipped"]) == ("superseded", True)
    row = session.query(PolicyPackRow).one()
    assert acts(row.id) == ["policy.proposed", "policy.approved", "policy.activated"]
    entry = session.query(CustodyEntry).filter_by(act="policy.activated").one()
    assert entry.facts["replaced_version"] == 2
    assert entry.facts["sha256"] == pack["sha256"]
    assert entry.facts["first_by"] == str(make.approver.id)


def test_the_marks_are_shown(make: Make, as_: As) -> None:
    reader = as_(make.reviewer)
    listed = {p["jurisdiction"]: p for p in reader.get("/v1/packs").json()["items"]}
    assert set(listed) == set(shipped())
    assert listed["RU"]["uncertain"] == ["subject_access_days", "subject_access_in_working_days"]
    assert {"*", "storage_regions", "withdrawal_days"} <= set(listed["KZ"]["uncertain"])
    assert "places" in listed["EU-base"]["uncertain"]
    assert listed["DEFAULT"]["uncertain"] == []
    field = reader.get("/v1/packs/KZ/2").json()["body"]["fields"]["storage_regions"]
    assert (field["mark"], set(field["note"])) == ("uncertain", {"ru", "en"})
    assert reader.get("/v1/packs/KZ/3").status_code == 404
    assert reader.get("/v1/packs/ZZ/1").status_code == 404


def test_a_faulty_pack_is_refused_with_the_place_of_the_fault(make: Make, as_: As) -> None:
    admin = as_(make.admin)
    wrong = body_of(counsel_people="two") | {"mark": "sure"}
    said = admin.post("/v1/packs", json=wrong)
    assert (said.status_code, said.json()["type"]) == (400, "/problems/pack-refused")
    assert [f["where"] for f in said.json()["faults"]] == ["/mark", "/fields/counsel_people/value"]
    for nothing in ({}, {"jurisdiction": 7}, {"fields": None}):
        assert admin.post("/v1/packs", json=nothing).status_code == 400
    assert admin.post("/v1/packs", json=[]).status_code == 422
    taken = admin.post("/v1/packs", json=body_of() | {"version": 2})
    assert (taken.status_code, taken.json()["expected"]) == (409, 3)
    assert admin.post("/v1/packs", json=body_of() | {"version": 3}).status_code == 201
    assert admin.post("/v1/packs", json=body_of()).json()["version"] == 4


def test_a_place_that_has_no_pack_is_given_one(make: Make, as_: As, session: Session) -> None:
    austria = body_of("DE") | {"jurisdiction": "AT", "title": {"ru": "Австрия", "en": "Austria"}}
    assert as_(make.legal).post("/v1/packs", json=austria).json()["version"] == 1
    for who in (make.approver, make.user(Role.APPROVER)):
        assert as_(who).post("/v1/packs/AT/1/activate").status_code == 200
    assert service.in_force(session)["AT"].demands == parse(shipped()["DE"]).demands


PROBLEM = {
    "proposer": (403, "proposer-activates"),
    "same": (403, "same-person-activates"),
    "legal": (403, "approver-needed"),
    "gone": (409, "first-person-gone"),
    "done": (409, "pack-in-force"),
    "old": (409, "pack-outdated"),
    "early": (409, "pack-not-yet-effective"),
    "none": (404, "pack-not-found"),
    "altered": (409, "pack-altered"),
}


def told(answer: Any) -> tuple[int, str]:  # noqa: ANN401 - httpx's own.
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


def test_nobody_activates_alone_or_his_own(make: Make, as_: As, session: Session) -> None:
    path = "/v1/packs/RU/3/activate"
    assert told(as_(make.legal).post(path)) == PROBLEM["none"]
    assert told(as_(make.legal).post("/v1/packs/RU/2/activate")) == PROBLEM["done"]
    as_(make.legal).post("/v1/packs", json=body_of())
    assert told(as_(make.legal).post(path)) == PROBLEM["proposer"]
    other = make.user(Role.LEGAL)
    assert as_(other).post(path).json()["state"] == "approved"
    assert told(as_(other).post(path)) == PROBLEM["same"]
    assert told(as_(make.legal).post(path)) == PROBLEM["proposer"]
    assert told(as_(make.user(Role.LEGAL)).post(path)) == PROBLEM["legal"]
    session.get_one(User, other.id).disabled_at = make.clock.now()
    session.flush()
    assert told(as_(make.approver).post(path)) == PROBLEM["gone"]
    session.get_one(User, other.id).disabled_at = None
    session.flush()
    assert as_(make.approver).post(path).json()["state"] == "active"
    assert told(as_(make.approver).post(path)) == PROBLEM["done"]


def test_an_old_or_early_pack_is_not_activated(make: Make, as_: As) -> None:
    admin, approver, legal = as_(make.admin), as_(make.approver), as_(make.legal)
    tomorrow = (make.clock.now() + DAY).date().isoformat()
    admin.post("/v1/packs", json=body_of())
    admin.post("/v1/packs", json=body_of() | {"effective_from": tomorrow})
    early = approver.post("/v1/packs/RU/4/activate")
    assert told(early) == PROBLEM["early"]
    assert early.json()["effective_from"] == tomorrow
    make.clock.advance(DAY)
    for who in (approver, legal):
        assert who.post("/v1/packs/RU/4/activate").status_code == 200
    assert told(approver.post("/v1/packs/RU/3/activate")) == PROBLEM["old"]
    states = {v: admin.get(f"/v1/packs/RU/{v}").json()["state"] for v in (2, 3, 4)}
    assert states == {2: "superseded", 3: "superseded", 4: "active"}


def row_of(make: Make, body: dict[str, Any], *, version: int, by: Actor) -> PolicyPackRow:
    """Insert a pack as the application could, without asking the rules."""
    row = PolicyPackRow(
        id=new_id(),
        jurisdiction="RU",
        version=version,
        body=body,
        sha256=hashlib.sha256(b"{}").digest(),
        effective_from=date(2026, 1, 1),
        created_by=by.id,
        created_at=make.clock.now(),
    )
    make.session.add(row)
    make.session.flush()
    return row


def test_a_pack_that_was_altered_is_neither_shown_nor_activated(make: Make, as_: As) -> None:
    row_of(make, {"altered": True}, version=3, by=make.admin)
    approver = as_(make.approver)
    assert told(approver.post("/v1/packs/RU/3/activate")) == PROBLEM["altered"]
    for path in ("/v1/packs", "/v1/packs/RU/3"):
        assert told(approver.get(path)) == PROBLEM["altered"]


ACTIVATE = (
    "UPDATE policy_packs SET activated_by = :a, second_by = :b, activated_at = now() WHERE id = :id"
)


def test_the_database_lets_nobody_activate_what_he_may_not(session: Session, make: Make) -> None:
    approver = make.approver
    with pytest.raises(DatabaseError, match="administrator or by legal"), session.begin_nested():
        row_of(make, {}, version=3, by=approver)
    row = row_of(make, {}, version=3, by=make.legal)
    counsel, other = make.user(Role.LEGAL), make.user(Role.LEGAL)
    one = {"a": make.approver.id, "id": row.id}
    assert "proposer" in refused(session, ACTIVATE, b=make.legal.id, **one)
    assert "proposer" in refused(session, ACTIVATE, a=make.legal.id, b=make.approver.id, id=row.id)
    assert "four_eyes" in refused(session, ACTIVATE, b=make.approver.id, **one)
    assert "activation" in refused(session, ACTIVATE, b=None, **one)
    assert "is an approver" in refused(session, ACTIVATE, a=counsel.id, b=other.id, id=row.id)
    for role in ("admin", "manager", "reviewer", "agent", "auditor"):
        person = getattr(make, role).id
        assert "approvers or legal" in refused(session, ACTIVATE, b=person, **one)
    session.get_one(User, counsel.id).disabled_at = make.clock.now()
    session.flush()
    assert "approvers or legal" in refused(session, ACTIVATE, b=counsel.id, **one)
    second_alone = "UPDATE policy_packs SET second_by = :b, activated_at = now() WHERE id = :id"
    assert "ck_policy_packs" in refused(session, second_alone, b=make.approver.id, id=row.id)
    session.execute(text(ACTIVATE), one | {"b": other.id})


def test_the_database_keeps_who_agreed_and_what_was_agreed_to(session: Session, make: Make) -> None:
    row = row_of(make, {}, version=4, by=make.admin)
    first = "UPDATE policy_packs SET activated_by = :a, first_at = now() WHERE id = :id"
    session.execute(text(first), {"a": make.approver.id, "id": row.id})
    assert "agreed to a pack first" in refused(session, first, a=make.legal.id, id=row.id)
    taken_back = "UPDATE policy_packs SET activated_by = NULL, first_at = NULL WHERE id = :id"
    assert "agreed to a pack first" in refused(session, taken_back, id=row.id)
    for change in ("body = '{}'", "version = 9", "sha256 = '\\x00'", "created_by = activated_by"):
        sql = f"UPDATE policy_packs SET {change}"  # noqa: S608 - fixed texts above.
        assert "permission denied" in refused(session, sql)
    finish = "UPDATE policy_packs SET second_by = :b, activated_at = now() WHERE id = :id"
    session.execute(text(finish), {"b": make.legal.id, "id": row.id})
    assert "activated once" in refused(session, taken_back, id=row.id)
    older = row_of(make, {}, version=3, by=make.admin)
    values = {"a": make.approver.id, "b": make.legal.id, "id": older.id}
    assert "later version" in refused(session, ACTIVATE, **values)
    copied = (
        "INSERT INTO policy_packs SELECT (jsonb_populate_record(p, CAST(:new AS jsonb))).* "
        "FROM policy_packs p WHERE p.id = :id"
    )
    new = f'{{"id": "{new_id()}", "version": 5, "second_by": "{make.admin.id}"}}'
    assert "approvers or legal" in refused(session, copied, new=new, id=row.id)
    short = f'{{"id": "{new_id()}", "version": 6, "sha256": "\\\\x00"}}'
    assert "ck_policy_packs_sha256" in refused(session, copied, new=short, id=older.id)


def stamp(session: Session, recording_id: UUID) -> str:
    return str(session.scalar(text("SELECT consent_stamp(:r, NULL)"), {"r": recording_id}))


def test_only_activation_makes_decisions_stale(session: Session, make: Make) -> None:
    recording = make.recording()
    before = stamp(session, recording.id)
    policy.propose(session, make.admin, body_of("JP"), at=make.clock.now())
    policy.activate(session, make.approver, "JP", 3, at=make.clock.now())
    assert stamp(session, recording.id) == before
    policy.activate(session, make.legal, "JP", 3, at=make.clock.now())
    assert stamp(session, recording.id) != before


def test_a_proposal_is_taken_back_by_its_proposer_alone(make: Make, as_: As, acts: Acts) -> None:
    as_(make.admin).post("/v1/packs", json=only("contract_disclosure"))
    as_(make.approver).post("/v1/packs/RU/3/activate")
    path, why = "/v1/packs/RU/3/withdraw", {"reason": "Ошибка"}
    assert as_(make.admin).post(path, json={}).status_code == 422
    other = as_(make.legal).post(path, json=why)
    assert (other.status_code, other.json()["type"]) == (403, "/problems/proposer-only")
    done = as_(make.admin).post(path, json=why).json()
    assert (done["state"], done["ended"]["reason"]) == ("withdrawn", "Ошибка")
    again = as_(make.admin).post(path, json=why)
    assert (again.status_code, again.json()["how"]) == (409, "withdrawn")
    late = as_(make.legal).post("/v1/packs/RU/3/activate")
    assert (late.status_code, late.json()["type"]) == (409, "/problems/pack-ended")
    listed = as_(make.auditor).get("/v1/packs").json()["items"]
    assert [p["version"] for p in listed if p["jurisdiction"] == "RU"] == [2]
    assert as_(make.auditor).get("/v1/packs/RU/3").json()["state"] == "withdrawn"
    row = make.session.query(PolicyPackRow).one()
    assert acts(row.id) == ["policy.proposed", "policy.approved", "policy.withdrawn"]
    following = as_(make.admin).post("/v1/packs", json=only("contract_disclosure")).json()
    assert following["version"] == 4


def test_a_proposal_is_rejected_by_another_who_may_agree(make: Make, as_: As, acts: Acts) -> None:
    as_(make.legal).post("/v1/packs", json=only("contract_disclosure"))
    path, why = "/v1/packs/RU/3/reject", {"reason": "Слишком строго"}
    assert as_(make.legal).post(path, json=why).json()["type"] == "/problems/proposer-only"
    assert as_(make.reviewer).post(path, json=why).status_code == 403
    assert as_(make.approver).post(path, json=why).json()["state"] == "rejected"
    row = make.session.query(PolicyPackRow).one()
    assert acts(row.id)[-1] == "policy.rejected"
    entry = make.session.query(CustodyEntry).filter_by(act="policy.rejected").one()
    assert "reason" not in entry.facts


def test_what_is_in_force_is_not_put_aside(make: Make, as_: As) -> None:
    as_(make.admin).post("/v1/packs", json=only("contract_disclosure"))
    as_(make.approver).post("/v1/packs/RU/3/activate")
    as_(make.legal).post("/v1/packs/RU/3/activate")
    told = as_(make.approver).post("/v1/packs/RU/3/reject", json={"reason": "Поздно"})
    assert (told.status_code, told.json()["type"]) == (409, "/problems/pack-in-force")
    assert (
        as_(make.approver).post("/v1/packs/RU/2/reject", json={"reason": "Нет"}).status_code == 409
    )


SET_ASIDE = (
    "INSERT INTO policy_packs_set_aside (pack_id, how, set_by, reason, at)"
    " VALUES (:pack, :how, :by, 'x', now())"
)


def test_the_database_lets_nobody_else_put_a_pack_aside_nor_take_it_up_again(
    make: Make, session: Session
) -> None:
    at = make.clock.now()
    policy.propose(session, make.admin, body_of("JP"), at=at)
    pack = session.query(PolicyPackRow).one().id
    for how, by in (
        ("withdrawn", make.legal),
        ("rejected", make.admin),
        ("rejected", make.reviewer),
    ):
        said = refused(session, SET_ASIDE, pack=pack, how=how, by=by.id)
        assert "withdrawn by who" in said or "rejected by an approver" in said
    session.execute(text(SET_ASIDE), {"pack": pack, "how": "rejected", "by": make.legal.id})
    agree = "UPDATE policy_packs SET activated_by = :by, first_at = now() WHERE id = :pack"
    assert "set aside" in refused(session, agree, pack=pack, by=make.approver.id)
    refused(session, "DELETE FROM policy_packs_set_aside WHERE pack_id = :pack", pack=pack)


ROUTES = [route for route in router.routes if isinstance(route, APIRoute)]


@pytest.mark.parametrize("role", list(Role))
def test_each_route_asks_for_its_permission(make: Make, as_: As, role: Role) -> None:
    caller = as_(getattr(make, role))
    assert len(ROUTES) == 7
    for route in ROUTES:
        guard = next(d.call for d in route.dependant.dependencies if isinstance(d.call, Requires))
        path = route.path.replace("{jurisdiction}", "ZZ").replace("{version}", "7")
        reads = "GET" in (route.methods or ())
        answer = caller.get(path) if reads else caller.post(path, json={})
        status = answer.status_code
        assert (status == 403) == (guard.permission not in PERMISSIONS[role]), (path, status)
        assert status in {200, 400, 403, 404, 422}


def test_who_verifies_nothing_proposes_and_who_decides_activates() -> None:
    holders = {
        permission: {role for role in Role if permission in PERMISSIONS[role]}
        for permission in (
            Permission.POLICY_PROPOSE,
            Permission.POLICY_ACTIVATE,
            Permission.POLICY_READ,
        )
    }
    assert holders[Permission.POLICY_PROPOSE] == {Role.ADMIN, Role.LEGAL}
    assert holders[Permission.POLICY_ACTIVATE] == {Role.APPROVER, Role.LEGAL}
    assert holders[Permission.POLICY_READ] == set(Role) - {Role.AGENT, Role.MANAGER}


@pytest.fixture
def house(own_db: Database, store: SealedStore, tmp_path: Path) -> Iterator[House]:
    """Give an archive with a consented recording; its clock agrees with the database's own."""
    release = SealedStore(
        FolderStore(tmp_path / "release"), MasterKeys.create(tmp_path / "release.key")
    )
    made = House(
        database=own_db,
        clock=SetClock(datetime.now(UTC)),
        archive=store,
        release=release,
        spool=tmp_path / "spool",
    )
    made.staff()
    made.person("admin", Role.ADMIN)
    with opened(made):
        yield made


def propose(house: House, body: dict[str, Any]) -> Kept:
    with house.database.transaction() as session:
        return policy.propose(session, house.people["admin"], body, at=house.clock.now())


def activate(house: House, body: dict[str, Any]) -> Kept:
    kept = propose(house, body)
    for who in ("approver", "legal"):
        with house.database.transaction() as session:
            policy.activate(
                session,
                house.people[who],
                kept.pack.jurisdiction,
                kept.pack.version,
                at=house.clock.now(),
            )
    house.clock.advance(timedelta(seconds=1))
    return kept


def dry_run(house: House, kept: Kept, *, start: Place | None = None, **bounds: int) -> Page:
    with house.database.transaction() as session:
        return flips.dry_run(
            session,
            house.people["legal"],
            kept.pack,
            start=start or Place(),
            limit=bounds.get("limit", 100),
            last=bounds.get("last", 100),
            at=house.clock.now(),
        )


def granted(house: House, recording_id: UUID) -> str:
    asked = house.ask(recording_id)
    assert asked.status_code == 201, asked.text
    release_id: str = asked.json()["id"]
    assert house.approve(release_id).status_code == 200
    house.clock.advance(timedelta(seconds=1))
    return release_id


def read(house: House, release_id: str) -> dict[str, Any]:
    found: dict[str, Any] = house.call("approver", "GET", f"/v1/releases/{release_id}").json()
    return found


def test_a_stricter_pack_closes_live_links_at_once_and_a_softer_one_opens_none(
    house: House,
) -> None:
    recording = house.recording()
    release_id = granted(house, recording.id)
    stricter = propose(house, only("contract_disclosure"))
    assert read(house, release_id)["is_open"]
    page = dry_run(house, stricter)
    assert (page.live, page.recent, page.undecided) == (1, 1, 0)
    live = page.flips[0]
    assert (str(live.release_id), live.recording_id) == (release_id, recording.id)
    assert (live.before, live.after, live.approved_anew) == ("ALLOW", "DENY", "DENY")
    assert live.is_stricter
    assert live.reasons == ("A_STALE", "G_NONE")
    assert [(f.question.purpose, f.before, f.after) for f in page.flips[1:]] == [
        (Purpose.DISPUTE_CLIENT, Outcome.NEEDS_APPROVAL, Outcome.DENY)
    ]
    for who in ("approver", "legal"):
        assert read(house, release_id)["is_open"]
        with house.database.transaction() as session:
            policy.activate(session, house.people[who], "RU", 3, at=house.clock.now())
    assert not read(house, release_id)["is_open"]
    house.clock.advance(timedelta(seconds=1))
    jobs.handle_sweep(house.worker())
    assert read(house, release_id)["end_reason"] == "consent"
    assert house.ask(recording.id).status_code == 409

    back = propose(house, only("contract_disclosure", "consent_disclosure"))
    page = dry_run(house, back)
    assert [(f.before, f.after, f.is_stricter) for f in page.flips] == [
        (Outcome.DENY, Outcome.NEEDS_APPROVAL, False)
    ]
    for who in ("approver", "legal"):
        with house.database.transaction() as session:
            policy.activate(session, house.people[who], "RU", 4, at=house.clock.now())
    house.clock.advance(timedelta(seconds=1))
    jobs.handle_sweep(house.worker())
    assert read(house, release_id)["state"] == "revoked"
    assert read(house, granted(house, recording.id))["is_open"]


def test_a_pack_of_another_place_leaves_links_as_they_were(house: House) -> None:
    release_id = granted(house, house.recording().id)
    page = dry_run(house, propose(house, body_of("JP", disclosure_grounds=[])))
    assert (page.live, page.flips) == (1, ())
    activate(house, body_of("JP"))
    assert not read(house, release_id)["is_open"]
    jobs.handle_sweep(house.worker())
    assert read(house, release_id)["is_open"]


def test_the_same_demands_anew_need_an_approval_anew(house: House) -> None:
    """What was approved is bound to the pack that it was approved under."""
    release_id = granted(house, house.recording().id)
    page = dry_run(house, propose(house, body_of()))
    assert [(f.before, f.after, f.approved_anew) for f in page.flips] == [
        (Outcome.ALLOW, Outcome.NEEDS_APPROVAL, Outcome.ALLOW)
    ]
    activate(house, body_of())
    jobs.handle_sweep(house.worker())
    assert read(house, release_id)["end_reason"] == "consent"


def test_a_dry_run_is_read_page_by_page_and_changes_nothing(house: House) -> None:
    made = [house.recording().id for _ in range(3)]
    live = {granted(house, recording_id) for recording_id in made[2:]}
    kept = propose(house, only("contract_disclosure"))
    with house.database.transaction() as session:
        before = [stamp(session, recording_id) for recording_id in made]
    start: Place | None = Place()
    pages: list[Page] = []
    while start is not None:
        pages.append(dry_run(house, kept, start=Place.decode(start.encode()), limit=1))
        start = pages[-1].next
    assert [(page.live, page.recent) for page in pages[:4]] == [(1, 0), (0, 1), (0, 1), (0, 1)]
    found = [flip for page in pages for flip in page.flips]
    assert {str(f.release_id) for f in found if f.release_id} == live
    assert sorted(f.recording_id for f in found if not f.release_id) == sorted(made)
    whole = dry_run(house, kept)
    assert whole.next is None
    assert set(whole.flips) == set(found)
    assert [dry_run(house, kept, last=n).recent for n in (0, 2, 3)] == [0, 2, 3]
    with house.database.transaction() as session:
        assert [stamp(session, recording_id) for recording_id in made] == before


def test_a_dry_run_looks_past_what_nobody_has_screened_yet() -> None:
    unscreened = ALLOWED.about(screenings=())
    assert unscreened.decide().outcome == Outcome.REVIEW
    tried = World(case=flips.as_if_screened(unscreened.case, at=NOW))
    assert tried.decide().outcome == Outcome.ALLOW
    private = ALLOWED.about(screenings=(screened(result=ScreeningResult.PRIVATE),))
    assert flips.as_if_screened(private.case, at=NOW) == private.case


@pytest.mark.parametrize("cursor", ["", "live", "live.x", "recent.x", "dead.", "recent.AAAA"])
def test_a_cursor_that_was_not_given_out_is_refused(cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        Place.decode(cursor)


def test_the_dry_run_is_told_in_both_directions(make: Make, as_: As) -> None:
    make.recording()
    legal = as_(make.legal)
    as_(make.admin).post("/v1/packs", json=body_of(record_outside_min="NONE"))
    said = legal.post("/v1/packs/RU/3/dry-run")
    assert said.status_code == 200, said.text
    counts = said.json()["counts"]
    assert counts["decisions"] == len(flips.STANDARD) * counts["recent"] == len(flips.STANDARD)
    assert counts["stricter"] == len(said.json()["stricter"])
    assert counts["softer"] == len(said.json()["softer"])
    assert said.json()["next"] is None
    assert legal.post("/v1/packs/RU/3/dry-run", json={"limit": 1}).json()["next"]
    assert legal.post("/v1/packs/RU/3/dry-run", json={"limit": 201}).status_code == 422
    assert legal.post("/v1/packs/RU/3/dry-run", json={"cursor": "x"}).status_code == 400
    assert legal.post("/v1/packs/RU/9/dry-run").status_code == 404

"""Holds, rules, restrictions and erasures speak of documents as they do of recordings."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from app.core.db import Database
from app.fixity.models import ObjectLock
from app.retention import jobs, purge
from app.retention.preview import foresee
from app.retention.rules import Kind
from app.retention.subjects import Subject
from app.retention.tombstones import PaperMark, Tombstone, read
from app.system import restore
from tests.papers import pdf, upload
from tests.retention.conftest import Keeping

BODY = pdf()
ROW = "SELECT title, file_name, agent FROM documents WHERE id = :id"


def kept(keeping: Keeping, body: bytes = BODY, **told: Any) -> str:  # noqa: ANN401 - metadata.
    """Keep a document of a client and return its id."""
    keeping.live.put_client("C-1", "+74950008414")
    answer = upload(keeping.live, body, **({"client": "C-1", "agent": "106"} | told))
    assert answer.status_code == 201, answer.text
    keeping.live.work()
    return str(answer.json()["id"])


def erasure_of(keeping: Keeping, place: str) -> dict[str, Any]:
    """Ask that something be erased, and return the erasure."""
    body = {"ground": "request", "reason": "Просит удалить.", "subject": "Иван Петров"}
    answer = keeping.post("reviewer", f"/{place}/erasures", **body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def erased(keeping: Keeping, place: str) -> dict[str, Any]:
    """Ask, agree, and do the jobs."""
    asked = erasure_of(keeping, place)
    agreed = keeping.post("legal", f"/erasures/{asked['id']}/approve")
    assert agreed.status_code == 200, agreed.text
    keeping.live.work()
    found: dict[str, Any] = keeping.get(f"/erasures/{asked['id']}").json()
    return found


def standing(keeping: Keeping, place: str) -> dict[str, Any]:
    answer = keeping.get(f"/{place}/retention")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def opened(keeping: Keeping, paper: str, who: str = "reviewer") -> httpx.Response:
    return keeping.live.call("GET", f"/v1/documents/{paper}/file", who=who)


def slug(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["type"]).rsplit("/")[-1]


def test_an_agreed_erasure_destroys_key_bytes_salts_and_names(keeping: Keeping) -> None:
    tools = keeping.live.tools
    paper = kept(keeping)
    other = kept(keeping, pdf("/Other 1"), upload_id="u-2")
    ((object_id,),) = keeping.rows("SELECT object_id FROM documents WHERE id = :id", id=UUID(paper))
    told = erased(keeping, f"documents/{paper}")
    assert (told["state"], told["document_id"], told["recording_id"]) == ("executed", paper, None)
    assert [one["object_id"] for one in told["objects"]] == [str(object_id)]
    assert not tools.archive.has(object_id)
    assert keeping.rows(ROW, id=UUID(paper)) == [("-", None, None)]
    assert keeping.rows(ROW, id=UUID(other)) == [("Документ", "paper.pdf", "106")]
    private = (
        "SELECT count(*) FROM custody_private p JOIN custody_entries e ON e.id = p.entry_id"
        " WHERE e.object_id = :id"
    )
    assert keeping.rows(private, id=UUID(paper)) == [(0,)]
    assert keeping.rows(private, id=UUID(other)) != [(0,)]
    assert slug(opened(keeping, paper)) == (410, "document-erased")
    assert slug(upload(keeping.live, BODY, client="C-1")) == (410, "document-erased")
    listed = keeping.live.call("GET", "/v1/documents", who="legal", params={"client": "C-1"})
    assert [one["id"] for one in listed.json()["items"]] == [other]
    assert keeping.get(f"/documents/{paper}").json()["erased_at"]
    (stone,) = read(tools.settings.tombstones_path)
    assert (stone.subject.kind, str(stone.subject.id)) == (Kind.DOCUMENT, paper)
    assert isinstance(stone.known_by, PaperMark)
    assert stone.known_by.upload_id == "u-1"
    purge.check(tools, UUID(told["id"]))
    assert keeping.get(f"/erasures/{told['id']}").json()["state"] == "verified"
    act = keeping.get(f"/erasures/{told['id']}/act").json()
    assert (act["document_id"], act["categories"][0]) == (
        paper,
        "документ и сведения, которые в нём содержатся",
    )
    assert f"документ {paper}" in keeping.get(f"/erasures/{told['id']}/act.html").text


def test_the_check_raises_the_alarm_where_a_name_is_left(keeping: Keeping) -> None:
    paper = kept(keeping)
    told = erased(keeping, f"documents/{paper}")
    keeping.as_owner("ALTER TABLE documents DISABLE TRIGGER USER")
    keeping.as_owner("UPDATE documents SET title = 'Договор' WHERE id = %s", paper)
    purge.check(keeping.live.tools, UUID(told["id"]))
    found = keeping.get(f"/erasures/{told['id']}").json()
    assert (found["state"], found["alarm"]) == ("alarm", "person")


def test_nobody_but_an_erasure_changes_a_document(keeping: Keeping) -> None:
    paper = kept(keeping)
    for change in ("title = '-'", "erased_at = now()", "sha256 = sha256 || sha256"):
        with pytest.raises(psycopg.errors.DatabaseError, match=r"append-only|erasure alone"):
            keeping.as_owner(f"UPDATE documents SET {change} WHERE id = %s", paper)  # noqa: S608
    keeping.as_owner("UPDATE documents SET kept_only_by_hold = true WHERE id = %s", paper)


def test_holds_by_name_client_and_call_keep_it_here_and_in_the_store(keeping: Keeping) -> None:
    keeping.live.put_client("C-2")
    call = keeping.sent()
    named = kept(keeping)
    of_call = kept(keeping, pdf("/B 1"), upload_id="u-2", client=None, recording_id=call)
    free = kept(keeping, pdf("/C 1"), upload_id="u-3", client="C-2")
    held = keeping.hold(call, document_ids=[named])
    keeping.live.work()
    assert held["document_ids"] == [named]
    for paper, is_held in ((named, True), (of_call, True), (free, False)):
        told = standing(keeping, f"documents/{paper}")
        assert (told["because"] == "hold") is is_held, paper
        with keeping.live.tools.database.transaction() as session:
            ((object_id,),) = keeping.rows(
                "SELECT object_id FROM documents WHERE id = :id", id=UUID(paper)
            )
            lock = session.get(ObjectLock, object_id)
            assert (lock is not None and lock.wants_hold) is is_held, paper
    denied = erasure_of(keeping, f"documents/{of_call}")
    assert (denied["state"], denied["denial"][:8]) == ("denied", "held by ")
    keeping.post("approver", f"/holds/{held['id']}/release", reason="Мир.")
    ((client,),) = keeping.rows("SELECT id FROM clients WHERE external_id = 'C-2'")
    keeping.hold(client_id=str(client))
    keeping.live.work()
    assert erasure_of(keeping, f"documents/{free}")["state"] == "denied"
    assert erased(keeping, f"documents/{named}")["state"] == "executed"


def test_what_is_held_is_not_erased_whoever_asks_the_database(keeping: Keeping) -> None:
    paper = kept(keeping)
    asked = erasure_of(keeping, f"documents/{paper}")
    keeping.hold(document_ids=[paper])
    with pytest.raises(psycopg.errors.CheckViolation, match="what is held is not erased"):
        keeping.as_owner("SELECT execute_erasure(%s)", asked["id"])


def test_a_rule_announces_shows_and_erases_it(keeping: Keeping) -> None:
    tools = keeping.live.tools
    paper = kept(keeping)
    keeping.rule()
    jobs.handle_daily(tools)
    assert keeping.get("/retention/due").json() == [], "a rule of recordings is not of papers"
    keeping.rule(name="p", kinds=["document"], maximum={"days": 0})
    keeping.as_owner("ALTER TABLE documents DISABLE TRIGGER USER")
    keeping.as_owner("UPDATE documents SET uploaded_at = uploaded_at - interval '3 days'")
    keeping.as_owner("ALTER TABLE documents ENABLE TRIGGER USER")
    with tools.database.transaction() as session:
        (seen,) = foresee(session, zone=tools.settings.zone, by=tools.clock.now())
    assert (seen.subject.kind, str(seen.subject.id), seen.rules) == (Kind.DOCUMENT, paper, ("p",))
    jobs.handle_daily(tools)
    (notice,) = keeping.get("/retention/due").json()
    assert (notice["document_id"], notice["flag"]) == (paper, None)
    keeping.live.work()
    assert keeping.get("/erasures").json() == []
    keeping.let_pass()
    jobs.handle_daily(tools)
    keeping.live.work()
    (done,) = keeping.get("/erasures").json()
    assert (done["state"], done["ground"], done["document_id"]) == ("executed", "retention", paper)


def test_what_something_rests_on_no_rule_erases_and_two_must_agree(keeping: Keeping) -> None:
    paper = kept(keeping)
    ((sha256,),) = keeping.rows("SELECT sha256 FROM documents")
    keeping.as_owner(
        "INSERT INTO contracts (id, client_id, number, signed_on, our_entity, document_sha256,"
        " signature_kind, valid_from) SELECT gen_random_uuid(), id, '1', '2026-01-01', 'ООО', %s,"
        " 'ukep', '2026-01-01' FROM clients",
        sha256,
    )
    keeping.rule(kinds=["document"], maximum={"days": 0})
    assert standing(keeping, f"documents/{paper}")["is_contradiction"]
    (conflict,) = keeping.get("/retention/conflicts").json()["items"]
    assert conflict["document_id"] == paper
    asked = erasure_of(keeping, f"documents/{paper}")
    assert (asked["state"], asked["approvals_needed"]) == ("requested", 2)
    keeping.as_owner("UPDATE contracts SET terminated_at = now()")
    assert not standing(keeping, f"documents/{paper}")["is_contradiction"]


def test_what_is_only_kept_is_opened_by_who_binds_the_house(keeping: Keeping) -> None:
    paper = kept(keeping)
    assert opened(keeping, paper).status_code == 200
    path = f"/documents/{paper}/restriction"
    assert keeping.post("reviewer", path, reason="Спорно.").status_code == 201
    assert keeping.get(f"/documents/{paper}").json()["restricted_at"]
    assert slug(opened(keeping, paper)) == (403, "document-only-kept")
    assert opened(keeping, paper, "legal").status_code == 200
    assert keeping.post("legal", f"{path}/lift", reason="Решено.").status_code == 200
    assert opened(keeping, paper).status_code == 200
    keeping.rule(kinds=["document"], maximum={"days": 0}, trigger="reviewed")
    keeping.post("reviewer", f"/documents/{paper}/retention/review", note="Не нужен.")
    keeping.as_owner("ALTER TABLE retention_reviews DISABLE TRIGGER USER")
    keeping.as_owner("UPDATE retention_reviews SET at = at - interval '3 days'")
    keeping.as_owner("ALTER TABLE retention_reviews ENABLE TRIGGER USER")
    keeping.hold(document_ids=[paper])
    jobs.handle_daily(keeping.live.tools)
    assert keeping.get(f"/documents/{paper}").json()["kept_only_by_hold"]
    assert slug(opened(keeping, paper)) == (403, "document-only-kept")


def test_an_erased_call_takes_its_papers_but_not_those_that_say_why(keeping: Keeping) -> None:
    call = keeping.sent()
    of_call: dict[str, Any] = {"client": None, "recording_id": call}
    form = kept(keeping, role="consent_form", **of_call)
    letter = kept(keeping, pdf("/B 1"), upload_id="u-2", role="withdrawal", **of_call)
    held = kept(keeping, pdf("/C 1"), upload_id="u-3", **of_call)
    keeping.hold(document_ids=[held])
    first = keeping.erased(call)
    assert first["state"] == "executed"
    keeping.live.work()  # What goes with it was begun by that.
    states = {one["document_id"]: one for one in keeping.get("/erasures").json()}
    assert set(states) == {None, form}, "one that a hold keeps, and the letter, stay"
    assert states[form]["with_id"] == first["id"]
    assert (states[form]["state"], states[form]["ground"]) == ("executed", "request")
    assert keeping.rows("SELECT id FROM documents WHERE erased_at IS NULL ORDER BY upload_id") == [
        (UUID(letter),),
        (UUID(held),),
    ]
    act = keeping.get(f"/erasures/{states[form]['id']}/act").json()
    assert [one["post"] for one in act["destroyers"]] == ["юрист"]
    assert len(list(read(keeping.live.tools.settings.tombstones_path))) == 2


def test_only_what_is_about_something_erased_goes_without_a_yes(keeping: Keeping) -> None:
    call, stranger = keeping.sent(), kept(keeping)
    first = keeping.erased(call)
    made = (
        "INSERT INTO erasures (id, document_id, ground, approvals_needed, with_id, requested_at)"
        " VALUES (%s, %s, 'duty', 0, %s, now())"
    )
    asked = uuid4()
    keeping.as_owner(made, asked, stranger, first["id"])
    with pytest.raises(psycopg.errors.CheckViolation, match="approved before"):
        keeping.as_owner("SELECT execute_erasure(%s)", asked)


def test_a_backup_from_before_neither_takes_it_again_nor_from_where_it_waits(
    keeping: Keeping,
) -> None:
    erased(keeping, f"documents/{kept(keeping)}")
    (stone,) = read(keeping.live.tools.settings.tombstones_path)
    assert isinstance(stone.known_by, PaperMark)
    waits = uuid4()
    keeping.post("manager", "/disputes", client="C-1", subject="Сеть")
    ((dispute,),) = keeping.rows("SELECT id FROM disputes")
    keeping.post("manager", f"/disputes/{dispute}/requests", asked="Акт")
    keeping.as_owner(
        "INSERT INTO dispute_uploads (id, request_id, file_name, object_id, wrapped_key,"
        " size_bytes, sha256, state, at) SELECT %s, id, 'акт.pdf', gen_random_uuid(), 'k', 1,"
        " sha256('a'), 'waiting', now() FROM dispute_requests",
        waits,
    )
    marks = (
        replace(stone.known_by, upload_id="u-9"),
        replace(stone.known_by, uploaded_by=None, upload_id=str(waits)),
    )
    with closing(Database(keeping.owner_url, role=None)) as owner, owner.transaction() as session:
        for mark in marks:
            unknown = replace(stone, subject=Subject(Kind.DOCUMENT, uuid4()), known_by=mark)
            assert Tombstone.parse(unknown.line()) == unknown
            assert not restore._bury_again(session, unknown)
    assert slug(upload(keeping.live, BODY, upload_id="u-9")) == (410, "document-erased")
    assert keeping.rows("SELECT state, reason, wrapped_key, file_name FROM dispute_uploads") == [
        ("refused", "erased", None, None)
    ]


PLACES = {
    "documents": "retention-document-unknown",
    "client-uploads": "retention-upload-unknown",
    "link-answers": "retention-answer-unknown",
}
ROUTES: list[tuple[str, str, dict[str, str]]] = [
    ("GET", "retention", {}),
    ("POST", "retention/review", {"note": "n"}),
    ("POST", "restriction", {"reason": "r"}),
    ("POST", "restriction/lift", {"reason": "r"}),
    ("POST", "erasures", {"ground": "duty", "reason": "r"}),
]


def test_the_routes_refuse(keeping: Keeping) -> None:
    for place, unknown in PLACES.items():
        for method, path, body in ROUTES:
            nowhere = f"/v1/{place}/{uuid4()}/{path}"
            more = {"json": body} if body else {}
            assert keeping.live.call(method, nowhere, who=None, **more).status_code == 401
            assert keeping.live.call(method, nowhere, who="manager", **more).status_code == 403
            missing = keeping.live.call(method, nowhere, who="legal", **more)
            expected = (409, "not-restricted") if path.endswith("lift") else (404, unknown)
            assert slug(missing) == expected, nowhere
    held = keeping.post("legal", "/holds", matter="m", reason="r", upload_ids=[str(uuid4())])
    assert slug(held) == (404, "hold-recording-unknown")

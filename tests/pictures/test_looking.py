"""Pictures are looked at: small copies, Russian text, metadata apart, and who is shown which."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image

from app.inspection.sandbox import Budget, Sandbox
from app.pictures import jobs, reading
from app.pictures.reading import TextUnread
from app.retention import purge
from tests.papers import upload
from tests.pictures.drawn import drawn, photo
from tests.retention.conftest import Keeping

CAPTURED = "2026-11-20T10:05:00+03:00"
LINES = ("Ошибка проведения документа", "Не заполнен реквизит Контрагент")


def sent(keeping: Keeping, body: bytes, captured: str = CAPTURED, **told: object) -> str:
    """Receive a screenshot of a client's event; return its id."""
    keeping.live.put_client("C-1", "+74950008414")
    keeping.live.put_event("E-1", "C-1", "2026-11-20T09:00:00+03:00")
    wanted = {"captured_at": captured, "event": {"external_id": "E-1"}} | told
    answer = keeping.live.send(wanted, body, name="screen.png", path="/v1/screenshots")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def look(keeping: Keeping) -> int:
    return jobs.handle_look_due(keeping.live.tools)


def found(keeping: Keeping, shot: str, who: str = "reviewer") -> dict[str, Any]:
    answer = keeping.get(f"/screenshots/{shot}", who)
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read


def small(keeping: Keeping, shot: str, who: str = "reviewer") -> Image.Image:
    answer = keeping.get(f"/screenshots/{shot}/small", who)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    return Image.open(io.BytesIO(answer.content))


def test_russian_text_is_read_found_and_said_to_be_read_by_a_machine(keeping: Keeping) -> None:
    shot = sent(keeping, drawn(*LINES), note="окно при звонке")
    other = sent(keeping, drawn("Оплата прошла"), "2026-11-20T11:00:00+03:00")
    assert found(keeping, shot)["found"] is None
    assert keeping.get(f"/screenshots/{shot}/small", "reviewer").status_code == 404
    assert look(keeping) == 2
    told = found(keeping, shot)["found"]
    assert (told["state"], told["text_state"]) == ("seen", "read")
    for line in LINES:
        assert line in told["text"]
    assert told["reader"].startswith("tesseract ")
    assert "rus" in told["reader"]
    assert small(keeping, shot).size == (320, 96)

    def named(words: str) -> list[str]:
        return [one["id"] for one in keeping.get(f"/screenshots?q={words}").json()["items"]]

    assert named("проведения контрагент") == [shot]
    assert named("звонке") == [shot], "the note counts as well"
    assert named("оплата") == [other]
    assert named("доставка") == []
    assert named("") == [other, shot]
    assert look(keeping) == 0, "nothing is looked at twice"


def test_metadata_are_kept_apart_and_places_are_for_who_opens_papers(keeping: Keeping) -> None:
    shot = sent(keeping, photo(turned=6))
    look(keeping)
    told = found(keeping, shot)["found"]
    assert told["metadata"]["Model"] == "Redmi 9"
    assert told["personal"]["GPSLatitudeRef"] == "N"
    assert told["text_state"] == "none"
    manager = found(keeping, shot, "manager")["found"]
    assert manager["metadata"]["Model"] == "Redmi 9"
    assert manager["personal"] is None
    shown = small(keeping, shot)
    assert shown.size == (60, 90), "turned as it is shown"
    assert not shown.getexif()
    ((plain, personal),) = keeping.rows("SELECT told, personal FROM picture_looks")
    assert b"Redmi" not in bytes(plain)
    assert b"GPS" not in bytes(personal)


def test_who_may_not_look_is_refused(keeping: Keeping) -> None:
    shot = sent(keeping, drawn(*LINES))
    look(keeping)
    for path in (f"/screenshots/{shot}", f"/screenshots/{shot}/small", "/screenshots"):
        assert keeping.get(path, "auditor").status_code == 403, path
        assert keeping.get(path, "agent").status_code == 403, path
    nothing = keeping.get(f"/screenshots/{uuid4()}", "reviewer")
    assert (nothing.status_code, nothing.json()["type"]) == (404, "/problems/screenshot-not-found")
    body = {"reason": "Спорные данные."}
    assert keeping.post("reviewer", f"/screenshots/{shot}/restriction", **body).status_code == 201
    for path in (f"/screenshots/{shot}", f"/screenshots/{shot}/small"):
        refused = keeping.get(path, "reviewer")
        assert refused.json()["type"] == "/problems/screenshot-only-kept", path
    assert keeping.get("/screenshots?q=проведения", "reviewer").json()["items"] == []


def test_looking_is_written_down(keeping: Keeping) -> None:
    shot = sent(keeping, drawn(*LINES))
    look(keeping)
    found(keeping, shot)
    told = keeping.rows(
        "SELECT act, facts ->> 'form' FROM custody_entries WHERE object_id = :id"
        " ORDER BY position DESC LIMIT 1",
        id=shot,
    )
    assert told == [("media.played", "look")]


def test_an_erasure_takes_all_of_it_and_it_never_comes_back(keeping: Keeping) -> None:
    shot = sent(keeping, drawn(*LINES))
    look(keeping)
    body = {"ground": "request", "reason": "Просит удалить.", "subject": "Иван Петров"}
    asked = keeping.post("reviewer", f"/screenshots/{shot}/erasures", **body).json()
    assert keeping.post("legal", f"/erasures/{asked['id']}/approve").status_code == 200
    keeping.live.work()
    assert keeping.rows("SELECT count(*) FROM picture_looks") == [(0,)]
    purge.check(keeping.live.tools, asked["id"])
    # Whoever had it in hand when it was erased writes nothing any more.
    keeping.as_owner(
        "INSERT INTO picture_looks (id, screenshot_id, state, text_state, looked_at)"
        " VALUES (gen_random_uuid(), %s, 'unreadable', 'failed', now())",
        shot,
    )
    assert keeping.rows("SELECT count(*) FROM picture_looks") == [(0,)]
    assert look(keeping) == 0


def test_a_bomb_and_a_broken_picture_are_kept_and_said_to_be_unreadable(keeping: Keeping) -> None:
    whole = drawn(*LINES)
    broken = whole[:60] + bytes(len(whole) - 72) + whole[-12:]
    shot = sent(keeping, broken)
    # Few bytes, and as many pixels as are let in: it is seen within its bounds.
    written = io.BytesIO()
    Image.new("1", (7000, 7000)).save(written, "PNG")
    bomb = sent(keeping, written.getvalue(), "2026-11-20T11:00:00+03:00")
    assert look(keeping) == 2
    told = found(keeping, shot)["found"]
    assert (told["state"], told["text_state"], told["text"]) == ("unreadable", "failed", None)
    assert keeping.get(f"/screenshots/{shot}/small", "reviewer").status_code == 404
    assert found(keeping, bomb)["found"]["state"] == "seen"
    assert max(small(keeping, bomb).size) == 320


def test_without_the_program_nothing_else_changes_and_it_is_read_later(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = keeping.live.tools
    shot = sent(keeping, drawn(*LINES))
    reading.reader_of.cache_clear()
    monkeypatch.setenv("PATH", "/nonexistent")
    assert reading.reader_of(tools.sandbox) is None
    assert look(keeping) == 1
    told = found(keeping, shot)["found"]
    assert (told["state"], told["text_state"], told["text"]) == ("seen", "no_reader", None)
    assert look(keeping) == 0
    monkeypatch.undo()
    reading.reader_of.cache_clear()
    assert look(keeping) == 1
    assert LINES[0] in found(keeping, shot)["found"]["text"]


@pytest.mark.parametrize(
    "budget", [Budget(wall_s=0.05), Budget(address_space_bytes=30_000_000)], ids=["time", "memory"]
)
def test_reading_ends_at_its_limits(sandbox: Sandbox, tmp_path: Path, budget: Budget) -> None:
    reader = reading.reader_of(sandbox)
    assert reader is not None
    with (tmp_path / "picture").open("w+b") as file:
        file.write(drawn(*LINES))
        file.flush()
        with pytest.raises(TextUnread):
            reading.text_of(
                file,
                "image/png",
                (1000, 300),
                reader=reader,
                sandbox=sandbox,
                spool=tmp_path,
                budget=budget,
            )


def test_a_picture_that_a_client_or_a_colleague_sent_is_looked_at_as_well(
    keeping: Keeping,
) -> None:
    answer = upload(keeping.live, photo(), name="photo.jpg")
    assert answer.status_code == 201, answer.text
    paper = answer.json()["id"]
    assert keeping.get(f"/documents/{paper}/found", "reviewer").status_code == 404
    assert look(keeping) == 1
    told = keeping.get(f"/documents/{paper}/found", "reviewer").json()
    assert told["metadata"]["Make"] == "Xiaomi"
    assert told["personal"]["GPSLongitudeRef"] == "E"
    given = keeping.get(f"/documents/{paper}/small", "reviewer")
    assert Image.open(io.BytesIO(given.content)).size == (90, 60)
    gone = keeping.get(f"/documents/{uuid4()}/small", "reviewer")
    assert (gone.status_code, gone.json()["type"]) == (404, "/problems/document-not-found")
    ((act,),) = keeping.rows(
        "SELECT act FROM custody_entries WHERE object_id = :id ORDER BY position DESC LIMIT 1",
        id=paper,
    )
    assert act == "document.opened"
    assert keeping.get(f"/documents/{paper}/small", "manager").status_code == 403

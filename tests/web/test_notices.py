"""Notice texts on the pages: taken over or uploaded, approved by another, and searched for."""

from __future__ import annotations

import math
import re
import struct
from typing import Any

import httpx
import pytest

from app.consent import shipped
from app.consent.models import NoticeText
from app.inspection.models import SearchRun
from tests.factories import wav
from tests.review.conftest import house
from tests.review.house import House
from tests.web.test_account import Browser

__all__ = ["house"]

WORDS = "This call is recorded for quality."


def _as(house: House, name: str) -> Browser:
    browser = Browser(house)
    browser.log_in(name)
    return browser


def _upload(
    browser: Browser, body: bytes, name: str = "notice.flac", **fields: str
) -> httpx.Response:
    page = browser.get("/notices/new").text
    found = re.search(r'name="token" value="(\w+)"', page)
    told: dict[str, Any] = {
        "token": found[1] if found else "",
        "text": WORDS,
        "language": "en",
        "purpose": "internal_quality",
        "valid_from": "2026-11-01",
    } | fields
    return browser._send("POST", "/notices/new", data=told, files={"file": (name, body)})


def _wave(samples: list[int]) -> bytes:
    """Return a WAV file of 8 kHz with these samples."""
    head = wav(0.0)[:40]
    return head + struct.pack("<I", 2 * len(samples)) + struct.pack(f"<{len(samples)}h", *samples)


def _tone() -> bytes:
    return _wave([round(9000 * math.sin(i / 3)) for i in range(8000 * 4)])


def _rows(house: House) -> list[NoticeText]:
    with house.database.transaction() as session:
        return list(session.query(NoticeText))


def test_a_shipped_text_is_taken_over_in_one_step_and_approved_by_another_with_a_lawyer(
    house: House,
) -> None:
    boss = _as(house, "admin")
    assert "There is no text yet" in boss.get("/notices").text
    taken = boss.post("/notices/templates/ivr-en/take-over", "/notices")
    where = taken.headers["location"]
    own = boss.get(where).text
    assert "TO BE APPROVED BY YOUR LAWYER" in own.upper()
    assert f'action="{where}/1/approve"' not in own
    assert f'action="{where}/1/withdraw"' in own

    other = _as(house, "approver")
    assert "hear 1 draft and approve or reject it" in other.get("/notices").text
    unnamed = other.post(f"{where}/1/approve", where, lawyer="")
    assert (unnamed.status_code, "name who did that" in unnamed.text) == (422, True)
    done = other.post(f"{where}/1/approve", where, lawyer="I. Petrova")
    assert (done.status_code, done.headers["location"]) == (303, where)
    shown = other.get(where).text
    assert "reviewed by the lawyer I. Petrova" in shown
    assert "in force" in shown
    (row,) = _rows(house)
    assert (row.lawyer_reviewed_by, row.approved_by) == ("I. Petrova", house.people["approver"].id)
    assert other.post(f"{where}/1/approve", where, lawyer="X").status_code == 409
    assert "taken over" in boss.get("/notices").text


def test_a_text_of_ones_own_is_kept_with_its_sound_and_heard(house: House) -> None:
    boss = _as(house, "admin")
    sound = shipped.sound(shipped.template("ivr-en"))
    kept = _upload(boss, sound, lines="101, sales")
    assert kept.status_code == 303, kept.text
    where = kept.headers["location"]
    heard = boss.get(f"{where}/1/audio")
    assert (heard.status_code, heard.content) == (200, sound)
    assert heard.headers["content-type"] == "audio/flac"
    (row,) = _rows(house)
    assert (row.text, row.lines, row.purposes) == (WORDS, ["101", "sales"], ["internal_quality"])
    assert row.audio_sha256.hex() in boss.get(where).text
    again = _upload(boss, sound, of=where.rpartition("/")[2], text="The next words.")
    assert again.headers["location"] == where
    assert "Version 2" in boss.get(where).text
    assert "100 % of the sound" in boss.get(where).text
    assert boss.get(f"{where}/3/audio").status_code == 404
    assert boss.get("/notices/new?of=00000000-0000-7000-8000-000000000000").status_code == 404


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"MZ no sound at all", "not an audio recording"),
        (_wave([0] * 32000), "silent"),
        (_tone(), "music, a tone or noise"),
    ],
    ids=["program", "silence", "tone"],
)
def test_a_sound_that_cannot_be_searched_for_is_refused_beside_its_field(
    house: House, body: bytes, said: str
) -> None:
    answer = _upload(_as(house, "admin"), body, name="notice.wav")
    assert answer.status_code == 422
    found = re.search(r'id="file-wrong">([^<]+)<', answer.text)
    assert found
    assert said in found[1]
    assert WORDS in answer.text  # What was entered stays.
    assert _rows(house) == []


def test_what_is_missing_is_said_beside_its_field_and_nothing_is_kept(house: House) -> None:
    boss = _as(house, "admin")
    sound = shipped.sound(shipped.template("ivr-en"))
    for name, field in (("text", "text"), ("purpose", "purpose"), ("valid_from", "valid_from")):
        answer = _upload(boss, sound, **{name: ""})
        assert (answer.status_code, f'id="{field}-wrong"' in answer.text) == (422, True), name
    nothing = boss._send(
        "POST", "/notices/new", data={"text": WORDS}, files={"file": ("a.wav", sound)}
    )
    assert nothing.status_code == 403  # Without the token of the log-in.
    assert _rows(house) == []


def test_a_file_that_is_too_large_is_refused_on_its_way(house: House) -> None:
    answer = _upload(_as(house, "admin"), bytes(22 * 1024 * 1024))
    assert answer.status_code == 413


def test_a_draft_is_withdrawn_by_its_writer_and_rejected_by_another_with_a_reason(
    house: House,
) -> None:
    boss, other = _as(house, "admin"), _as(house, "approver")
    for who, how, word in (
        (boss, "withdraw", "withdrawn by its writer"),
        (other, "reject", "rejected"),
    ):
        where = boss.post("/notices/templates/ivr-en/take-over", "/notices").headers["location"]
        unsaid = who.post(f"{where}/1/{how}", where, reason="")
        assert (unsaid.status_code, "Say why." in unsaid.text) == (422, True)
        done = who.post(f"{where}/1/{how}", where, reason="The wrong line.")
        assert done.status_code == 303
        shown = who.get(where).text
        assert word in shown
        assert "The wrong line." in shown
        assert who.post(f"{where}/1/{how}", where, reason="Again.").status_code == 409


def test_old_recordings_are_searched_again_and_the_run_is_stopped(house: House) -> None:
    boss = _as(house, "admin")
    assert boss.post("/notices/searches", "/notices").status_code == 303
    shown = boss.get("/notices").text
    (path,) = re.findall(r'action="(/notices/searches/[\w-]+/cancel)"', shown)
    assert "somebody asked for it" in shown
    assert boss.post(path, "/notices").status_code == 303
    with house.database.transaction() as session:
        assert [run.state for run in session.query(SearchRun)] == ["cancelled"]
    assert boss.post(path, "/notices").status_code == 409
    assert "stopped" in boss.get("/notices").text

"""The texts that come with the product: whole, marked, offered, and active only by people."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from app.cli import audiatur
from app.consent import shipped
from app.consent.shipped import TemplateKind
from tests.conftest import Urls
from tests.factories import notice, wav
from tests.live import Live

ROOT = Path(__file__).parents[2]
RU = {
    "language": "ru",
    "text": "Разговор может быть записан",
    "purposes": ["internal_quality"],
    "valid_from": "2026-01-01T00:00:00Z",
}


def _install(live: Live, key: str, **told: object) -> dict[str, Any]:
    answer = live.call("POST", f"/v1/notices/templates/{key}/install", who="admin", json=told)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _listed(live: Live, text_id: str) -> dict[str, Any]:
    items = live.call("GET", "/v1/notice-texts", who="approver").json()["items"]
    return next(item for item in items if item["id"] == text_id)


def test_every_kind_of_text_is_there_in_both_languages_and_marked() -> None:
    found = shipped.templates()
    pairs = [(one.kind, one.language) for one in found]
    assert sorted(pairs) == sorted((kind, lang) for kind in TemplateKind for lang in ("en", "ru"))
    for one in found:
        said = {"ru": "юрист", "en": "lawyer"}[one.language]
        assert said in one.mark
        if one.kind != TemplateKind.ANNOUNCEMENT:
            assert said in one.text.split("\n\n")[1], one.key
            assert "[" in one.text, one.key


def test_announcements_name_disputes_and_the_clients_management_and_have_their_sound() -> None:
    announcements = [one for one in shipped.templates() if one.spoken is not None]
    assert len(announcements) == 2
    for one in announcements:
        assert one.purposes == ("internal_quality", "dispute_client")
        assert one.recipients == ("client_same_entity",)
        assert one.spoken is not None
        assert hashlib.sha256(shipped.sound(one)).hexdigest() == one.spoken.sha256
        assert one.spoken.made_with.startswith("eSpeak NG ")


@pytest.mark.parametrize("who", ["manager", "auditor"])
def test_texts_are_downloaded_as_they_were_shipped(live: Live, who: str) -> None:
    items = live.call("GET", "/v1/notices/templates", who=who).json()["items"]
    assert [item["key"] for item in items] == [one.key for one in shipped.templates()]
    paper = live.call("GET", "/v1/notices/templates/contract-clause-ru", who=who)
    assert paper.headers["content-type"] == "text/markdown; charset=utf-8"
    assert "утверждён вашим юристом" in paper.text
    audio = live.call("GET", "/v1/notices/templates/ivr-en/audio", who=who)
    assert audio.headers["content-type"] == "audio/flac"
    (told,) = (item for item in items if item["key"] == "ivr-en")
    assert hashlib.sha256(audio.content).hexdigest() == told["audio_sha256"]
    assert live.call("GET", "/v1/notices/templates/nothing", who=who).status_code == 404
    silent = live.call("GET", "/v1/notices/templates/refusal-reply-en/audio", who=who)
    assert silent.status_code == 409


def test_an_announcement_is_taken_over_as_a_draft_with_its_mark(live: Live) -> None:
    made = _install(live, "ivr-ru", lines=["+74950000000"])
    listed = _listed(live, made["id"])
    assert listed["approved_at"] is None
    assert listed["template"] == "ivr-ru"
    assert listed["mark"] == "должен быть утверждён вашим юристом"
    assert listed["lines"] == ["+74950000000"]
    assert sorted(listed["purposes"]) == ["dispute_client", "internal_quality"]
    assert listed["recipients"] == ["client_same_entity"]
    refused = live.call("POST", "/v1/notices/templates/refusal-reply-ru/install", who="admin")
    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/template-not-spoken"


def test_no_shipped_text_is_approved_without_the_name_of_a_lawyer(live: Live) -> None:
    made = _install(live, "ivr-en")
    path = f"/v1/notice-texts/{made['id']}/approve"
    for body in ({}, {"lawyer_reviewed_by": " "}):
        refused = live.call("POST", path, who="approver", json=body)
        assert refused.status_code in {409, 422}
    refused = live.call("POST", path, who="approver", json={})
    assert refused.json()["type"] == "/problems/lawyer-not-named"
    assert refused.json()["mark"] == "to be approved by your lawyer"
    with (
        pytest.raises(psycopg.errors.CheckViolation),
        psycopg.connect(live.database_url, options="-c role=audiatur_app") as connection,
    ):
        connection.execute(
            "UPDATE notice_texts SET approved_at = now(), approved_by = "
            "(SELECT id FROM users WHERE role = 'approver') WHERE id = %s",
            [made["id"]],
        )
    name = "А. П. Ковалёва, адвокат"
    done = live.call("POST", path, who="approver", json={"lawyer_reviewed_by": name})
    assert done.status_code == 200, done.text
    assert (done.json()["lawyer_reviewed_by"], done.json()["mark"]) == (name, None)
    with psycopg.connect(live.database_url, options="-c role=audiatur_app") as connection:
        facts = connection.execute(
            "SELECT facts FROM custody_entries WHERE act = 'notice_text.approved'"
        ).fetchone()
        assert facts is not None
        assert facts[0] == {"version": 1, "lawyer_named": True}
        with pytest.raises(psycopg.errors.RestrictViolation):
            connection.execute("UPDATE notice_texts SET lawyer_reviewed_by = 'somebody else'")


def test_a_text_of_ones_own_needs_no_lawyer(live: Live) -> None:
    made = live.send(RU, notice(), who="admin", path="/v1/notice-texts").json()
    path = f"/v1/notice-texts/{made['id']}/approve"
    assert live.call("POST", path, who="approver").status_code == 200


def test_a_reference_that_shares_sound_with_another_is_said_to(live: Live) -> None:
    first = live.send(RU, notice(), who="admin", path="/v1/notice-texts").json()
    assert first["shares"] == []
    speech = notice()
    longer = _wav_of(speech[44:] + bytes(4_000) + speech[44 : 44 + 36_000])
    again = live.send(RU, longer, who="admin", path="/v1/notice-texts").json()
    (shared,) = again["shares"]
    assert (shared["text_id"], shared["version"]) == (first["id"], 1)
    assert shared["percent"] > 90
    assert _listed(live, again["id"])["shares"] == again["shares"]
    assert _listed(live, first["id"])["shares"] == []
    other = _install(live, "ivr-en")
    assert other["shares"] == []
    twice = _install(live, "ivr-en")
    assert [(one["text_id"], one["percent"]) for one in twice["shares"]] == [(other["id"], 100)]


def _wav_of(samples: bytes) -> bytes:
    head = bytearray(wav(1)[:44])
    head[4:8] = (36 + len(samples)).to_bytes(4, "little")
    head[40:44] = len(samples).to_bytes(4, "little")
    return bytes(head) + samples


def test_music_is_refused_at_the_door(live: Live, tmp_path: Path) -> None:
    chords = tmp_path / "hold.wav"
    tones = "+".join(f"0.2*sin(2*PI*{hz}*t)*exp(-3*mod(t\\,0.5))" for hz in (220, 277, 330))
    subprocess.run(  # noqa: S603 - a fixed program, no shell.
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"aevalsrc={tones}:d=8:s=8000", chords],  # noqa: S607 - whichever ffmpeg there is.
        check=True,
    )
    answer = live.send(RU, chords.read_bytes(), who="admin", path="/v1/notice-texts")
    assert answer.status_code == 400, answer.text
    assert answer.json()["type"] == "/problems/reference-not-speech"
    assert live.call("GET", "/v1/notice-texts", who="admin").json()["items"] == []


def test_the_sound_is_made_again_by_the_script(tmp_path: Path) -> None:
    texts = ROOT / "app" / "consent" / "texts"
    if not Path("/usr/bin/espeak-ng").exists():
        pytest.skip("NO SPEECH SYNTHESISER: espeak-ng is missing")
    (tmp_path / "catalogue.json").write_bytes((texts / "catalogue.json").read_bytes())
    subprocess.run(  # noqa: S603 - the project's own script.
        [sys.executable, "-P", "-m", "speaker_tool.main", tmp_path],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}", "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
    )
    made = json.loads((tmp_path / "catalogue.json").read_text())
    kept = json.loads((texts / "catalogue.json").read_text())
    for new, old in zip(made, kept, strict=True):
        if "audio" in new:
            body = (tmp_path / new["audio"]["file"]).read_bytes()
            assert hashlib.sha256(body).hexdigest() == new["audio"]["sha256"]
            if new["audio"]["made_with"] == old["audio"]["made_with"]:
                assert abs(len(body) - (texts / old["audio"]["file"]).stat().st_size) < 2_000


def test_the_command_takes_one_over_in_an_administrators_name(
    live: Live, own_database: Urls, tmp_path: Path
) -> None:
    live.key("admin")
    live.key("approver")
    environment = {
        "AUDIATUR_DATA": str(tmp_path),
        "AUDIATUR_DATABASE_URL": own_database.web,
        "AUDIATUR_DATABASE_OWNER_URL": own_database.owner,
        "AUDIATUR_ARCHIVE_KEY_FILE": str(tmp_path / "archive.key"),
        "AUDIATUR_RELEASE_KEY_FILE": str(tmp_path / "release.key"),
    }
    runner = CliRunner(env=environment)
    listed = runner.invoke(audiatur, ["notices", "templates"])
    assert "ivr-ru" in listed.output
    made = runner.invoke(
        audiatur,
        ["notices", "install", "ivr-ru", "--by", "admin", "--json"],
        catch_exceptions=False,
    )
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout.splitlines()[-1])
    assert _listed(live, told["id"])["template"] == "ivr-ru"
    refused = runner.invoke(audiatur, ["notices", "install", "ivr-ru", "--by", "approver"])
    assert refused.exit_code == 1

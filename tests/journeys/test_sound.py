"""From an upload to the figures of its sound, and what a lost reference does to an inspection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select

from app.consent.models import NoticeText
from app.core.ids import new_id
from app.inspection.models import LegSound, NoticeSearch
from app.inspection.sandbox import Sandbox
from app.recordings.models import SealedRow
from tests.conftest import Urls
from tests.factories import wav
from tests.inspection.conftest import CORPUS, corpus_lines, needs_corpus
from tests.live import Live, live_archive, metadata

CALL = "softphone/s01/dump-2026-11-21-19-37-41"


def sent(live: Live, body: bytes, call: str = "c1", **told: object) -> str:
    answer = live.send(metadata(call, **told), body)
    assert answer.status_code == 201, answer.text
    live.work()
    return str(answer.json()["id"])


def sound_of(live: Live, recording_id: str) -> dict[str, Any]:
    answer = live.call("GET", f"/v1/recordings/{recording_id}/sound", who="reviewer")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_figures_stand_behind_the_same_decision_as_the_sound(live: Live) -> None:
    recording = sent(live, wav(3))
    path = f"/v1/recordings/{recording}/sound"
    refused = live.call("GET", path, who="manager")
    assert refused.status_code == 403
    assert "C_UNKNOWN:cli" in refused.json()["reasons"]
    (leg,) = sound_of(live, recording)["legs"]
    (channel,) = leg["channels"]
    assert (leg["leg"], leg["duration_ms"], leg["same_channels"]) == ("mixed", 3000, False)
    # The ramp of the test's WAV ends at 199 of 32,768.
    assert channel["peak_dbfs"] == -44.33
    assert (channel["talk"], channel["silent_share"], channel["party"]) == ([], 0.0, None)


def test_a_call_without_sound_has_no_figures_and_one_that_waits_none_yet(live: Live) -> None:
    empty = sent(live, wav(0))
    assert sound_of(live, empty)["legs"][0]["channels"] == []
    answer = live.send(metadata("c2"), wav(1))
    path = f"/v1/recordings/{answer.json()['id']}/sound"
    waiting = live.call("GET", path, who="reviewer")
    assert waiting.status_code == 409
    assert waiting.json()["type"] == "/problems/not-playable-yet"


def test_figures_are_kept_for_good(live: Live, own_database: Urls) -> None:
    recording = sent(live, wav(1))
    with live.tools.database.transaction() as session:
        row = session.scalars(select(LegSound)).one()
        assert str(row.recording_id) == recording
    for change in ("UPDATE leg_sounds SET loudness_lufs = -23", "DELETE FROM leg_sounds"):
        with (
            psycopg.connect(own_database.owner, autocommit=True) as owner,
            pytest.raises(psycopg.errors.RestrictViolation),
        ):
            owner.execute(change)


def test_when_the_key_is_destroyed_nobody_learns_who_talked_when(
    live: Live, own_database: Urls
) -> None:
    recording = sent(live, wav(1))
    with live.tools.database.transaction() as session:
        talk = session.scalars(select(LegSound.talk_object_id)).one()
    _destroy_key(live, talk, own_database.owner)
    path = f"/v1/recordings/{recording}/sound"
    assert live.call("GET", path, who="reviewer").status_code == 410


@needs_corpus
def test_two_legs_are_the_two_sides_of_a_call(live: Live) -> None:
    ours = (CORPUS / f"{CALL}-enc.wav").read_bytes()
    theirs = (CORPUS / f"{CALL}-dec.wav").read_bytes()
    sent(live, ours, leg="sent")
    answer = live.send(metadata("c1", leg="received"), theirs)
    live.work()
    found = sound_of(live, answer.json()["id"])
    assert [leg["leg"] for leg in found["legs"]] == ["sent", "received"]
    assert [leg["channels"][0]["party"] for leg in found["legs"]] == ["own", "cli"]
    together = found["together"]
    assert [voice["party"] for voice in together["voices"]] == ["own", "cli"]
    assert sum(voice["share"] for voice in together["voices"]) == pytest.approx(1, abs=0.001)
    spoken = sum(leg["channels"][0]["talk_ms"] for leg in found["legs"])
    longest = max(leg["duration_ms"] for leg in found["legs"])
    assert spoken - together["overlap_ms"] + together["silence_ms"] == longest


@needs_corpus
def test_a_channel_is_the_party_of_whom_somebody_said_so(live: Live, own_database: Urls) -> None:
    recording = sent(live, (CORPUS / "d21.au").read_bytes())
    found = sound_of(live, recording)
    assert [channel["party"] for channel in found["legs"][0]["channels"]] == [None, None]
    assert [voice["channel"] for voice in found["together"]["voices"]] == [0, 1]
    with psycopg.connect(own_database.owner, autocommit=True) as owner:
        owner.execute("UPDATE parties SET channel = 1 WHERE label = 'own'")
        owner.execute("UPDATE parties SET channel = 0 WHERE label = 'cli'")
    channels = sound_of(live, recording)["legs"][0]["channels"]
    assert [channel["party"] for channel in channels] == ["cli", "own"]
    line = next(x for x in corpus_lines("manifest.jsonl") if x["file"] == "d21.au")
    caller = [s for s in line["segments"] if s["speaker"] == "caller"]
    said = sum(s["end_s"] - s["start_s"] for s in caller) * 1000
    assert channels[0]["talk_ms"] == pytest.approx(said, rel=0.1)


def _post_text(live: Live, name: str) -> str:
    told = {
        "language": "ru",
        "text": "Разговор может быть записан",
        "purposes": ["internal_quality"],
        "recipients": ["own_staff_manager"],
        "valid_from": "2026-01-01T00:00:00+03:00",
    }
    body = (CORPUS / f"reference/{name}.wav").read_bytes()
    answer = live.send(told, body, who="admin", name="notice.wav", path="/v1/notice-texts")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _object_of(live: Live, text_id: str) -> UUID:
    with live.tools.database.transaction() as session:
        found = session.scalars(
            select(NoticeText.object_id).where(NoticeText.id == UUID(text_id))
        ).one()
        assert found is not None
        return found


Harm = Callable[[Live, UUID, str], None]


def _file_of(live: Live, object_id: UUID) -> Path:
    folder = live.tools.settings.data / "archive"
    (found,) = [path for path in folder.rglob("*") if object_id.hex in path.name.replace("-", "")]
    return found


def _remove(live: Live, object_id: UUID, _: str = "") -> None:
    _file_of(live, object_id).unlink()


def _damage(live: Live, object_id: UUID, _: str) -> None:
    path = _file_of(live, object_id)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def _destroy_key(_: Live, object_id: UUID, owner_url: str) -> None:
    """Destroy a key as the owner: the application has no right to."""
    with psycopg.connect(owner_url) as owner:
        owner.execute(
            "UPDATE sealed_objects SET wrapped_key = NULL WHERE object_id = %s", [object_id]
        )


def _make_undecodable(live: Live, object_id: UUID, owner_url: str) -> None:
    """Let the text name an object that is well and holds no sound."""
    draft = live.tools.archive.begin(new_id())
    draft.write(b"This is a letter. " * 1000)
    kept = draft.keep()
    with live.tools.database.transaction() as session:
        session.add(
            SealedRow(
                object_id=kept.object_id,
                wrapped_key=kept.wrapped_key,
                size_bytes=kept.size_bytes,
                sha256=kept.sha256,
                crc32=kept.crc32,
                stored_at=live.tools.clock.now(),
            )
        )
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("ALTER TABLE notice_texts DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE notice_texts SET object_id = %s WHERE object_id = %s",
            (kept.object_id, object_id),
        )
        owner.execute("ALTER TABLE notice_texts ENABLE TRIGGER USER")


@needs_corpus
@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (_remove, "object_missing"),
        (_damage, "object_damaged"),
        (_destroy_key, "key_destroyed"),
        (_make_undecodable, "undecodable"),
    ],
)
def test_a_lost_reference_is_told_of_and_the_others_are_searched_for(
    live: Live, own_database: Urls, harm: Harm, reason: str
) -> None:
    lost, well = _post_text(live, "notice_en"), _post_text(live, "notice_ru")
    harm(live, _object_of(live, lost), own_database.owner)
    live.tools.shelf._kept.clear()  # Comparing the second with the first has decoded that.
    recording = sent(live, (CORPUS / "d01.wav").read_bytes())
    found = live.call("GET", f"/v1/recordings/{recording}", who="manager").json()["inspection"]
    assert found["state"] == "done"
    assert [hit["text_id"] for hit in found["notices"]] == [well]
    assert found["notices_not_searched"] == [{"text_id": lost, "version": 1, "reason": reason}]
    with live.tools.database.transaction() as session:
        search = session.scalars(select(NoticeSearch)).one()
        assert (search.texts, search.not_searched) == ([f"{well}:1"], {f"{lost}:1": reason})


@needs_corpus
def test_a_recording_whose_only_text_is_lost_is_inspected_and_says_so(live: Live) -> None:
    lost = _post_text(live, "notice_ru")
    _remove(live, _object_of(live, lost))
    recording = sent(live, (CORPUS / "d01.wav").read_bytes())
    found = live.call("GET", f"/v1/recordings/{recording}", who="manager").json()
    assert found["inspection"]["state"] == "done"
    assert found["inspection"]["notices_not_searched"][0]["text_id"] == lost
    assert found["consent"]["flag"] == "unknown"


HOSTILE = {
    "bad/linphone_copied_mid_call.wav": 415,
    "bad/zero_channels.wav": 415,
    "bad/zero_rate.wav": 415,
    "bad/no_moov.m4a": 415,
    "bad/hls_playlist.mp3": 415,
    "bad/ffconcat.wav": 415,
    "bad/text.wav": 415,
    "bad/zero_byte.wav": 415,
    "bad/rtpengine_call.pcap": 415,
    "bad/claims_4gib.wav": "done",
    "bad/claims_10h.wav": "done",
    "bad/claims_10h.ogg": "done",
    "bad/garbage_inside.mp3": "done",
    "bad/garbage_before.mp3": "done",
    "bad/header_only.wav": "done",
    "bad/silence.wav": "done",
    "bad/tone_4h_8bit.flac": "failed",
}


@needs_corpus
def test_what_is_kept_and_cannot_be_inspected_says_why_and_stays_unknown(
    tmp_path: Path, own_database: Urls, sandbox: Sandbox
) -> None:
    with live_archive(tmp_path, own_database.web, sandbox, max_audio_hours=1) as live:
        _post_text(live, "notice_ru")
        _all_hostile(live)


def _all_hostile(live: Live) -> None:
    for number, (name, outcome) in enumerate(HOSTILE.items()):
        body = (CORPUS / name).read_bytes()
        answer = live.send(metadata(f"c{number}"), body, name=Path(name).name)
        if outcome == 415:
            assert answer.status_code == 415, (name, answer.text)
            continue
        live.work()
        path = f"/v1/recordings/{answer.json()['id']}"
        found = live.call("GET", path, who="manager").json()
        assert found["inspection"]["state"] == outcome, name
        assert found["consent"]["flag"] == "unknown", name
        # Some hold the beginning of a notice, which clears nothing.
        assert not any(hit["complete"] for hit in found["inspection"]["notices"]), name
        if outcome == "failed":
            assert "limit" in found["inspection"]["reason"]
            assert live.call("GET", f"{path}/sound", who="reviewer").status_code == 409

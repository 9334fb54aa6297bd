"""Where the whole may not be heard, the part that may be is given, and not a sample more."""

from __future__ import annotations

import io
import wave

import httpx
import numpy as np
from sqlalchemy import select

from app.core.ids import new_id
from app.custody.models import CustodyEntry
from app.identity.permissions import Role
from app.inspection.peaks import PeakBuilder
from app.recordings.models import Leg, Recording
from tests.factories import wav
from tests.releases.house import House

CALL = wav(4.0)


def _recording(house: House, *, agreed_from_ms: int = 2000) -> Recording:
    return house.recording(CALL, heard_inside=True, duration_ms=4000, agreed_from_ms=agreed_from_ms)


def _part(
    house: House, recording_id: object, asked: str, *, who: str = "manager", **more: str
) -> httpx.Response:
    return house.call(who, "GET", f"/v1/recordings/{recording_id}/part?{asked}", headers=more)


def _draw(house: House, recording: Recording) -> None:
    """Keep the picture of the call as an inspection does."""
    builder = PeakBuilder(1)
    samples = np.frombuffer(CALL[44:], dtype="<i2")[::2]  # Pictures are made at 8 kHz.
    builder.feed(samples.astype(">i2").tobytes())
    with house.making() as make:
        leg = make.session.scalars(select(Leg).where(Leg.recording_id == recording.id)).one()
        leg.peaks_object_id = make.sealed(builder.finish().to_bytes())


def _talk(house: House, recording: Recording, *spans: tuple[int, int]) -> None:
    with house.making() as make:
        leg = make.session.scalars(select(Leg).where(Leg.recording_id == recording.id)).one()
        make.talked(leg, spans, duration_ms=4000)


def test_the_part_begins_and_ends_at_its_samples(house: House) -> None:
    recording = _recording(house)
    heard = _part(house, recording.id, "from_ms=2000&to_ms=3000")
    assert heard.status_code == 200, heard.text
    with wave.open(io.BytesIO(heard.content)) as opened:
        samples = np.frombuffer(opened.readframes(99_999), dtype="<i2")
    assert np.array_equal(samples, np.frombuffer(CALL[44:], dtype="<i2")[16_000:24_000])


def test_the_part_before_somebody_agreed_is_refused_and_that_is_remembered(house: House) -> None:
    recording = _recording(house)
    for asked in ("", "from_ms=1999", "to_ms=2001"):
        refused = _part(house, recording.id, asked)
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/consent-refused")
        assert "C_SEGMENT_UNCOVERED:cli" in refused.json()["reasons"]
    assert "access.denied" in house.acts(recording.id)
    assert "media.played" not in house.acts(recording.id)
    assert _part(house, recording.id, "from_ms=2000").status_code == 200
    house.withdraw(recording.id)
    assert _part(house, recording.id, "from_ms=2000").status_code == 403


def test_ranges_of_a_part_are_given_and_each_is_written_down(house: House) -> None:
    recording = _recording(house)
    whole = _part(house, recording.id, "from_ms=2000").content
    some = _part(house, recording.id, "from_ms=2000", Range="bytes=100-299")
    assert (some.status_code, some.content) == (206, whole[100:300])
    assert some.headers["Content-Range"] == f"bytes 100-299/{len(whole)}"
    beyond = _part(house, recording.id, "from_ms=2000", Range=f"bytes={len(whole)}-")
    assert beyond.status_code == 416
    with house.database.transaction() as session:
        entries = session.scalars(
            select(CustodyEntry)
            .where(CustodyEntry.object_id == recording.id, CustodyEntry.act == "media.played")
            .order_by(CustodyEntry.position)
        ).all()
        facts = [entry.facts for entry in entries]
    assert [(f["first_byte"], f["last_byte"]) for f in facts] == [(0, len(whole) - 1), (100, 299)]
    assert {(f["form"], f["from_ms"], f["to_ms"], f["purpose"]) for f in facts} == {
        ("part", 2000, None, "internal_quality")
    }


def test_who_may_not_listen_or_does_not_see_the_recording_gets_no_part(house: House) -> None:
    recording = _recording(house)
    asked = "from_ms=2000"
    house.person("auditor", Role.AUDITOR)
    house.person("agent", Role.AGENT, agent_ref="202")
    assert _part(house, recording.id, asked, who="auditor").status_code == 403
    assert _part(house, recording.id, asked, who="agent").status_code == 404
    assert _part(house, new_id(), asked).status_code == 404


def test_a_part_that_there_is_not_is_refused(house: House) -> None:
    recording = _recording(house)
    backwards = _part(house, recording.id, "from_ms=3000&to_ms=3000")
    assert (backwards.status_code, backwards.json()["type"]) == (400, "/problems/segment-invalid")
    assert _part(house, recording.id, "from_ms=-1").status_code == 422
    beyond = _part(house, recording.id, "from_ms=4000")
    assert (beyond.status_code, beyond.json()["type"]) == (400, "/problems/segment-invalid")


def test_the_picture_of_a_part_shows_that_part_and_is_refused_with_it(house: House) -> None:
    recording = _recording(house)
    _draw(house, recording)
    path = f"/v1/recordings/{recording.id}/waveform"
    assert house.call("manager", "GET", path).status_code == 403
    assert house.call("manager", "GET", f"{path}?from_ms=1999").status_code == 403
    whole = house.call("reviewer", "GET", path).json()
    part = house.call("manager", "GET", f"{path}?from_ms=2000&to_ms=3000").json()
    per_ms = whole["sample_rate"] / whole["samples_per_pixel"] / 1000
    first, last = 2 * int(2000 * per_ms), 2 * int(3000 * per_ms)
    assert part["data"] == whole["data"][first:last]
    backwards = house.call("manager", "GET", f"{path}?from_ms=3000&to_ms=3000")
    assert (backwards.status_code, backwards.json()["type"]) == (400, "/problems/segment-invalid")


def test_the_talk_of_a_part_tells_nothing_before_or_after_it(house: House) -> None:
    recording = _recording(house)
    path = f"/v1/recordings/{recording.id}/talk"
    early = house.call("manager", "GET", f"{path}?from_ms=2000")
    assert (early.status_code, early.json()["type"]) == (409, "/problems/not-playable-yet")
    _talk(house, recording, (200, 900), (1500, 2250), (2600, 2800), (2900, 3900))
    told = house.call("manager", "GET", f"{path}?from_ms=2000&to_ms=3000").json()
    (channel,) = told["legs"][0].pop("channels")
    assert told == {"legs": [{"leg": "mixed", "from_ms": 2000, "to_ms": 3000}]}
    assert channel == {
        "channel": 0,
        "party": None,
        "talk_ms": 550,
        "talk_share": 0.55,
        "talk": [[2000, 2250], [2600, 2800], [2900, 3000]],
    }
    rest = house.call("manager", "GET", f"{path}?from_ms=2000").json()["legs"][0]
    assert (rest["from_ms"], rest["to_ms"], rest["channels"][0]["talk"][-1]) == (
        2000,
        4000,
        [2900, 3900],
    )


def test_the_talk_of_a_part_is_refused_with_its_sound(house: House) -> None:
    recording = _recording(house)
    _talk(house, recording, (200, 900))
    house.person("auditor", Role.AUDITOR)
    house.person("agent", Role.AGENT, agent_ref="202")
    path = f"/v1/recordings/{recording.id}/talk"
    for asked in ("", "from_ms=1999", "to_ms=2001"):
        refused = house.call("manager", "GET", f"{path}?{asked}")
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/consent-refused")
    assert house.call("auditor", "GET", f"{path}?from_ms=2000").status_code == 403
    assert house.call("agent", "GET", f"{path}?from_ms=2000").status_code == 404
    assert house.call("manager", "GET", f"/v1/recordings/{new_id()}/talk").status_code == 404
    backwards = house.call("manager", "GET", f"{path}?from_ms=3000&to_ms=3000")
    assert (backwards.status_code, backwards.json()["type"]) == (400, "/problems/segment-invalid")
    house.withdraw(recording.id)
    assert house.call("manager", "GET", f"{path}?from_ms=2000").status_code == 403

"""What a preview gives is what a release hands over, no more, and to nobody who may not hear it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import wave
from pathlib import Path
from uuid import UUID

import httpx
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from app.clients.models import Client, Event
from app.core.ids import new_id
from app.custody.models import CustodyEntry
from app.identity.models import Office, UserOffice
from app.identity.permissions import Role
from app.inspection.sandbox import Sandbox
from app.recordings.models import Recording, Screenshot
from app.releases import derive, recipes
from app.releases.models import ReleaseItem
from storage.sealed import SealedRef
from tests.factories import wav
from tests.releases.house import House

CALL = wav(4.0)
CARD = {"from_ms": 1500, "to_ms": 2000, "how": "beep", "reason": "card_number"}


def _exhibit(house: House, recording: Recording, **told: object) -> tuple[str, str]:
    """Return the ids of a dispute and of its one exhibit."""
    with house.making() as make:
        client = make.client().external_id
    opened = house.call(
        "manager", "POST", "/v1/disputes", json={"client": client, "subject": "x"}
    ).json()["id"]
    body = {"recording_id": str(recording.id)} | told
    added = house.call("manager", "POST", f"/v1/disputes/{opened}/exhibits", json=body)
    assert added.status_code == 201, added.text
    return opened, added.json()["id"]


def _preview(house: House, exhibit_id: str, *, who: str = "manager", **more: str) -> httpx.Response:
    return house.call(who, "GET", f"/v1/exhibits/{exhibit_id}/preview", headers=more)


def _released(house: House, dispute_id: str) -> tuple[dict[str, object], bytes]:
    """Let the dispute's exhibits be handed over; return the one item and the bytes that left."""
    body = {"contact_id": str(house.contact_id)}
    asked = house.call("manager", "POST", f"/v1/disputes/{dispute_id}/releases", json=body)
    assert asked.status_code == 201, asked.text
    assert asked.json()["items"][0]["sha256"] is None
    done = house.approve(asked.json()["id"])
    assert done.status_code == 200, done.text
    with house.database.transaction() as session:
        row = session.scalars(select(ReleaseItem)).one()
        assert row.wrapped_key is not None
        ref = SealedRef(
            object_id=row.object_id, wrapped_key=row.wrapped_key, size_bytes=row.size_bytes
        )
    return done.json()["release"]["items"][0], b"".join(house.release.stream(ref))


def test_the_preview_is_what_leaves_to_the_byte(
    house: House, tmp_path: Path, sandbox: Sandbox
) -> None:
    recording = house.recording(CALL, heard_inside=True, duration_ms=4000)
    dispute_id, exhibit_id = _exhibit(house, recording, from_ms=1000, to_ms=3000, redactions=[CARD])
    heard = _preview(house, exhibit_id)
    assert heard.status_code == 200, heard.text
    digest = hashlib.sha256(heard.content).digest()
    assert heard.headers["Repr-Digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
    item, left = _released(house, dispute_id)
    assert heard.content == left
    assert item["sha256"] == digest.hex()
    assert [r["from_ms"] for r in item["redactions"]] == [1500]  # type: ignore[attr-defined]
    with wave.open(io.BytesIO(left)) as opened:
        samples = np.frombuffer(opened.readframes(99_999), dtype="<i2")
    before = np.frombuffer(CALL[44:], dtype="<i2")[8000:24_000]
    # The beep is of the samples 12,000 to 15,999 of the recording, and the cut begins at 8,000.
    assert np.array_equal(samples[:4000], before[:4000])
    assert np.array_equal(samples[4000:8000], np.resize(recipes.beep(8000), 4000))
    assert np.array_equal(samples[8000:], before[8000:])
    recipe, original = tmp_path / "derivation.json", tmp_path / "call.wav"
    recipe.write_text(str(item["derivation"]))
    original.write_bytes(CALL)
    again = derive.rederive(recipe, [original], sandbox, out=tmp_path / "out.wav")
    assert (again.is_same, again.differences) == (True, ())
    told = json.loads(recipe.read_text())
    assert told["operator"] == str(house.people["approver"].id)
    assert told["range"] == {
        "channels": 1,
        "from_ms": 1000,
        "from_sample": 8000,
        "sample_rate_hz": 8000,
        "to_ms": 3000,
        "to_sample": 24_000,
    }


def test_parts_of_a_preview_are_given_and_each_is_written_down(house: House) -> None:
    recording = house.recording(CALL, heard_inside=True, duration_ms=4000)
    _, exhibit_id = _exhibit(house, recording, from_ms=1000, redactions=[CARD])
    whole = _preview(house, exhibit_id).content
    part = _preview(house, exhibit_id, Range="bytes=100-299")
    assert (part.status_code, part.content) == (206, whole[100:300])
    assert part.headers["Content-Range"] == f"bytes 100-299/{len(whole)}"
    assert _preview(house, exhibit_id, Range=f"bytes={len(whole)}-").status_code == 416
    with house.database.transaction() as session:
        entries = session.scalars(
            select(CustodyEntry)
            .where(CustodyEntry.object_id == recording.id, CustodyEntry.act == "media.played")
            .order_by(CustodyEntry.position)
        ).all()
        facts = [entry.facts for entry in entries]
    assert [(f["first_byte"], f["last_byte"]) for f in facts] == [(0, len(whole) - 1), (100, 299)]
    assert {f["exhibit_id"] for f in facts} == {exhibit_id}


def test_only_the_part_that_was_consented_to_is_previewed(house: House) -> None:
    """Consent from the second second on: an exhibit of less than that is not for a manager."""
    recording = house.recording(CALL, heard_inside=True, duration_ms=4000, agreed_from_ms=2000)
    _, before = _exhibit(house, recording, from_ms=1999)
    _, after = _exhibit(house, recording, from_ms=2000)
    refused = _preview(house, before)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/consent-refused")
    assert "C_SEGMENT_UNCOVERED:cli" in refused.json()["reasons"]
    assert "access.denied" in house.acts(recording.id)
    assert "media.played" not in house.acts(recording.id)
    assert _preview(house, after).status_code == 200
    house.withdraw(recording.id)
    assert _preview(house, after).status_code == 403
    assert _preview(house, after, who="reviewer").status_code == 200


def test_an_exhibit_is_revised_and_the_old_one_stays_and_shows_nothing(house: House) -> None:
    recording = house.recording(CALL, heard_inside=True, duration_ms=4000)
    dispute_id, exhibit_id = _exhibit(house, recording, redactions=[CARD])
    path = f"/v1/exhibits/{exhibit_id}/revise"
    silent = CARD | {"how": "silence", "channel": 0}
    revised = house.call("manager", "POST", path, json={"redactions": [silent]})
    assert revised.status_code == 201, revised.text
    assert revised.json()["replaces"] == exhibit_id
    told = house.call("manager", "GET", f"/v1/disputes/{dispute_id}").json()["exhibits"]
    assert [e["id"] for e in told] == [revised.json()["id"]]
    gone = _preview(house, exhibit_id)
    assert (gone.status_code, gone.json()["type"]) == (409, "/problems/exhibit-replaced")
    assert house.call("manager", "POST", path, json={}).status_code == 409
    item, _ = _released(house, dispute_id)
    assert item["redactions"] == [silent]


@pytest.mark.parametrize(
    ("told", "status", "kind"),
    [
        ({"redactions": [CARD | {"to_ms": 4001}]}, 409, "redaction-outside"),
        ({"from_ms": 1501, "redactions": [CARD]}, 409, "redaction-outside"),
        ({"redactions": [CARD | {"channel": 1}]}, 409, "channel-missing"),
        ({"redactions": [CARD | {"to_ms": 1500}]}, 422, "malformed"),
        ({"redactions": [CARD | {"how": "reverse"}]}, 422, "malformed"),
        ({"redactions": [CARD, CARD | {"how": "silence"}]}, 422, "malformed"),
        ({"redactions": [CARD] * 201}, 422, "malformed"),
        ({"areas": [{"x": 0, "y": 0, "w": 1, "h": 1, "reason": "other"}]}, 422, "malformed"),
        ({"screenshot_id": str(new_id())}, 422, "malformed"),
    ],
)
def test_redactions_are_of_what_is_shown(
    house: House, told: dict[str, object], status: int, kind: str
) -> None:
    recording = house.recording(CALL, heard_inside=True, duration_ms=4000)
    dispute_id, _ = _exhibit(house, recording)
    body = {"recording_id": str(recording.id)} | told
    answer = house.call("manager", "POST", f"/v1/disputes/{dispute_id}/exhibits", json=body)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{kind}")


def _shot(house: House) -> tuple[UUID, bytes]:
    image = Image.new("RGB", (60, 40), (250, 250, 250))
    image.paste((200, 30, 30), (10, 10, 30, 20))
    written = io.BytesIO()
    image.save(written, "PNG")
    with house.making() as make:
        shot = make.screenshot(
            written.getvalue(), client=make.client(), media_type="image/png", size=(60, 40)
        )
    return shot.id, written.getvalue()


def test_a_screenshot_is_seen_with_its_areas_black_and_stays_where_somebody_says_so(
    house: House,
) -> None:
    shot_id, original = _shot(house)
    recording = house.recording(CALL, heard_inside=True, duration_ms=4000)
    dispute_id, _ = _exhibit(house, recording)
    area = {"x": 10, "y": 10, "w": 20, "h": 10, "reason": "personal_data"}
    added = house.call(
        "manager",
        "POST",
        f"/v1/disputes/{dispute_id}/exhibits",
        json={"screenshot_id": str(shot_id), "areas": [area]},
    )
    assert added.status_code == 201, added.text
    exhibit_id = added.json()["id"]
    seen = _preview(house, exhibit_id)
    assert (seen.status_code, seen.headers["Content-Type"]) == (200, "image/png"), seen.text
    shown = Image.open(io.BytesIO(seen.content))
    before = Image.open(io.BytesIO(original))
    for x in range(60):
        for y in range(40):
            inside = 10 <= x < 30 and 10 <= y < 20
            assert shown.getpixel((x, y)) == ((0, 0, 0) if inside else before.getpixel((x, y)))
    assert _preview(house, exhibit_id).content == seen.content
    once = ["decision.made", "decision.made", "media.played"]
    assert house.acts(shot_id) == ["exhibit.added", *once, *once]
    body: dict[str, object] = {"contact_id": str(house.contact_id)}
    path = f"/v1/disputes/{dispute_id}/releases"
    asked = house.call("manager", "POST", path, json=body | {"without_screenshots": True})
    assert asked.status_code == 201, asked.text
    assert len(asked.json()["items"]) == 1


def test_a_screenshot_of_another_offices_client_is_not_previewed(house: House) -> None:
    shot_id, _ = _shot(house)
    dispute_id, _ = _exhibit(house, house.recording(CALL, heard_inside=True, duration_ms=4000))
    path = f"/v1/disputes/{dispute_id}/exhibits"
    added = house.call("manager", "POST", path, json={"screenshot_id": str(shot_id)}).json()["id"]
    far = house.person("far", Role.MANAGER)
    with house.making() as make:
        office = Office(id=new_id(), name="far", created_at=house.clock.now())
        make.session.add(office)
        make.session.flush()
        make.session.add(UserOffice(user_id=far.id, office_id=office.id))
    assert _preview(house, added).status_code == 200
    before = house.acts(shot_id)
    refused = _preview(house, added, who="far")
    assert (refused.status_code, refused.json()["type"]) == (
        404,
        "/problems/release-screenshot-unknown",
    )
    assert house.acts(shot_id) == before


def test_a_clients_no_closes_his_screenshots_too(house: House) -> None:
    shot_id, _ = _shot(house)
    dispute_id, _ = _exhibit(house, house.recording(CALL, heard_inside=True, duration_ms=4000))
    path = f"/v1/disputes/{dispute_id}/exhibits"
    outside = {"x": 50, "y": 0, "w": 11, "h": 1, "reason": "other"}
    body: dict[str, object] = {"screenshot_id": str(shot_id)}
    refused = house.call("manager", "POST", path, json=body | {"areas": [outside]})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/area-outside")
    exhibit_id = house.call("manager", "POST", path, json=body).json()["id"]
    assert _preview(house, exhibit_id).status_code == 200
    with house.making() as make:
        event = make.session.get_one(Event, make.session.get_one(Screenshot, shot_id).event_id)
        client = make.session.get_one(Client, event.client_id)
        of_the_same = make.recording(client=client)
    house.withdraw(of_the_same.id, wide=True)
    assert _preview(house, exhibit_id).status_code == 403

"""Screenshots leave as recordings do: decided, approved by another person, drawn anew, closed."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from PIL import Image
from sqlalchemy import text

from app.core.clock import SetClock
from app.core.db import Database
from app.core.ids import new_id
from app.public.main import PublicTools
from app.recordings.models import Recording
from app.releases import jobs
from app.retention import erasures, holds, purge, tombstones
from app.retention import subjects as retained
from app.retention.models import Erasure, Ground
from app.settings import Settings
from app.verifier.verify import Result
from storage.sealed import SealedStore
from tests.conftest import Urls
from tests.factories import wav
from tests.public.conftest import served
from tests.releases.house import House
from tests.releases.test_bundle import judged, key_of, made

AREA: dict[str, Any] = {"x": 10, "y": 10, "w": 20, "h": 10, "reason": "personal_data"}


class Shown:
    """A dispute with a recording and a screenshot, of which a part is black."""

    def __init__(self, house: House, *, with_ground: bool = True, black: bool = True) -> None:
        self.house = house
        self.recording: Recording = house.recording(wav(3.0), duration_ms=3000)
        self.shot_id = house.screenshot(self.recording, with_ground=with_ground)
        silent = {"from_ms": 1000, "to_ms": 1500, "how": "beep", "reason": "card_number"}
        self.dispute_id, (_, self.exhibit_id) = house.dispute(
            self.recording,
            {"recording_id": str(self.recording.id), "redactions": [silent]},
            {"screenshot_id": str(self.shot_id), "areas": [AREA] if black else []},
        )

    def asked(self, **more: object) -> httpx.Response:
        return self.house.ask_in_dispute(self.dispute_id, **more)

    def granted(self) -> tuple[dict[str, Any], str]:
        """Let it be screened, asked for and approved; return the release and the link's token."""
        assert self.house.screen_exhibit(self.exhibit_id).status_code == 201
        asked = self.asked()
        assert asked.status_code == 201, asked.text
        done = self.house.approve(asked.json()["id"])
        assert done.status_code == 200, done.text
        return done.json()["release"], done.json()["link"]["token"]


@pytest.fixture
def shown(house: House) -> Shown:
    return Shown(house)


def is_open(house: House, release_id: object) -> bool:
    with house.database.transaction() as session:
        return bool(session.scalar(text("SELECT release_is_open(:id)"), {"id": release_id}))


def test_a_screenshot_leaves_drawn_anew_with_its_areas_black(house: House, shown: Shown) -> None:
    release, _ = shown.granted()
    sound, picture = release["items"]
    assert (sound["screenshot_id"], picture["recording_id"]) == (None, None)
    assert picture["screenshot_id"] == str(shown.shot_id)
    assert picture["media_type"] == "image/png"
    assert picture["areas"] == [AREA]
    told = json.loads(picture["derivation"])
    assert told["kind"] == "picture"
    assert told["output"]["sha256"] == picture["sha256"]
    assert told["operator"] == str(house.people["approver"].id)
    acts = house.acts(shown.shot_id)
    assert acts[:3] == ["screenshot.ingested", "exhibit.added", "screening.recorded"]
    assert set(acts[3:]) == {"decision.made"}


def test_nobody_has_looked_so_it_waits_and_is_not_approved(house: House, shown: Shown) -> None:
    asked = shown.asked()
    assert asked.status_code == 201
    refused = house.approve(asked.json()["id"])
    assert refused.status_code == 409
    assert refused.json()["reasons"] == ["A_COMPLIANCE_1", "S_SCREEN_REQUIRED"]
    assert house.screen_exhibit(shown.exhibit_id).status_code == 201
    assert house.approve(asked.json()["id"]).status_code == 200


def test_without_a_ground_it_is_refused(house: House) -> None:
    shown = Shown(house, with_ground=False)
    house.screen_exhibit(shown.exhibit_id)
    refused = shown.asked()
    assert refused.status_code == 409
    (one,) = [r for r in refused.json()["recordings"] if r["recording_id"] == str(shown.shot_id)]
    assert one["outcome"] == "DENY"
    assert "G_NONE" in one["reasons"]


def test_what_was_seen_holds_of_no_picture_that_shows_more(house: House, shown: Shown) -> None:
    assert house.screen_exhibit(shown.exhibit_id).json()["areas"] == [AREA]
    path = f"/v1/exhibits/{shown.exhibit_id}/revise"
    bare = house.call("manager", "POST", path, json={"areas": []})
    asked = shown.asked()
    assert house.approve(asked.json()["id"]).json()["reasons"][-1] == "S_SCREEN_REQUIRED"
    assert house.screen_exhibit(bare.json()["id"], "private").status_code == 201
    assert "S_PRIVATE" in shown.asked().json()["reasons"]
    path = f"/v1/exhibits/{bare.json()['id']}/revise"
    more = AREA | {"x": 40, "y": 0, "w": 5, "h": 5}
    assert house.call("manager", "POST", path, json={"areas": [AREA, more]}).status_code == 201
    assert house.approve(shown.asked().json()["id"]).status_code == 200


def test_the_route_of_looking_refuses(house: House, shown: Shown) -> None:
    path = f"/v1/exhibits/{shown.exhibit_id}/screenings"
    assert httpx.post(house.url + path, json={"result": "clear"}).status_code == 401
    assert house.call("manager", "POST", path, json={"result": "clear"}).status_code == 403
    assert house.call("reviewer", "POST", path, json={"result": "nice"}).status_code == 422
    nowhere = house.screen_exhibit(str(new_id()))
    assert (nowhere.status_code, nowhere.json()["type"]) == (404, "/problems/exhibit-not-found")
    _, (sound,) = house.dispute(shown.recording, {"recording_id": str(shown.recording.id)})
    other = house.screen_exhibit(sound)
    assert (other.status_code, other.json()["type"]) == (409, "/problems/exhibit-other-kind")
    house.call("manager", "POST", f"/v1/exhibits/{shown.exhibit_id}/revise", json={})
    gone = house.screen_exhibit(shown.exhibit_id)
    assert (gone.status_code, gone.json()["type"]) == (409, "/problems/exhibit-replaced")


def test_a_screenshot_is_asked_for_by_itself_and_once(house: House, shown: Shown) -> None:
    house.screen_exhibit(shown.exhibit_id)

    def ask(*items: dict[str, Any]) -> httpx.Response:
        body = {"contact_id": str(house.contact_id), "items": list(items)}
        return house.call("manager", "POST", "/v1/releases", json=body)

    shot: dict[str, Any] = {"screenshot_id": str(shown.shot_id), "areas": [AREA]}
    assert ask(shot).status_code == 201
    twice = ask(shot, shot | {"areas": []})
    assert (twice.status_code, twice.json()["type"]) == (409, "/problems/screenshot-twice")
    outside = ask(shot | {"areas": [AREA | {"x": 55}]})
    assert (outside.status_code, outside.json()["type"]) == (409, "/problems/area-outside")
    unknown = ask({"screenshot_id": str(new_id())})
    assert unknown.json()["type"] == "/problems/release-screenshot-unknown"
    for wrong in (
        {"from_ms": 5},
        {"recording_id": str(shown.recording.id)},
        {"redactions": [{"from_ms": 0, "to_ms": 5, "reason": "other"}]},
    ):
        assert ask(shot | wrong).status_code == 422
    assert ask({"recording_id": str(shown.recording.id), "areas": [AREA]}).status_code == 422


def test_a_wish_leaves_the_screenshots_here(house: House, shown: Shown) -> None:
    asked = shown.asked(without_screenshots=True)
    assert asked.status_code == 201
    assert [one["screenshot_id"] for one in asked.json()["items"]] == [None]
    alone, _ = house.dispute(shown.recording, {"screenshot_id": str(shown.shot_id)})
    nothing = house.ask_in_dispute(alone, without_screenshots=True)
    assert (nothing.status_code, nothing.json()["type"]) == (409, "/problems/nothing-asked")


def test_a_no_of_the_client_ends_it_at_once(house: House, shown: Shown) -> None:
    house.screen_exhibit(shown.exhibit_id)
    alone, _ = house.dispute(
        shown.recording, {"screenshot_id": str(shown.shot_id), "areas": [AREA]}
    )
    release = house.ask_in_dispute(alone).json()
    assert house.approve(release["id"]).status_code == 200
    assert is_open(house, release["id"])
    house.withdraw(shown.recording.id, wide=True)
    assert not is_open(house, release["id"])
    jobs.handle_sweep(house.worker())
    ended = house.call("manager", "GET", f"/v1/releases/{release['id']}").json()
    assert (ended["state"], ended["end_reason"]) == ("revoked", "consent")


def test_looking_again_closes_until_it_is_decided_anew(house: House, shown: Shown) -> None:
    release, _ = shown.granted()
    house.screen_exhibit(shown.exhibit_id)
    assert not is_open(house, release["id"])
    jobs.handle_sweep(house.worker())
    ended = house.call("manager", "GET", f"/v1/releases/{release['id']}").json()
    assert ended["end_reason"] == "consent", "an approval is of what had been looked at then"


def test_the_page_shows_it_while_the_link_is_open_and_each_view_is_told(
    house: House, shown: Shown, own_database: Urls
) -> None:
    release, token = shown.granted()
    public = Database(own_database.link, role="audiatur_public", pool_size=2)
    tools = PublicTools(database=public, release=house.release, clock=house.clock)
    try:
        with served(tools) as url, httpx.Client(base_url=url) as browser:
            page = browser.get(f"/s/{token}", params={"lang": "en"}).text
            assert "Recordings of your telephone calls, and screenshots" in page
            assert "1 place is not heard:" in page
            assert "0:01\u20130:02, a tone: the number of a payment card" in page
            assert "1 part of the picture is blacked out:" in page
            assert "How do I know that this is genuine?" in page
            item = release["items"][1]
            with house.database.transaction() as session:
                item_id = session.scalar(
                    text("SELECT id FROM release_items WHERE screenshot_id = :id"),
                    {"id": shown.shot_id},
                )
            source = f"/s/{token}/picture/{item_id}"
            assert browser.get(source).status_code == 410
            browser.post(f"/s/{token}/open")
            assert f'src="{source}"' in browser.get(f"/s/{token}/listen").text
            before = house.acts(shown.shot_id).count("media.played")
            got = browser.get(source)
            assert (got.status_code, got.headers["content-type"]) == (200, "image/png")
            assert got.headers["content-disposition"].startswith('inline; filename="screenshot-20')
            assert hashlib.sha256(got.content).hexdigest() == item["sha256"]
            assert Image.open(io.BytesIO(got.content)).getpixel((15, 15)) == (0, 0, 0)
            browser.get(source)
            assert house.acts(shown.shot_id).count("media.played") == before + 1
            assert browser.get(f"/s/{token}/audio/{item_id}").status_code == 410
            assert browser.get(f"/s/{token}", params={"lang": "ru"}).text.count("Закрашена 1") == 1
            house.withdraw(shown.recording.id, wide=True)
            assert browser.get(source).status_code == 410
    finally:
        public.close()


def test_the_bundle_holds_it_and_is_valid(house: House, shown: Shown, tmp_path: Path) -> None:
    release, _ = shown.granted()
    path = made(house, release, tmp_path)
    report = judged(path, key_of(house))
    assert (report.problems, report.result) == ([], Result.VALID)
    with zipfile.ZipFile(path) as archive:
        top = f"evidence-{release['id']}"
        base = f"data/screenshots/{shown.shot_id}"
        body = archive.read(f"{top}/{base}.png")
        told = json.loads(archive.read(f"{top}/{base}.derivation.json"))
        passports = json.loads(archive.read(f"{top}/metadata/passport.json"))
        consents = json.loads(archive.read(f"{top}/metadata/consent.json"))
        decision = json.loads(archive.read(f"{top}/metadata/decisions/{shown.shot_id}.01.json"))
        page = archive.read(f"{top}/metadata/passport.ru.html").decode()
        events = archive.read(f"{top}/metadata/custody.jsonl").decode()
    assert hashlib.sha256(body).hexdigest() == told["output"]["sha256"]
    assert [one["reason"] for one in told["areas"]] == ["personal_data"]
    (passport,) = [one for one in passports if "screenshot" in one]
    assert passport["screenshot"] == str(shown.shot_id)
    assert passport["transformations"] == [f"{base}.derivation.json"]
    assert len(passport["not_known"]) == 4
    assert "Снимок экрана" in page
    assert [one["parties"][-1]["side"] for one in consents] == ["own", "client"]
    assert decision["screenshot"] == str(shown.shot_id)
    assert len(decision["approvals"]) == 1
    assert "screenshot.ingested" in events


def test_a_bundle_of_a_screenshot_alone_is_valid(
    house: House, shown: Shown, tmp_path: Path
) -> None:
    house.screen_exhibit(shown.exhibit_id)
    alone, _ = house.dispute(
        shown.recording, {"screenshot_id": str(shown.shot_id), "areas": [AREA]}
    )
    release = house.ask_in_dispute(alone).json()
    house.approve(release["id"])
    assert judged(made(house, release, tmp_path), key_of(house)).result == Result.VALID


@dataclass(frozen=True, slots=True, kw_only=True)
class Purging:
    """What destroying is given."""

    settings: Settings
    database: Database
    archive: SealedStore
    release: SealedStore
    clock: SetClock


def test_a_restriction_closes_its_link_and_lets_no_other_be_asked_for(
    house: House, shown: Shown
) -> None:
    release, _ = shown.granted()
    assert is_open(house, release["id"])
    subject = retained.screenshot(shown.shot_id)
    at = house.clock.now()
    with house.database.transaction() as session:
        holds.restrict(session, house.people["legal"], subject, reason="Спорно.", at=at)
    assert not is_open(house, release["id"])
    refused = shown.asked()
    assert refused.status_code == 409
    (one,) = [r for r in refused.json()["recordings"] if r["recording_id"] == str(shown.shot_id)]
    assert one["outcome"] == "DENY"
    assert "R_RESTRICTED" in one["reasons"]
    with house.database.transaction() as session:
        holds.lift(session, house.people["approver"], subject, reason="Решено.", at=at)
    assert is_open(house, release["id"])


def test_an_erasure_takes_its_copies_links_and_bundles_with_it(
    house: House, shown: Shown, tmp_path: Path
) -> None:
    release, _ = shown.granted()
    made(house, release, tmp_path)
    zone, at = ZoneInfo("Europe/Moscow"), house.clock.now()
    tools = Purging(
        settings=Settings(data=house.spool, _env_file=None),
        database=house.database,
        archive=house.archive,
        release=house.release,
        clock=house.clock,
    )
    subject = retained.screenshot(shown.shot_id)
    wish = erasures.Asked(ground=Ground.REQUEST, reason="Просит.")
    with house.database.transaction() as session:
        row = erasures.request(session, house.people["reviewer"], subject, wish, zone=zone, at=at)
        erasures.approve(session, house.people["legal"], row.id, zone=zone, at=at)
        erasure_id = row.id
    assert purge.destroy_keys(tools, erasure_id)
    assert purge.delete_bytes(tools, erasure_id) is None
    assert not is_open(house, release["id"])
    with house.database.transaction() as session:
        gone = session.execute(
            text(
                "SELECT i.object_id FROM release_items i WHERE i.screenshot_id = :id"
                " AND i.wrapped_key IS NULL UNION ALL SELECT b.object_id FROM release_bundles b"
                " WHERE b.state = 'destroyed' AND b.wrapped_key IS NULL"
            ),
            {"id": shown.shot_id},
        ).scalars()
        objects = list(gone)
        kept = session.scalar(
            text("SELECT wrapped_key FROM release_items WHERE recording_id IS NOT NULL")
        )
        live = session.scalar(text("SELECT count(*) FROM share_links WHERE revoked_at IS NULL"))
    assert len(objects) == 2
    assert not any(house.release.has(one) for one in objects)
    assert kept is not None, "the recording beside it is erased by its own erasure alone"
    assert live == 0
    (stone,) = tombstones.read(tools.settings.tombstones_path)
    assert {(one, "release") for one in objects} < set(stone.objects)
    purge.check(tools, erasure_id)
    with house.database.transaction() as session:
        assert session.get_one(Erasure, erasure_id).verified_at is not None
    jobs.handle_reconsider(house.worker(), screenshot_id=str(shown.shot_id))
    seen = house.call("manager", "GET", f"/v1/releases/{release['id']}").json()
    assert seen["state"] == "revoked"

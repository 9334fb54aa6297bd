"""A recording that was given up is asked for again, out of the message that told of it."""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import update

from app.providers import pulling
from app.providers.models import ProviderMedia, ProviderNotice
from app.providers.told import MediaState
from tests.factories import wav
from tests.providers.house import Laid, ProviderHouse
from tests.providers.test_pulling import state, tell, twilio_house

__all__ = ["twilio_house"]


def again(house: ProviderHouse, who: str = "admin", media: object = None) -> tuple[int, str]:
    (one,) = house.pulls()
    path = f"/v1/providers/{one.account_id}/media/{media or one.id}/again"
    answer = house.live.call("POST", path, who=who)
    told = answer.json() if answer.content else {}
    return answer.status_code, str(told.get("type", "")).removeprefix("/problems/")


def lost(house: ProviderHouse) -> None:
    """Let a recording be told of whose host never has it, until it is given up."""
    gone = Laid(status=404)
    tell(house, house.media.lay("/rec.wav", *[gone] * 11, Laid(wav(0.3))))
    house.work()
    for _ in range(len(pulling.PAUSES)):
        house.pull()
    assert state(house)[0] == MediaState.LOST


def test_what_was_lost_is_fetched_after_all(twilio_house: ProviderHouse) -> None:
    house = twilio_house
    lost(house)
    assert again(house) == (202, "")
    assert again(house) == (409, "media-not-over"), "it is waited for"
    house.work()
    assert state(house) == (MediaState.KEPT, None)
    assert len(house.recordings()) == 1
    assert again(house) == (409, "media-not-over")


def test_who_may_not_and_what_cannot_be_asked_for_is_refused(twilio_house: ProviderHouse) -> None:
    house = twilio_house
    lost(house)
    assert again(house, "manager")[0] == 403
    assert again(house, media=uuid4()) == (404, "media-not-found")
    with house.live.tools.database.transaction() as session:
        session.execute(update(ProviderMedia).values(is_once=True))
    assert again(house) == (409, "link-used")
    with house.live.tools.database.transaction() as session:
        session.execute(update(ProviderNotice).values(sealed=None))
    assert again(house) == (410, "media-forgotten")


def test_a_connection_is_changed(twilio_house: ProviderHouse) -> None:
    live = twilio_house.live
    (one,) = live.call("GET", "/v1/providers", who="admin").json()["items"]
    path = f"/v1/providers/{one['id']}"
    body = {"public_url": "https://in.example.com/", "direction": "outbound"}
    assert live.call("PUT", path, who="manager", json=body).status_code == 403
    changed = live.call("PUT", path, who="admin", json=body).json()
    assert changed["address"] == f"https://in.example.com/hooks/{one['id']}"
    assert (changed["media_hosts"], changed["direction"]) == (["api.twilio.com"], "outbound")
    refused = live.call("PUT", path, who="admin", json=body | {"public_url": "in.example.com"})
    assert refused.status_code == 422
    gone = live.call("PUT", f"/v1/providers/{uuid4()}", who="admin", json=body)
    assert (gone.status_code, gone.json()["type"]) == (404, "/problems/provider-not-found")
    assert live.call("DELETE", path, who="admin").status_code == 204
    removed = live.call("PUT", path, who="admin", json=body)
    assert (removed.status_code, removed.json()["type"]) == (409, "/problems/provider-removed")

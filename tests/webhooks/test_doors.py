"""Webhooks through the doors: routes and what each refuses, figures, flags and gaps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from app.consent.jobs import handle_refresh_flag
from app.custody.sequencer import Sequencer
from app.feeds import jobs as feeds
from app.identity.permissions import Role
from app.inspection.sandbox import Sandbox
from app.webhooks import outbox, service
from app.webhooks.models import Happening, Kind
from app.webhooks.sending import Sender, policy_of
from app.webhooks.service import Asked
from tests.conftest import Urls
from tests.factories import wav
from tests.feeds.house import FeedHouse, call
from tests.live import Live, metadata
from tests.review.house import House, opened
from tests.webhooks.office import ACTOR, Receiver, clock_of_now, receiving

ALL = "/v1/webhooks"


@pytest.fixture
def house(own_database: Urls, tmp_path: Path, sandbox: Sandbox) -> Iterator[House]:
    with opened(
        tmp_path,
        web_url=own_database.web,
        owner_url=own_database.owner,
        sandbox=sandbox,
        clock=clock_of_now(),
        outbound_http=True,
        outbound_networks="127.0.0.1/32",
    ) as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def add(house: House, url: str, name: str = "crm", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON.
    answer = house.call("admin", "POST", ALL, json={"name": name, "url": url} | more)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def send(house: House) -> int:
    Sequencer(house.database, "rec.example/log1").catch_up()
    outbox.follow(house.database, at=house.clock.now())
    sender = Sender(house.tools)
    return sum(sender.send_all(one) for one in sender.due())


def test_an_endpoint_lives_from_its_secret_to_its_removal(house: House, receiver: Receiver) -> None:
    made = add(house, receiver.url)
    assert set(made["kinds"]) == set(Kind)
    assert made["secret"].startswith("whsec_")
    with house.making() as make:
        make.recording()
    kept = house.recording()
    handle_refresh_flag(house.tools, str(kept.id))
    house.propose(kept.id)
    handle_refresh_flag(house.tools, str(kept.id))
    handle_refresh_flag(house.tools, str(kept.id))
    assert send(house) >= 1
    flagged = [one["data"] for one in receiver.told if one["type"] == "recording.flagged"]
    assert [one["flag"] for one in flagged if one["recording_id"] == str(kept.id)][-1] == "pending"
    assert len(flagged) == len({tuple(sorted(one.items(), key=str)) for one in flagged})
    receiver.verified(made["secret"])

    (listed,) = house.call("admin", "GET", ALL).json()["items"]
    assert "secret" not in listed
    assert (listed["waiting"], listed["delivered"], listed["dead"]) == (0, len(receiver.taken), 0)
    figures = house.call("admin", "GET", "/metrics").text
    told = f'audiatur_webhook_deliveries{{state="delivered",webhook="crm"}} {len(receiver.taken)}.0'
    assert told in figures

    here = f"{ALL}/{made['id']}"
    page = house.call("admin", "GET", f"{here}/deliveries", params={"limit": 1}).json()
    (row,) = page["items"]
    assert (row["message_id"], row["state"]) == (receiver.ids[-1], "delivered")
    assert row["tries"][0]["status"] == 204
    assert house.call("admin", "POST", f"{here}/deliveries/{row['id']}/replay").status_code == 204
    assert send(house) == 1
    assert receiver.ids[-1] == receiver.ids[-2]

    rotated = house.call("admin", "POST", f"{here}/rotate").json()
    assert rotated["secret"] != made["secret"]
    assert house.call("admin", "POST", f"{here}/replay").json() == {"deliveries": 0}
    assert house.call("admin", "POST", f"{here}/resume").status_code == 204
    assert house.call("admin", "DELETE", here).status_code == 204
    assert house.call("admin", "GET", ALL).json() == {"items": []}
    assert house.call("admin", "DELETE", here).status_code == 404


def test_each_refusal_says_what_is_wrong(house: House, receiver: Receiver) -> None:
    made = add(house, receiver.url)
    for body, status, slug in (
        ({"name": "crm", "url": receiver.url}, 409, "endpoint-name-taken"),
        ({"name": "a b", "url": receiver.url}, 400, "endpoint-name-invalid"),
        ({"name": "x", "url": "http://10.0.0.1/"}, 400, "address-refused"),
        ({"name": "x", "url": "https://a:b@example.com/"}, 400, "address-refused"),
        ({"name": "x", "url": receiver.url, "kinds": []}, 422, None),
        ({"name": "x", "url": receiver.url, "kinds": ["audio"]}, 422, None),
    ):
        answer = house.call("admin", "POST", ALL, json=body)
        assert answer.status_code == status, answer.text
        assert slug is None or answer.json()["type"] == f"/problems/{slug}"
    kept = house.recording()
    house.propose(kept.id)
    handle_refresh_flag(house.tools, str(kept.id))
    here = f"{ALL}/{made['id']}/deliveries"
    waiting = house.call("admin", "GET", here, params={"state": "waiting"}).json()["items"][0]["id"]
    assert house.call("admin", "GET", here, params={"state": "dead"}).json()["items"] == []
    for path, status in (
        (f"{here}/{waiting}/replay", 409),
        (f"{here}/{uuid4()}/replay", 404),
        (f"{ALL}/{uuid4()}/rotate", 404),
        (f"{ALL}/{uuid4()}/resume", 404),
        (f"{ALL}/{uuid4()}/replay", 404),
    ):
        assert house.call("admin", "POST", path).status_code == status, path
    assert house.call("admin", "GET", f"{ALL}/{uuid4()}/deliveries").status_code == 404


@pytest.mark.parametrize("role", [role for role in Role if role not in {Role.ADMIN, Role.AGENT}])
def test_only_an_administrator_has_to_do_with_them(house: House, role: Role) -> None:
    one = f"{ALL}/{uuid4()}"
    for method, path in (
        ("GET", ALL),
        ("POST", ALL),
        ("DELETE", one),
        ("POST", f"{one}/rotate"),
        ("POST", f"{one}/resume"),
        ("POST", f"{one}/replay"),
        ("GET", f"{one}/deliveries"),
        ("POST", f"{one}/deliveries/{uuid4()}/replay"),
    ):
        assert house.call(role, method, path).status_code == 403, path


def test_a_recording_that_comes_in_and_a_gap_that_is_found_are_told(live: Live) -> None:
    house = FeedHouse(live)
    tools = live.tools
    with tools.database.transaction() as session:
        service.add(
            session,
            ACTOR,
            Asked(name="crm", url="https://crm.example.com/", kinds=list(Kind)),
            policy=policy_of(tools.settings),
            at=tools.clock.now(),
        )
    answer = live.send(metadata("a"), wav(0.2))
    assert answer.status_code == 201, answer.text
    house.tell(call("lost", 3600))
    house.work()
    Sequencer(tools.database, "rec.example/log1").catch_up()
    outbox.follow(tools.database, at=tools.clock.now())
    with tools.database.transaction() as session:
        rows = session.scalars(select(Happening).order_by(Happening.id)).all()
    told = {row.kind: row.data for row in rows}
    assert told["recording.kept"]["recording_id"] == answer.json()["id"]
    assert told["recording.kept"]["leg"] == "mixed"
    gaps = [row.data for row in rows if row.kind == "gap.found"]
    assert ("call", "unexplained", True) in {
        (gap["missing"], gap["reason"], gap["is_alarm"]) for gap in gaps
    }
    # What is found again and is the same is not told again.
    with tools.database.transaction() as session:
        session.execute(select(1))
    feeds.handle_reconcile(tools)
    with tools.database.transaction() as session:
        again = session.scalars(select(Happening).where(Happening.kind == "gap.found")).all()
    assert len(again) == len(gaps)

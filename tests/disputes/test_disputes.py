"""Disputes and their exhibits, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.clock import SetClock
from app.core.db import Database
from app.core.ids import new_id
from app.recordings.models import Recording
from storage.sealed import SealedStore
from tests.releases.house import House, opened


@pytest.fixture
def house(own_db: Database, clock: SetClock, store: SealedStore, tmp_path: Path) -> Iterator[House]:
    made = House(database=own_db, clock=clock, archive=store, release=store, spool=tmp_path)
    made.staff()
    with opened(made):
        yield made


@pytest.fixture
def recording(house: House) -> Recording:
    with house.making() as make:
        return make.recording(client=make.client(), duration_ms=60_000)


def _open(house: House) -> str:
    with house.making() as make:
        client = make.client().external_id
    body = {"client": client, "subject": " После визита не работает сеть "}
    answer = house.call("manager", "POST", "/v1/disputes", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["client"] == client
    return str(answer.json()["id"])


def test_a_dispute_gathers_exhibits(house: House, recording: Recording) -> None:
    dispute_id = _open(house)
    body = {"recording_id": str(recording.id), "from_ms": 1000, "to_ms": 9000, "note": "Вот"}
    added = house.call("manager", "POST", f"/v1/disputes/{dispute_id}/exhibits", json=body)
    assert added.status_code == 201, added.text
    told = house.call("reviewer", "GET", f"/v1/disputes/{dispute_id}").json()
    assert told["subject"] == "После визита не работает сеть"
    assert [(e["from_ms"], e["to_ms"], e["note"]) for e in told["exhibits"]] == [
        (1000, 9000, "Вот")
    ]
    assert house.acts(dispute_id) == ["dispute.opened"]
    assert house.acts(recording.id) == ["exhibit.added"]


@pytest.mark.parametrize(
    ("part", "status", "kind"),
    [
        ({"from_ms": 60_000}, 409, "/problems/exhibit-beyond-end"),
        ({"to_ms": 60_001}, 409, "/problems/exhibit-beyond-end"),
        ({"from_ms": 5, "to_ms": 5}, 422, "/problems/malformed"),
        ({"from_ms": -1}, 422, "/problems/malformed"),
        ({"recording_id": str(new_id())}, 404, "/problems/exhibit-recording-unknown"),
    ],
)
def test_an_exhibit_must_be_there(
    house: House, recording: Recording, part: dict[str, object], status: int, kind: str
) -> None:
    body = {"recording_id": str(recording.id)} | part
    answer = house.call("manager", "POST", f"/v1/disputes/{_open(house)}/exhibits", json=body)
    assert (answer.status_code, answer.json()["type"]) == (status, kind)


def test_what_is_not_there_is_not_found(house: House, recording: Recording) -> None:
    body = {"recording_id": str(recording.id)}
    path = f"/v1/disputes/{new_id()}"
    for answer in (
        house.call("manager", "GET", path),
        house.call("manager", "POST", f"{path}/exhibits", json=body),
    ):
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/dispute-not-found")
    unknown = {"client": "nobody", "subject": "x"}
    answer = house.call("manager", "POST", "/v1/disputes", json=unknown)
    assert answer.json()["type"] == "/problems/dispute-client-unknown"


def test_only_managers_write(house: House) -> None:
    answer = house.call("reviewer", "POST", "/v1/disputes", json={"client": "C", "subject": "x"})
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/permission-missing")

"""An archive with a client, its contract and the people who settle disputes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.core.clock import SetClock
from app.core.db import Database
from app.identity.permissions import Role
from storage.sealed import SealedStore
from tests.releases.house import House, opened

COMPLAINT = {
    "words": "После визита инженера не работает сеть!",
    "said_by": "Главный бухгалтер",
    "said_at": "2026-11-20T09:30:00+03:00",
    "channel": "phone",
}
VERDICT = {"value": "client", "words": "Отключён коммутатор заказчика.", "said_by": "С. Орлов"}
OUTCOME = {"value": "client_measures", "words": "Коммутатор заменён заказчиком."}
ANSWER = {
    "value": "took_measures",
    "words": "Заменили.",
    "said_by": "Директор",
    "said_at": "2026-11-21T11:00:00+03:00",
}


@dataclass(kw_only=True)
class Desk:
    """A house with one client, and shortcuts to one dispute with it."""

    house: House
    client: str
    client_id: str
    contract: str
    dispute_id: str = ""

    def call(self, method: str, path: str, who: str = "manager", **more: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own arguments.
        return self.house.call(who, method, f"/v1{path}", **more)

    def open(self, **more: object) -> str:
        body = {"client": self.client, "subject": "Не работает сеть"} | more
        answer = self.call("POST", "/disputes", json=body)
        assert answer.status_code == 201, answer.text
        self.dispute_id = str(answer.json()["id"])
        return self.dispute_id

    def post(self, path: str, who: str = "manager", **body: object) -> httpx.Response:
        return self.call("POST", f"/disputes/{self.dispute_id}{path}", who=who, json=body)

    def must(self, path: str, who: str = "manager", **body: object) -> dict[str, Any]:
        answer = self.post(path, who, **body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def told(self, who: str = "manager") -> dict[str, Any]:
        answer = self.call("GET", f"/disputes/{self.dispute_id}", who=who)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def move(self, *states: str, who: str = "manager", reason: str | None = None) -> None:
        for to in states:
            self.must("/moves", who, to=to, reason=reason)

    def step(self, kind: str) -> str:
        """Return the id of the step of a kind."""
        (found,) = [one["id"] for one in self.told()["steps"] if one["kind"] == kind]
        return str(found)

    def close(self) -> None:
        """Take the dispute to its end by the shortest way."""
        self.must("/verdicts", **VERDICT)
        self.must("/outcomes", **OUTCOME)
        self.move("checking", "decided", "closed")


def kind_of(answer: httpx.Response) -> tuple[int, str]:
    """Return the status and the slug of a refusal."""
    return answer.status_code, str(answer.json()["type"]).removeprefix("/problems/")


@pytest.fixture
def house(own_db: Database, clock: SetClock, store: SealedStore, tmp_path: Path) -> Iterator[House]:
    made = House(database=own_db, clock=clock, archive=store, release=store, spool=tmp_path)
    made.staff()
    made.person("auditor", Role.AUDITOR)
    made.person("agent", Role.AGENT, agent_ref="101")
    with opened(made):
        yield made


@pytest.fixture
def desk(house: House) -> Desk:
    with house.making() as make:
        client = make.client(name="ООО «Василёк»")
        contract = make.contract(client, scope=["disclose_to_management"])
        return Desk(
            house=house,
            client=client.external_id,
            client_id=str(client.id),
            contract=contract.number,
        )

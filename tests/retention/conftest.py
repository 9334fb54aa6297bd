"""A running archive with the room of retention, and its owner's connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from sqlalchemy import text

from app.recordings.models import SealedRow
from storage.sealed import SealedRef
from tests.conftest import Urls
from tests.factories import wav
from tests.live import Live, metadata


@dataclass
class Keeping:
    """A live archive, with the few steps that the tests of this room take."""

    live: Live
    owner_url: str

    def sent(self, call: str = "c1", **told: object) -> str:
        """Receive a recording, do its jobs, and return its id."""
        answer = self.live.send(metadata(call, **told), wav(1.0))
        assert answer.status_code == 201, answer.text
        self.live.work()
        return str(answer.json()["id"])

    def post(self, who: str, path: str, **body: object) -> httpx.Response:
        return self.live.call("POST", f"/v1{path}", who=who, json=body)

    def get(self, path: str, who: str = "legal") -> httpx.Response:
        return self.live.call("GET", f"/v1{path}", who=who)

    def ask(self, recording_id: str, who: str = "reviewer", **told: object) -> dict[str, Any]:
        body = {"ground": "request", "reason": "Просит удалить.", "subject": "Иван Петров"} | told
        answer = self.post(who, f"/recordings/{recording_id}/erasures", **body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def erased(self, recording_id: str) -> dict[str, Any]:
        """Ask, agree and do the jobs; return the erasure as it is told afterwards."""
        asked = self.ask(recording_id)
        agreed = self.post("legal", f"/erasures/{asked['id']}/approve")
        assert agreed.status_code == 200, agreed.text
        self.live.work()
        found: dict[str, Any] = self.get(f"/erasures/{asked['id']}").json()
        return found

    def hold(self, *recording_ids: str, who: str = "legal", **told: object) -> dict[str, Any]:
        body = {"matter": "А40-1/2026", "reason": "Иск.", "recording_ids": list(recording_ids)}
        answer = self.post(who, "/holds", **(body | told))
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def rule(self, **told: object) -> str:
        """Put a rule in force by two people; return its id."""
        body = {"name": "r", "trigger": "call_end", "basis": "b", "maximum": {"days": 1}} | told
        made = self.post("legal", "/retention/rules", **body)
        assert made.status_code == 201, made.text
        agreed = self.post("approver", f"/retention/rules/{made.json()['id']}/approve")
        assert agreed.status_code == 200, agreed.text
        return str(agreed.json()["id"])

    def rows(self, sql: str, **values: object) -> list[Any]:
        with self.live.tools.database.transaction() as session:
            return list(session.execute(text(sql), values))

    def as_owner(self, sql: str, *values: object) -> None:
        """Change what only the owner of the database can."""
        with psycopg.connect(self.owner_url) as owner:
            owner.execute(sql.encode(), values)

    def let_pass(self) -> None:
        """Let fifteen days pass over what was announced."""
        self.as_owner("ALTER TABLE retention_notices DISABLE TRIGGER USER")
        self.as_owner(
            "UPDATE retention_notices SET announced_at = announced_at - interval '15 days',"
            " due_at = due_at - interval '15 days'"
        )
        self.as_owner("ALTER TABLE retention_notices ENABLE TRIGGER USER")

    def refs(self, recording_id: str) -> list[SealedRef]:
        """Return how the objects of a recording are read, while it is there."""
        with self.live.tools.database.transaction() as session:
            wanted = text("SELECT object_id FROM erasable_objects(:asked)")
            ids = session.scalars(wanted, {"asked": UUID(recording_id)}).all()
            rows = [session.get_one(SealedRow, one) for one in ids]
        return [
            SealedRef(object_id=r.object_id, wrapped_key=r.wrapped_key, size_bytes=r.size_bytes)
            for r in rows
            if r.wrapped_key is not None
        ]


@pytest.fixture
def keeping(live: Live, own_database: Urls) -> Keeping:
    return Keeping(live=live, owner_url=own_database.owner)

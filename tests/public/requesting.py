"""A request of documents with an open link, whoever holds it, and our side of it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
from PIL import Image
from sqlalchemy import select, text

from app.core.clock import SetClock
from app.core.db import Database
from app.custody.checkpoints import LogTools
from app.custody.models import CustodyEntry
from app.disputes import taking
from app.disputes.models import ClientUpload, DocumentRequest
from app.inspection.sandbox import Sandbox
from app.settings import Settings
from storage.sealed import SealedStore

WEEK = timedelta(days=7)
SEND = {"Sec-Fetch-Site": "same-origin"}


def png(colour: str = "navy") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(out, "PNG")
    return out.getvalue()


@dataclass(frozen=True, kw_only=True)
class Worker:
    """What the job is given."""

    settings: Settings
    clock: SetClock
    database: Database
    log: LogTools
    archive: SealedStore
    release: SealedStore
    sandbox: Sandbox


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request with its open link, the browser of whoever holds it, and our side of it."""

    browser: httpx.Client
    worker: Worker
    token: str
    request_id: UUID
    dispute_id: UUID
    client_id: UUID

    @property
    def path(self) -> str:
        return f"/r/{self.token}"

    def send(self, *files: tuple[str, bytes], steps: str = "") -> httpx.Response:
        parts = [("files", (name, body, "application/octet-stream")) for name, body in files]
        empty = [("files", ("", b"", "application/octet-stream"))]  # As browsers send no choice.
        return self.browser.post(
            self.path, files=parts or empty, data={"steps": steps}, headers=SEND
        )

    def uploads(self) -> list[ClientUpload]:
        with self.worker.database.transaction() as session:
            found = session.scalars(select(ClientUpload).order_by(ClientUpload.at)).all()
            session.expunge_all()
            return list(found)

    def take_over(self) -> None:
        for one in self.uploads():
            taking.handle_take_over(self.worker, str(one.id))

    def request(self) -> DocumentRequest:
        with self.worker.database.transaction() as session:
            found = session.get_one(DocumentRequest, self.request_id)
            session.expunge_all()
            return found

    def acts(self) -> list[str]:
        with self.worker.database.transaction() as session:
            return list(session.scalars(select(CustodyEntry.act).order_by(CustodyEntry.position)))

    def objects(self) -> set[UUID]:
        return set(self.worker.release.listed(datetime.now(UTC) + timedelta(hours=1)))

    def jobs(self) -> list[str]:
        with self.worker.database.transaction() as session:
            return list(
                session.scalars(
                    text(
                        "SELECT args ->> 'upload_id' FROM procrastinate_jobs "
                        "WHERE task_name = 'disputes.take_over' ORDER BY id"
                    )
                )
            )

"""The upload as it is first written: `UploadFile`, one read, one write, the ORM, one commit.

No stream, no cipher, no fsync of the file, no check of what the bytes are; but the caller is
looked up, the digest is right, and the same four rows are written as the archive writes. Served by
uvicorn: `NAIVE_DATABASE_URL`, `NAIVE_DIRECTORY` and `NAIVE_KEY` name what it works on.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Form, Header, HTTPException, UploadFile
from sqlalchemy import JSON, DateTime, ForeignKey, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

_DIRECTORY = Path(os.environ["NAIVE_DIRECTORY"])
_engine = create_engine(os.environ["NAIVE_DATABASE_URL"])
_sessions = sessionmaker(_engine)


class Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON, datetime: DateTime(timezone=True)}  # noqa: RUF012  # As SQLAlchemy's manual writes it.


class Device(Base):
    __tablename__ = "devices"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    key_digest: Mapped[str] = mapped_column(unique=True)


class Recording(Base):
    __tablename__ = "recordings"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    device_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("devices.id"))
    source_call_id: Mapped[str] = mapped_column(unique=True)
    sha256: Mapped[str] = mapped_column(index=True)
    size_bytes: Mapped[int]
    details: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]


class EventLink(Base):
    __tablename__ = "event_links"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    recording_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("recordings.id"), index=True)
    linked_by: Mapped[str]


class Entry(Base):
    __tablename__ = "ledger"
    id: Mapped[int] = mapped_column(primary_key=True)
    recording_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("recordings.id"), index=True)
    act: Mapped[str]
    details: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class Job(Base):
    __tablename__ = "jobs"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    payload: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(default="waiting", index=True)


def _prepare() -> None:
    Base.metadata.create_all(_engine)
    with _sessions.begin() as session:
        session.add(Device(key_digest=_digest(os.environ["NAIVE_KEY"])))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


_prepare()
app = FastAPI()


def device_id(authorization: Annotated[str, Header()]) -> uuid.UUID:
    """Return the device whose key was sent."""
    key = authorization.removeprefix("Bearer ")
    with _sessions() as session:
        found = session.scalar(select(Device.id).where(Device.key_digest == _digest(key)))
    if found is None:
        raise HTTPException(401)
    return found


@app.post("/v1/recordings", status_code=201)
async def create_recording(
    metadata: Annotated[str, Form()],
    file: UploadFile,
    device: Annotated[uuid.UUID, Depends(device_id)],
) -> dict[str, Any]:
    """Take one recording."""
    content = await file.read()
    details = json.loads(metadata)
    sha256 = hashlib.sha256(content).hexdigest()
    recording_id = uuid.uuid4()
    with open(_DIRECTORY / f"{recording_id}.wav", "wb") as stored:  # noqa: PTH123, ASYNC230  # So it is written in a hurry.
        stored.write(content)
    with _sessions() as session:
        recording = Recording(
            id=recording_id,
            device_id=device,
            source_call_id=details["source_call_id"],
            sha256=sha256,
            size_bytes=len(content),
            details=details,
            received_at=datetime.now(UTC),
        )
        session.add(recording)
        session.flush()
        session.add(EventLink(recording_id=recording.id, linked_by="number"))
        act = {"sha256": sha256, "size_bytes": len(content)}
        entry = Entry(recording_id=recording.id, act="received", details=act, at=datetime.now(UTC))
        session.add(entry)
        session.add(Job(name="probe", payload={"recording_id": str(recording.id)}))
        session.commit()
        return {"id": str(recording.id), "sha256": recording.sha256}

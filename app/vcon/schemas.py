"""What is answered to who sends a vCon."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel

from app.vcon.reading import Signature
from app.vcon.taking import Taken


class NoteRead(BaseModel):
    """Something odd that was tolerated or left out, and where."""

    code: str
    where: str


class PartTaken(BaseModel):
    """A dialog or attachment, and what it is here; `receipt` is a signed note, to be kept."""

    where: str
    id: UUID
    receipt: str


class VconTaken(BaseModel):
    """What became of a vCon; `calls` are the ids of calls without a recording."""

    uuid: UUID
    version: str | None
    signature: Signature
    recordings: list[PartTaken]
    screenshots: list[PartTaken]
    calls: list[str]
    notes: list[NoteRead]

    @classmethod
    def of(cls, taken: Taken) -> VconTaken:
        vcon = taken.vcon
        return cls(
            uuid=UUID(vcon.uuid),
            version=vcon.version,
            signature=vcon.checked.signature,
            recordings=[
                PartTaken(where=where, id=one.id, receipt=one.receipt)
                for where, one in taken.recordings
            ],
            screenshots=[
                PartTaken(where=where, id=one.id, receipt=one.receipt)
                for where, one in taken.screenshots
            ],
            calls=taken.calls,
            notes=[NoteRead(code=one.code, where=one.where) for one in vcon.notes],
        )


class VconsTaken(BaseModel):
    """What became of each vCon that was sent."""

    items: list[VconTaken]

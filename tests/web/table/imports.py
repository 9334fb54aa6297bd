"""Imports: runs over old archives, and tables."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy.orm import Session

from app.core.ids import new_id
from app.identity.models import Device
from app.identity.permissions import Permission
from app.imports.models import FileReason, FileState, ImportFile, ImportRun, RunState
from app.onec.models import OnecReturn, OnecSource, OnecThing
from tests.review.house import House
from tests.web.table import those_with

ADMINS = those_with(Permission.DEVICE_ADMIN)
WRITERS = those_with(Permission.CLIENT_WRITE)
PAGES = {
    "/imports": ADMINS,
    "/imports/1c/{onec_source}": ADMINS,
    "/imports/{import_run_id}": ADMINS,
    "/imports/tables": WRITERS,
}
FORMS = {"/imports/tables": WRITERS, "/imports/{import_run_id}/cancel": ADMINS}
FOLDER = "/srv/monitor/2024"


def fill(house: House) -> dict[str, str]:
    """Make a run that was broken off, with files of each state."""
    run_id, now = new_id(), house.clock.now()
    with house.database.transaction() as session:
        device = Device(id=new_id(), name="old-exchange", created_at=now)
        session.add(device)
        session.flush()
        session.add(
            ImportRun(
                id=run_id,
                device_id=device.id,
                folder=FOLDER,
                asked={},
                is_dry=False,
                state=RunState.RUNNING,
                started_at=now,
                moved_at=now,
            )
        )
        session.flush()
        for name, state, reason in (
            ("in/a.wav", FileState.TAKEN, None),
            ("in/b.wav", FileState.WAITING, None),
            ("copy/a.wav", FileState.SKIPPED, FileReason.SAME_CALL),
            ("заметки.txt", FileState.REFUSED, FileReason.NO_MOMENT),
            ("c.wav", FileState.REFUSED, "audio-header-invalid"),
        ):
            path = name.encode()
            session.add(
                ImportFile(
                    run_id=run_id,
                    path_sha256=hashlib.sha256(path).digest(),
                    path=path,
                    size_bytes=1,
                    state=state,
                    reason=reason,
                    at=None if state == FileState.WAITING else now,
                )
            )
        _fill_onec(session, now)
    return {"import_run_id": str(run_id), "onec_source": "buh"}


def _fill_onec(session: Session, now: datetime) -> None:
    """Make a source of 1C that has sent, was refused, and failed to be read."""
    source = OnecSource(
        id=new_id(),
        name="buh",
        base_url=None,
        mapping={},
        login=None,
        created_at=now,
        sent_at=now,
        pulled_at=now,
        fault="credentials",
    )
    session.add(source)
    session.flush()
    session.add(
        OnecThing(
            id=new_id(),
            source_id=source.id,
            kind="contact",
            ref=new_id(),
            state="refused",
            version="AAAACgAAAAA=",
            sha256=bytes(32),
            is_marked=False,
            told={"fields": {"name": "Глухов С. А."}, "deleted": False},
            reasons=[{"reason": "phone", "field": "phones", "what": "доб. 12"}],
            at=now,
        )
    )
    for state in ("taken", "refused"):
        thing = OnecThing(
            id=new_id(),
            source_id=source.id,
            kind="event",
            ref=new_id(),
            state=state,
            sha256=bytes(32),
            is_marked=False,
            told={"fields": {}} if state == "refused" else None,
            reasons=[{"reason": "client", "field": "", "what": "17"}] * (state == "refused"),
            at=now,
        )
        session.add(thing)
        session.flush()
        is_dead = state == "taken"
        session.add(
            OnecReturn(
                thing_id=thing.id,
                source_id=source.id,
                state="dead" if is_dead else "waiting",
                next_at=None if is_dead else now,
                changed_at=now,
            )
        )

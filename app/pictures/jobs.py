"""Looking at pictures that came in, one after another."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from typing import IO, Final, Protocol

import structlog
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from app.core.clock import Clock
from app.core.db import Database
from app.core.ids import new_id
from app.custody.ledger import DetailCipher
from app.inspection.sandbox import Sandbox
from app.pictures import metadata, queries, reading
from app.pictures.models import LookState, PictureLook, TextState
from app.pictures.queries import Due
from app.pictures.reading import Reader, TextUnread
from app.releases.refusals import PictureUnreadable
from app.settings import Settings
from storage.errors import MasterKeyUnknown, ObjectDamaged, ObjectMissing, StoreError
from storage.sealed import SealedReader, SealedRef

SMALL, TOLD, PERSONAL = "small", "told", "personal"
_RUN_FOR: Final = timedelta(seconds=40)
_log = structlog.get_logger()


class LookingTools(Protocol):
    """What looking at pictures needs."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def database(self) -> Database: ...
    @property
    def cipher(self) -> DetailCipher: ...
    @property
    def archive(self) -> SealedReader: ...
    @property
    def sandbox(self) -> Sandbox: ...


def handle_look_due(tools: LookingTools) -> int:
    """Look at pictures that wait, for a part of a minute; return how many were looked at.

    A store that is away ends the run: it has told nothing of the picture.
    """
    reader = reading.reader_of(tools.sandbox)
    ends_at = tools.clock.now() + _RUN_FOR
    done = 0
    while tools.clock.now() <= ends_at:
        with tools.database.transaction() as session:
            wanted = queries.due(session, has_reader=reader is not None)
        if wanted is None:
            break
        try:
            found = _look(tools, wanted, reader)
        except (MasterKeyUnknown, StoreError) as exc:
            _log.warning("pictures.put_off", error=type(exc).__name__)
            break
        _write_down(tools, wanted, found)
        done += 1
    return done


def _look(tools: LookingTools, wanted: Due, reader: Reader | None) -> dict[str, object]:
    ref = SealedRef(
        object_id=wanted.object_id, wrapped_key=wanted.wrapped_key, size_bytes=wanted.size_bytes
    )
    spool = tools.settings.spool_dir
    spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    found: dict[str, object] = {
        "state": LookState.DAMAGED,
        "text_state": TextState.FAILED,
        **dict.fromkeys((SMALL, TOLD, PERSONAL, "words", "reader")),
    }
    with tempfile.TemporaryFile(dir=spool) as file:
        try:
            for piece in tools.archive.stream(ref):
                file.write(piece)
        except MasterKeyUnknown:
            raise
        except (ObjectDamaged, ObjectMissing):
            return found  # What is wrong with the object is said by the checks of all objects.
        file.flush()
        return found | _found(tools, file, wanted, reader)


def _found(
    tools: LookingTools, file: IO[bytes], wanted: Due, reader: Reader | None
) -> dict[str, object]:
    file.seek(0)
    told = metadata.read(file.read())
    found: dict[str, object] = {TOLD: _json(told.plain), PERSONAL: _json(told.personal)}
    try:
        small = reading.small(file, wanted.media_type, wanted.size, sandbox=tools.sandbox)
    except PictureUnreadable:
        return found | {"state": LookState.UNREADABLE}
    found |= {"state": LookState.SEEN, SMALL: small}
    if reader is None:
        return found | {"text_state": TextState.NO_READER}
    found["reader"] = reader.name
    try:
        words = reading.text_of(
            file,
            wanted.media_type,
            wanted.size,
            reader=reader,
            sandbox=tools.sandbox,
            spool=tools.settings.spool_dir,
        )
    except (PictureUnreadable, TextUnread) as exc:
        _log.warning("pictures.text_unread", error=str(exc)[:200])
        return found | {"text_state": TextState.FAILED}
    return found | {
        "text_state": TextState.READ if words else TextState.NONE,
        "words": words or None,
    }


def _json(facts: Mapping[str, str]) -> bytes | None:
    return json.dumps(dict(facts), ensure_ascii=False).encode() if facts else None


def _write_down(tools: LookingTools, wanted: Due, found: Mapping[str, object]) -> None:
    """Keep what was found; the database takes nothing of a picture that was erased meanwhile."""
    with tools.database.transaction() as session:
        before = queries.look(
            session, screenshot_id=wanted.screenshot_id, document_id=wanted.document_id
        )
        look_id = before.id if before is not None else new_id()
        sealed = {
            label: tools.cipher.seal(look_id, label, value)
            for label in (SMALL, TOLD, PERSONAL)
            if isinstance(value := found[label], bytes)
        }
        values = {**found, **sealed, "looked_at": tools.clock.now()}
        if before is not None:
            session.execute(update(PictureLook).where(PictureLook.id == look_id).values(values))
            return
        of = {"screenshot_id": wanted.screenshot_id, "document_id": wanted.document_id}
        added = insert(PictureLook).values({"id": look_id} | of | values)
        session.execute(added.on_conflict_do_nothing())

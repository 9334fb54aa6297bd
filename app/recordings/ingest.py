"""The way in: bytes to the store, then row, link, ledger entry and job in one transaction.

The steps of an upload:

1. The caller is known and the head of the body is parsed; the metadata is refused if it is wrong.
2. The database is asked what it knows of call, number and event. An erased recording is refused,
   a repeat is only hashed, anything else is sealed into a draft as it arrives.
3. The draft becomes an object: synced, linked under its id.
4. One statement keeps everything that makes the object a recording.
5. Only then is the sender told.

What can be left over is an object without a row, between 3 and 4; the sweep removes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Protocol, cast
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow
from pydantic import BaseModel

from app.core import traces
from app.core.clock import Clock
from app.core.db import Database
from app.core.errors import Conflict, Gone, Malformed, Unavailable
from app.core.ids import new_id
from app.core.jobs import QUEUE
from app.custody import ledger
from app.custody.checkpoints import LogTools
from app.custody.ledger import Act, DetailCipher, Outcome
from app.custody.receipts import Accepted, Receipts
from app.identity.actor import Actor
from app.recordings import ingest_sql, linking
from app.recordings.digests import Compared
from app.recordings.linking import Heard, Known, Link
from app.recordings.media_facts import MediaFacts
from app.recordings.models import Flag, LinkedBy
from app.recordings.multipart import FilePart
from app.recordings.schemas import (
    ConsentRead,
    EventLinkRead,
    RecordingCreated,
    RecordingTold,
    ScreenshotCreated,
    ScreenshotTold,
)
from app.recordings.stages import Stage, Stages, in_stage
from app.settings import Settings
from storage.errors import StoreError
from storage.sealed import Digest, SealedDraft, SealedObject, SealedReaper, SealedWriter

INSPECT = "inspection.inspect"
MAX_KEY_LENGTH = 255
_RACES = 8


class RecordingErased(Gone):
    """The recording was erased and does not come back.

    The sender may delete its copy.
    """


class OtherBytes(Conflict):
    """Other bytes came before under this call and leg.

    The first stay; nothing of this upload was kept, and the ledger has an entry of it.
    """


class IdempotencyKeyReused(Malformed):
    """The Idempotency-Key came with another call or leg.

    `source_call_id` and `leg` are those that it came with; nothing of this upload was kept.
    """


class StoreAway(Unavailable):
    """The object store does not answer or is full; nothing was kept, try again."""


class TooContested(Unavailable):
    """Too many senders at once told of the same thing; try again."""


class ArchiveStore(SealedWriter, SealedReaper, Protocol):
    """Keeps an upload, and takes back what lost a race."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What the request said beside metadata and bytes."""

    part: FilePart
    facts: MediaFacts
    compared: Compared | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestTools:
    """What the way in needs: the door to the database, the store, and how to link."""

    database: Database
    store: ArchiveStore
    cipher: DetailCipher
    receipts: Receipts
    clock: Clock
    stages: Stages
    region: str
    event_window: timedelta
    after_jobs: Callable[[], None]


class IngestParts(Protocol):
    """The parts of the archive that the way in is built from."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def database(self) -> Database: ...
    @property
    def cipher(self) -> DetailCipher: ...
    @property
    def log(self) -> LogTools: ...
    @property
    def archive(self) -> ArchiveStore: ...


def ingest_tools(parts: IngestParts, stages: Stages) -> IngestTools:
    """Return what the way in needs, from the parts of the archive."""
    settings = parts.settings
    return IngestTools(
        database=parts.database,
        store=parts.archive,
        cipher=parts.cipher,
        receipts=Receipts(parts.log.ring),
        clock=parts.clock,
        stages=stages,
        region=settings.region,
        event_window=timedelta(hours=settings.event_window_hours),
        after_jobs=parts.database.after_jobs,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What another room writes down in the very statement that keeps an upload.

    `ctes` are common table expressions, `parameters` their values, from what the sender is told.
    """

    ctes: str
    parameters: Callable[[BaseModel], Mapping[str, object]]


class _Body:
    """The bytes of one upload: sealed into a draft, or only hashed where they are known."""

    def __init__(self, tools: IngestTools, *, is_repeat: bool) -> None:
        self.object_id = new_id()
        self._stages = tools.stages
        self._draft: SealedDraft | None = None
        self._digest = Digest()
        if not is_repeat:
            try:
                self._draft = tools.store.begin(self.object_id)
            except StoreError as exc:
                raise StoreAway from exc

    def write(self, chunk: bytes | memoryview) -> None:
        try:
            (self._draft or self._digest).write(chunk)
        except StoreError as exc:
            raise StoreAway from exc

    def sha256(self) -> bytes:
        return (self._draft or self._digest).digest().sha256

    def size_bytes(self) -> int:
        return (self._draft or self._digest).size_bytes

    def keep(self) -> SealedObject:
        if self._draft is None:
            raise TypeError("A repeat is not kept again.")
        with in_stage(self._stages, Stage.STORE):
            try:
                return self._draft.keep()
            except StoreError as exc:
                raise StoreAway from exc

    def discard(self) -> None:
        if self._draft is not None:
            self._draft.discard()


@dataclass(frozen=True, slots=True, kw_only=True)
class _KnownRecording:
    """The answer of `KNOWN_RECORDING`."""

    known: Known
    recording_id: UUID | None
    event_id: UUID | None
    linked_by: str | None
    flag: str | None
    is_erased: bool
    leg_sha256: bytes | None
    leg_size_bytes: int | None
    event_external_id: str | None
    client_external_id: str | None


class RecordingIngest:
    """One recording on its way in. Used by one thread at a time; ended by `keep` or `discard`."""

    def __init__(
        self,
        tools: IngestTools,
        actor: Actor,
        told: RecordingTold,
        *,
        key: str | None = None,
        beside: Beside | None = None,
    ) -> None:
        """Ask what is known, and open the place for the bytes; `key` is the Idempotency-Key.

        Raises:
            IdempotencyKeyReused: `key` came with another call or leg.
            RecordingErased: this recording was here and was erased.
            DatabaseAway, StoreAway: nothing was kept.
        """
        self._tools = tools
        self._actor = actor
        self._told = told
        self._key = (key or "")[:MAX_KEY_LENGTH] or None
        self._beside = beside
        if self._key is not None:
            self._refuse_reused(self._key)
        self._number = linking.outside_number(told, region=tools.region)
        self._known = self._ask()
        self._body = _Body(tools, is_repeat=self._known.leg_sha256 is not None)
        self.write = self._body.write
        self.set_aside = self._body.keep
        self.discard = self._body.discard

    @property
    def is_repeat(self) -> bool:
        """Tell whether the bytes are compared only, for the call and leg are known."""
        return self._known.leg_sha256 is not None

    def keep(self, arrived: Arrived) -> tuple[RecordingCreated, bool]:
        """Make the upload durable; return the answer and whether anything new was kept.

        Raises:
            OtherBytes: the call and leg are known with other bytes; told to the ledger.
        IdempotencyKeyReused: the key came with another call or leg meanwhile.
            RecordingErased: it was erased meanwhile.
            DatabaseAway, StoreAway, TooContested: the sender keeps its copy.
        """
        if self._known.leg_sha256 is not None:
            return self._repeat(self._body.sha256()), False
        kept = self._body.keep()
        for _ in range(_RACES):
            with in_stage(self._tools.stages, Stage.TRANSACTION):
                answer = self._write_down(kept, arrived)
            if answer is not None:
                self._tools.after_jobs()
                return answer, True
            self._lost(kept)
            self._known = self._ask()
            if self._known.leg_sha256 is not None:
                self._tools.store.delete(kept.object_id)
                return self._repeat(kept.sha256), False
        self._tools.store.delete(kept.object_id)
        raise TooContested

    def _lost(self, kept: SealedObject) -> None:
        """Look who was quicker: another call under the same key leaves nothing of this one."""
        try:
            if self._key is not None:
                self._refuse_reused(self._key)
        except IdempotencyKeyReused:
            self._tools.store.delete(kept.object_id)
            raise

    def _refuse_reused(self, key: str) -> None:
        """Refuse a key that came with another call; asked only of those who send one.

        Two that come at once both pass here. The database keeps one.
        """
        told = self._told
        found = self._tools.database.statement(
            ingest_sql.KEY_USED,
            {
                "key": key,
                "device_id": self._actor.id,
                "source_call_id": told.source_call_id,
                "leg": told.leg,
            },
        )
        if found is not None:
            raise IdempotencyKeyReused(source_call_id=found[0], leg=found[1])

    def _ask(self) -> _KnownRecording:
        told = self._told
        row = self._tools.database.statement(
            ingest_sql.KNOWN_RECORDING,
            {
                "named": told.event.external_id if told.event else None,
                "number": self._number,
                "started_at": told.started_at,
                "window": self._tools.event_window,
                "device_id": self._actor.id,
                "source_call_id": told.source_call_id,
                "leg": told.leg,
            },
        )
        found = _known_recording(row)
        if found.is_erased:
            raise RecordingErased
        return found

    def _repeat(self, sha256: bytes) -> RecordingCreated:
        known = self._known
        if known.recording_id is None or known.event_id is None or known.leg_sha256 is None:
            raise TypeError("A repeat is of a recording that is there.")
        if known.leg_sha256 != sha256:
            self._tell_conflict(known.recording_id, sha256)
            refusal = OtherBytes(
                f"Call {self._told.source_call_id}, leg {self._told.leg}, is kept with other "
                "bytes.",
                recording=str(known.recording_id),
                kept_sha256=known.leg_sha256.hex(),
                sent_sha256=sha256.hex(),
            )
            refusal.is_told = True
            raise refusal
        return self._answer(
            known.recording_id,
            sha256,
            known.leg_size_bytes or 0,
            EventLinkRead(
                id=known.event_id,
                external_id=known.event_external_id,
                client=known.client_external_id,
                linked_by=LinkedBy(str(known.linked_by)),
            ),
            _receipt_again(
                self._tools,
                ("recording", known.recording_id),
                leg=str(self._told.leg),
                sha256=sha256,
                size_bytes=known.leg_size_bytes or 0,
            ),
        )

    def _tell_conflict(self, recording_id: UUID, sha256: bytes) -> None:
        with self._tools.database.transaction() as session:
            ledger.append(
                session,
                self._actor,
                Act.RECORDING_CONFLICT,
                ("recording", recording_id),
                at=self._tools.clock.now(),
                outcome=Outcome.DENIED,
                facts={"leg": str(self._told.leg), "size_bytes": self._body.size_bytes()},
                content=sha256,
            )

    def _write_down(self, kept: SealedObject, arrived: Arrived) -> RecordingCreated | None:
        """Keep the rows of the object; return None if somebody else was quicker."""
        known = self._known
        is_new = known.recording_id is None
        told = self._told
        tie = linking.link(known.known, named=told.event.external_id if told.event else None)
        event_id = known.event_id or tie.event_id or new_id()
        recording_id = known.recording_id or new_id()
        parameters = self._parameters(kept, arrived, recording_id, event_id=event_id)
        if is_new:
            parameters |= self._recording_parameters(tie)
        linked_by = tie.linked_by if is_new else LinkedBy(str(known.linked_by))
        answer = self._answer(
            recording_id,
            kept.sha256,
            kept.size_bytes,
            EventLinkRead(
                id=event_id,
                external_id=known.event_external_id or (tie.external_id if is_new else None),
                client=known.client_external_id,
                linked_by=linked_by,
            ),
            _receipt(self._tools, ("recording", recording_id), kept, parameters, leg=str(told.leg)),
        )
        try:
            _keep(
                self._tools.database,
                ingest_sql.KEEP_RECORDING if is_new else ingest_sql.KEEP_LEG,
                parameters,
                self._beside,
                answer,
            )
        except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected):
            return None
        return answer

    def _parameters(
        self, kept: SealedObject, arrived: Arrived, recording_id: UUID, *, event_id: UUID
    ) -> dict[str, object]:
        told, facts = self._told, arrived.facts
        is_new = self._known.recording_id is None
        act = Act.RECORDING_INGESTED if is_new else Act.RECORDING_LEG_ADDED
        detail = {
            "source_call_id": told.source_call_id,
            "leg": str(told.leg),
            "event_id": str(event_id),
            "client_digest": arrived.compared.field if arrived.compared else "absent",
            "file_name": arrived.part.name,
            "from": told.from_party,
            "to": told.to_party,
        }
        return {
            **_object_parameters(self._tools, kept),
            **_entry_parameters(
                self._tools.cipher,
                act,
                ("recording", recording_id),
                facts={"leg": str(told.leg), "size_bytes": kept.size_bytes},
                detail=detail,
                content=kept.sha256,
            ),
            "device_id": self._actor.id,
            "event_id": event_id,
            "leg_id": new_id(),
            "leg": told.leg,
            "media_type": facts.media_type,
            "container": facts.container,
            "codec": facts.codec,
            "channels": facts.channels,
            "sample_rate_hz": facts.sample_rate_hz,
            "file_name": arrived.part.name,
            "client_digest": arrived.compared.field if arrived.compared else None,
            "idempotency_key": self._key,
            "queue": QUEUE,
            "task": INSPECT,
            "args": json.dumps({"recording_id": str(recording_id), **traces.marks()}),
        }

    def _recording_parameters(self, tie: Link) -> dict[str, object]:
        told = self._told
        people = linking.heard(
            told, self._known.known, tie, number=self._number, region=self._tools.region
        )
        return {
            **_event_parameters(
                tie,
                occurred_at=told.started_at,
                subject=linking.made_subject(told.started_at, self._number),
            ),
            "source_call_id": told.source_call_id,
            "started_at": told.started_at,
            "ended_at": told.ended_at,
            "claimed_duration_ms": told.duration_ms,
            "direction": told.direction,
            "capture": told.capture,
            "line": told.line,
            "from_party": told.from_party,
            "to_party": told.to_party,
            "outside_number": self._number,
            "agent": told.agent,
            "claimed_notice": told.notice.model_dump_json() if told.notice else None,
            "linked_by": tie.linked_by,
            "link_id": new_id(),
            "heard": json.dumps([_heard_row(one) for one in people]),
        }

    def _answer(
        self,
        recording_id: UUID,
        sha256: bytes,
        size_bytes: int,
        event: EventLinkRead,
        receipt: str,
    ) -> RecordingCreated:
        return RecordingCreated(
            id=recording_id,
            sha256=sha256.hex(),
            size_bytes=size_bytes,
            event=event,
            consent=ConsentRead(flag=Flag(self._known.flag or Flag.UNKNOWN)),
            receipt=receipt,
        )


class ScreenshotIngest:
    """One screenshot on its way in. Used by one thread at a time."""

    is_repeat = False
    """That is seen when the last byte has come."""

    def __init__(
        self,
        tools: IngestTools,
        actor: Actor,
        told: ScreenshotTold,
        *,
        beside: Beside | None = None,
    ) -> None:
        self._tools = tools
        self._actor = actor
        self._told = told
        self._beside = beside
        self._body = _Body(tools, is_repeat=False)
        self.write = self._body.write
        self.set_aside = self._body.keep
        self.discard = self._body.discard

    def keep(self, arrived: Arrived) -> tuple[ScreenshotCreated, bool]:
        """Make the screenshot durable; return the answer and whether anything new was kept.

        Raises:
            RecordingErased: it was here and was erased.
            DatabaseAway, StoreAway, TooContested: the sender keeps its copy.
        """
        sha256 = self._body.sha256()
        kept: SealedObject | None = None
        for _ in range(_RACES):
            row = self._ask(sha256)
            if row[1] is not None:
                self._body.discard()
                if kept is not None:
                    self._tools.store.delete(kept.object_id)
                return self._repeat(row, sha256), False
            kept = kept or self._body.keep()
            with in_stage(self._tools.stages, Stage.TRANSACTION):
                answer = self._write_down(row, kept, arrived)
            if answer is not None:
                return answer, True
        if kept is not None:
            self._tools.store.delete(kept.object_id)
        raise TooContested

    def _ask(self, sha256: bytes) -> TupleRow:
        told = self._told
        row = self._tools.database.statement(
            ingest_sql.KNOWN_SCREENSHOT,
            {
                "named": told.event.external_id if told.event else None,
                "device_id": self._actor.id,
                "captured_at": told.captured_at,
                "sha256": sha256,
            },
        )
        if row is None:
            raise TypeError("The statement always answers one row.")
        return row

    def _repeat(self, row: TupleRow, sha256: bytes) -> ScreenshotCreated:
        _, screenshot_id, event_id, linked_by, size_bytes, is_erased, external_id, client = row
        if is_erased:
            raise RecordingErased
        return ScreenshotCreated(
            id=screenshot_id,
            sha256=sha256.hex(),
            size_bytes=size_bytes,
            event=EventLinkRead(
                id=event_id,
                external_id=external_id,
                client=client,
                linked_by=LinkedBy(linked_by),
            ),
            receipt=_receipt_again(
                self._tools,
                ("screenshot", screenshot_id),
                leg=None,
                sha256=sha256,
                size_bytes=size_bytes,
            ),
        )

    def _write_down(
        self, row: TupleRow, kept: SealedObject, arrived: Arrived
    ) -> ScreenshotCreated | None:
        told = self._told
        named = told.event.external_id if told.event else None
        tie = linking.link(Known(named_event=row[0]), named=named)
        event_id = tie.event_id or new_id()
        screenshot_id = new_id()
        parameters = {
            **_object_parameters(self._tools, kept),
            **_entry_parameters(
                self._tools.cipher,
                Act.SCREENSHOT_INGESTED,
                ("screenshot", screenshot_id),
                facts={"size_bytes": kept.size_bytes},
                detail={"event_id": str(event_id), "file_name": arrived.part.name},
                content=kept.sha256,
            ),
            **_event_parameters(
                tie,
                occurred_at=told.captured_at,
                subject=f"Снимок экрана, {told.captured_at:%d.%m.%Y}",
            ),
            "event_id": event_id,
            "device_id": self._actor.id,
            "captured_at": told.captured_at,
            "agent": told.agent,
            "note": told.note,
            "linked_by": tie.linked_by,
            "link_id": new_id(),
            "media_type": arrived.facts.media_type,
            "width": arrived.facts.width,
            "height": arrived.facts.height,
            "file_name": arrived.part.name,
        }
        answer = ScreenshotCreated(
            id=screenshot_id,
            sha256=kept.sha256.hex(),
            size_bytes=kept.size_bytes,
            event=EventLinkRead(
                id=event_id, external_id=named, client=row[7], linked_by=tie.linked_by
            ),
            receipt=_receipt(
                self._tools, ("screenshot", screenshot_id), kept, parameters, leg=None
            ),
        )
        try:
            _keep(
                self._tools.database,
                ingest_sql.KEEP_SCREENSHOT,
                parameters,
                self._beside,
                answer,
            )
        except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected):
            return None
        return answer


def _keep(
    database: Database,
    sql: str,
    parameters: Mapping[str, object],
    beside: Beside | None,
    answer: BaseModel,
) -> None:
    if beside is not None:
        sql = ingest_sql.with_beside(sql, beside.ctes)
        parameters = {**parameters, **beside.parameters(answer)}
    database.statement(sql, parameters)


def _receipt(
    tools: IngestTools,
    about: tuple[str, UUID],
    kept: SealedObject,
    parameters: Mapping[str, object],
    *,
    leg: str | None,
) -> str:
    """Return the receipt of what was kept with `parameters`."""
    return tools.receipts.sign(
        Accepted(
            object_kind=about[0],
            object_id=about[1],
            leg=leg,
            sha256=kept.sha256,
            size_bytes=kept.size_bytes,
            received_at=cast("datetime", parameters["at"]),
            entry_id=cast("UUID", parameters["entry_id"]),
            commitment=cast("bytes", parameters["content_commitment"]),
        )
    )


def _receipt_again(
    tools: IngestTools, about: tuple[str, UUID], *, leg: str | None, sha256: bytes, size_bytes: int
) -> str:
    """Return the receipt that was given when the bytes came first; the entry has all of it."""
    kind, object_id = about
    entry = tools.database.statement(
        ingest_sql.ENTRY_OF, {"object_kind": kind, "object_id": object_id, "leg": leg}
    )
    if entry is None:
        raise TypeError("Whatever was taken has its entry in the ledger.")
    return tools.receipts.sign(
        Accepted(
            object_kind=kind,
            object_id=object_id,
            leg=leg,
            sha256=sha256,
            size_bytes=size_bytes,
            received_at=entry[1],
            entry_id=entry[0],
            commitment=entry[2],
        )
    )


def _known_recording(row: TupleRow | None) -> _KnownRecording:
    if row is None:
        raise TypeError("The statement always answers one row.")
    return _KnownRecording(
        known=Known(
            named_event=row[0],
            named_client=row[1],
            contact=row[2],
            client_of_number=row[3],
            nearest_event=row[4],
        ),
        recording_id=row[5],
        event_id=row[6],
        linked_by=row[7],
        flag=row[8],
        is_erased=row[9],
        leg_sha256=row[10],
        leg_size_bytes=row[11],
        event_external_id=row[12],
        client_external_id=row[13],
    )


def _heard_row(one: Heard) -> dict[str, object]:
    row = {key: str(v) if isinstance(v, UUID) else v for key, v in asdict(one).items()}
    return row | {"id": str(new_id())}


def _object_parameters(tools: IngestTools, kept: SealedObject) -> dict[str, object]:
    return {
        "object_id": kept.object_id,
        "wrapped_key": kept.wrapped_key,
        "size_bytes": kept.size_bytes,
        "sha256": kept.sha256,
        "crc32": kept.crc32,
        "at": tools.clock.now(),
    }


def _event_parameters(tie: Link, *, occurred_at: object, subject: str) -> dict[str, object]:
    return {
        "event_external_id": tie.external_id,
        "event_origin": tie.origin,
        "occurred_at": occurred_at,
        "event_subject": subject,
        "event_client_id": tie.client_id,
    }


def _entry_parameters(
    cipher: DetailCipher,
    act: Act,
    about: tuple[str, UUID],
    *,
    facts: Mapping[str, object],
    detail: Mapping[str, object],
    content: bytes,
) -> dict[str, object]:
    entry_id = new_id()
    beside_content = ledger.private(cipher, entry_id, "content", content)
    beside_detail = ledger.private(cipher, entry_id, "detail", ledger.detail_bytes(detail))
    return {
        "entry_id": entry_id,
        "act": act,
        "object_kind": about[0],
        "subject_id": about[1],
        "facts": json.dumps(facts),
        "content_commitment": beside_content.commitment,
        "content_salt": beside_content.salt,
        "content_sealed": beside_content.ciphertext,
        "detail_commitment": beside_detail.commitment,
        "detail_salt": beside_detail.salt,
        "detail_sealed": beside_detail.ciphertext,
    }

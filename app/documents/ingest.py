"""The way in of a document: bytes first, row and ledger entry second, in one transaction."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients.models import Contact, Contract
from app.core.clock import Clock
from app.core.db import Database
from app.core.errors import Conflict, Forbidden, Invalid
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act, Outcome
from app.documents import queries
from app.documents.door import DocumentErased
from app.documents.models import Document, DocumentKind
from app.documents.recognise import DocumentFacts
from app.documents.schemas import DocumentRead, DocumentTold
from app.identity.actor import Actor
from app.recordings import service as recordings
from app.recordings.ingest import ArchiveStore, Arrived, StoreAway
from app.recordings.models import SealedRow
from app.recordings.multipart import parse_metadata
from app.recordings.service import RecordingNotFound
from storage.errors import StoreError
from storage.sealed import SealedObject

Examine = Callable[[int], tuple[tuple[str, ...], tuple[str, ...]]]
"""Says what was looked for in a PDF and what was found; is given a descriptor of its bytes."""


class OtherDocument(Conflict):
    """Another document came before under this upload id.

    The first stays; nothing of this upload was kept, and the ledger has an entry of it.
    """


class DocumentOfNobody(Invalid):
    """The document is said to be of what is not known here.

    `unknown` names the member.
    """


class SenderIsNoPerson(Forbidden):
    """A document is uploaded by a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentTools:
    """What the way in needs. A document lies in `spool` while it is examined."""

    database: Database
    store: ArchiveStore
    clock: Clock
    examine: Examine
    spool: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Of:
    client_id: UUID | None
    contract_id: UUID | None
    contact_id: UUID | None
    recording_id: UUID | None


class DocumentIngest:
    """One document on its way in. Used by one thread at a time; ended by `keep` or `discard`."""

    def __init__(self, tools: DocumentTools, actor: Actor, raw: bytes) -> None:
        """Read the metadata, see that what they name is known, open the place for the bytes.

        Raises:
            MetadataInvalid, DocumentOfNobody: the metadata are not what is asked for.
            StoreAway: nothing was kept.
        """
        if actor.kind != "user" or actor.id is None:
            raise SenderIsNoPerson
        self._tools = tools
        self._actor = actor
        self._sender = actor.id
        self._told = parse_metadata(DocumentTold, raw)
        with tools.database.transaction() as session:
            self._of = _known(session, actor, self._told)
        try:
            self._draft = tools.store.begin(new_id())
        except StoreError as exc:
            raise StoreAway from exc
        tools.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._plain = tempfile.TemporaryFile(dir=tools.spool)  # noqa: SIM115 - closed by discard.

    def write(self, chunk: bytes | memoryview, /) -> None:
        try:
            self._plain.write(chunk)
            self._draft.write(chunk)
        except StoreError as exc:
            raise StoreAway from exc

    def keep(self, arrived: Arrived) -> tuple[DocumentRead, bool]:
        """Make the document durable; return it and whether anything new was kept.

        Raises:
            OtherDocument: other bytes came under this upload id; told to the ledger.
        DocumentErased: what came under this upload id was erased.
            StoreAway: nothing was kept.
        """
        facts = arrived.facts
        if not isinstance(facts, DocumentFacts):
            raise TypeError("A document is recognised as one.")
        sha256 = self._draft.digest().sha256
        known = self._repeat(sha256)
        if known is not None:
            return known, False
        examined, oddities = self._examined(facts)
        try:
            kept = self._draft.keep()
        except StoreError as exc:
            raise StoreAway from exc
        try:
            return self._write_down(kept, arrived, facts, examined, oddities), True
        except IntegrityError:
            known = self._repeat(sha256, lost=kept)
            if known is None:
                raise
            return known, False

    def discard(self) -> None:
        self._plain.close()
        self._draft.discard()

    def _examined(self, facts: DocumentFacts) -> tuple[list[str], list[str]]:
        if facts.kind != DocumentKind.PDF:
            return list(facts.examined), list(facts.oddities)
        self._plain.flush()
        looked_for, found = self._tools.examine(self._plain.fileno())
        return [*facts.examined, *looked_for], [*facts.oddities, *found]

    def _repeat(self, sha256: bytes, *, lost: SealedObject | None = None) -> DocumentRead | None:
        """Return what is known under this upload id; `lost` are bytes that came too late."""
        with self._tools.database.transaction() as session:
            found = queries.by_upload(session, self._sender, self._told.upload_id)
            answer = DocumentRead.of(found[0], found[1].size_bytes) if found else None
        if found is None or answer is None:
            return None
        if lost is not None:
            self._tools.store.delete(lost.object_id)
        if found[0].erased_at is not None:
            raise DocumentErased
        if found[0].sha256 != sha256:
            self._tell_conflict(found[0].id, sha256)
            refusal = OtherDocument(
                f"Upload {self._told.upload_id} is kept with other bytes.",
                document=str(found[0].id),
                kept_sha256=found[0].sha256.hex(),
                sent_sha256=sha256.hex(),
            )
            refusal.is_told = True
            raise refusal
        return answer

    def _tell_conflict(self, document_id: UUID, sha256: bytes) -> None:
        with self._tools.database.transaction() as session:
            ledger.append(
                session,
                self._actor,
                Act.DOCUMENT_CONFLICT,
                ("document", document_id),
                at=self._tools.clock.now(),
                outcome=Outcome.DENIED,
                content=sha256,
            )

    def _write_down(
        self,
        kept: SealedObject,
        arrived: Arrived,
        facts: DocumentFacts,
        examined: list[str],
        oddities: list[str],
    ) -> DocumentRead:
        at = self._tools.clock.now()
        told = self._told
        row = Document(
            id=new_id(),
            upload_id=told.upload_id,
            role=told.role,
            title=told.title,
            kind=facts.kind,
            media_type=facts.media_type,
            object_id=kept.object_id,
            sha256=kept.sha256,
            width=facts.width,
            height=facts.height,
            file_name=arrived.part.name,
            examined=examined,
            oddities=oddities,
            client_id=self._of.client_id,
            contract_id=self._of.contract_id,
            contact_id=self._of.contact_id,
            agent=told.agent,
            recording_id=self._of.recording_id,
            uploaded_by=self._sender,
            uploaded_at=at,
        )
        with self._tools.database.transaction() as session:
            session.add(
                SealedRow(
                    object_id=kept.object_id,
                    wrapped_key=kept.wrapped_key,
                    size_bytes=kept.size_bytes,
                    sha256=kept.sha256,
                    crc32=kept.crc32,
                    stored_at=at,
                )
            )
            session.flush()
            session.add(row)
            session.flush()
            session.refresh(row)
            ledger.append(
                session,
                self._actor,
                Act.DOCUMENT_KEPT,
                ("document", row.id),
                at=at,
                facts={
                    "role": row.role,
                    "kind": row.kind,
                    "size_bytes": kept.size_bytes,
                    "oddities": " ".join(oddities),
                },
                detail={"title": row.title, "file_name": row.file_name},
                content=kept.sha256,
            )
            return DocumentRead.of(row, kept.size_bytes)


def _known(session: Session, actor: Actor, told: DocumentTold) -> _Of:
    """Return the ids of what the document is said to be of."""
    client = clients.client_by_external_id(session, told.client) if told.client else None
    contract = session.get(Contract, told.contract_id) if told.contract_id else None
    contact = session.get(Contact, told.contact_id) if told.contact_id else None
    unknown = [
        name
        for name, asked, whose in (
            ("client", told.client, client.id if client else None),
            ("contract_id", told.contract_id, contract.client_id if contract else None),
            ("contact_id", told.contact_id, contact.client_id if contact else None),
        )
        if asked is not None and (whose is None or not clients.is_seen(session, actor, whose))
    ]
    if told.recording_id is not None:
        try:
            recordings.find(session, actor, told.recording_id)
        except RecordingNotFound:
            unknown.append("recording_id")
    if unknown:
        raise DocumentOfNobody(f"Not known here: {', '.join(unknown)}.", unknown=unknown)
    firms = {row.client_id for row in (contract, contact) if row is not None}
    firms |= {client.id} if client else set()
    if len(firms) > 1:
        raise DocumentOfNobody("They are of different clients.", unknown=["client"])
    return _Of(
        client_id=next(iter(firms), None),
        contract_id=told.contract_id,
        contact_id=told.contact_id,
        recording_id=told.recording_id,
    )

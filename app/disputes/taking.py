"""Taking over what clients sent by a link of a request: from the release store to the archive.

The process of the links cannot read the archive. What it took in lies sealed in the store that it
shares with us, named by a row that a function of the database wrote. Here it is recognised, kept as
a document of the client and of the request, or refused; then its key is destroyed, then its bytes.
Broken off anywhere, it begins anew: the row is settled once.

The process of the links has no key to sign with either. The receipt of what is kept is signed here,
in the transaction that keeps it; whoever sent it finds it on the page of his link.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database
from app.core.errors import Refusal
from app.core.ids import new_id
from app.custody import ledger
from app.custody.checkpoints import LogTools
from app.custody.ledger import Act, Outcome
from app.custody.models import CustodyEntry
from app.custody.receipts import Accepted, Receipts
from app.disputes import queries
from app.disputes.models import ClientUpload, Dispute, DocumentRequest, RequestedDocument
from app.disputes.rules import WAITING, RequestState, State, UploadState
from app.documents import sent
from app.documents.sent import OtherThanSent, Seen, Sent
from app.fixity import holds as store_holds
from app.identity.actor import Actor
from app.inspection import papers
from app.inspection.sandbox import Sandbox
from app.settings import Settings
from storage.errors import ObjectDamaged, ObjectMissing
from storage.sealed import SealedObject, SealedRef, SealedStore

TASK: Final = "disputes.take_over"
_ACTOR: Final = Actor.system("uploads")
_TITLE: Final = 200

_log = structlog.get_logger()


class Tools(Protocol):
    """What this job needs of the worker's tools."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def database(self) -> Database: ...
    @property
    def log(self) -> LogTools: ...
    @property
    def archive(self) -> SealedStore: ...
    @property
    def release(self) -> SealedStore: ...
    @property
    def sandbox(self) -> Sandbox: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lying:
    """A file that waits in the release store, and what was told of it."""

    id: UUID
    ref: SealedRef
    sha256: bytes


def handle_take_over(tools: Tools, upload_id: str) -> None:
    """Take one upload over, and destroy what the process of the links kept of it."""
    wanted = UUID(upload_id)
    with tools.database.transaction() as session:
        row = session.get(ClientUpload, wanted)
        if row is None:
            return
        object_id = row.object_id
        lying = _lying(row)
        is_waiting = row.state == UploadState.WAITING
    if lying is not None:
        _take_file(tools, lying)
    elif is_waiting:
        with _settling(tools, wanted) as found:
            if found is not None:
                found.keep_words()
    if object_id is not None:
        tools.release.delete(object_id)


def _lying(row: ClientUpload) -> _Lying | None:
    if row.object_id is None or row.wrapped_key is None:
        return None
    return _Lying(
        id=row.id,
        ref=SealedRef(
            object_id=row.object_id,
            wrapped_key=row.wrapped_key,
            size_bytes=row.size_bytes or 0,
        ),
        sha256=row.sha256 or b"",
    )


def _take_file(tools: Tools, lying: _Lying) -> None:
    draft = tools.archive.begin(new_id())
    try:
        seen = sent.look(
            tools.release.stream(lying.ref),
            draft,
            examine=partial(papers.examine, sandbox=tools.sandbox),
            max_pixels=tools.settings.max_pixels,
            spool=tools.settings.spool_dir,
        )
        if draft.digest().sha256 != lying.sha256:
            raise OtherThanSent
        kept = draft.keep()
    except (ObjectMissing, ObjectDamaged):
        _refuse(tools, lying, OtherThanSent.slug)
        return
    except Refusal as exc:
        _refuse(tools, lying, exc.slug)
        return
    finally:
        draft.discard()
    is_lost = False
    with _settling(tools, lying.id) as found:
        if found is None:
            is_lost = True
        else:
            found.keep_file(seen, kept)
    if is_lost:  # Another run was quicker.
        tools.archive.delete(kept.object_id)


def _refuse(tools: Tools, lying: _Lying, reason: str) -> None:
    _log.info("upload.refused", upload_id=str(lying.id), reason=reason)
    with _settling(tools, lying.id) as found:
        if found is not None:
            found.refuse(reason)


@contextmanager
def _settling(tools: Tools, upload_id: UUID) -> Iterator[_Settling | None]:
    """Give an upload that still waits, locked, in a transaction; None where it is settled."""
    with tools.database.transaction() as session:
        row = queries.upload_locked(session, upload_id)
        if row is None or row.state != UploadState.WAITING:
            yield None
            return
        request = session.get_one(DocumentRequest, row.request_id)
        dispute = session.get_one(Dispute, request.dispute_id)
        yield _Settling(session=session, tools=tools, row=row, request=request, dispute=dispute)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settling:
    """One upload that is being settled."""

    session: Session
    tools: Tools
    row: ClientUpload
    request: DocumentRequest
    dispute: Dispute

    def keep_file(self, seen: Seen, kept: SealedObject) -> None:
        """Let the file be a document of the request."""
        at = self.tools.clock.now()
        document, entry_id = sent.write_down(
            self.session,
            _ACTOR,
            Sent(
                upload_id=str(self.row.id),
                title=self.request.asked.strip()[:_TITLE],
                file_name=self.row.file_name,
                client_id=self.dispute.client_id,
                contact_id=self.request.contact_id,
            ),
            seen,
            kept,
            at=at,
        )
        self.session.add(
            RequestedDocument(
                request_id=self.request.id, document_id=document.id, noted_by=None, at=at
            )
        )
        store_holds.follow(self.session, document.id)
        self.row.document_id = document.id
        self._sign(("document", document.id), entry_id, kept.sha256, kept.size_bytes)
        self._settle(UploadState.KEPT)
        self._receive({"document_id": str(document.id)}, None)

    def keep_words(self) -> None:
        """Let the words stand with the request, as they were sent."""
        words = (self.row.words or "").encode()
        digest = hashlib.sha256(words).digest()
        entry_id = self._receive({}, {"words": self.row.words}, content=digest)
        self._sign(("words", self.row.id), entry_id, digest, len(words))
        self._settle(UploadState.KEPT)

    def refuse(self, reason: str) -> None:
        """Say why the file is not kept; the request goes on waiting."""
        self.row.reason = reason
        self._settle(UploadState.REFUSED)
        ledger.append(
            self.session,
            _ACTOR,
            Act.UPLOAD_REFUSED,
            ("dispute", self.dispute.id),
            at=self.tools.clock.now(),
            outcome=Outcome.DENIED,
            facts={
                "request_id": str(self.request.id),
                "upload_id": str(self.row.id),
                "reason": reason,
            },
            content=self.row.sha256,
        )

    def _sign(
        self, about: tuple[str, UUID], entry_id: UUID, sha256: bytes, size_bytes: int
    ) -> None:
        """Sign that it was received, when the client sent it, and is in the ledger now."""
        kind, object_id = about
        entry = self.session.get_one(CustodyEntry, entry_id)
        accepted = Accepted(
            object_kind=kind,
            object_id=object_id,
            leg=None,
            sha256=sha256,
            size_bytes=size_bytes,
            received_at=self.row.at,
            entry_id=entry_id,
            commitment=entry.content_commitment or b"",
        )
        self.row.receipt = Receipts(self.tools.log.ring).sign(accepted)

    def _settle(self, state: UploadState) -> None:
        self.row.state = state
        self.row.wrapped_key = None
        self.row.settled_at = self.tools.clock.now()

    def _receive(
        self,
        facts: dict[str, str],
        detail: dict[str, object] | None,
        *,
        content: bytes | None = None,
    ) -> UUID:
        at = self.tools.clock.now()
        # Of a closed dispute nothing moves any more; what came before its end is kept nevertheless.
        if self.request.state in WAITING and self.dispute.state != State.CLOSED:
            self.request.state = RequestState.RECEIVED
            self.request.changed_by, self.request.changed_at = None, at
        self.session.flush()
        return ledger.append(
            self.session,
            _ACTOR,
            Act.DISPUTE_REQUEST,
            ("dispute", self.dispute.id),
            at=at,
            facts={
                "request_id": str(self.request.id),
                "state": self.request.state,
                "upload_id": str(self.row.id),
                **facts,
            },
            detail=detail,
            content=content,
        )

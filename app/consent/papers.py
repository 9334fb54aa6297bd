"""What evidence rests on beside its own words: kept documents, acknowledgements, what was heard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.clients.models import Contract
from app.consent import evidence
from app.consent.models import Assertion, Verdict
from app.consent.purposes import Kind
from app.core.errors import Conflict, Invalid
from app.documents import queries as documents
from app.documents.models import Acknowledgement, Document
from app.recordings.models import Party


class DocumentNotKept(Invalid):
    """The evidence names a document that is not kept here, or not with these bytes.

    Upload it first. `document_sha256` is what was looked for.
    """


class DocumentNotSeparate(Invalid):
    """A written consent is a document of its own, and this one is a contract."""


class AcknowledgementUnknown(Invalid):
    """The evidence names an acknowledgement that nobody has given so."""


class AssessmentOver(Conflict):
    """The assessment has expired; a ground needs one that holds."""


class NotListened(Conflict):
    """You have not listened to the recording, nor read the document that tells of it.

    The ledger has no entry that you did. Listen, then give the verdict.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A release that carried a recording which rests on a piece of evidence."""

    release_id: UUID
    recording_id: UUID
    state: str
    granted_at: datetime


def filled(
    kind: Kind, told: Mapping[str, Any], party: Party | None, *, scope: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the evidence with what the archive knows itself, where it was not said.

    A no must be easy to report, so that its reach is written down from the request.
    """
    known: dict[str, Any] = {}
    if kind == Kind.EMPLOYEE_ACK and party is not None:
        known = {"employee": party.agent}
    elif kind == Kind.REFUSAL:
        known = {"scope": dict(scope)}
    elif kind == Kind.WITHDRAWAL:
        known = {"scope": dict(scope), "effective_at": told.get("received_at")}
    return known | dict(told)


def of_contract(session: Session, contract: Contract) -> dict[str, str]:
    """Return how evidence names the document of a contract.

    Raises:
        DocumentNotKept: nobody has uploaded it.
    """
    found = documents.by_sha256(session, contract.document_sha256)
    if found is None:
        raise DocumentNotKept(
            f"The document of contract {contract.number} was not uploaded.",
            contract=contract.number,
            document_sha256=contract.document_sha256.hex(),
        )
    return {"document_id": str(found.id), "document_sha256": found.sha256.hex()}


def must_be_kept(
    session: Session, kind: Kind, told: Mapping[str, Any], *, agent: str | None
) -> None:
    """Refuse evidence that names a document or an acknowledgement which is not here.

    Raises:
        DocumentNotKept, DocumentNotSeparate, AcknowledgementUnknown: as they say.
    """
    for document_id, sha256 in _named(told):
        row = session.get(Document, document_id)
        if row is None or row.sha256 != sha256 or row.erased_at is not None:
            raise DocumentNotKept(document_id=str(document_id), document_sha256=sha256.hex())
        if kind == Kind.WRITTEN_CONSENT and _is_contract(session, sha256):
            raise DocumentNotSeparate
    log = told.get("log")
    if kind == Kind.EMPLOYEE_ACK and isinstance(log, Mapping):
        _must_be_acknowledged(session, log, agent)


def _named(told: Mapping[str, Any]) -> Iterator[tuple[UUID, bytes]]:
    for one in (told, told.get("signature")):
        if isinstance(one, Mapping) and "document_id" in one:
            yield UUID(str(one["document_id"])), bytes.fromhex(str(one["document_sha256"]))


def _is_contract(session: Session, sha256: bytes) -> bool:
    query = select(Contract.id).where(Contract.document_sha256 == sha256).limit(1)
    return session.scalar(query) is not None


def _must_be_acknowledged(session: Session, log: Mapping[str, Any], agent: str | None) -> None:
    try:
        acknowledgement_id = UUID(str(log.get("acknowledgement_id")))
    except ValueError as exc:
        raise AcknowledgementUnknown from exc
    row = session.get(Acknowledgement, acknowledgement_id)
    if row is None or row.agent != agent:
        raise AcknowledgementUnknown


def must_be_nameable(kind: Kind, purposes: list[str], recipients: list[str]) -> None:
    """Refuse a consent that does not say to what and to whom.

    Raises:
        EvidenceIncomplete: `missing` says what.
    """
    if kind in evidence.NAMING:
        told = {"purposes": purposes, "recipients": recipients}
        lacking = [name for name, words in told.items() if not words]
        if lacking:
            raise evidence.EvidenceIncomplete(f"Missing: {', '.join(lacking)}.", missing=lacking)


def must_hold(kind: Kind, valid_to: datetime | None, *, proposed_at: datetime) -> None:
    """Refuse an assessment that would hold for longer than twelve months.

    Raises:
        EvidenceIncomplete: `expires_on` is too far.
    """
    if kind == Kind.OTHER_GROUND and (
        valid_to is None or valid_to > proposed_at + evidence.ASSESSMENT_HOLDS
    ):
        raise evidence.EvidenceIncomplete(
            "An assessment holds for twelve months at most.", missing=["expires_on"]
        )


def must_be_verifiable(
    session: Session, row: Assertion, *, reason: str | None, at: datetime
) -> None:
    """Refuse to verify what lacks what its kind must carry.

    Raises:
        EvidenceIncomplete: `missing` says what; of a withdrawal, how it was known who asks for it,
            in the evidence or in the reason of the verdict.
        DocumentNotKept, DocumentNotSeparate, AcknowledgementUnknown, AssessmentOver: as they say.
    """
    kind = Kind(row.kind)
    evidence.require(kind, row.evidence, from_ms=row.from_ms)
    must_be_kept(session, kind, row.evidence, agent=row.agent)
    must_be_nameable(kind, row.purposes, row.recipients)
    must_hold(kind, row.valid_to, proposed_at=row.proposed_at)
    if kind == Kind.OTHER_GROUND and row.valid_to is not None and row.valid_to <= at:
        raise AssessmentOver
    checked = row.evidence.get("identity_check") or (reason or "").strip()
    if kind == Kind.WITHDRAWAL and not checked:
        raise evidence.EvidenceIncomplete(
            "Say in the reason how it was known who withdraws.", missing=["identity_check"]
        )


def must_have_listened(session: Session, voter: UUID, row: Assertion, verdict: Verdict) -> None:
    """Refuse a verdict on spoken words by somebody who has not heard them.

    Raises:
        NotListened: the ledger has no entry of it.
    """
    is_spoken = verdict == Verdict.VERIFY and row.kind == Kind.VERBAL_NOTICE
    puts_aside = verdict == Verdict.REJECT and row.kind == Kind.REFUSAL
    if not (is_spoken or puts_aside):
        return
    heard = session.scalar(
        text("SELECT has_listened(:voter, a) FROM assertions a WHERE a.id = :id"),
        {"voter": voter, "id": row.id},
    )
    if not heard:
        raise NotListened


def affected_shares(session: Session, assertion_id: UUID) -> list[Share]:
    """Return every release that carried a recording of which this evidence speaks, open or over."""
    rows = session.execute(text("SELECT * FROM affected_shares(:id)"), {"id": assertion_id})
    return [
        Share(
            release_id=row.release_id,
            recording_id=row.recording_id,
            state=row.state,
            granted_at=row.granted_at,
        )
        for row in rows
    ]

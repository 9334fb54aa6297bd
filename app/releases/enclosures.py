"""What a decision's ground stands on: inside the bundle, or named by its digest alone.

Inside are the announcements that were heard or played, and the recipient's own contract. Papers of
others, as a person's consent or an employee's acknowledgement, are named and stay here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy.orm import Session

from app.clients.models import Contract
from app.consent import queries as consent_queries
from app.consent import screenshots
from app.consent import service as consent
from app.consent.models import Assertion
from app.consent.purposes import Kind, RecipientClass, Status
from app.consent.rules import Permit
from app.custody import ledger
from app.custody.ledger import Act
from app.documents import queries as documents
from app.documents.models import Document
from app.identity.actor import Actor
from app.inspection import detection
from app.recordings.models import SealedRow
from app.releases.passport import Json
from app.releases.subjects import Subject

FOLDER: Final = "data/documents/"
_SOUNDS: Final = {
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/mp4": "m4a",
    "audio/webm": "webm",
}
_PAPERS: Final = {"pdf": "pdf", "png": "png", "jpeg": "jpg", "webp": "webp"}
_STAYS: Final = {
    "other": {
        "ru": "документ другого лица: передаётся только его отпечаток",
        "en": "a paper of somebody else: its digest alone is handed over",
    },
    "not_kept": {
        "ru": "в архиве нет самого документа, только его отпечаток",
        "en": "the archive holds the digest of the paper, not the paper",
    },
}


class EnclosureGone(Exception):
    """A paper that the ledger tells of is here no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """A paper or an announcement: inside at `path`, else `stays` says why not.

    `about` is the recording or screenshot whose decision stands on it.
    """

    about: UUID
    what: Literal["notice_prompt", "contract", "document"]
    title: str
    sha256: bytes
    path: str | None = None
    sealed: SealedRow | None = field(default=None, repr=False)
    stays: str | None = None

    def told(self) -> Json:
        """Return it as a passport names it."""
        known: Json = {"what": self.what, "title": self.title, "sha256": self.sha256.hex()}
        if self.path is not None:
            return known | {"inside": self.path}
        return known | {"referenced_only": _STAYS[self.stays or "other"]}


def kept(found: Sequence[Enclosure]) -> list[Json]:
    """Return what was gathered as it is kept, for a making that has to begin anew."""
    return [
        {
            "about": str(one.about),
            "what": one.what,
            "title": one.title,
            "sha256": one.sha256.hex(),
            "path": one.path,
            "object_id": str(one.sealed.object_id) if one.sealed else None,
            "stays": one.stays,
        }
        for one in found
    ]


def again(session: Session, told: Sequence[Mapping[str, Any]]) -> tuple[Enclosure, ...]:
    """Return what was gathered before, whatever was uploaded or verified since.

    The ledger was told of it then, and tells of the list that it is in.

    Raises:
        EnclosureGone: the key of one of them was destroyed.
    """
    found = []
    for one in told:
        sealed = _sealed(session, UUID(one["object_id"])) if one["object_id"] else None
        if one["object_id"] and sealed is None:
            raise EnclosureGone(one["path"])
        found.append(
            Enclosure(
                about=UUID(one["about"]),
                what=one["what"],
                title=one["title"],
                sha256=bytes.fromhex(one["sha256"]),
                path=one["path"],
                sealed=sealed,
                stays=one["stays"],
            )
        )
    return tuple(found)


def gather(
    session: Session,
    actor: Actor,
    permits: Mapping[Subject, Permit],
    *,
    release_id: UUID,
    at: datetime,
) -> tuple[Enclosure, ...]:
    """Return what the decisions on what is handed over stand on, each once for each of them.

    What goes goes under their permits; the ledger is told of each paper that goes.
    """
    found: dict[tuple[UUID, bytes], Enclosure] = {}
    for subject, permit in permits.items():
        for one in _of(session, subject, permit, at=at):
            found.setdefault((one.about, one.sha256), one)
    for sha256 in {one.sha256 for one in found.values() if one.sealed and one.what == "contract"}:
        paper = documents.by_sha256(session, sha256)
        if paper is not None:
            ledger.append(
                session,
                actor,
                Act.DOCUMENT_OPENED,
                ("document", paper.id),
                at=at,
                facts={"kind": paper.kind, "release_id": str(release_id)},
                content=paper.sha256,
            )
    return tuple(found[key] for key in sorted(found))


def _of(session: Session, subject: Subject, permit: Permit, *, at: datetime) -> Iterator[Enclosure]:
    if subject.is_screenshot:
        case = screenshots.case_file(session, subject.id, areas=subject.kept_areas())
    else:
        case = consent.case_file(session, subject.id, at=at)
        for notice in detection.notices_of(session, subject.id).found:
            yield from _prompt(session, subject, notice.text_id, notice.version)
    for asserted in case.assertions:
        if asserted.status != Status.VERIFIED:
            continue
        evidence = session.get_one(Assertion, asserted.id).evidence
        if asserted.kind == Kind.IVR_NOTICE:
            notice_told = evidence.get("notice")
            if isinstance(notice_told, Mapping):
                yield from _prompt(session, subject, notice_told["id"], notice_told["version"])
        elif asserted.kind == Kind.CONTRACT_CLAUSE:
            yield from _contract(session, subject, permit, evidence)
        else:
            yield from _papers(session, subject, evidence)


def _prompt(
    session: Session, subject: Subject, text_id: object, version: object
) -> Iterator[Enclosure]:
    """Yield the sound of an announcement, which everybody who calls hears."""
    row = consent_queries.notice_text(session, UUID(str(text_id)), int(str(version)))
    if row is None:
        return
    extension = _SOUNDS.get(row.media_type, "bin")
    sealed = _sealed(session, row.object_id)
    yield Enclosure(
        about=subject.id,
        what="notice_prompt",
        title=f"{row.id} {row.version} ({row.language})",
        sha256=row.audio_sha256,
        path=f"{FOLDER}notice-prompt-{row.id}-v{row.version}.{extension}" if sealed else None,
        sealed=sealed,
        stays=None if sealed else "not_kept",
    )


def _contract(
    session: Session, subject: Subject, permit: Permit, evidence: Mapping[str, Any]
) -> Iterator[Enclosure]:
    contract = session.get(Contract, UUID(str(evidence["contract_id"])))
    if contract is None:
        return
    recipient = permit.recipient
    is_his = (
        recipient.recipient_class is RecipientClass.CLIENT_SAME_ENTITY
        and recipient.client_id == contract.client_id
    )
    title = f"{contract.number}, {contract.signed_on.isoformat()}, {evidence['clause_ref']}"
    named = Enclosure(
        about=subject.id, what="contract", title=title, sha256=contract.document_sha256
    )
    paper = documents.by_sha256(session, contract.document_sha256)
    sealed = _sealed(session, paper.object_id) if paper is not None else None
    if paper is None or sealed is None or paper.is_withheld or not is_his:
        stays = "not_kept" if is_his and sealed is None else "other"
        yield replace(named, stays=stays)
        return
    path = f"{FOLDER}contract-{paper.id}.{_PAPERS[paper.kind]}"
    yield replace(named, path=path, sealed=sealed)


def _papers(session: Session, subject: Subject, evidence: Mapping[str, Any]) -> Iterator[Enclosure]:
    for told in (evidence, evidence.get("signature")):
        if isinstance(told, Mapping) and "document_id" in told:
            paper = session.get(Document, UUID(str(told["document_id"])))
            if paper is not None and paper.erased_at is None:
                yield Enclosure(
                    about=subject.id,
                    what="document",
                    title=paper.role,
                    sha256=paper.sha256,
                    stays="other",
                )


def _sealed(session: Session, object_id: UUID) -> SealedRow | None:
    """Return where the bytes are, unless their key was destroyed."""
    row = session.get(SealedRow, object_id)
    return row if row is not None and row.wrapped_key is not None else None

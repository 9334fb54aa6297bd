"""Writing down what a look at an object found, and putting a damaged recording apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app.core.errors import Conflict, Unavailable
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.fixity import queries
from app.fixity.models import FixityCheck, Occasion, Outcome, Over
from app.fixity.queries import Subject
from app.identity.actor import Actor
from app.identity.permissions import Permission
from app.mail import service as mail
from app.mail.models import Kind
from app.mail.service import Letter
from app.recordings.models import SealedRow
from app.recordings.service import REFRESH_FLAG

FIRST_DAY = timedelta(days=1)
QUARTER = timedelta(days=90)
_SYSTEM = Actor.system("fixity")
_log = structlog.get_logger()


class RecordingDamaged(Conflict):
    """The recording's bytes are not those that came in.

    `recording` names it. Nothing of it leaves until it is repaired from a copy with the same
    digest.
    """


class CheckNotPossible(Unavailable):
    """The store does not give the recording now, so it cannot be checked; try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a look at an object found."""

    object_id: UUID
    occasion: Occasion
    outcome: Outcome
    over: Over = Over.PLAINTEXT
    sealed_sha256: bytes | None = None

    @property
    def is_well(self) -> bool:
        return self.outcome is Outcome.SUCCESS


def occasion_of(previous: str | None, *, stored_at: datetime, at: datetime) -> Occasion:
    """Return why an object that is due is looked at, by the check that was due before."""
    if previous is None:
        return Occasion.INGEST if at - stored_at < FIRST_DAY else Occasion.QUARTER
    return Occasion.DAY if previous == Occasion.INGEST else Occasion.QUARTER


def next_due(occasion: Occasion, *, stored_at: datetime, at: datetime) -> datetime:
    """Return when an object is due again after a check that was due."""
    return max(stored_at + FIRST_DAY, at) if occasion is Occasion.INGEST else at + QUARTER


def write_down(
    session: Session, found: Found, *, at: datetime, actor: Actor = _SYSTEM
) -> Subject | None:
    """Keep what was found; return whose the object is, or None where it was erased meanwhile.

    Each look at an original has an entry of its own, so that a bundle can show them all, but for
    drawn ones that are well, which have one entry together.
    """
    row = session.get(SealedRow, found.object_id, with_for_update=True, populate_existing=True)
    if row is None or row.wrapped_key is None:
        return None
    session.add(
        FixityCheck(
            id=new_id(),
            object_id=found.object_id,
            occasion=found.occasion,
            outcome=found.outcome,
            over=found.over,
            sealed_sha256=found.sealed_sha256,
            at=at,
        )
    )
    if found.occasion in {Occasion.INGEST, Occasion.DAY, Occasion.QUARTER}:
        row.check_due_at = next_due(found.occasion, stored_at=row.stored_at, at=at)
    session.flush()
    subject = queries.subject_of(session, found.object_id)
    about = subject or Subject(kind="object", id=found.object_id)
    is_of_a_sample = found.occasion is Occasion.SAMPLE
    if not found.is_well or (about.is_original and not is_of_a_sample):
        _tell(session, actor, found, about, row.sha256, at=at)
    if not found.is_well:
        _log.error("fixity.failed", object_id=str(found.object_id), outcome=found.outcome)
        alarm(session, at=at)
        if about.is_original and about.recording_id is not None:
            _put_apart(session, about.recording_id, at=at)
    return about


def alarm(session: Session, *, at: datetime) -> None:
    """Let administrators be told that something kept is not what came in; once in an hour."""
    letter = Letter(kind=Kind.ALARM, about=("system", UUID(int=0)), occasion=f"{at:%Y-%m-%dT%H}")
    mail.to_those_with(session, Permission.JOB_RETRY, letter, at=at)


def _tell(
    session: Session,
    actor: Actor,
    found: Found,
    about: Subject,
    sha256: bytes,
    *,
    at: datetime,
) -> None:
    ledger.append(
        session,
        actor,
        Act.FIXITY_CHECKED,
        (about.kind, about.id),
        at=at,
        outcome=ledger.Outcome.SUCCESS if found.is_well else ledger.Outcome.FAILED,
        facts={
            "object_id": str(found.object_id),
            "part": about.part,
            "occasion": found.occasion,
            "over": found.over,
            "found": found.outcome,
        },
        content=sha256,
    )


def _put_apart(session: Session, recording_id: UUID, *, at: datetime) -> None:
    """Deny the releases of a recording: the decision reads the mark, links close with it."""
    recording = queries.recording(session, recording_id)
    if recording is None or recording.integrity_failed_at is not None:
        return
    recording.integrity_failed_at = at
    session.flush()
    follow(session, recording_id)


def follow(session: Session, recording_id: UUID) -> None:
    """Let the flag and the releases follow that a recording was put apart or mended."""
    enqueue(session, Job(task=REFRESH_FLAG, args={"recording_id": str(recording_id)}))


def tell_of_sample(
    session: Session, *, wanted: int, checked: int, failed: int, list_sha256: bytes, at: datetime
) -> None:
    """Write down one entry for a drawn sample; `list_sha256` is over the ids of its objects."""
    ledger.append(
        session,
        _SYSTEM,
        Act.FIXITY_CHECKED,
        ("sample", new_id()),
        at=at,
        outcome=ledger.Outcome.FAILED if failed else ledger.Outcome.SUCCESS,
        facts={
            "occasion": Occasion.SAMPLE,
            "wanted": wanted,
            "checked": checked,
            "failed": failed,
            "objects_sha256": list_sha256.hex(),
        },
    )

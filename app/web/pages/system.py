"""System: how the parts stand and what to do about them, the jobs, and the log of the ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, cast
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response
from sqlalchemy.orm import Session

from app.core.deps import SessionDep
from app.core.said import Said
from app.custody import checkpoints, proofs
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.mail import queries as mails
from app.mail import service as mail
from app.mail.models import DEAD, Kind, MailState
from app.mail.queries import MailSeen
from app.system import doctor, log_figures
from app.system.doctor import Finding, Level
from app.tools import Tools
from app.web import edge
from app.web.edge import Form
from app.web.sections import Place, Section
from app.web.words import N_, Words
from app.worker import queue
from app.worker.queue import JobSeen, JobState

router = edge.page_router()

CanRead = Annotated[Actor, Depends(Requires(Permission.JOB_READ))]
CanRetry = Annotated[Actor, Depends(Requires(Permission.JOB_RETRY))]
_MOST_ID: Final = (1 << 63) - 1
_SHOWN: Final = 50

PARTS: Final = {
    "data folder": (
        N_("Data folder"),
        N_("Give the folder to the account that runs the archive, and close it to others."),
    ),
    "disk": (N_("Disk"), N_("Make room, or move the data to a larger disk.")),
    "durability": (
        N_("Durability"),
        N_("Let the database sync every commit, or it may lose what was acknowledged."),
    ),
    "archive store": (
        N_("Store of the archive"),
        N_("Look whether the store runs and whether its credentials are right."),
    ),
    "release store": (
        N_("Store of the releases"),
        N_("Look whether the store runs and whether its credentials are right."),
    ),
    "object lock": (
        N_("Lock in the store"),
        N_("Keep copies elsewhere, or use a bucket that was made with object lock."),
    ),
    "fixity": (
        N_("What is kept, compared with what came in"),
        N_("See which recordings are damaged and repair them from a whole copy."),
    ),
    "call records": (
        N_("Call records of the exchanges"),
        N_("See why a source sends none, or shut its device out."),
    ),
    "lost calls": (
        N_("Calls without a recording"),
        N_("Find the recordings, or write down why there are none."),
    ),
    "key backup": (
        N_("Backup of the keys"),
        N_("Copy the keys to a place apart from the data: without them no backup can be read."),
    ),
    "time stamps": (
        N_("Time stamps"),
        N_("Name an authority in the settings, so that somebody outside witnesses the ledger."),
    ),
    "ledger": (
        N_("Log of the ledger"),
        N_("See that a worker runs; then the log catches up by itself."),
    ),
    "mail": (
        N_("Mail"),
        N_("Name a mail server in the settings, or see below what it did not take and why."),
    ),
    "audio tools": (
        N_("Tools for the sound"),
        N_("Install bubblewrap and allow user namespaces, so that decoders are shut in."),
    ),
    "text in pictures": (
        N_("Text in screenshots"),
        N_("Install tesseract with its Russian, so that what stands in screenshots is found."),
    ),
    "AMR": (N_("Sound of mobiles (AMR)"), N_("Install sox with its formats.")),
    "pages": (N_("Pages"), N_("Run the set-up, which builds styles and scripts, and start again.")),
}
"""Each part that is looked at, by doctor's word for it: its name, and what to do about it."""

STATES: Final = {
    JobState.TODO: N_("to do"),
    JobState.DOING: N_("being done"),
    JobState.SUCCEEDED: N_("done"),
    JobState.FAILED: N_("tried in vain"),
    JobState.CANCELLED: N_("called off"),
    JobState.ABORTED: N_("broken off"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    """A part: how it stands, what to do, and what was found; `is_ours` where a sentence says it."""

    label: str
    level: Level
    found: str
    is_ours: bool
    todo: str
    mend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job in the list."""

    id: int
    task: str
    args: str
    attempts: int
    changed_at: datetime | None


MAIL_KINDS: Final = {
    Kind.APPROVAL: N_("a release to approve"),
    Kind.DEADLINE: N_("a deadline of a dispute"),
    Kind.RELEASE_LINK: N_("the link of a release"),
    Kind.LINK_ENDED: N_("that a link has ended"),
    Kind.ALARM: N_("an alarm"),
    Kind.CHECKPOINT: N_("the checkpoint of a month"),
    Kind.RECOVERY: N_("a link for a password"),
    Kind.REQUEST_LINK: N_("a link for uploading"),
}
MAIL_STATES: Final = {
    MailState.QUEUED: N_("to be sent"),
    MailState.SENT: N_("sent"),
    MailState.REFUSED: N_("refused by the server"),
    MailState.GIVEN_UP: N_("tried in vain to the end"),
    MailState.WITHDRAWN: N_("called off before"),
    MailState.SKIPPED: N_("not sent: no server"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailRow:
    """A mail that was not sent: to whom, what it tells, why not."""

    id: UUID
    to: str
    what: str
    state: str
    fault: str
    attempts: int
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """How the log of the ledger stands."""

    leaves: int
    lag: timedelta
    checkpoint_size: int | None
    checkpoint_at: datetime | None
    uncovered: int
    stamps_pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPage:
    """The parts, those with something to do first; the jobs; the log."""

    title: str
    next: str
    parts: tuple[PartRow, ...]
    counts: tuple[tuple[str, str, int], ...]
    state: str
    state_word: str
    jobs: tuple[JobRow, ...]
    before: int | None
    is_first: bool
    may_retry: bool
    may_send_again: bool
    may_admin_webhooks: bool
    mail_counts: tuple[tuple[str, int], ...]
    mails: tuple[MailRow, ...]
    log: LogPart
    may_administer: bool


def _waiting(session: Session, actor: Actor, at: datetime) -> int:
    """Count the jobs that were given up, and the mails that were not taken."""
    del actor, at
    return queue.failed_count(session) + mails.dead_count(session)


SECTION = Section(
    place=Place.SYSTEM,
    path="/system",
    label=N_("System"),
    permission=Permission.JOB_READ,
    waiting=_waiting,
    also=("/imports", "/providers", "/webhooks"),
)


@router.get("/system")
def show_system(
    call: Request,
    actor: CanRead,
    session: SessionDep,
    state: JobState = JobState.FAILED,
    before: Annotated[int | None, Query(ge=1, le=_MOST_ID)] = None,
) -> Response:
    """Show how the archive stands: its parts, its jobs, its log."""
    words = edge.words_of(call, actor, session)
    tools = cast("Tools", call.app.state.tools)
    found = doctor.examine_running(session, tools)
    rows = [_part(one, words) for one in sorted(found, key=lambda f: _ORDER[f.level])]
    todo = sum(row.level is not Level.OK for row in rows)
    counts = queue.counts(session)
    jobs = queue.listed(session, state, before=before, limit=_SHOWN + 1)
    page = SystemPage(
        title=words.gettext("System"),
        next=_next(words, todo, counts[JobState.FAILED]),
        parts=tuple(rows),
        counts=tuple((one, words.gettext(STATES[one]), number) for one, number in counts.items()),
        state=state,
        state_word=words.gettext(STATES[state]),
        jobs=tuple(_job(one) for one in jobs[:_SHOWN]),
        before=jobs[_SHOWN - 1].id if len(jobs) > _SHOWN else None,
        is_first=before is None,
        may_retry=state is JobState.FAILED and Permission.JOB_RETRY in actor.permissions,
        may_send_again=Permission.JOB_RETRY in actor.permissions,
        may_admin_webhooks=Permission.WEBHOOK_ADMIN in actor.permissions,
        mail_counts=tuple(
            (words.gettext(MAIL_STATES[one]), n) for one, n in mails.counts(session).items()
        ),
        mails=tuple(
            _mail(seen, words) for seen in mails.listed(session, DEAD, before=None, limit=_SHOWN)
        ),
        log=_log(session),
        may_administer=Permission.USER_ADMIN in actor.permissions,
    )
    return edge.render(call, actor, session, "system/system.html", page, words=words)


@router.post("/system/mails/{mail_id}/again")
def send_again(mail_id: UUID, _form: Form, actor: CanRetry, session: SessionDep) -> Response:
    """Send a mail once more that was not taken."""
    del actor
    mail.again(session, mail_id)
    return edge.see("/system")


@router.post("/system/jobs/{job_id}/retry")
def retry_job(
    job_id: Annotated[int, Path(ge=1, le=_MOST_ID)],
    _form: Form,
    actor: CanRetry,
    session: SessionDep,
) -> Response:
    """Try a job once more that was given up."""
    queue.retry(session, actor, job_id)
    return edge.see("/system")


_ORDER: Final = {Level.FAIL: 0, Level.WARN: 1, Level.OK: 2}


def _part(found: Finding, words: Words) -> PartRow:
    label, todo = PARTS.get(found.part, (found.part, ""))
    is_ok = found.level is Level.OK
    return PartRow(
        label=words.gettext(label),
        level=found.level,
        found=words.said(found.found),
        is_ours=isinstance(found.found, Said),
        todo="" if is_ok or not todo else words.gettext(todo),
        mend="" if is_ok else found.mend,
    )


def _mail(seen: MailSeen, words: Words) -> MailRow:
    row = seen.row
    return MailRow(
        id=row.id,
        to=seen.to or words.gettext("a person of a client"),
        what=words.gettext(MAIL_KINDS[Kind(row.kind)]),
        state=words.gettext(MAIL_STATES[MailState(row.state)]),
        fault=row.fault or "",
        attempts=row.attempts,
        asked_at=row.asked_at,
    )


def _job(seen: JobSeen) -> JobRow:
    args = json.dumps(dict(seen.args), ensure_ascii=False, sort_keys=True)
    return JobRow(
        id=seen.id,
        task=seen.task,
        args=args,
        attempts=seen.attempts,
        changed_at=seen.changed_at,
    )


def _next(words: Words, todo: int, given_up: int) -> str:
    if todo:
        return words.counted("look at %(num)s part below", "look at %(num)s parts below", todo)
    if given_up:
        return words.gettext("try the jobs again that were given up")
    return ""


def _log(session: Session) -> LogPart:
    newest, leaves = checkpoints.newest(session), proofs.size_of(session)
    return LogPart(
        leaves=leaves,
        lag=log_figures.lag(session),
        checkpoint_size=newest.size if newest else None,
        checkpoint_at=newest.signed_at if newest else None,
        uncovered=leaves - (newest.size if newest else 0),
        stamps_pending=checkpoints.pending_count(session),
    )

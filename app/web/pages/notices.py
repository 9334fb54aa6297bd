"""Notice texts: the words by which people are told, their sound, and the search for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Annotated, Final, cast
from uuid import UUID

from fastapi import Depends, Path, Request, Response
from sqlalchemy.orm import Session

from app.consent import notices, queries, reference, shipped
from app.consent.models import NoticeText, NoticeTextSetAside, SetAside
from app.consent.notices import NoticeTextNotFound, NoticeWords
from app.consent.purposes import Purpose, RecipientClass
from app.consent.routes import reference_tools
from app.core.deps import ClockDep, SessionDep
from app.core.errors import Invalid, Refusal, TooLarge, UnsupportedMedia
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.inspection import references, searches
from app.inspection.models import RunState, SearchRun
from app.inspection.schemas import SearchRunRead
from app.inspection.searches import Coverage, Scope
from app.recordings.media import AudioRecogniser
from app.recordings.models import SealedRow
from app.tools import Tools
from app.web import client_words, edge, lookups, refusal_words
from app.web.edge import Form
from app.web.sections import Place, Section
from app.web.uploads import FileForm
from app.web.words import N_, Words

router = edge.page_router()

CanRead = Annotated[Actor, Depends(Requires(Permission.NOTICE_READ))]
CanWrite = Annotated[Actor, Depends(Requires(Permission.NOTICE_WRITE))]
CanApprove = Annotated[Actor, Depends(Requires(Permission.NOTICE_APPROVE))]
Version = Annotated[int, Path(ge=1, le=(1 << 31) - 1)]
_PIECE: Final = 64 * 1024
_MOST_WORDS: Final = 4000
_MOST_LINES: Final = 20
_FIELDS: Final = ("text", "purpose", "valid_from", "lines", "file")
_NEVER: Final = frozenset({Purpose.PUBLISH, Purpose.AI_TRAINING})
_LANGUAGES: Final = (("ru", N_("Russian")), ("en", N_("English")))
_SHARES: Final = N_("%(percent)s %% of the sound is that of version %(version)s of another text")
_REASONS: Final = {
    "text": N_("a text was approved"),
    "method": N_("the method of searching is another"),
    "request": N_("somebody asked for it"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRow:
    """A version of a text: how it stands, what it is for, and what was found of it."""

    id: UUID
    version: int
    language: str
    text: str
    state: str
    purposes: str
    recipients: str
    lines: str
    valid_from: datetime
    valid_to: datetime | None
    digest: str
    media_type: str
    template: bool
    mark: str
    lawyer: str
    wrote: str
    wrote_at: datetime
    approved: str
    approved_at: datetime | None
    ended_why: str
    shares: tuple[str, ...]
    whole: int
    partly: int
    is_draft: bool
    is_own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRow:
    """A text that comes with the product."""

    key: str
    language: str
    title: str
    text: str
    is_spoken: bool
    is_taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run over the old recordings."""

    id: UUID
    why: str
    state: str
    begun_at: datetime
    done: int
    total: int | None
    found: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticesPage:
    """Every text, those that come with the product, and the search."""

    title: str
    next: str
    rows: tuple[TextRow, ...]
    templates: tuple[TemplateRow, ...]
    running: tuple[RunRow, ...]
    runs: tuple[RunRow, ...]
    may_write: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePage:
    """One text with all its versions, the newest first."""

    title: str
    id: UUID
    next: str
    versions: tuple[TextRow, ...]
    may_write: bool
    may_approve: bool
    wrong: str
    wrong_of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePage:
    """The form for a text or its next version, with what is wrong of each field."""

    title: str
    of: UUID | None
    languages: tuple[tuple[str, str], ...]
    language: str
    text: str
    lines: str
    valid_from: str
    purposes: tuple[tuple[str, str, bool], ...]
    recipients: tuple[tuple[str, str, bool], ...]
    wrong: dict[str, str]


def _waiting(session: Session, actor: Actor, at: datetime) -> int:
    """Count the drafts that wait for this person's approval."""
    del at
    if Permission.NOTICE_APPROVE not in actor.permissions:
        return 0
    ended = queries.texts_set_aside(session)
    return sum(
        row.approved_at is None
        and (row.id, row.version) not in ended
        and row.created_by != actor.id
        for row in queries.notice_texts(session)
    )


SECTION = Section(
    place=Place.NOTICES,
    path="/notices",
    label=N_("Notice texts"),
    permission=Permission.NOTICE_READ,
    waiting=_waiting,
)


# --- the list ------------------------------------------------------------------------------------


@router.get("/notices")
def show_notices(call: Request, actor: CanRead, session: SessionDep, clock: ClockDep) -> Response:
    """Show every text by its newest version, the shipped ones, and the runs."""
    words, at = edge.words_of(call, actor, session), clock.now()
    rows = _rows(session, actor, queries.notice_texts(session), words, at=at)
    newest = {row.id: row for row in rows}  # The versions of a text come in order.
    taken = {row.template for row in queries.notice_texts(session)}
    runs = searches.runs(session)
    page = NoticesPage(
        title=words.gettext("Notice texts"),
        next=_next(rows, words, actor),
        rows=tuple(newest.values()),
        templates=tuple(
            TemplateRow(
                key=one.key,
                language=one.language,
                title=one.title,
                text=one.text,
                is_spoken=one.spoken is not None,
                is_taken=one.key in taken,
            )
            for one in shipped.templates()
            if one.spoken is not None or one.language == words.language
        ),
        running=tuple(_run(one, words, at=at) for one in runs if one.state == RunState.RUNNING),
        runs=tuple(_run(one, words, at=at) for one in runs if one.state != RunState.RUNNING)[:10],
        may_write=Permission.NOTICE_WRITE in actor.permissions,
    )
    return edge.render(call, actor, session, "notices/notices.html", page, words=words)


def _next(rows: Sequence[TextRow], words: Words, actor: Actor) -> str:
    if Permission.NOTICE_APPROVE in actor.permissions:
        waiting = sum(row.is_draft and not row.is_own for row in rows)
        if waiting:
            return words.counted(
                "hear %(num)s draft and approve or reject it",
                "hear %(num)s drafts and approve or reject them",
                waiting,
            )
    if not rows and Permission.NOTICE_WRITE in actor.permissions:
        return words.gettext("take over a text below, or bring your own with its sound")
    return ""


@router.post("/notices/templates/{template_key}/take-over")
def take_over(
    call: Request, template_key: str, _form: Form, actor: CanWrite, clock: ClockDep
) -> Response:
    """Make a draft of a text that comes with the product, with its sound."""
    row = shipped.take_over(
        reference_tools(call),
        actor,
        shipped.template(template_key),
        lines=(),
        valid_from=clock.now(),
    )
    return edge.see(f"/notices/{row.id}")


# --- a run over the old recordings ---------------------------------------------------------------


@router.post("/notices/searches")
def begin_search(form: Form, actor: CanWrite, session: SessionDep, clock: ClockDep) -> Response:
    """Search old recordings for what was not searched for in them yet."""
    scope = Scope(text_id=form.id("text") if form.get("text") else None)
    searches.begin_asked(session, actor, scope, at=clock.now())
    return edge.see("/notices")


@router.post("/notices/searches/{search_run}/cancel")
def cancel_search(
    search_run: UUID, _form: Form, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> Response:
    """Stop a run; what it has found stays."""
    searches.cancel(session, actor, search_run, at=clock.now())
    return edge.see("/notices")


# --- writing -------------------------------------------------------------------------------------


@router.get("/notices/new")
def show_form(
    call: Request, actor: CanWrite, session: SessionDep, clock: ClockDep, of: UUID | None = None
) -> Response:
    """Show the form for a text, or for the next version of one."""
    words = edge.words_of(call, actor, session)
    before = None
    if of is not None:
        before = queries.notice_text(session, of, queries.latest_version(session, of))
        if before is None:
            raise NoticeTextNotFound
    page = _form_page(
        words,
        of=of,
        language=before.language if before else words.language,
        text=before.text if before else "",
        lines=", ".join(before.lines) if before else "",
        valid_from=clock.now().astimezone(words.zone).date().isoformat(),
        purposes=before.purposes if before else [Purpose.INTERNAL_QUALITY],
        recipients=before.recipients if before else [],
        wrong={},
    )
    return edge.render(call, actor, session, "notices/write.html", page, words=words)


@router.post("/notices/new")
def write_text(call: Request, actor: CanWrite, sent: FileForm, session: SessionDep) -> Response:
    """Keep a text and its sound as a draft; what is wrong of either stands beside its field."""
    words, fields = edge.words_of(call, actor, session), sent.fields
    of = fields.id("of") if fields.get("of") else None
    language = fields.get("language")
    language = language if language in dict(_LANGUAGES) else words.language
    wrong: dict[str, str] = {}
    text = fields.get("text")
    if not text or len(text) > _MOST_WORDS:
        wrong["text"] = words.gettext("Write the words as they are spoken, at most 4000 letters.")
    purposes = [one for one in fields.all("purpose") if one in _purposes()]
    if not purposes:
        wrong["purpose"] = words.gettext("Choose at least one.")
    starts = _day(fields.get("valid_from"), words)
    if starts is None:
        wrong["valid_from"] = words.gettext("Name a day.")
    lines = tuple(one.strip() for one in fields.get("lines").split(",") if one.strip())
    if len(lines) > _MOST_LINES:
        wrong["lines"] = words.gettext("At most twenty lines.")
    if sent.file is None:
        wrong["file"] = words.gettext("Choose the sound of these words.")
    if not wrong and sent.file is not None and starts is not None:
        told = NoticeWords(
            id=of,
            language=language,
            text=text,
            purposes=tuple(purposes),
            recipients=tuple(one for one in fields.all("recipient") if one in set(RecipientClass)),
            lines=lines,
            valid_from=starts,
        )
        recogniser = AudioRecogniser(sent.file.content_type, sent.file.filename)
        try:
            row = reference.keep_whole(
                reference_tools(call), actor, told, _pieces(sent), recogniser
            )
        except (Invalid, UnsupportedMedia, TooLarge) as exc:
            wrong["file"] = _why(exc, words)
        else:
            return edge.see(f"/notices/{row.id}")
    page = _form_page(
        words,
        of=of,
        language=language,
        text=text,
        lines=fields.get("lines"),
        valid_from=fields.get("valid_from"),
        purposes=fields.all("purpose"),
        recipients=fields.all("recipient"),
        wrong=wrong,
    )
    return edge.render(call, actor, session, "notices/write.html", page, status=422, words=words)


def _pieces(sent: FileForm) -> Iterator[bytes]:
    if sent.file is None:
        return
    left = reference.MAX_REFERENCE_BYTES
    while piece := sent.file.file.read(_PIECE):
        left -= len(piece)
        if left < 0:
            raise TooLarge
        yield piece


def _why(refusal: Refusal, words: Words) -> str:
    return refusal_words.said(refusal, words)


def _day(told: str, words: Words) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(told), time(), tzinfo=words.zone)
    except ValueError:
        return None


def _purposes() -> list[str]:
    return [one for one in Purpose if one not in _NEVER]


def _form_page(  # noqa: PLR0913 - the fields of the form.
    words: Words,
    *,
    of: UUID | None,
    language: str,
    text: str,
    lines: str,
    valid_from: str,
    purposes: Sequence[str],
    recipients: Sequence[str],
    wrong: dict[str, str],
) -> WritePage:
    return WritePage(
        title=words.gettext("The next version") if of else words.gettext("A new notice text"),
        of=of,
        languages=tuple((code, words.gettext(label)) for code, label in _LANGUAGES),
        language=language,
        text=text,
        lines=lines,
        valid_from=valid_from,
        purposes=tuple(
            (one, client_words.purpose(words, one), one in purposes) for one in _purposes()
        ),
        recipients=tuple(
            (one, client_words.recipient(words, one), one in recipients) for one in RecipientClass
        ),
        wrong=dict.fromkeys(_FIELDS, "") | wrong,
    )


# --- one text ------------------------------------------------------------------------------------


@router.get("/notices/{notice_id}")
def show_notice(
    call: Request, notice_id: UUID, actor: CanRead, session: SessionDep, clock: ClockDep
) -> Response:
    """Show a text with all its versions."""
    return _notice(call, actor, session, notice_id, at=clock.now())


def _notice(
    call: Request,
    actor: Actor,
    session: Session,
    notice_id: UUID,
    *,
    at: datetime,
    wrong: tuple[int, str] = (0, ""),
) -> Response:
    words = edge.words_of(call, actor, session)
    kept = [row for row in queries.notice_texts(session) if row.id == notice_id]
    if not kept:
        raise NoticeTextNotFound
    rows = _rows(session, actor, kept, words, at=at)
    page = NoticePage(
        title=words.gettext("A notice text"),
        id=notice_id,
        next=_next(rows, words, actor) if rows else "",
        versions=tuple(reversed(rows)),
        may_write=Permission.NOTICE_WRITE in actor.permissions,
        may_approve=Permission.NOTICE_APPROVE in actor.permissions,
        wrong=wrong[1],
        wrong_of=wrong[0],
    )
    status = 422 if wrong[1] else 200
    return edge.render(
        call, actor, session, "notices/notice.html", page, status=status, words=words
    )


@router.get("/notices/{notice_id}/{notice_version}/audio")
def hear(
    call: Request, notice_id: UUID, notice_version: Version, _: CanRead, session: SessionDep
) -> Response:
    """Give the sound of a version; it is an announcement and holds no call."""
    row = queries.notice_text(session, notice_id, notice_version)
    if row is None:
        raise NoticeTextNotFound
    tools = cast("Tools", call.app.state.tools)
    sealed = session.get_one(SealedRow, row.object_id)
    body = references.original(tools.archive, sealed)
    return Response(body, media_type=row.media_type, headers={"Accept-Ranges": "none"})


@router.post("/notices/{notice_id}/{notice_version}/approve")
def approve(  # noqa: PLR0913, PLR0917 - what the framework injects.
    call: Request,
    notice_id: UUID,
    notice_version: Version,
    form: Form,
    actor: CanApprove,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Approve a version; old recordings are then searched for it."""
    lawyer = form.get("lawyer")[:500] or None
    try:
        with session.begin_nested():
            notices.approve(
                session, actor, notice_id, version=notice_version, lawyer=lawyer, at=clock.now()
            )
    except (notices.LawyerNotNamed, notices.WriterApproves) as exc:
        words = edge.words_of(call, actor, session)
        wrong = (notice_version, _why(exc, words))
        return _notice(call, actor, session, notice_id, at=clock.now(), wrong=wrong)
    return edge.see(f"/notices/{notice_id}")


@router.post("/notices/{notice_id}/{notice_version}/withdraw")
def withdraw(  # noqa: PLR0913, PLR0917 - what the framework injects.
    call: Request,
    notice_id: UUID,
    notice_version: Version,
    form: Form,
    actor: CanWrite,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Take back a draft that one wrote."""
    how = SetAside.WITHDRAWN
    return _set_aside(
        call, actor, session, (notice_id, notice_version), form.get("reason"), how, clock.now()
    )


@router.post("/notices/{notice_id}/{notice_version}/reject")
def reject(  # noqa: PLR0913, PLR0917 - what the framework injects.
    call: Request,
    notice_id: UUID,
    notice_version: Version,
    form: Form,
    actor: CanApprove,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Put aside a draft that another wrote."""
    how = SetAside.REJECTED
    return _set_aside(
        call, actor, session, (notice_id, notice_version), form.get("reason"), how, clock.now()
    )


def _set_aside(  # noqa: PLR0913, PLR0917 - which draft, how and why.
    call: Request,
    actor: Actor,
    session: Session,
    which: tuple[UUID, int],
    reason: str,
    how: SetAside,
    at: datetime,
) -> Response:
    notice_id, version = which
    if not reason:
        words = edge.words_of(call, actor, session)
        wrong = (version, words.gettext("Say why."))
        return _notice(call, actor, session, notice_id, at=at, wrong=wrong)
    notices.set_aside(
        session, actor, notice_id, version=version, how=how, reason=reason[:_MOST_WORDS], at=at
    )
    return edge.see(f"/notices/{notice_id}")


# --- rows ----------------------------------------------------------------------------------------


def _rows(
    session: Session, actor: Actor, kept: Sequence[NoticeText], words: Words, *, at: datetime
) -> list[TextRow]:
    ended = queries.texts_set_aside(session)
    found = searches.coverage(session)
    names = lookups.names(
        session, [one for row in kept for one in (row.created_by, row.approved_by)]
    )
    rows = []
    for row in kept:
        aside = ended.get((row.id, row.version))
        covered = found.get((row.id, row.version), Coverage(0, 0))
        rows.append(
            TextRow(
                id=row.id,
                version=row.version,
                language=row.language,
                text=row.text,
                state=_state(row, aside, at=at),
                purposes=", ".join(client_words.purpose(words, one) for one in row.purposes),
                recipients=", ".join(client_words.recipient(words, one) for one in row.recipients),
                lines=", ".join(row.lines),
                valid_from=row.valid_from,
                valid_to=row.valid_to,
                digest=row.audio_sha256.hex(),
                media_type=row.media_type,
                template=row.template is not None,
                mark=row.mark or "",
                lawyer=row.lawyer_reviewed_by or "",
                wrote=names.get(row.created_by, ""),
                wrote_at=row.created_at,
                approved=names.get(row.approved_by, "") if row.approved_by else "",
                approved_at=row.approved_at,
                ended_why=aside.reason if aside else "",
                shares=tuple(
                    words.gettext(_SHARES) % {"percent": one["percent"], "version": one["version"]}
                    for one in row.shares
                ),
                whole=covered.whole,
                partly=covered.partly,
                is_draft=row.approved_at is None and aside is None,
                is_own=row.created_by == actor.id,
            )
        )
    return rows


def _state(row: NoticeText, aside: NoticeTextSetAside | None, *, at: datetime) -> str:
    if aside is not None:
        return aside.how
    if row.approved_at is None:
        return "draft"
    if row.valid_to is not None and row.valid_to <= at:
        return "over"
    return "in_force" if row.valid_from <= at else "to_come"


def _run(run: SearchRun, words: Words, *, at: datetime) -> RunRow:
    told = SearchRunRead.of(run, at=at)
    return RunRow(
        id=run.id,
        why=words.gettext(_REASONS[run.reason]),
        state=run.state,
        begun_at=run.begun_at,
        done=told.done + told.failed,
        total=told.total,
        found=told.found_complete,
        failed=told.failed,
    )

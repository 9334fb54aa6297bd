"""Old archives that are taken in, how far they are; and tables of clients, contacts and events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from sqlalchemy.orm import Session

from app.clients import table_import
from app.clients.table_import import Done, Ways
from app.clients.tables import Fault, Kind, Wrong
from app.core.deps import ClockDep, SessionDep
from app.feeds import queries as feeds
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.imports import queries, service
from app.imports.models import FileReason, FileState, ImportRun, RunState
from app.imports.queries import Counts
from app.imports.service import ImportRunNotFound
from app.onec import service as onec
from app.onec.models import Kind as OnecKind
from app.onec.models import OnecThing, ReturnState, ThingState
from app.onec.reasons import FAULTS as ONEC_FAULTS
from app.onec.reasons import REASONS as ONEC_REASONS
from app.onec.reasons import Reason as OnecReason
from app.onec.service import Seen
from app.web import edge
from app.web.edge import Form
from app.web.uploads import FileForm
from app.web.words import N_, Words

router = edge.page_router()

CanSee = Annotated[Actor, Depends(Requires(Permission.DEVICE_ADMIN))]
CanBring = Annotated[Actor, Depends(Requires(Permission.CLIENT_WRITE))]
_RUNS: Final = 20
_FILES: Final = 50
_MOST_LINES: Final = 1_000
_MOST_SHOWN: Final = 200
_DIGEST_LETTERS: Final = 64
_LONGEST_NAME: Final = 120

STATES: Final = {
    RunState.RUNNING: N_("under way, or broken off"),
    RunState.DONE: N_("done"),
    RunState.CANCELLED: N_("called off"),
}
REASONS: Final = {
    FileReason.SAME_CALL: N_("here already: the same call with the same bytes"),
    FileReason.SAME_BYTES: N_("here already: another recording has exactly these bytes"),
    FileReason.LINK: N_("a link, which is not followed"),
    FileReason.NOT_A_FILE: N_("no file"),
    FileReason.VANISHED: N_("gone before it was read"),
    FileReason.UNREADABLE: N_("cannot be read"),
    FileReason.TOO_LARGE: N_("larger than allowed"),
    FileReason.CHANGED: N_("was written to while it was read; take it in again at rest"),
    FileReason.NO_MOMENT: N_("nothing tells when; name a preset, a pattern or the call records"),
    FileReason.NO_DIRECTION: N_("nothing tells whether it came in or went out; say it"),
    FileReason.FACTS_INVALID: N_("a fact cannot be kept; see the detail"),
    FileReason.SIDECAR_INVALID: N_("the file beside it cannot be read"),
    FileReason.CAPTURE_OPEN: N_("packets of a call that may still be on"),
    FileReason.CAPTURE_INVALID: N_("packets that no sound can be made of"),
    "other-bytes": N_("the same call is here with other bytes"),
    "recording-erased": N_("was erased, and does not come back"),
    "not-audio": N_("no recording"),
    "empty-file": N_("empty"),
}
"""What people are told of a reason; others have the code alone."""
_OTHERWISE: Final = N_("refused on the way in, as of any upload")
KINDS: Final = {
    Kind.CLIENTS: N_("Clients"),
    Kind.CONTACTS: N_("Contacts of clients"),
    Kind.CONTRACTS: N_("Contracts and their clauses"),
    Kind.EVENTS: N_("Events"),
}
ONEC_KINDS: Final = {
    OnecKind.CLIENT: N_("client"),
    OnecKind.CONTACT: N_("contact"),
    OnecKind.CONTRACT: N_("contract"),
    OnecKind.EVENT: N_("event"),
}
FAULTS: Final = {
    Fault.ENCODING: N_("The file is no text in UTF-8, UTF-16 or Windows-1251."),
    Fault.EMPTY: N_("Nothing stands in it below the names of the columns."),
    Fault.TOO_LARGE: N_("The file is too large."),
    Fault.TOO_MANY: N_("More lines than are taken at once; the command line takes more."),
    Fault.QUOTES: N_("A quotation mark is not closed."),
    Fault.COLUMN_MISSING: N_("This column is missing."),
    Fault.COLUMN_TWICE: N_("This column stands twice."),
    Fault.CELLS: N_("The line has more cells than the first one."),
    Fault.CELL_MISSING: N_("The cell is empty."),
    Fault.DATE: N_("No date, as 31.12.2026 or 2026-12-31 are."),
    Fault.NUMBER: N_("No sum of money."),
    Fault.YES_OR_NO: N_("Neither yes nor no."),
    Fault.WORD: N_("A word that is not known here."),
    Fault.VALUE: N_("This value cannot be kept."),
    Fault.TWICE: N_("The same stands in the file twice."),
    Fault.DIFFERS: N_("The lines of this contract tell different things."),
    Fault.PHONE: N_("No telephone number."),
    Fault.CLIENT: N_("There is no such client; take in the clients first."),
    Fault.OFFICE: N_("There is no such office."),
    Fault.PERIOD: N_("The contract ends before it begins."),
    Fault.OTHER_CLIENT: N_("The event was told of as another client's."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run: whose folder, how far, and whether it can be stopped."""

    id: UUID
    folder: str
    device: str
    state: str
    is_running: bool
    counts: Counts
    started_at: datetime
    moved_at: datetime

    @property
    def done(self) -> int:
        return self.counts.found - self.counts.waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class OnecRow:
    """A source of 1C: when it was sent and read, what failed, and what waits."""

    name: str
    sent_at: datetime | None
    pulled_at: datetime | None
    faults: tuple[str, ...]
    taken: int
    refused: int
    written: int
    waiting: int
    given_up: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsPage:
    """The newest runs, and the sources of 1C."""

    title: str
    rows: tuple[RunRow, ...]
    onec: tuple[OnecRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A thing of 1C that was refused: what it is, and why."""

    kind: str
    ref: UUID
    name: str
    why: tuple[tuple[str, str], ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedPage:
    """What was refused of a source of 1C, the newest first."""

    title: str
    path: str
    rows: tuple[RefusedRow, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonRow:
    """Why files were not taken, and how many."""

    code: str
    says: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A file that was skipped or refused."""

    path: str
    says: str
    detail: str
    recording: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """A run with its reasons and the first files that were not taken."""

    title: str
    run: RunRow
    reasons: tuple[ReasonRow, ...]
    files: tuple[FileRow, ...]
    next_cursor: str | None
    is_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongRow:
    """What is wrong, and where."""

    line: int
    column: str
    says: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TablesPage:
    """The form for a table, and what came of the last one."""

    title: str
    kinds: tuple[tuple[str, str], ...]
    kind: str
    most: int
    wrong: str = ""
    done: Done | None = None
    errors: tuple[WrongRow, ...] = ()
    more_errors: int = 0
    unknown: str = ""
    taken: int | None = None
    new: int = 0


@router.get("/imports")
def list_runs(call: Request, actor: CanSee, session: SessionDep) -> Response:
    """List the runs over old archives, the newest first."""
    words = edge.words_of(call, actor, session)
    found = queries.runs(session, limit=_RUNS)
    page = RunsPage(
        title=words.gettext("Old archives"),
        rows=tuple(_row(session, one, words) for one in found),
        onec=tuple(_onec(one, words) for one in onec.seen(session)),
    )
    return edge.render(call, actor, session, "imports/runs.html", page, words=words)


@router.get("/imports/1c/{onec_source}")
def show_refused(
    call: Request,
    onec_source: str,
    actor: CanSee,
    session: SessionDep,
    before: UUID | None = None,
) -> Response:
    """Show what was refused of a source of 1C, and why."""
    words = edge.words_of(call, actor, session)
    source = onec.named(session, onec_source)
    found = onec.refused(session, source.id, limit=_FILES + 1, before=before)
    page = RefusedPage(
        title=source.name,
        path=f"/imports/1c/{source.name}",
        rows=tuple(_refused(one, words) for one in found[:_FILES]),
        next_cursor=str(found[_FILES - 1].id) if len(found) > _FILES else None,
    )
    return edge.render(call, actor, session, "imports/onec.html", page, words=words)


@router.get("/imports/tables")
def show_tables(
    call: Request,
    actor: CanBring,
    session: SessionDep,
    kind: Kind = Kind.CLIENTS,
    taken: Annotated[int | None, Query(ge=0, le=_MOST_LINES)] = None,
    new: Annotated[int, Query(ge=0, le=_MOST_LINES)] = 0,
) -> Response:
    """Show the form for a table."""
    words = edge.words_of(call, actor, session)
    page = _tables(words, kind, taken=taken, new=new)
    return edge.render(call, actor, session, "imports/tables.html", page, words=words)


@router.post("/imports/tables")
def bring_table(
    call: Request, actor: CanBring, sent: FileForm, session: SessionDep, clock: ClockDep
) -> Response:
    """Try a table, or take it in; what is wrong stands below, line by line."""
    words, fields = edge.words_of(call, actor, session), sent.fields
    kind = Kind(fields.get("kind")) if fields.get("kind") in set(Kind) else Kind.CLIENTS
    checked = fields.get("checked")[:_DIGEST_LETTERS]
    wrong = ""
    done = None
    if sent.file is None:
        wrong = words.gettext("Choose the file.")
    else:
        ways = Ways(
            actor=actor,
            at=clock.now(),
            region=words.region,
            zone=words.zone,
            max_rows=_MOST_LINES,
        )
        raw = sent.file.file.read()
        is_try = fields.get("step") != "take"
        if not is_try and checked and checked != table_import.digest(raw):
            wrong = words.gettext("This is another file than was checked.")
            is_try = True
        done = table_import.carry_out(session, ways, kind, raw, is_try=is_try)
        if done.is_kept:
            query = {"kind": str(kind), "taken": str(done.things), "new": str(done.new)}
            return edge.see("/imports/tables", query)
    page = _tables(words, kind, wrong=wrong, done=done)
    status = 422 if wrong or (done is not None and done.wrong) else 200
    return edge.render(
        call, actor, session, "imports/tables.html", page, status=status, words=words
    )


@router.get("/imports/{import_run_id}")
def show_run(
    call: Request,
    import_run_id: UUID,
    actor: CanSee,
    session: SessionDep,
    after: Annotated[str, Query(pattern=r"^([0-9a-f]{64})?$")] = "",
) -> Response:
    """Show how far a run is, and what it did not take."""
    words = edge.words_of(call, actor, session)
    run = queries.run(session, import_run_id)
    if run is None:
        raise ImportRunNotFound
    row = _row(session, run, words)
    states = (FileState.SKIPPED, FileState.REFUSED)
    found = queries.files(
        session, import_run_id, after=bytes.fromhex(after), limit=_FILES + 1, states=states
    )
    page = RunPage(
        title=row.folder,
        run=row,
        reasons=tuple(
            ReasonRow(code=code, says=_says(code, words), count=number)
            for code, number in row.counts.reasons.items()
        ),
        files=tuple(
            FileRow(
                path=service.readable(one.path) or words.gettext("erased"),
                says=_says(one.reason or "", words),
                detail=one.detail or "",
                recording=one.recording_id,
            )
            for one in found[:_FILES]
        ),
        next_cursor=found[_FILES - 1].path_sha256.hex() if len(found) > _FILES else None,
        is_first=not after,
    )
    return edge.render(call, actor, session, "imports/run.html", page, words=words)


@router.post("/imports/{import_run_id}/cancel")
def cancel_run(
    import_run_id: UUID, _form: Form, actor: CanSee, session: SessionDep, clock: ClockDep
) -> Response:
    """End a run where it stands."""
    service.cancel(session, actor, import_run_id, at=clock.now())
    return edge.see(f"/imports/{import_run_id}")


def _row(session: Session, run: ImportRun, words: Words) -> RunRow:
    devices = feeds.devices(session)
    return RunRow(
        id=run.id,
        folder=run.folder,
        device=devices[run.device_id].name if run.device_id in devices else "",
        state=words.gettext(STATES[RunState(run.state)]),
        is_running=run.state == RunState.RUNNING,
        counts=queries.counts(session, run.id),
        started_at=run.started_at,
        moved_at=run.moved_at,
    )


def _onec(seen: Seen, words: Words) -> OnecRow:
    place = 0 if words.language == "ru" else 1
    source = seen.source
    faults = [
        ("", source.fault),
        *((one.entity, one.fault) for one in seen.cursors if one.fault != source.fault),
    ]
    return OnecRow(
        name=source.name,
        sent_at=source.sent_at,
        pulled_at=source.pulled_at,
        faults=tuple(
            f"{entity}: {ONEC_FAULTS[code][place]}" if entity else ONEC_FAULTS[code][place]
            for entity, code in faults
            if code is not None
        ),
        taken=seen.things[ThingState.TAKEN],
        refused=seen.things[ThingState.REFUSED],
        written=seen.returns[ReturnState.WRITTEN],
        waiting=seen.returns[ReturnState.WAITING],
        given_up=seen.returns[ReturnState.DEAD],
    )


def _refused(thing: OnecThing, words: Words) -> RefusedRow:
    fields = (thing.told or {}).get("fields", {})
    name = fields.get("name") or fields.get("number") or fields.get("subject") or ""
    is_russian = words.language == "ru"
    why = []
    for one in thing.reasons:
        said = ONEC_REASONS[OnecReason(one["reason"])]
        place = " ".join(part for part in (one["field"], one["what"]) if part)
        what = said.ru if is_russian else said.en
        helps = said.help_ru if is_russian else said.help_en
        why.append((f"{what} {place}".strip(), helps))
    return RefusedRow(
        kind=words.gettext(ONEC_KINDS[OnecKind(thing.kind)]),
        ref=thing.ref,
        name=str(name)[:_LONGEST_NAME],
        why=tuple(why),
        at=thing.at,
    )


def _says(code: str, words: Words) -> str:
    known = {str(reason): says for reason, says in REASONS.items()}
    return words.gettext(known.get(code, _OTHERWISE))


def _tables(
    words: Words,
    kind: Kind,
    *,
    wrong: str = "",
    done: Done | None = None,
    taken: int | None = None,
    new: int = 0,
) -> TablesPage:
    errors = done.wrong if done is not None else ()
    return TablesPage(
        title=words.gettext("Take in a table"),
        kinds=tuple((str(one), words.gettext(label)) for one, label in KINDS.items()),
        kind=str(kind),
        most=_MOST_LINES,
        wrong=wrong,
        done=done,
        errors=tuple(_wrong(one, words) for one in errors[:_MOST_SHOWN]),
        more_errors=max(0, len(errors) - _MOST_SHOWN),
        unknown=", ".join(done.unknown) if done is not None else "",
        taken=taken,
        new=new,
    )


def _wrong(one: Wrong, words: Words) -> WrongRow:
    # What a check of values says is English; others stand as the file has them.
    is_told = one.fault is not Fault.VALUE or words.language == "en"
    return WrongRow(
        line=one.line,
        column=one.column,
        says=words.gettext(FAULTS[one.fault]),
        what=one.what if is_told else "",
    )

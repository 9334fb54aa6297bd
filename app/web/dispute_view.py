"""A dispute as its page shows it: everything in rows with words, links and what may be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Final
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients.models import Contract
from app.core.ids import DisputeId
from app.core.paging import Cursor
from app.disputes import queries, reading, rules, timeline, wording
from app.disputes.models import (
    ClientUpload,
    DisputeStatement,
    DisputeStep,
    DocumentRequest,
    Exhibit,
)
from app.disputes.reading import Whole
from app.disputes.rules import (
    REQUEST_MOVES,
    WAITING,
    AnswerKind,
    Channel,
    MoverRole,
    Need,
    Outcome,
    RequestState,
    Side,
    State,
    StatementKind,
    StepKind,
    StepState,
    UploadState,
    WorkRole,
)
from app.disputes.timeline import Happened, Line, Target
from app.documents import queries as documents
from app.identity import queries as people
from app.identity.actor import Actor
from app.identity.permissions import Permission
from app.pictures import service as pictures
from app.web import edge, filling
from app.web.filling import Wrong
from app.web.words import N_, Words

_LINES: Final = 60
_MOST_TO_SHOW: Final = 200
_SHOWABLE: Final = frozenset({Happened.RECORDING, Happened.SCREENSHOT})
_NEEDS: Final = {
    Need.REASON: N_("a reason"),
    Need.FIRST_VALIDITY: N_("the step of first validity, done or skipped"),
    Need.VERDICT: N_("a verdict"),
    Need.ANSWER: N_("the client's answer"),
    Need.OUTCOME: N_("an outcome"),
}
_UPLOADS: Final = {
    UploadState.WAITING: N_("is being checked"),
    UploadState.KEPT: N_("kept"),
}
_WITHHELD: Final = N_("only kept: an approver or legal reads it")
_ERASED: Final = N_("erased: nothing of it is kept")
_REFUSED: Final = {
    "not-a-document": N_("refused: no picture or PDF, whatever its name"),
    "active-content": N_("refused: a PDF that would run or send something by itself"),
    "too-many-pixels": N_("refused: the picture has too many pixels"),
    "empty-file": N_("refused: the file is empty"),
    "other-than-sent": N_("refused: the bytes did not come as they were sent"),
}
_LEADS_TO: Final = {
    Target.RECORDING: "/recordings/{id}",
    Target.EVENT: "/events/{id}",
    Target.RELEASE: "/releases/{id}",
    Target.DISPUTE: "/disputes/{id}",
}
_MARKS: Final = {
    Happened.CALL: "☎",
    Happened.RECORDING: "▶",
    Happened.COMPLAINT: "!",
    Happened.STATEMENT: "„",
    Happened.SCREENSHOT: "▣",
    Happened.DOCUMENT: "¶",
    Happened.RELEASE: "→",
    Happened.VISIT: "⌂",
}
_NEXT: Final = {
    StepKind.CALL_BACK: N_("Pause, and promise the client to call back."),
    StepKind.WHOSE_SIDE: N_("Find out on whose side it can be."),
    StepKind.OUR_CHECK: N_("Check our side."),
    StepKind.INSTRUCTIONS: N_("Send the client what to check."),
    StepKind.DOCUMENTS: N_("Ask the client for documents."),
    StepKind.FIRST_VALIDITY: N_("Look whether what the client sent is usable."),
    StepKind.SPECIALIST: N_("Give it to a specialist."),
    StepKind.VERDICT: N_("Write the verdict down."),
    StepKind.LESSONS: N_("Write down what is learnt."),
}

Options = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRow:
    """A state that the dispute can be moved to; `lacks` is what must be there first."""

    to: str
    needs_reason: bool
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A statement, in words."""

    id: UUID
    words: str
    value: str
    by: str
    at: datetime
    channel: str
    quote: str
    amount: str
    noted_by: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """A line of the checklist."""

    id: UUID
    title: str
    state: str
    owner: str
    owner_id: str
    due_at: datetime | None
    due: str
    urgency: str
    result: str
    reason: str
    is_first: bool
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRow:
    """Something that happened; `exhibit` is the form that makes an exhibit of it."""

    at: datetime
    kind: str
    title: str
    who: str
    mark: str
    link: str
    duration_ms: int | None
    exhibit: str
    small: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExhibitRow:
    """An exhibit, where it is heard or seen, and how it may be changed."""

    id: UUID
    is_recording: bool
    at: datetime
    from_ms: int
    to_ms: int | None
    is_whole: bool
    hidden: int
    note: str
    added_by: str
    is_erased: bool
    link: str
    small: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """What the client was asked for, and what may be said of it now."""

    id: UUID
    asked: str
    state: str
    words: str
    due_at: datetime | None
    urgency: str
    contact: str
    link_until: datetime | None
    documents: tuple[tuple[str, str, str], ...]
    uploads: tuple[tuple[str, str], ...]
    is_waiting: bool
    may_be_received: bool
    judgements: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkedRow:
    """Hours that somebody spent."""

    role: str
    minutes: int
    day: str
    who: str
    what: str
    cost: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """The hours of a role, and what they cost."""

    role: str
    minutes: int
    cost: str
    without_rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConductRow:
    """Whose conduct is or was in question."""

    id: UUID
    who: str
    is_cleared: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineRow:
    """A promise of ours or the client's that is not kept yet."""

    what: str
    due_at: datetime
    urgency: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputePage:
    """A dispute with everything of it, and the forms that the person may use."""

    title: str
    id: UUID
    state: str
    client: str
    client_path: str
    owner: str
    owner_id: str
    opened_by: str
    opened_at: datetime
    closed_at: datetime | None
    due_at: datetime | None
    due: str
    period: tuple[datetime | None, datetime | None]
    period_from: str
    period_to: str
    next: str
    may_write: bool
    may_hand_over: bool
    moves: tuple[MoveRow, ...]
    is_in_question: bool
    deadlines: tuple[DeadlineRow, ...]
    said: dict[str, tuple[Said, ...]]
    steps: tuple[StepRow, ...]
    lines: tuple[LineRow, ...]
    more_lines: str
    is_first_page: bool
    exhibits: tuple[ExhibitRow, ...]
    showable: Options
    to_show: str
    requests: tuple[RequestRow, ...]
    to_ask: str
    came: Options
    worked: tuple[WorkedRow, ...]
    costs: tuple[CostRow, ...]
    total: str
    conducts: tuple[ConductRow, ...]
    releases: tuple[UUID, ...]
    people: Options
    contacts: Options
    owners: Options
    clauses: Options
    channels: Options
    sides: Options
    answers: Options
    outcomes: Options
    work_roles: Options
    now: str
    today: str
    wrong: Wrong


_NOTHING_WRONG: Final = Wrong()


def show(
    call: Request,
    actor: Actor,
    session: Session,
    dispute_id: UUID,
    *,
    at: datetime,
    wrong: Wrong = _NOTHING_WRONG,
) -> Response:
    """Answer with the page of a dispute; where a form was not taken, with what is wrong with it.

    Raises:
        DisputeNotFound: there is none.
    """
    words = edge.words_of(call, actor, session)
    page = _Seen(call, actor, session, words, at).page(dispute_id, wrong)
    status = 422 if wrong.form else 200
    return edge.render(
        call, actor, session, "disputes/dispute.html", page, status=status, words=words
    )


class _Seen:
    """What one person sees of a dispute at one moment."""

    def __init__(
        self, call: Request, actor: Actor, session: Session, words: Words, at: datetime
    ) -> None:
        self.call, self.actor, self.session, self.words, self.at = call, actor, session, words, at

    def page(self, dispute_id: UUID, wrong: Wrong) -> DisputePage:
        actor, session, words = self.actor, self.session, self.words
        whole = reading.whole(session, actor, DisputeId(dispute_id))
        one = whole.dispute
        is_open = one.state != State.CLOSED
        may_write = is_open and Permission.DISPUTE_WRITE in actor.permissions
        in_question = bool(actor.id and queries.is_in_question(session, one.id, actor.id))
        contacts = clients.contacts_of(session, one.client_id)
        found, more = self._lines(whole)
        asked = self.call.query_params
        return DisputePage(
            title=one.subject,
            id=one.id,
            state=one.state,
            client=whole.client.name,
            client_path=f"/clients/{one.client_id}",
            owner=whole.people.get(one.owner_id, "—"),
            owner_id=str(one.owner_id),
            opened_by=whole.people.get(one.opened_by, "—"),
            opened_at=one.opened_at,
            closed_at=one.closed_at,
            due_at=one.due_at,
            due=filling.entered(one.due_at, words),
            period=(one.period_from, one.period_to),
            period_from=filling.entered(one.period_from, words),
            period_to=filling.entered(one.period_to, words),
            next=self._next(whole),
            may_write=may_write,
            may_hand_over=is_open and Permission.RELEASE_REQUEST in actor.permissions,
            moves=self._moves(whole, in_question=in_question),
            is_in_question=in_question,
            deadlines=self._deadlines(whole) if is_open else (),
            said={str(kind): self._said(whole, kind) for kind in StatementKind},
            steps=self._steps(whole),
            lines=tuple(map(self._line, found)),
            more_lines=more,
            is_first_page="cursor" not in asked,
            exhibits=self._exhibits(whole),
            showable=self._showable(whole) if may_write else (),
            to_show=asked.get("show", "")[:80],
            requests=tuple(
                self._request(whole, row, {c.id: c.name for c in contacts})
                for row in whole.requests
            ),
            to_ask=asked.get("ask", "")[:4000],
            came=self._came(whole) if may_write else (),
            worked=self._worked(whole),
            costs=tuple(
                CostRow(
                    role=self._say(line.role),
                    minutes=line.minutes,
                    cost=self._money(line.cost_minor),
                    without_rate=line.minutes_without_rate,
                )
                for line in whole.lines
            ),
            total=self._money(dict(whole.total_minor)),
            conducts=self._conducts(whole),
            releases=tuple(whole.releases),
            people=self._people(),
            contacts=tuple((str(c.id), c.name) for c in contacts if c.left_at is None),
            owners=self._people(frozenset(MoverRole)),
            clauses=tuple(_clauses(clients.contracts_of(session, one.client_id))),
            channels=self._options(Channel),
            sides=self._options(Side),
            answers=self._options(AnswerKind),
            outcomes=self._options(Outcome),
            work_roles=self._options(WorkRole),
            now=filling.entered(self.at, words),
            today=self.at.astimezone(words.zone).date().isoformat(),
            wrong=wrong,
        )

    # --- words -----------------------------------------------------------------------------

    def _say(self, word: object) -> str:
        return wording.say(word, self.words.language)  # type: ignore[arg-type]  # each is a word of an enumeration.

    def _options(self, words: object) -> Options:
        return tuple((str(one), self._say(one)) for one in words)  # type: ignore[attr-defined]  # an enumeration.

    def _people(self, roles: frozenset[MoverRole] | None = None) -> Options:
        return tuple(
            (str(one.id), one.full_name)
            for one in people.users(self.session)
            if one.disabled_at is None and (roles is None or one.role in set(roles))
        )

    def _money(self, minor: dict[str, int]) -> str:
        return " + ".join(
            self.words.money(filling.major(amount, currency), currency)
            for currency, amount in sorted(minor.items())
        )

    def _urgency(self, due_at: datetime | None) -> str:
        found = rules.urgency(due_at, at=self.at)
        return str(found) if found else ""

    # --- what stands there -------------------------------------------------------------------

    def _next(self, whole: Whole) -> str:
        if whole.dispute.state == State.CLOSED:
            return ""
        received = [r for r in whole.requests if r.state == RequestState.RECEIVED]
        if received:
            return self.words.gettext("Check what the client sent: is it usable?")
        for step in whole.steps:
            if step.state == StepState.TODO:
                message = _NEXT.get(StepKind(step.kind))
                return self.words.gettext(message) if message else step.title or ""
        if not whole.of_kind(StatementKind.OUTCOME):
            return self.words.gettext("Write down how it ended.")
        return self.words.gettext("Close the dispute.")

    def _moves(self, whole: Whole, *, in_question: bool) -> tuple[MoveRow, ...]:
        if Permission.DISPUTE_MOVE not in self.actor.permissions:
            return ()
        has = queries.has(self.session, whole.dispute.id) | {Need.REASON}
        return tuple(
            MoveRow(
                to=move.to,
                needs_reason=move.needs_reason,
                lacks=tuple(
                    self.words.gettext(_NEEDS[need])
                    for need in sorted(rules.missing(move, has=has))
                ),
            )
            for move in rules.moves_for(
                State(whole.dispute.state), self.actor.role, is_in_question=in_question
            )
        )

    def _said(self, whole: Whole, kind: StatementKind) -> tuple[Said, ...]:
        return tuple(self._statement(whole, one) for one in whole.of_kind(kind))

    def _statement(self, whole: Whole, one: DisputeStatement) -> Said:
        values = rules.VALUES.get(StatementKind(one.kind))
        agent = whole.agents.get(one.agent or "", one.agent or "")
        return Said(
            id=one.id,
            words=self.words.gettext(_WITHHELD) if one.id in whole.withheld else one.words,
            value=self._say(values(one.value)) if values and one.value else "",
            by="—" if one.id in whole.withheld else one.said_by or agent,
            at=one.said_at or one.at,
            channel=self._say(Channel(one.channel)) if one.channel else "",
            quote=f"{one.clause_ref} — {one.quote}" if one.clause_ref else "",
            amount=self._money({one.currency: one.amount_minor})
            if one.currency and one.amount_minor is not None
            else "",
            noted_by=whole.people.get(one.noted_by, "—") if one.noted_by else "",
            link=f"/recordings/{one.recording_id}?dispute={one.dispute_id}"
            if one.recording_id
            else "",
        )

    def _title(self, step: DisputeStep) -> str:
        return step.title or self._say(StepKind(step.kind))

    def _steps(self, whole: Whole) -> tuple[StepRow, ...]:
        last = len(whole.steps) - 1
        return tuple(
            StepRow(
                id=step.id,
                title=self._title(step),
                state=step.state,
                owner=whole.people.get(step.owner_id, "") if step.owner_id else "",
                owner_id=str(step.owner_id or ""),
                due_at=step.due_at,
                due=filling.entered(step.due_at, self.words),
                urgency=self._urgency(step.due_at) if step.state == StepState.TODO else "",
                result=step.result or "",
                reason=step.reason or "",
                is_first=place == 0,
                is_last=place == last,
            )
            for place, step in enumerate(whole.steps)
        )

    def _deadlines(self, whole: Whole) -> tuple[DeadlineRow, ...]:
        found = [
            (self.words.gettext("The dispute is settled"), whole.dispute.due_at, "#plan"),
            *(
                (self._title(step), step.due_at, f"#step-{step.id}")
                for step in whole.steps
                if step.state == StepState.TODO
            ),
            *(
                (
                    self.words.gettext("The client sends what we asked for"),
                    row.due_at,
                    f"#request-{row.id}",
                )
                for row in whole.requests
                if row.state in WAITING
            ),
        ]
        return tuple(
            DeadlineRow(what=what, due_at=due_at, urgency=self._urgency(due_at), link=link)
            for what, due_at, link in sorted(
                ((w, d, li) for w, d, li in found if d is not None), key=lambda row: row[1]
            )
        )

    # --- the axis of time --------------------------------------------------------------------

    def _lines(self, whole: Whole) -> tuple[Sequence[Line], str]:
        cursor = self.call.query_params.get("cursor", "")
        after = Cursor.decode(cursor) if cursor else None
        window = timeline.window_of(self.session, whole.dispute, since=None, until=None, at=self.at)
        found = timeline.lines(self.session, self.actor, window, after=after, limit=_LINES + 1)
        if len(found) <= _LINES:
            return found, ""
        last = found[_LINES - 1]
        return found[:_LINES], Cursor(at=last.at, id=last.id).encode()

    def _line(self, line: Line) -> LineRow:
        title = line.title
        if line.kind is Happened.RELEASE:
            title = wording.say(f"release_{line.title}", self.words.language)
        leads = _LEADS_TO.get(line.target)
        shown = f"{line.target}:{line.id}" if line.kind in _SHOWABLE else ""
        return LineRow(
            at=line.at,
            kind=self._say(line.kind),
            title=title,
            who=", ".join(line.who),
            mark=_MARKS.get(line.kind, "•"),
            link=leads.format(id=line.id) if leads else "",
            duration_ms=line.duration_ms,
            exhibit=shown,
            small=self._small(line),
        )

    def _small(self, line: Line) -> str:
        """Return where the small copy of a screenshot is, if it is shown to this person."""
        if line.kind is not Happened.SCREENSHOT:
            return ""
        seen = pictures.shown_by_id(self.session, self.actor, [line.id], at=self.at)
        return f"/v1/screenshots/{line.id}/small" if line.id in seen else ""

    def _showable(self, whole: Whole) -> Options:
        """Return what of the client can become an exhibit, the newest first."""
        window = timeline.window_of(
            self.session, whole.dispute, since=None, until=None, kinds=_SHOWABLE, at=self.at
        )
        found = timeline.lines(self.session, self.actor, window, after=None, limit=_MOST_TO_SHOW)
        return tuple(
            (
                f"{line.target}:{line.id}",
                " · ".join(
                    part
                    for part in (self.words.moment(line.at), self._say(line.kind), line.title)
                    if part
                ),
            )
            for line in reversed(found)
        )

    # --- exhibits and requests ---------------------------------------------------------------

    def _exhibits(self, whole: Whole) -> tuple[ExhibitRow, ...]:
        when = queries.exhibited_at(self.session, whole.exhibits)
        ids = [one.screenshot_id for one in whole.exhibits if one.screenshot_id is not None]
        seen = pictures.shown_by_id(self.session, self.actor, ids, at=self.at)
        return tuple(
            replace(
                exhibit_row(one, *when[one.id], added_by=whole.people.get(one.added_by, "—")),
                small=f"/v1/screenshots/{one.screenshot_id}/small"
                if one.screenshot_id in seen
                else "",
            )
            for one in whole.exhibits
        )

    def _request(self, whole: Whole, row: DocumentRequest, names: dict[UUID, str]) -> RequestRow:
        state = RequestState(row.state)
        titles = []
        ids = whole.documents.get(row.id, ())
        seen = pictures.shown_by_id(self.session, self.actor, ids, at=self.at)
        may_read = Permission.DOCUMENT_READ in self.actor.permissions
        for document_id in ids:
            known = documents.document(self.session, document_id)
            title = (known[0].title or "—") if known else "—"
            link = f"/documents/{document_id}" if known and may_read else ""
            small = f"/v1/documents/{document_id}/small" if document_id in seen else ""
            titles.append((title, link, small))
        following = REQUEST_MOVES[state]
        return RequestRow(
            id=row.id,
            asked=row.asked,
            state=state,
            words=row.words or "",
            due_at=row.due_at,
            urgency=self._urgency(row.due_at) if state in WAITING else "",
            contact=names.get(row.contact_id, "") if row.contact_id else "",
            link_until=row.token_expires_at
            if row.token_expires_at and row.token_expires_at > self.at and state in WAITING
            else None,
            documents=tuple(titles),
            uploads=tuple(
                (self._sent(one, whole), self._upload(one)) for one in whole.uploads.get(row.id, ())
            ),
            is_waiting=state in WAITING,
            may_be_received=RequestState.RECEIVED in following,
            judgements=tuple(
                (str(one), self._say(one))
                for one in RequestState
                if one in following and one is not RequestState.RECEIVED
            ),
        )

    def _sent(self, one: ClientUpload, whole: Whole) -> str:
        """Return what somebody sent, as far as it is to be read."""
        if one.erased_at is not None:
            return self.words.gettext(_ERASED)
        if one.id in whole.withheld:
            return self.words.gettext(_WITHHELD)
        return one.words or one.file_name or "—"

    def _upload(self, one: ClientUpload) -> str:
        """Return how far something has come that the client sent by the link."""
        message = _UPLOADS.get(UploadState(one.state)) or _REFUSED.get(
            one.reason or "", N_("refused: it is no whole picture or PDF")
        )
        return self.words.gettext(message)

    def _came(self, whole: Whole) -> Options:
        if Permission.DOCUMENT_READ not in self.actor.permissions:
            return ()
        found = documents.listed(
            self.session, self.actor, client_id=whole.dispute.client_id, recording_id=None
        )
        return tuple(
            (str(one.id), f"{self.words.moment(one.uploaded_at)} · {one.title or '—'}")
            for one, _ in found
        )

    # --- hours and conduct -------------------------------------------------------------------

    def _worked(self, whole: Whole) -> tuple[WorkedRow, ...]:
        found = []
        for row in whole.hours:
            cost = ""
            if row.hour_minor is not None and row.currency is not None:
                cost = self._money({row.currency: rules.cost_minor(row.minutes, row.hour_minor)})
            found.append(
                WorkedRow(
                    role=self._say(WorkRole(row.role)),
                    minutes=row.minutes,
                    day=self.words.day(datetime.combine(row.worked_on, time(12), self.words.zone)),
                    who=whole.people.get(row.person_id, "") if row.person_id else "",
                    what=row.what or "",
                    cost=cost,
                )
            )
        return tuple(found)

    def _conducts(self, whole: Whole) -> tuple[ConductRow, ...]:
        return tuple(
            ConductRow(
                id=row.id,
                who=(whole.people.get(row.user_id, "") if row.user_id else "") or row.agent or "—",
                is_cleared=row.cleared_at is not None,
                reason=row.reason or "",
            )
            for row in whole.conducts
        )


def exhibit_row(one: Exhibit, at: datetime, is_erased: bool, *, added_by: str) -> ExhibitRow:  # noqa: FBT001 - as the query tells it.
    """Return an exhibit as it is shown."""
    is_recording = one.recording_id is not None
    return ExhibitRow(
        id=one.id,
        is_recording=is_recording,
        at=at,
        from_ms=one.from_ms,
        to_ms=one.to_ms,
        is_whole=one.from_ms == 0 and one.to_ms is None,
        hidden=len(one.redactions) + len(one.areas),
        note=one.note or "",
        added_by=added_by,
        is_erased=is_erased,
        link=f"/recordings/{one.recording_id}?dispute={one.dispute_id}&at={one.from_ms}"
        if is_recording
        else "",
    )


def _clauses(contracts: Sequence[Contract]) -> list[tuple[str, str]]:
    return [
        (f"{contract.number}|{clause.clause_ref}", f"{contract.number}, {clause.clause_ref}")
        for contract in contracts
        for clause in contract.clauses
    ]

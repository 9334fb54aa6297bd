"""One dispute: its page, its history, and the forms by which it is worked on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Request, Response
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.deps import ClockDep, SessionDep
from app.core.errors import Conflict, Invalid, Malformed, NotFound
from app.core.ids import DisputeId, RecordingId
from app.disputes import asking, hours, queries, service, settling, statements, steps
from app.disputes.models import Exhibit
from app.disputes.redactions import Area, How, Redaction, Why
from app.disputes.rules import RequestState, StatementKind
from app.disputes.schemas import ExhibitRevise
from app.disputes.service import Clip, DisputeNotFound, ExhibitNotFound, Shot
from app.disputes.work_schemas import (
    Answer,
    Basis,
    Because,
    Complaint,
    ConductTold,
    Finding,
    HoursTold,
    JudgedTold,
    Lesson,
    LinkTold,
    MoveTold,
    OrderTold,
    OutcomeTold,
    PlanTold,
    ReceivedTold,
    RequestTold,
    ResultTold,
    StepPlanTold,
    StepTold,
    Verdict,
)
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.web import dispute_history, dispute_view, edge, filling
from app.web.dispute_history import Changed
from app.web.dispute_view import Options
from app.web.edge import Fields, Form
from app.web.filling import Wrong
from app.web.words import N_, Words

router = edge.page_router()

CanRead = Annotated[Actor, Depends(Requires(Permission.DISPUTE_READ))]
CanWrite = Annotated[Actor, Depends(Requires(Permission.DISPUTE_WRITE))]
CanMove = Annotated[Actor, Depends(Requires(Permission.DISPUTE_MOVE))]

_EMPTY_ROWS: Final = 2
_MOST_REASON: Final = 2000
_STATEMENTS: Final[dict[StatementKind, type[BaseModel]]] = {
    StatementKind.COMPLAINT: Complaint,
    StatementKind.FINDING: Finding,
    StatementKind.VERDICT: Verdict,
    StatementKind.BASIS: Basis,
    StatementKind.ANSWER: Answer,
    StatementKind.OUTCOME: OutcomeTold,
    StatementKind.LESSON: Lesson,
    StatementKind.PRAISE: Lesson,
}
HOWS: Final = {How.SILENCE: N_("silence"), How.BEEP: N_("a beep")}
WHYS: Final = {
    Why.CARD_NUMBER: N_("a card's number"),
    Why.THIRD_PERSON: N_("a third person"),
    Why.PERSONAL_DATA: N_("personal data"),
    Why.CONFIDENTIAL: N_("confidential"),
    Why.OTHER: N_("another reason"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A form about a dispute, and what it takes to do what it asks for."""

    call: Request
    dispute_id: UUID
    form: Fields
    session: Session
    clock: Clock

    def do(
        self,
        actor: Actor,
        name: str,
        act: Callable[[Words, datetime], object],
        *,
        onward: str,
    ) -> Response:
        """Do it and show the page; where it cannot be, show the form with what is wrong."""
        words = edge.words_of(self.call, actor, self.session)
        at = self.clock.now()
        try:
            with self.session.begin_nested():
                act(words, at)
        except DisputeNotFound:
            raise
        except (ValidationError, Conflict, Invalid, Malformed, NotFound) as exc:
            wrong = filling.refused(name, self.form, exc, words)
            return dispute_view.show(
                self.call, actor, self.session, self.dispute_id, at=at, wrong=wrong
            )
        return edge.see(f"/disputes/{self.dispute_id}#{onward}")


def _asked(
    call: Request, dispute_id: UUID, form: Form, session: SessionDep, clock: ClockDep
) -> Asked:
    return Asked(call=call, dispute_id=dispute_id, form=form, session=session, clock=clock)


AskedDep = Annotated[Asked, Depends(_asked)]


@router.get("/disputes/{dispute_id}")
def show_dispute(
    call: Request, dispute_id: UUID, actor: CanRead, session: SessionDep, clock: ClockDep
) -> Response:
    """Show a dispute with everything of it."""
    return dispute_view.show(call, actor, session, dispute_id, at=clock.now())


# --- state, plan, conduct ------------------------------------------------------------------------


@router.post("/disputes/{dispute_id}/move")
def move(asked: AskedDep, actor: CanMove) -> Response:
    """Move the dispute to another state."""

    def act(words: Words, at: datetime) -> None:
        told = filling.told(MoveTold, asked.form, words)
        settling.move(asked.session, actor, asked.dispute_id, told.to, reason=told.reason, at=at)

    return asked.do(actor, f"move-{asked.form.get('to')}", act, onward="main")


@router.post("/disputes/{dispute_id}/plan")
def plan(asked: AskedDep, actor: CanWrite) -> Response:
    """Give the dispute another owner, promise or period."""

    def act(words: Words, at: datetime) -> None:
        wanted = filling.told(PlanTold, asked.form, words).plan()
        settling.plan(asked.session, actor, asked.dispute_id, wanted, at=at)

    return asked.do(actor, "plan", act, onward="plan")


@router.post("/disputes/{dispute_id}/conducts")
def question_conduct(asked: AskedDep, actor: CanWrite) -> Response:
    """Write down whose conduct is in question."""

    def act(words: Words, at: datetime) -> None:
        told = filling.told(ConductTold, asked.form, words)
        settling.question_conduct(
            asked.session, actor, asked.dispute_id, user_id=told.user_id, agent=told.agent, at=at
        )

    return asked.do(actor, "conduct", act, onward="conduct")


@router.post("/disputes/{dispute_id}/conducts/{conduct_id}/clear")
def clear_conduct(asked: AskedDep, conduct_id: UUID, actor: CanWrite) -> Response:
    """Say that somebody's conduct is not in question."""

    def act(words: Words, at: datetime) -> None:
        reason = filling.told(Because, asked.form, words).reason
        settling.clear_conduct(
            asked.session, actor, asked.dispute_id, conduct_id, reason=reason, at=at
        )

    return asked.do(actor, f"clear-{conduct_id}", act, onward="conduct")


# --- the checklist -------------------------------------------------------------------------------


@router.post("/disputes/{dispute_id}/steps")
def add_step(asked: AskedDep, actor: CanWrite) -> Response:
    """Add a step of one's own."""

    def act(words: Words, at: datetime) -> None:
        told = filling.told(StepTold, asked.form, words)
        steps.add(
            asked.session, actor, asked.dispute_id, title=told.title, wanted=told.plan(), at=at
        )

    return asked.do(actor, "step", act, onward="steps")


@router.post("/disputes/{dispute_id}/steps/{step_id}/plan")
def plan_step(asked: AskedDep, step_id: UUID, actor: CanWrite) -> Response:
    """Give a step an owner and a promised time."""

    def act(words: Words, at: datetime) -> None:
        wanted = filling.told(StepPlanTold, asked.form, words).plan()
        steps.plan(asked.session, actor, asked.dispute_id, step_id, wanted, at=at)

    return asked.do(actor, f"plan-{step_id}", act, onward=f"step-{step_id}")


@router.post("/disputes/{dispute_id}/steps/{step_id}/done")
def finish_step(asked: AskedDep, step_id: UUID, actor: CanWrite) -> Response:
    """Write down what came of a step."""

    def act(words: Words, at: datetime) -> None:
        result = filling.told(ResultTold, asked.form, words).result
        steps.finish(asked.session, actor, asked.dispute_id, step_id, result=result, at=at)

    return asked.do(actor, f"done-{step_id}", act, onward=f"step-{step_id}")


@router.post("/disputes/{dispute_id}/steps/{step_id}/skip")
def skip_step(asked: AskedDep, step_id: UUID, actor: CanWrite) -> Response:
    """Leave a step out."""

    def act(words: Words, at: datetime) -> None:
        reason = filling.told(Because, asked.form, words).reason
        steps.skip(asked.session, actor, asked.dispute_id, step_id, reason=reason, at=at)

    return asked.do(actor, f"skip-{step_id}", act, onward=f"step-{step_id}")


@router.post("/disputes/{dispute_id}/steps/{step_id}/again")
def take_step_up(asked: AskedDep, step_id: UUID, actor: CanWrite) -> Response:
    """Take a step up again."""

    def act(words: Words, at: datetime) -> None:
        reason = filling.told(Because, asked.form, words).reason
        steps.take_up(asked.session, actor, asked.dispute_id, step_id, reason=reason, at=at)

    return asked.do(actor, f"again-{step_id}", act, onward=f"step-{step_id}")


@router.post("/disputes/{dispute_id}/steps/{step_id}/place")
def place_step(asked: AskedDep, step_id: UUID, actor: CanWrite) -> Response:
    """Put a step before its neighbour, or after it."""

    def act(words: Words, at: datetime) -> None:
        order = [one.id for one in queries.steps(asked.session, asked.dispute_id)]
        if step_id in order:
            here = order.index(step_id)
            there = here - 1 if asked.form.get("to") == "earlier" else here + 1
            if 0 <= there < len(order):
                order[here], order[there] = order[there], order[here]
        told = filling.told(OrderTold, asked.form, words, steps=order)
        steps.reorder(asked.session, actor, asked.dispute_id, told.steps, reason=told.reason, at=at)

    return asked.do(actor, f"place-{step_id}", act, onward=f"step-{step_id}")


# --- statements and hours ------------------------------------------------------------------------


@router.post("/disputes/{dispute_id}/statements")
def state(asked: AskedDep, actor: CanWrite) -> Response:
    """Write a statement down."""
    kind = asked.form.get("kind")
    if kind not in set(StatementKind):
        raise Malformed(field="kind")

    def act(words: Words, at: datetime) -> None:
        more: dict[str, object] = {}
        if kind == StatementKind.BASIS:
            number, _, clause = asked.form.get("clause").rpartition("|")
            currency = asked.form.get("currency") or "RUB"
            amount = filling.minor(asked.form.get("amount"), currency)
            more = {"contract": number, "clause_ref": clause, "amount_minor": amount}
            more["currency"] = currency if amount is not None else None
        told = filling.told(_STATEMENTS[StatementKind(kind)], asked.form, words, **more)
        statements.state(
            asked.session,
            actor,
            asked.dispute_id,
            told.told(),  # type: ignore[attr-defined]  # each of the models has it.
            at=at,
        )

    return asked.do(actor, kind, act, onward=kind)


@router.post("/disputes/{dispute_id}/hours")
def note_hours(asked: AskedDep, actor: CanWrite) -> Response:
    """Write down time that the dispute cost."""

    def act(words: Words, at: datetime) -> None:
        worked = filling.told(HoursTold, asked.form, words).worked()
        hours.note(asked.session, actor, asked.dispute_id, worked, at=at)

    return asked.do(actor, "hours", act, onward="hours")


# --- requests ------------------------------------------------------------------------------------


@router.post("/disputes/{dispute_id}/requests")
def ask_for_documents(asked: AskedDep, actor: CanWrite) -> Response:
    """Write down what the client is asked for."""

    def act(words: Words, at: datetime) -> None:
        told = filling.told(RequestTold, asked.form, words)
        asking.ask(
            asked.session,
            actor,
            asked.dispute_id,
            asked=told.asked,
            contact_id=told.contact_id,
            due_at=told.due_at,
            at=at,
        )

    return asked.do(actor, "request", act, onward="requests")


@router.post("/disputes/{dispute_id}/requests/{request_id}/received")
def receive_documents(asked: AskedDep, request_id: UUID, actor: CanWrite) -> Response:
    """Write down which documents came."""

    def act(words: Words, at: datetime) -> None:
        ids = asked.form.all("document_ids")
        told = filling.told(ReceivedTold, Fields({}), words, document_ids=ids)
        asking.receive(
            asked.session, actor, asked.dispute_id, request_id, tuple(told.document_ids), at=at
        )

    return asked.do(actor, f"received-{request_id}", act, onward=f"request-{request_id}")


@router.post("/disputes/{dispute_id}/requests/{request_id}/check")
def check_documents(asked: AskedDep, request_id: UUID, actor: CanWrite) -> Response:
    """Say of what came that it is valid, that it is asked for again, or that we give up."""

    def act(words: Words, at: datetime) -> None:
        told = filling.told(JudgedTold, asked.form, words)
        asking.judge(
            asked.session,
            actor,
            asked.dispute_id,
            request_id,
            RequestState(told.state),
            words=told.words,
            due_at=told.due_at,
            at=at,
        )

    return asked.do(actor, f"check-{request_id}", act, onward=f"request-{request_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPage:
    """A link for uploading, shown this once."""

    title: str
    what: str
    url: str
    is_mailed: bool
    until: datetime
    back: str


@router.post("/disputes/{dispute_id}/requests/{request_id}/link")
def open_link(asked: AskedDep, request_id: UUID, actor: CanWrite) -> Response:
    """Make a link for uploading and show it this once."""
    words, at = edge.words_of(asked.call, actor, asked.session), asked.clock.now()
    try:
        days = filling.told(LinkTold, asked.form, words).days
    except ValidationError as exc:
        wrong = filling.refused(f"link-{request_id}", asked.form, exc, words)
        return dispute_view.show(
            asked.call, actor, asked.session, asked.dispute_id, at=at, wrong=wrong
        )
    until = at + timedelta(days=days)
    row, token = asking.open_link(
        asked.session, actor, asked.dispute_id, request_id, expires_at=until, at=at
    )
    public = str(asked.call.app.state.copier.public_url).rstrip("/")
    url = f"{public}/r/{token}"
    is_mailed = (
        asking.mail_link(asked.session, row, url, at=at)
        and asked.call.app.state.settings.smtp_host is not None
    )
    page = LinkPage(
        title=words.gettext("A link for uploading"),
        what=row.asked,
        url=url,
        is_mailed=is_mailed,
        until=until,
        back=f"/disputes/{asked.dispute_id}#request-{request_id}",
    )
    return edge.render(asked.call, actor, asked.session, "disputes/link.html", page, words=words)


# --- exhibits ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """A stretch or an area that nobody outside hears or sees, as the form has it."""

    values: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExhibitPage:
    """The form by which another exhibit takes the place of one."""

    title: str
    id: UUID
    dispute_id: UUID
    subject: str
    is_recording: bool
    link: str
    start: str
    end: str
    note: str
    hidden: tuple[Hidden, ...]
    hows: Options
    whys: Options
    is_cut: bool
    wrong: Wrong


def _shown(form: Fields, kind: str, shown_id: UUID) -> Clip | Shot:
    """Return what a form says of an exhibit; rows without a beginning are none.

    Raises:
        ValidationError, Malformed: it does not fit.
    """
    note = form.get("note") or None
    if kind == "screenshot":
        names = ("x", "y", "w", "h", "reason")
        rows = zip(*(form.all(name) for name in names), strict=False)
        given = [dict(zip(names, row, strict=True)) for row in rows if row[2].strip()]
        areas = ExhibitRevise.model_validate({"areas": given}).areas
        return Shot(screenshot_id=shown_id, note=note, areas=tuple(a.area() for a in areas))
    stretches = zip(
        *(form.all(name) for name in ("hidden_from", "hidden_to", "how", "reason")), strict=False
    )
    redactions = [
        {
            "from_ms": filling.place(start.strip()),
            "to_ms": filling.place(end.strip()),
            "how": how,
            "reason": reason,
        }
        for start, end, how, reason in stretches
        if start.strip()
    ]
    told = ExhibitRevise.model_validate(
        {
            "from_ms": filling.place(form.get("from")) or 0,
            "to_ms": filling.place(form.get("to")),
            "note": note,
            "redactions": redactions,
        }
    )
    return Clip(
        recording_id=RecordingId(shown_id),
        from_ms=told.from_ms,
        to_ms=told.to_ms,
        note=told.note,
        redactions=tuple(one.redaction() for one in told.redactions),
    )


@router.post("/disputes/{dispute_id}/exhibits")
def add_exhibit(asked: AskedDep, actor: CanWrite) -> Response:
    """Add a part of a recording, or a screenshot."""

    def act(words: Words, at: datetime) -> None:
        del words
        kind, _, shown_id = asked.form.get("show").partition(":")
        if kind not in {"recording", "screenshot"}:
            raise Malformed(field="show")
        shown = _shown(asked.form, kind, Fields({"id": [shown_id]}).id("id"))
        service.add_exhibit(asked.session, actor, DisputeId(asked.dispute_id), shown, at=at)

    return asked.do(actor, "exhibit", act, onward="exhibits")


@router.get("/disputes/{dispute_id}/exhibits/{exhibit_id}")
def show_exhibit(  # noqa: PLR0913, PLR0917 - what the framework injects.
    call: Request,
    dispute_id: UUID,
    exhibit_id: UUID,
    actor: CanWrite,
    session: SessionDep,
    from_ms: int | None = None,
    to_ms: int | None = None,
) -> Response:
    """Show the form for another part, other redactions or areas; a cut may be named already."""
    return _exhibit_page(
        call, actor, session, dispute_id, exhibit_id, cut=(from_ms, to_ms), wrong=Wrong()
    )


@router.post("/disputes/{dispute_id}/exhibits/{exhibit_id}")
def revise_exhibit(asked: AskedDep, exhibit_id: UUID, actor: CanWrite) -> Response:
    """Put another exhibit in the place of one."""
    words, at = edge.words_of(asked.call, actor, asked.session), asked.clock.now()
    old = _exhibit_of(asked.session, asked.dispute_id, exhibit_id)
    shown_id = old.recording_id or old.screenshot_id
    if shown_id is None:
        raise ExhibitNotFound
    try:
        with asked.session.begin_nested():
            shown = _shown(asked.form, old.kind, shown_id)
            made = service.revise(asked.session, actor, exhibit_id, shown, at=at)
    except (ValidationError, Conflict, Malformed) as exc:
        wrong = filling.refused("exhibit", asked.form, exc, words)
        return _exhibit_page(
            asked.call,
            actor,
            asked.session,
            asked.dispute_id,
            exhibit_id,
            cut=(None, None),
            wrong=wrong,
        )
    return edge.see(f"/disputes/{asked.dispute_id}#exhibit-{made.id}")


@router.post("/disputes/{dispute_id}/exhibits/{exhibit_id}/remove")
def remove_exhibit(asked: AskedDep, exhibit_id: UUID, actor: CanWrite) -> Response:
    """Take an exhibit out of the dispute."""
    _exhibit_of(asked.session, asked.dispute_id, exhibit_id)
    reason = asked.form.get("reason")[:_MOST_REASON]
    service.remove_exhibit(asked.session, actor, exhibit_id, reason=reason, at=asked.clock.now())
    return edge.see(f"/disputes/{asked.dispute_id}#exhibits")


def _exhibit_of(session: Session, dispute_id: UUID, exhibit_id: UUID) -> Exhibit:
    found = service.exhibit(session, exhibit_id)
    if found.dispute_id != dispute_id:
        raise ExhibitNotFound
    return found


def _exhibit_page(  # noqa: PLR0913 - who looks at what.
    call: Request,
    actor: Actor,
    session: Session,
    dispute_id: UUID,
    exhibit_id: UUID,
    *,
    cut: tuple[int | None, int | None],
    wrong: Wrong,
) -> Response:
    words = edge.words_of(call, actor, session)
    one = _exhibit_of(session, dispute_id, exhibit_id)
    is_recording = one.recording_id is not None
    is_cut = cut[0] is not None or cut[1] is not None
    start, end = cut if is_cut else (one.from_ms, one.to_ms)
    page = ExhibitPage(
        title=words.gettext("Change the exhibit"),
        id=one.id,
        dispute_id=dispute_id,
        subject=service.get(session, DisputeId(dispute_id)).subject,
        is_recording=is_recording,
        link=f"/recordings/{one.recording_id}?dispute={dispute_id}&at={start or 0}"
        if is_recording
        else "",
        start=filling.shown_place(start or 0),
        end=filling.shown_place(end),
        note=one.note or "",
        hidden=(
            *_hidden(one.redactions if is_recording else one.areas, is_recording=is_recording),
            *(Hidden(values={}) for _ in range(_EMPTY_ROWS)),
        ),
        hows=tuple((str(how), words.gettext(said)) for how, said in HOWS.items()),
        whys=tuple((str(why), words.gettext(said)) for why, said in WHYS.items()),
        is_cut=is_cut,
        wrong=wrong,
    )
    status = 422 if wrong.form else 200
    return edge.render(
        call, actor, session, "disputes/exhibit.html", page, status=status, words=words
    )


def _hidden(kept: list[dict[str, object]], *, is_recording: bool) -> list[Hidden]:
    if not is_recording:
        areas = [Area.read(one) for one in kept]
        return [
            Hidden(values={n: str(getattr(a, n)) for n in ("x", "y", "w", "h", "reason")})
            for a in areas
        ]
    stretches = [Redaction.read(one) for one in kept]
    return [
        Hidden(
            values={
                "from": filling.shown_place(one.from_ms),
                "to": filling.shown_place(one.to_ms),
                "how": str(one.how),
                "reason": str(one.reason),
            }
        )
        for one in stretches
    ]


# --- history -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """What was changed of a dispute, in plain words."""

    title: str
    id: UUID
    subject: str
    changes: tuple[Changed, ...]
    next_after: int | None
    is_first: bool


@router.get("/disputes/{dispute_id}/history")
def show_history(
    call: Request, dispute_id: UUID, actor: CanRead, session: SessionDep, after: int = 0
) -> Response:
    """Show what was changed, by whom and when."""
    words = edge.words_of(call, actor, session)
    dispute = service.get(session, DisputeId(dispute_id))
    changes, following = dispute_history.told(session, dispute_id, words, after=max(0, after))
    page = HistoryPage(
        title=words.gettext("History"),
        id=dispute_id,
        subject=dispute.subject,
        changes=changes,
        next_after=following,
        is_first=after <= 0,
    )
    return edge.render(call, actor, session, "disputes/history.html", page, words=words)

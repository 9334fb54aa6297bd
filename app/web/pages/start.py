"""Setting up an empty archive, step by step; each may be skipped and taken up again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import Depends, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.consent import queries as consent
from app.core.deps import ClockDep, SessionDep
from app.core.errors import Conflict, Invalid
from app.demo import queries
from app.identity import offices, service, setting_up
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.models import MAIN_OFFICE, Device, Office
from app.identity.offices import ZoneUnknown
from app.identity.permissions import Permission
from app.identity.setting_up import Step
from app.recordings.models import Recording
from app.web import edge
from app.web.edge import Fields, Form
from app.web.pages import demo
from app.web.pages.people import key_page
from app.web.words import N_, Words

router = edge.page_router()

CanSetUp = Annotated[Actor, Depends(Requires(Permission.USER_ADMIN))]
CanAddDevice = Annotated[Actor, Depends(Requires(Permission.DEVICE_ADMIN))]

TITLES: Final = {
    Step.COMPANY: N_("Your company and its offices"),
    Step.PEOPLE: N_("Somebody who approves"),
    Step.NOTICE: N_("The words by which people are told"),
    Step.DEVICE: N_("A softphone or exchange"),
    Step.CALL: N_("The first call"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """A step and how it stands: done, skipped, waiting for somebody, or to do."""

    code: str
    title: str
    state: str
    is_now: bool


@dataclass(frozen=True, slots=True)
class Wrong:
    """The field of a step that was refused, why, and the form as it was entered."""

    step: Step
    field: str
    why: str
    form: Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSeen:
    """The newest recording, and how far it was looked into."""

    path: str
    received_at: datetime
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPage:
    """The steps, the one that comes next open."""

    title: str
    next: str
    steps: tuple[StepRow, ...]
    office: str
    jurisdiction: str
    zone: str
    call: CallSeen | None
    demo: str
    device: str
    wrong: Mapping[str, str]


@router.get("/start")
def show_start(call: Request, actor: CanSetUp, session: SessionDep) -> Response:
    """Show the steps of setting up, and where one is."""
    response = _start(call, actor, session)
    is_over = _states(session)[Step.CALL] == "done"
    return edge.settled(call, response) if is_over else response


def _start(call: Request, actor: Actor, session: Session, wrong: Wrong | None = None) -> Response:
    words = edge.words_of(call, actor, session)
    entered = wrong.form.first() if wrong else {}
    named = entered if wrong and wrong.step is Step.COMPANY else {}
    main = session.get_one(Office, MAIN_OFFICE)
    settings = call.app.state.settings
    states = _states(session)
    now = next((step for step in Step if states[step] in {"todo", "waits"}), None)
    page = StartPage(
        title=words.gettext("Setting up"),
        next=_next(now, words),
        steps=tuple(
            StepRow(
                code=step,
                title=words.gettext(TITLES[step]),
                state=states[step],
                is_now=step is now or (wrong is not None and step is wrong.step),
            )
            for step in Step
        ),
        office=named.get("name", "" if main.name == setting_up.FIRST_NAME else main.name),
        jurisdiction=named.get("jurisdiction", main.jurisdiction or settings.jurisdiction),
        zone=named.get("zone", main.zone or settings.office_zone),
        call=_newest(session),
        demo=demo.state_of(session, queries.here(session)),
        device="" if named else entered.get("name", ""),
        wrong={wrong.field: words.gettext(wrong.why)} if wrong else {},
    )
    status = 422 if wrong else 200
    return edge.render(call, actor, session, "start/start.html", page, status=status, words=words)


def _next(now: Step | None, words: Words) -> str:
    if now is None:
        return words.gettext("everything is set up; the archive works")
    return words.gettext(TITLES[now])


def _states(session: Session) -> dict[Step, str]:
    done, skipped = setting_up.done_here(session), setting_up.skipped(session)
    texts = consent.notice_texts(session)
    if any(text.approved_at is not None for text in texts):
        done.add(Step.NOTICE)
    newest = _newest(session)
    if newest is not None and newest.state != "pending":
        done.add(Step.CALL)
    waits = {Step.NOTICE} if texts else set()
    waits |= {Step.CALL} if newest is not None else set()
    return {
        step: "done"
        if step in done
        else "skipped"
        if step in skipped
        else "waits"
        if step in waits
        else "todo"
        for step in Step
    }


def is_unfinished(session: Session) -> bool:
    """Say whether a step is left that was neither done nor skipped."""
    return any(state in {"todo", "waits"} for state in _states(session).values())


def _newest(session: Session) -> CallSeen | None:
    real = select(Recording).join(Device, Device.id == Recording.device_id).where(~Device.is_demo)
    row = session.scalar(real.order_by(Recording.received_at.desc()).limit(1))
    if row is None:
        return None
    return CallSeen(
        path=f"/recordings/{row.id}", received_at=row.received_at, state=row.inspection_state
    )


@router.post("/start/company")
def name_company(
    call: Request, form: Form, actor: CanSetUp, session: SessionDep, clock: ClockDep
) -> Response:
    """Name the main office, and say where it is."""
    name = form.get("name")[:500]
    if not name:
        return _start(call, actor, session, Wrong(Step.COMPANY, "name", N_("Name it."), form))
    try:
        with session.begin_nested():
            offices.put(
                session,
                actor,
                MAIN_OFFICE,
                name=name,
                jurisdiction=form.get("jurisdiction")[:50] or None,
                zone=form.get("zone")[:100] or None,
                at=clock.now(),
            )
    except (Invalid, Conflict) as exc:
        session.expire_all()
        field = "zone" if isinstance(exc, ZoneUnknown) else "name"
        return _start(call, actor, session, Wrong(Step.COMPANY, field, exc.title(), form))
    return edge.see("/start")


@router.post("/start/device")
def add_device(
    call: Request, form: Form, actor: CanAddDevice, session: SessionDep, clock: ClockDep
) -> Response:
    """Make a device known, and show its key once with a line that sends the first call."""
    name = form.get("name")
    try:
        with session.begin_nested():
            key = service.add_device(session, actor, name, at=clock.now())
    except (Invalid, Conflict) as exc:
        return _start(call, actor, session, Wrong(Step.DEVICE, "device", exc.title(), form))
    page = key_page(call, actor, session, name, key, back="/start")
    return edge.render(call, actor, session, "people/secret.html", page)


@router.post("/start/skip/{setup_step}")
def skip(
    setup_step: Step, _form: Form, actor: CanSetUp, session: SessionDep, clock: ClockDep
) -> Response:
    """Leave a step out for now."""
    setting_up.skip(session, actor, setup_step, at=clock.now())
    return edge.see("/start")


@router.post("/start/take-up/{setup_step}")
def take_up(
    setup_step: Step, _form: Form, actor: CanSetUp, session: SessionDep, clock: ClockDep
) -> Response:
    """Take a step up again that was skipped."""
    setting_up.take_up(session, actor, setup_step, at=clock.now())
    return edge.see("/start")

"""Demo data: what it is, loading it, what hinders that it goes, unloading it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import Depends, Request, Response
from sqlalchemy.orm import Session

from app.core.deps import ClockDep, SessionDep
from app.demo import queries, service
from app.demo.models import DemoSet
from app.demo.queries import Hindrance
from app.demo.refusals import DemoHindered
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.web import edge
from app.web.edge import Form
from app.web.words import N_, Words

router = edge.page_router()

CanAdminister = Annotated[Actor, Depends(Requires(Permission.USER_ADMIN))]

WHYS: Final = {
    Hindrance.HELD: N_("Recordings of it are under a legal hold; whoever placed it releases it."),
    Hindrance.HOLDS: N_(
        "A legal hold is of its clients or disputes; whoever placed it releases it."
    ),
    Hindrance.STRAYED: N_("Recordings of it are tied to a real client; tie them back."),
    Hindrance.MIXED: N_(
        "Real recordings or screenshots are tied to its clients; tie them to where they belong."
    ),
    Hindrance.EXHIBITS: N_("Recordings of it are shown in real disputes, or real ones in its own."),
    Hindrance.PAPERS: N_(
        "Somebody has kept papers or words about its clients or calls; let them be erased first."
    ),
}


_ON_THE_WAY: Final = frozenset({"coming", "going"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPage:
    """How it stands with demo data: none, not possible, coming, here, or going."""

    title: str
    state: str
    at: datetime | None
    clients: int
    recordings: int
    disputes: int
    hindrances: tuple[tuple[str, int], ...]
    wrong: bool


@router.get("/demo")
def show_demo(call: Request, actor: CanAdminister, session: SessionDep) -> Response:
    """Show whether demo data is here, and what may be done about it."""
    response = _shown(call, actor, session)
    row = queries.here(session)
    return response if state_of(session, row) in _ON_THE_WAY else edge.settled(call, response)


def _shown(call: Request, actor: Actor, session: Session, *, wrong: bool = False) -> Response:
    words = edge.words_of(call, actor, session)
    row = queries.here(session)
    counts = queries.counts(session, row.device_id) if row else {}
    page = DemoPage(
        title=words.gettext("Demo data"),
        state=state_of(session, row),
        at=row.loaded_at if row else None,
        clients=counts.get("clients", 0),
        recordings=counts.get("recordings", 0),
        disputes=counts.get("disputes", 0),
        hindrances=_hindrances(session, words) if row else (),
        wrong=wrong,
    )
    status = 409 if wrong else 200
    return edge.render(call, actor, session, "demo/demo.html", page, status=status, words=words)


def state_of(session: Session, row: DemoSet | None) -> str:
    """Return how it stands with demo data."""
    if row is None:
        return "real" if queries.has_real_recordings(session) else "none"
    if row.unload_at is not None:
        return "going"
    return "coming" if row.loaded_at is None else "here"


def _hindrances(session: Session, words: Words) -> tuple[tuple[str, int], ...]:
    return tuple(
        (words.gettext(WHYS[one]), number) for one, number in queries.hindrances(session).items()
    )


@router.post("/demo/load")
def load_demo(
    call: Request, _form: Form, actor: CanAdminister, session: SessionDep, clock: ClockDep
) -> Response:
    """Ask for demo data, in the language of who asks."""
    words = edge.words_of(call, actor, session)
    language = service.language_of(words.language)
    service.ask_load(session, actor, language=language, at=clock.now(), by_job=True)
    return edge.see("/demo")


@router.post("/demo/unload")
def unload_demo(
    call: Request, _form: Form, actor: CanAdminister, session: SessionDep, clock: ClockDep
) -> Response:
    """Ask that the demo data goes; where something hinders it, say what."""
    try:
        with session.begin_nested():
            service.ask_unload(session, actor, at=clock.now(), by_job=True)
    except DemoHindered:
        session.expire_all()
        return _shown(call, actor, session, wrong=True)
    return edge.see("/demo")

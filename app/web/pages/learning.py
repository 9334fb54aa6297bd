"""Learning: an agent's page with praise first, the library of calls worth hearing, appraisals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from sqlalchemy.orm import Session

from app.consent.rules import ConsentRefused
from app.core.deps import ClockDep, DatabaseDep, SessionDep
from app.core.errors import Malformed
from app.core.paging import Cursor
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.learning import agents, appraising, forms, library
from app.learning.agents import AgentPage, Person
from app.learning.appraising import Told
from app.learning.library import Exemplary, Praised
from app.learning.refusals import AlreadyExemplary
from app.learning.rules import Answer
from app.playback import asking
from app.web import edge, places
from app.web.asked import Listed
from app.web.asked import Words as Said
from app.web.edge import Form
from app.web.sections import Place, Section
from app.web.words import N_, Words

router = edge.page_router()

CanRead = Annotated[Actor, Depends(Requires(Permission.LEARNING_READ))]
CanWrite = Annotated[Actor, Depends(Requires(Permission.LEARNING_WRITE))]

_LISTED: Final = 10
_MOST_TOPICS: Final = 10
_MOST_TOPIC: Final = 60
_MOST_TITLE: Final = 500
_MOST_WORDS: Final = 4000
ANSWERS: Final = {
    Answer.YES: N_("yes"),
    Answer.PARTLY: N_("partly"),
    Answer.NO: N_("no"),
    Answer.NOT_APPLICABLE: N_("does not apply"),
}

SECTION = Section(
    place=Place.LEARNING,
    path="/learning",
    label=N_("Learning"),
    permission=Permission.LEARNING_READ,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Where one may go in this section."""

    has_calibrations: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PeoplePage:
    """The agents, with how often their calls were praised and appraised."""

    title: str
    ways: Ways
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnePage:
    """An agent's page."""

    title: str
    ways: Ways
    found: AgentPage
    is_own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryPage:
    """Calls worth hearing."""

    title: str
    ways: Ways
    calls: tuple[Exemplary, ...]
    topics: tuple[tuple[str, str], ...]
    topic: str
    base: str
    next_cursor: str | None
    is_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExemplaryPage:
    """One call of the library."""

    title: str
    found: Exemplary
    reasons: tuple[str, ...]
    may_listen: bool
    may_remove: bool
    starts_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A question, how it was answered, and what was written beside it."""

    text: str
    answer: str
    note: str
    is_critical: bool
    has_failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AppraisalPage:
    """An appraisal, and what the agent says of it."""

    title: str
    told: Told
    lines: tuple[Line, ...]
    may_reply: bool
    may_correct: bool


class LibraryAsked(Listed):
    """What the library is narrowed to."""

    topic: Said = None


def ways_of(actor: Actor) -> Ways:
    """Return where `actor` may go in this section."""
    return Ways(has_calibrations=Permission.LEARNING_WRITE in actor.permissions)


@router.get("/learning")
def show_learning(call: Request, actor: CanRead, session: SessionDep) -> Response:
    """Show the agents; to one who is an agent alone, his own page."""
    words = edge.words_of(call, actor, session)
    found = agents.listed(session, actor)
    if [one.id for one in found] == [actor.id]:
        return _agent(call, actor, session, found[0].id, words)
    page = PeoplePage(title=words.gettext("Learning"), ways=ways_of(actor), people=tuple(found))
    return edge.render(call, actor, session, "learning/people.html", page, words=words)


@router.get("/learning/agents/{agent_id}")
def show_agent(call: Request, agent_id: UUID, actor: CanRead, session: SessionDep) -> Response:
    """Show what was said of an agent's calls, praise first."""
    return _agent(call, actor, session, agent_id, edge.words_of(call, actor, session))


def _agent(call: Request, actor: Actor, session: Session, user_id: UUID, words: Words) -> Response:
    found = agents.page(session, actor, user_id)
    page = OnePage(
        title=found.person.name,
        ways=ways_of(actor),
        found=found,
        is_own=user_id == actor.id,
    )
    return edge.render(call, actor, session, "learning/agent.html", page, words=words)


# --- library -------------------------------------------------------------------------------------


@router.get("/learning/library")
def show_library(
    call: Request,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    asked: Annotated[LibraryAsked, Query()],
) -> Response:
    """Show the calls that may be heard for training, the newest first."""
    words = edge.words_of(call, actor, session)
    after = Cursor.decode(asked.cursor) if asked.cursor else None
    found, onward = library.page(
        session, actor, topic=asked.topic, after=after, limit=_LISTED, at=clock.now()
    )
    page = LibraryPage(
        title=words.gettext("Calls worth hearing"),
        ways=ways_of(actor),
        calls=tuple(found),
        topics=tuple((one, one) for one in library.topics(session, actor)),
        topic=asked.topic or "",
        base="/learning/library?"
        + (f"{urlencode({'topic': asked.topic})}&" if asked.topic else ""),
        next_cursor=onward.encode() if onward else None,
        is_first=after is None,
    )
    return edge.render(call, actor, session, "learning/library.html", page, words=words)


@router.post("/learning/library")
def add_to_library(
    form: Form,
    actor: CanWrite,
    session: SessionDep,
    database: DatabaseDep,
    clock: ClockDep,
) -> Response:
    """Put a call into the library; what is wrong is told on the page of the recording."""
    recording_id = form.id("recording_id")
    title, why = form.get("title")[:_MOST_TITLE], form.get("why")[:_MOST_WORDS]
    if not title or not why:
        raise Malformed(field="title" if not title else "why")
    topics = [one.strip()[:_MOST_TOPIC] for one in form.get("topics").split(",") if one.strip()]
    back = f"/recordings/{recording_id}"
    try:
        praised = Praised(
            title=title,
            why=why,
            topics=tuple(topics[:_MOST_TOPICS]),
            start_ms=places.read_or_none(form.get("start")) or 0,
        )
        row = library.add(session, actor, recording_id, praised, at=clock.now())
    except ConsentRefused as exc:
        asking.remember(database, actor, ("recording", recording_id), exc, clock)
        return edge.see(back, {"purpose": "internal_training"})  # There it is told why.
    except AlreadyExemplary as exc:
        return edge.see(f"/learning/library/{exc.facts['exemplary_id']}")
    return edge.see(f"/learning/library/{row.id}")


@router.get("/learning/library/{exemplary_id}")
def show_exemplary(
    call: Request, exemplary_id: UUID, actor: CanRead, session: SessionDep, clock: ClockDep
) -> Response:
    """Show one call of the library, to be heard from the place that matters."""
    words = edge.words_of(call, actor, session)
    found = library.find(session, actor, exemplary_id, at=clock.now())
    page = ExemplaryPage(
        title=found.call.title,
        found=found,
        reasons=tuple(one.code for one in found.decision.reasons),
        may_listen=Permission.RECORDING_LISTEN in actor.permissions and found.decision.allowed,
        may_remove=Permission.LEARNING_WRITE in actor.permissions,
        starts_at=f"{found.call.start_ms / 1000:g}",
    )
    return edge.render(call, actor, session, "learning/exemplary.html", page, words=words)


@router.post("/learning/library/{exemplary_id}/remove")
def remove_exemplary(
    exemplary_id: UUID, form: Form, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> Response:
    """Take a call out of the library."""
    del form
    library.remove(session, actor, exemplary_id, at=clock.now())
    return edge.see("/learning/library")


# --- appraisals ----------------------------------------------------------------------------------


@router.get("/learning/appraisals/{appraisal_id}")
def show_appraisal(
    call: Request, appraisal_id: UUID, actor: CanRead, session: SessionDep
) -> Response:
    """Show an appraisal."""
    words = edge.words_of(call, actor, session)
    told = appraising.find(session, actor, appraisal_id)
    row = told.appraisal
    page = AppraisalPage(
        title=told.form.name,
        told=told,
        lines=tuple(
            Line(
                text=one.text,
                answer=words.gettext(ANSWERS[Answer(row.answers[one.key]["answer"])]),
                note=row.answers[one.key].get("note", ""),
                is_critical=one.is_critical,
                has_failed=one.key in row.failed,
            )
            for one in forms.questions_of(told.form)
        ),
        may_correct=row.made_by == actor.id
        and row.replaced_at is None
        and Permission.LEARNING_WRITE in actor.permissions,
        may_reply=told.reply is None
        and row.replaced_at is None
        and row.calibration_id is None
        and actor.agent_ref is not None
        and row.agent == actor.agent_ref,
    )
    return edge.render(call, actor, session, "learning/appraisal.html", page, words=words)


@router.post("/learning/appraisals/{appraisal_id}/reply")
def reply_to_appraisal(
    appraisal_id: UUID, form: Form, actor: CanRead, session: SessionDep, clock: ClockDep
) -> Response:
    """Let the agent say that he has read it, and what he thinks of it."""
    said = form.get("words")[:_MOST_WORDS] or None
    appraising.reply(session, actor, appraisal_id, words=said, at=clock.now())
    return edge.see(f"/learning/appraisals/{appraisal_id}")

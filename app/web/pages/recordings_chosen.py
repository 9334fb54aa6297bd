"""Many recordings at once: what was chosen, what would come of an act, and the act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Request, Response
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.core.deps import ClockDep, SessionDep
from app.core.errors import Malformed
from app.identity.actor import Actor, PermissionMissing
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.recordings import finding, selections
from app.recordings.finding import Found
from app.web import bulk, edge, lookups, sought
from app.web.bulk import Bulk, Outcome, Told, Work
from app.web.edge import Form
from app.web.pages.recordings import Row, as_table, row_of
from app.web.words import N_, Words

router = edge.page_router()

CanRead = Annotated[Actor, Depends(Requires(Permission.RECORDING_READ))]

_MOST_SHOWN: Final = 50
_MOST_NOTE: Final = 1000
_LEAST_REASON: Final = 3
_ASKED: Final = ("act", "event", "client", "dispute", "note")
ACTS: Final = {
    Bulk.LINK: N_("Tie to an event"),
    Bulk.CLIENT: N_("Tie to a client"),
    Bulk.UNDO: N_("Take your last tie back"),
    Bulk.REVIEW: N_("Ask for a review"),
    Bulk.EXHIBIT: N_("Add to a dispute"),
    Bulk.HOLD: N_("Keep under a legal hold"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why it cannot be done with some, and with how many."""

    why: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    """What would be done, as it was tried, with what was said of it."""

    act: str
    name: str
    about: str
    fields: dict[str, str]
    done: int
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was done with the choice."""

    name: str
    at: datetime
    done: int
    of: int
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenPage:
    """A choice: its recordings, what may be done with them, and what was."""

    title: str
    id: UUID
    number: int
    rows: tuple[Row, ...]
    more: int
    acts: tuple[str, ...]
    clients: tuple[tuple[str, str], ...]
    can_undo: bool
    disputes: tuple[tuple[str, str], ...]
    asked: dict[str, str]
    wrong: str
    confirm: Confirm | None
    done: tuple[Done, ...]


@router.post("/recordings/chosen")
def choose(
    call: Request, form: Form, actor: CanRead, session: SessionDep, clock: ClockDep
) -> Response:
    """Freeze the ticked rows, or all that a search finds."""
    if form.get("all") == "yes":
        words = edge.words_of(call, actor, session)
        wanted = sought.read(sought.of_query(form.get("query")), words)
        ids = finding.ids(session, actor, wanted, most=selections.MOST_CHOSEN + 1)
    else:
        ids = [_id(one) for one in form.all("recording")]
    row = selections.choose(session, actor, ids, at=clock.now())
    return edge.see(f"/recordings/chosen/{row.id}")


@router.get("/recordings/chosen/{selection_id}")
def show_chosen(
    call: Request, selection_id: UUID, actor: CanRead, session: SessionDep, clock: ClockDep
) -> Response:
    """Show a choice; with an act in the address, what would come of it."""
    row = selections.get(session, actor, selection_id)
    words = edge.words_of(call, actor, session)
    asked = {name: call.query_params.get(name, "").strip()[:_MOST_NOTE] for name in _ASKED}
    chosen = finding.of_ids(session, actor, row.recording_ids)
    confirm, wrong = None, ""
    if asked["act"]:
        wrong = _wrong(asked, words)
        if not wrong:
            work = _work(call, actor, asked, words, at=clock.now())
            confirm = _confirm(session, work, asked, chosen, words)
    page = ChosenPage(
        title=words.gettext("Chosen recordings"),
        id=row.id,
        number=len(chosen),
        rows=tuple(row_of(one, words) for one in chosen[:_MOST_SHOWN]),
        more=max(0, len(chosen) - _MOST_SHOWN),
        acts=tuple(str(act) for act, needs in bulk.NEEDS.items() if needs in actor.permissions),
        clients=tuple(
            clients.names(session, actor)
            if Permission.RECORDING_RELINK in actor.permissions
            else ()
        ),
        can_undo=_can_undo(row.done),
        disputes=_disputes(session, actor, chosen, words),
        asked=asked,
        wrong=wrong,
        confirm=confirm,
        done=tuple(_was_done(one, words) for one in reversed(row.done)),
    )
    return edge.render(call, actor, session, "recordings/chosen.html", page, words=words)


@router.post("/recordings/chosen/{selection_id}")
def do_with_chosen(
    call: Request,
    selection_id: UUID,
    form: Form,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Do what was confirmed, with each recording for which it is possible now."""
    row = selections.get(session, actor, selection_id)
    words = edge.words_of(call, actor, session)
    asked = {name: form.get(name)[:_MOST_NOTE] for name in _ASKED}
    if _wrong(asked, words):
        raise Malformed(field="note")
    at = clock.now()
    work = _work(call, actor, asked, words, at=at)
    outcome = bulk.done(session, work, finding.of_ids(session, actor, row.recording_ids))
    selections.note(session, row, str(work.act), done=outcome.done, refused=outcome.refused, at=at)
    return edge.see(f"/recordings/chosen/{selection_id}")


@router.get("/recordings/chosen/{selection_id}/export.csv")
def export_chosen(
    call: Request, selection_id: UUID, actor: CanRead, session: SessionDep
) -> Response:
    """Give the choice as a table."""
    row = selections.get(session, actor, selection_id)
    words = edge.words_of(call, actor, session)
    return as_table(finding.of_ids(session, actor, row.recording_ids), words)


def _can_undo(done: Sequence[dict[str, Any]]) -> bool:
    """Say whether the last change of what the recordings are tied to was a tie."""
    ties = [one["act"] for one in done if one["act"] in {Bulk.LINK, Bulk.CLIENT, Bulk.UNDO}]
    return bool(ties) and ties[-1] != Bulk.UNDO


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as exc:
        raise Malformed(field="recording") from exc


def _wrong(asked: dict[str, str], words: Words) -> str:
    """Return what is missing in what was said, in words."""
    act = asked["act"]
    if act == Bulk.LINK and not asked["event"]:
        return words.gettext("Name the event.")
    if act == Bulk.CLIENT and not asked["client"]:
        return words.gettext("Choose a client.")
    if act in {Bulk.EXHIBIT, Bulk.HOLD} and not asked["dispute"]:
        return words.gettext("Choose a dispute.")
    if act in {Bulk.LINK, Bulk.CLIENT, Bulk.HOLD} and len(asked["note"]) < _LEAST_REASON:
        return words.gettext("Say why, in a few words.")
    return ""


def _work(
    call: Request, actor: Actor, asked: dict[str, str], words: Words, *, at: datetime
) -> Work:
    """Return what is asked for.

    Raises:
        ActUnknown: it is nothing that can be done with many.
        PermissionMissing: he may not do it.
    """
    if asked["act"] not in set(Bulk):
        raise bulk.ActUnknown
    act = Bulk(asked["act"])
    if bulk.NEEDS[act] not in actor.permissions:
        raise PermissionMissing(permission=str(bulk.NEEDS[act]))
    told = Told(
        event=asked["event"],
        client=asked["client"],
        dispute_id=_id(asked["dispute"]) if asked["dispute"] else None,
        note=asked["note"],
    )
    window = timedelta(hours=call.app.state.settings.event_window_hours)
    return Work(actor=actor, act=act, told=told, zone=words.zone, at=at, window=window)


def _confirm(
    session: Session, work: Work, asked: dict[str, str], chosen: Sequence[Found], words: Words
) -> Confirm:
    outcome = bulk.tried(session, work, chosen)
    about = asked["event"]
    if work.act is Bulk.CLIENT:
        about = dict(clients.names(session, work.actor)).get(asked["client"], asked["client"])
    if work.told.dispute_id is not None:
        about = dict(_disputes(session, work.actor, chosen, words)).get(asked["dispute"], "")
    return Confirm(
        act=str(work.act),
        name=words.gettext(ACTS[work.act]),
        about=" · ".join(part for part in (about, asked["note"]) if part),
        fields={name: value for name, value in asked.items() if value},
        done=outcome.done,
        refused=_refused(outcome, words),
    )


def _refused(outcome: Outcome, words: Words) -> tuple[Refused, ...]:
    return tuple(
        Refused(why=words.gettext(why), number=number) for why, number in outcome.refused.items()
    )


def _was_done(told: dict[str, Any], words: Words) -> Done:
    outcome = Outcome(done=int(told["done"]), refused=dict(told["refused"]))
    return Done(
        name=words.gettext(ACTS[Bulk(told["act"])]),
        at=datetime.fromisoformat(told["at"]),
        done=outcome.done,
        of=outcome.done + sum(outcome.refused.values()),
        refused=_refused(outcome, words),
    )


def _disputes(
    session: Session, actor: Actor, chosen: Sequence[Found], words: Words
) -> tuple[tuple[str, str], ...]:
    """Return the open disputes of the clients of what was chosen."""
    if Permission.DISPUTE_READ not in actor.permissions:
        return ()
    firms = dict.fromkeys(one.client for one in chosen if one.client is not None)
    return tuple(
        (str(one.id), f"{client.name}: {one.subject} · {words.day(one.opened_at)}")
        for client in list(firms)[:20]
        for one in lookups.open_disputes(session, client.id)
    )

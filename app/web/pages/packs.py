"""Rules of places: the packs in force and proposed, in plain words, and who puts them in force."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response
from sqlalchemy.orm import Session

from app.consent import flips, policy
from app.consent.flips import Flip, Place
from app.consent.models import SetAside
from app.consent.policy import Kept, PackRefused, PackState, PackVersionTaken
from app.consent.reasons import REASONS
from app.core.deps import ClockDep, SessionDep
from app.core.errors import Invalid
from app.core.text import KEPT
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.review import wording
from app.web import edge, lookups, pack_faults, pack_words
from app.web.edge import Form
from app.web.sections import Place as Stands
from app.web.sections import Section
from app.web.words import N_, Words

router = edge.page_router()

CanRead = Annotated[Actor, Depends(Requires(Permission.POLICY_READ))]
CanPropose = Annotated[Actor, Depends(Requires(Permission.POLICY_PROPOSE))]
CanActivate = Annotated[Actor, Depends(Requires(Permission.POLICY_ACTIVATE))]


def _which(
    jurisdiction: Annotated[str, Path(max_length=60, pattern=r"^[A-Za-z0-9-]+$")],
    version: Annotated[int, Path(ge=0, le=(1 << 31) - 1)],
) -> tuple[str, int]:
    return jurisdiction, version


Which = Annotated[tuple[str, int], Depends(_which)]
_WAITING: Final = frozenset({PackState.PROPOSED, PackState.APPROVED})
_TRIED, _LAST = 25, 1000
_MOST_REASON: Final = 2000


class ReasonNeeded(Invalid):
    """Say why, in at most 2000 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRow:
    """A version in the list."""

    path: str
    place: str
    code: str
    version: int
    state: PackState
    mark: str
    uncertain: int
    since: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PacksPage:
    """What waits for somebody to agree, and what is in force."""

    title: str
    waiting: tuple[PackRow, ...]
    in_force: tuple[PackRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRow:
    """A field in plain words; `before` is what the version in force says where that differs."""

    name: str
    label: str
    value: str
    mark: str
    note: str
    before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackPage:
    """One version of the rules of a place."""

    title: str
    row: PackRow
    fields: tuple[FieldRow, ...]
    proposed: str
    proposed_at: datetime | None
    agreed: tuple[tuple[str, datetime | None], ...]
    ended: str
    is_waiting: bool
    is_own: bool
    has_agreed: bool
    may_agree: bool
    may_propose: bool
    next: str
    draft: str
    faults: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipRow:
    """A decision that would change."""

    recording_id: UUID
    is_open: bool
    purpose: str
    before: str
    after: str
    reasons: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPage:
    """What a version would change, in both directions."""

    title: str
    row: PackRow
    looked_at: int
    undecided: int
    stricter: tuple[FlipRow, ...]
    softer: tuple[FlipRow, ...]
    cursor: str
    is_first: bool


def _count(session: Session, actor: Actor, at: datetime) -> int:
    """Count the versions that wait for this person's yes."""
    del at
    if Permission.POLICY_ACTIVATE not in actor.permissions:
        return 0
    waiting = [kept for kept in policy.catalogue(session) if kept.state in _WAITING]
    return sum(
        kept.row is not None and actor.id not in {kept.row.created_by, kept.row.activated_by}
        for kept in waiting
    )


SECTION = Section(
    place=Stands.RULES,
    path="/packs",
    label=N_("Rules"),
    permission=Permission.POLICY_READ,
    waiting=_count,
)


@router.get("/packs")
def show_packs(call: Request, actor: CanRead, session: SessionDep) -> Response:
    """Show the rules in force and those that wait."""
    words = edge.words_of(call, actor, session)
    kept = [(one.state, _row(one, words)) for one in policy.catalogue(session)]
    page = PacksPage(
        title=words.gettext("Rules of places"),
        waiting=tuple(row for state, row in kept if state in _WAITING),
        in_force=tuple(row for state, row in kept if state not in _WAITING),
    )
    return edge.render(call, actor, session, "packs/packs.html", page, words=words)


@router.get("/packs/{jurisdiction}/{version}")
def show_pack(call: Request, which: Which, actor: CanRead, session: SessionDep) -> Response:
    """Show one version in plain words, and what it changes."""
    words = edge.words_of(call, actor, session)
    kept = policy.find(session, *which)
    page = _page(session, actor, kept, words)
    return edge.render(call, actor, session, "packs/pack.html", page, words=words)


@router.get("/packs/{jurisdiction}/{version}/trial")
def try_pack(
    call: Request,
    which: Which,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    cursor: Annotated[str | None, Query(max_length=200, pattern=KEPT)] = None,
) -> Response:
    """Show which decisions would change if this version were in force; nothing is changed."""
    words = edge.words_of(call, actor, session)
    kept = policy.find(session, *which)
    found = flips.dry_run(
        session,
        actor,
        kept.pack,
        start=Place.decode(cursor) if cursor else Place(),
        limit=_TRIED,
        last=_LAST,
        at=clock.now(),
    )
    page = TrialPage(
        title=words.gettext("What it would change"),
        row=_row(kept, words),
        looked_at=found.decisions,
        undecided=found.undecided,
        stricter=tuple(_flip(one, words) for one in found.flips if one.is_stricter),
        softer=tuple(_flip(one, words) for one in found.flips if not one.is_stricter),
        cursor=found.next.encode() if found.next else "",
        is_first=cursor is None,
    )
    return edge.render(call, actor, session, "packs/trial.html", page, words=words)


@router.post("/packs/{jurisdiction}/{version}/propose")
def propose_pack(
    call: Request,
    which: Which,
    form: Form,
    actor: CanPropose,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Propose a next version, written as a change of this one."""
    kept = policy.find(session, *which)
    written = form.raw("body")
    try:
        made = policy.propose(session, actor, _told(written), at=clock.now())
    except (PackRefused, PackVersionTaken) as exc:
        words = edge.words_of(call, actor, session)
        faults = tuple((one["where"], pack_faults.said(one["what"], words)) for one in _faults(exc))
        page = _page(session, actor, kept, words, draft=written, faults=faults)
        return edge.render(call, actor, session, "packs/pack.html", page, status=422, words=words)
    return edge.see(_path(made.pack.jurisdiction, made.pack.version))


@router.post("/packs/{jurisdiction}/{version}/agree")
def agree_to_pack(
    which: Which,
    _form: Form,
    actor: CanActivate,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Agree to a version; the second person to agree puts it in force."""
    policy.activate(session, actor, *which, at=clock.now())
    return edge.see(_path(*which))


@router.post("/packs/{jurisdiction}/{version}/withdraw")
def withdraw_pack(
    which: Which,
    form: Form,
    actor: CanPropose,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Take back a version that you have proposed."""
    _end(session, actor, which, SetAside.WITHDRAWN, form, at=clock.now())
    return edge.see(_path(*which))


@router.post("/packs/{jurisdiction}/{version}/reject")
def reject_pack(
    which: Which,
    form: Form,
    actor: CanActivate,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Put aside a version that another has proposed."""
    _end(session, actor, which, SetAside.REJECTED, form, at=clock.now())
    return edge.see(_path(*which))


def _end(
    session: Session,
    actor: Actor,
    which: tuple[str, int],
    how: SetAside,
    form: edge.Fields,
    *,
    at: datetime,
) -> None:
    reason = form.get("reason")
    if not 0 < len(reason) <= _MOST_REASON:
        raise ReasonNeeded
    policy.set_aside(session, actor, *which, how=how, reason=reason, at=at)


def _path(jurisdiction: str, version: int) -> str:
    return f"/packs/{jurisdiction}/{version}"


def _faults(exc: PackRefused | PackVersionTaken) -> list[dict[str, str]]:
    """Return what is wrong with a proposal, and where."""
    faults = exc.facts.get("faults")
    if isinstance(faults, list):
        return faults
    return [{"where": "/version", "what": exc.title()}]


def _told(written: str) -> Mapping[str, Any]:
    """Return the pack that was written.

    Raises:
        PackRefused: it is no JSON object.
    """
    try:
        told = json.loads(written)
    except (ValueError, RecursionError) as exc:
        raise PackRefused(faults=[{"where": "/", "what": str(exc)}]) from exc
    if not isinstance(told, dict):
        raise PackRefused(faults=[{"where": "/", "what": "This is no object."}])
    return told


def _row(kept: Kept, words: Words) -> PackRow:
    pack = kept.pack
    return PackRow(
        path=_path(pack.jurisdiction, pack.version),
        place=pack_words.title(words, kept.body),
        code=pack.jurisdiction,
        version=pack.version,
        state=kept.state,
        mark=pack.mark,
        uncertain=len([name for name in kept.uncertain if name != "*"]),
        since=pack.effective_from,
    )


def _page(
    session: Session,
    actor: Actor,
    kept: Kept,
    words: Words,
    *,
    draft: str = "",
    faults: tuple[tuple[str, str], ...] = (),
) -> PackPage:
    row = kept.row
    ids = [row.created_by, row.activated_by, row.second_by] if row else []
    people = lookups.names(session, ids)
    agreed = [(row.activated_by, row.first_at), (row.second_by, row.activated_at)] if row else []
    is_waiting = kept.state in _WAITING
    is_own = row is not None and row.created_by == actor.id
    has_agreed = row is not None and actor.id is not None and row.activated_by == actor.id
    may_activate = Permission.POLICY_ACTIVATE in actor.permissions
    return PackPage(
        title=pack_words.title(words, kept.body),
        row=_row(kept, words),
        fields=_fields(session, kept, words),
        proposed=people.get(row.created_by, "") if row else "",
        proposed_at=row.created_at if row else None,
        agreed=tuple((people.get(who, ""), at) for who, at in agreed if who is not None),
        ended=kept.ended.reason if kept.ended else "",
        is_waiting=is_waiting,
        is_own=is_own,
        has_agreed=has_agreed,
        may_agree=is_waiting and may_activate and not is_own and not has_agreed,
        may_propose=Permission.POLICY_PROPOSE in actor.permissions,
        next=_next(
            words, is_waiting=is_waiting, may=may_activate and not is_own and not has_agreed
        ),
        draft=draft or _draft(kept),
        faults=faults,
    )


def _next(words: Words, *, is_waiting: bool, may: bool) -> str:
    if not is_waiting:
        return ""
    if may:
        return words.gettext("look at what it would change, then agree or reject")
    return words.gettext("two other people must agree, one of them an approver")


def _draft(kept: Kept) -> str:
    told = {name: value for name, value in kept.body.items() if name != "version"}
    return json.dumps(told, ensure_ascii=False, indent=1)


def _fields(session: Session, kept: Kept, words: Words) -> tuple[FieldRow, ...]:
    before = policy.replaced(session, kept)
    older: Mapping[str, Any] = {}
    if before is not None:
        older = policy.find(session, before.jurisdiction, before.version).body["fields"]
    told = kept.body["fields"]
    return tuple(
        FieldRow(
            name=name,
            label=words.gettext(label),
            value=pack_words.value(words, name, told[name]["value"]),
            mark=told[name]["mark"],
            note=told[name].get("note", {}).get(words.language, ""),
            before=pack_words.value(words, name, older[name]["value"])
            if name in older and older[name]["value"] != told[name]["value"]
            else "",
        )
        for name, label in pack_words.FIELDS.items()
        if name in told
    )


def _flip(flip: Flip, words: Words) -> FlipRow:
    said = wording.PURPOSES.get(flip.question.purpose)
    codes = dict.fromkeys(reason.partition(":")[0] for reason in flip.reasons)
    return FlipRow(
        recording_id=flip.recording_id,
        is_open=flip.release_id is not None,
        purpose=said.of(words.language) if said else flip.question.purpose,
        before=flip.before,
        after=flip.after,
        reasons=tuple((code, REASONS[code].title.of(words.language)) for code in codes),
    )

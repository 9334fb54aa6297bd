"""Releases: who has what, and the page on which one is approved, handed out and ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, cast
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Request, Response
from sqlalchemy.orm import Session

from app.clients.models import Contact
from app.consent import queries as consent
from app.consent.rules import Decision
from app.core.db import Database
from app.core.deps import ClockDep, DatabaseDep, SessionDep
from app.core.errors import Conflict
from app.core.ids import ReleaseId
from app.core.paging import Cursor
from app.custody import refusals
from app.custody.ledger import Act
from app.disputes import queries as disputes
from app.disputes.models import Exhibit
from app.disputes.redactions import read_all
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.mail import queries as mails
from app.mail.models import Kind
from app.releases import bundles, queries, service, subjects
from app.releases.copies import Copier
from app.releases.models import EndReason, Release, ReleaseState, ReleaseWish
from app.releases.refusals import ConsentChanged, ReleaseNotRequested
from app.review import wording
from app.web import decided, edge, refusal_words
from app.web.decided import Around, Decided
from app.web.edge import Form
from app.web.sections import Place, Section
from app.web.words import N_, Words

router = edge.page_router()

CanRead = Annotated[Actor, Depends(Requires(Permission.RELEASE_READ))]
CanApprove = Annotated[Actor, Depends(Requires(Permission.RELEASE_APPROVE))]
CanRevoke = Annotated[Actor, Depends(Requires(Permission.RELEASE_REVOKE))]

_PAGE: Final = 50
_MOST_NOTE: Final = 4000
_CHANGED: Final = N_("Consent changed while the copies were made; look again and approve again.")
_KINDS: Final = {
    "waiting": (N_("wait for approval"), frozenset({ReleaseState.REQUESTED})),
    "live": (N_("live"), frozenset({ReleaseState.GRANTED})),
    "ended": (N_("ended"), frozenset({ReleaseState.REVOKED, ReleaseState.DENIED})),
}
_ENDED_BY: Final = {
    EndReason.PERSON: N_("by a person"),
    EndReason.CONSENT: N_("because consent no longer allows it"),
    EndReason.EXPIRED: N_("its time was over"),
}


def _waiting(session: Session, actor: Actor, at: datetime) -> int:
    """Count the releases that wait for this person's approval."""
    del at
    if Permission.RELEASE_APPROVE not in actor.permissions:
        return 0
    return queries.count_requested(session, actor)


SECTION = Section(
    place=Place.RELEASES,
    path="/releases",
    label=N_("Releases"),
    permission=Permission.RELEASE_READ,
    waiting=_waiting,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A release in the list."""

    id: UUID
    client: str
    recipient: str
    state: str
    is_open: bool
    parts: int
    requested_at: datetime
    expires_at: datetime | None
    ended_at: datetime | None
    views: int
    may_be_ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """Who has what."""

    title: str
    rows: tuple[Row, ...]
    kinds: tuple[tuple[str, str], ...]
    kind: str
    q: str
    is_narrowed: bool
    base: str
    next_cursor: str
    is_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRow:
    """Who approved a part, when and with which words."""

    who: str
    at: datetime
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    """A part of the release: where it is heard, as it leaves, and what the rules say now."""

    number: int
    is_recording: bool
    at: datetime | None
    from_ms: int
    to_ms: int | None
    hidden: int
    preview: str
    link: str
    decided: Decided | None
    approvals: tuple[ApprovalRow, ...]
    size_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRow:
    """The evidence bundle."""

    state: str
    size_bytes: int | None
    sha256: str
    made_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePage:
    """A release; `url` is its link, shown this once. `is_mailed`: it goes by mail too."""

    title: str
    id: UUID
    state: str
    is_open: bool
    next: str
    client: str
    client_path: str
    dispute_id: UUID | None
    contact: str
    position: str
    is_verified: bool
    purpose: str
    requested_by: str
    requested_at: datetime
    days: int
    granted_at: datetime | None
    expires_at: datetime | None
    ended_at: datetime | None
    ended_by: str
    end_note: str
    views: int
    parts: tuple[PartRow, ...]
    bundle: BundleRow | None
    url: str
    passphrase: str
    has_passphrase: bool
    is_mailed: bool
    may_approve: bool
    lacking: tuple[int, ...]
    is_involved: bool
    has_approved: bool
    is_own: bool
    may_refuse: bool
    may_end: bool
    may_preview: bool
    wrong: str
    note: str
    note_wrong: str


def _copier(request: Request) -> Copier:
    return cast("Copier", request.app.state.copier)


CopierDep = Annotated[Copier, Depends(_copier)]


@router.get("/releases")
def show_releases(
    call: Request,
    actor: CanRead,
    session: SessionDep,
    kind: str = "",
    q: str = "",
    cursor: str = "",
) -> Response:
    """Show who has what, the newest first."""
    words = edge.words_of(call, actor, session)
    kind = kind if kind in _KINDS else ""
    q = q.replace("\x00", "").strip()[:200]
    after = Cursor.decode(cursor) if cursor else None
    found = queries.releases(
        session,
        actor,
        states=_KINDS[kind][1] if kind else None,
        q=q or None,
        after=after,
        limit=_PAGE + 1,
    )
    shown = found[:_PAGE]
    views = queries.views_of(session, [one.id for one in shown])
    may_end = Permission.RELEASE_REVOKE in actor.permissions
    address = urlencode({name: value for name, value in (("kind", kind), ("q", q)) if value})
    last = shown[-1] if len(found) > _PAGE else None
    page = ListPage(
        title=words.gettext("Releases"),
        rows=tuple(_row(session, one, views.get(one.id, 0), may_end=may_end) for one in shown),
        kinds=tuple((code, words.gettext(said)) for code, (said, _) in _KINDS.items()),
        kind=kind,
        q=q,
        is_narrowed=bool(kind or q),
        base=f"/releases?{address}&" if address else "/releases?",
        next_cursor=Cursor(at=last.requested_at, id=last.id).encode() if last else "",
        is_first=after is None,
    )
    return edge.render(call, actor, session, "releases/releases.html", page, words=words)


def _row(session: Session, one: Release, views: int, *, may_end: bool) -> Row:
    contact = session.get_one(Contact, one.contact_id)
    return Row(
        id=one.id,
        client=one.client_name,
        recipient=contact.name,
        state=_state(one),
        is_open=queries.is_open(session, one.id),
        parts=len(one.wishes),
        requested_at=one.requested_at,
        expires_at=one.expires_at,
        ended_at=one.revoked_at,
        views=views,
        may_be_ended=may_end and one.state in {ReleaseState.REQUESTED, ReleaseState.GRANTED},
    )


def _state(one: Release) -> str:
    if one.state == ReleaseState.REVOKED and one.end_reason != EndReason.PERSON:
        return "ended"
    return one.state


@router.get("/releases/{release_id}")
def show_release(
    call: Request, release_id: UUID, actor: CanRead, session: SessionDep, clock: ClockDep
) -> Response:
    """Show a release: what would leave or left, to whom, and what may be done."""
    release = service.seen(session, actor, ReleaseId(release_id))
    return _show(call, actor, session, release, at=clock.now())


@router.post("/releases/{release_id}/approve")
def approve(  # noqa: PLR0913, PLR0917 - what the framework injects.
    call: Request,
    release_id: UUID,
    form: Form,
    actor: CanApprove,
    copier: CopierDep,
    database: DatabaseDep,
    clock: ClockDep,
) -> Response:
    """Approve it; after the last approval that is needed, show the link this once."""
    note = form.get("note")[:_MOST_NOTE]
    url, passphrase, wrong = "", "", None
    try:
        done = copier.approve(
            actor,
            ReleaseId(release_id),
            note=note or None,
            with_passphrase=form.get("passphrase") == "yes",
        )
        passphrase = done.passphrase or ""
        url = copier.link_url(done.token) if done.token is not None else ""
    except Conflict as exc:
        _remember(database, actor, release_id, exc, at=clock.now())
        wrong = exc
    with database.transaction() as session:
        release = service.seen(session, actor, ReleaseId(release_id))
        if not url and wrong is None:
            return edge.see(f"/releases/{release_id}")
        words = edge.words_of(call, actor, session)
        said = _why(wrong, words) if wrong else ""
        has_server = call.app.state.settings.smtp_host is not None
        is_mailed = has_server and mails.is_asked_for(
            session, Kind.RELEASE_LINK, ("release", release.id)
        )
        shown = {"url": url, "passphrase": passphrase, "wrong": said, "note": note}
        return _show(call, actor, session, release, at=clock.now(), is_mailed=is_mailed, **shown)


def _why(refusal: Conflict, words: Words) -> str:
    return (
        words.gettext(_CHANGED)
        if isinstance(refusal, ConsentChanged)
        else refusal_words.said(refusal, words)
    )


def _remember(
    database: Database, actor: Actor, release_id: UUID, refusal: Conflict, *, at: datetime
) -> None:
    """Tell the ledger of an approval that was refused, since its page is answered here."""
    facts: dict[str, str | int | bool | None] = {"refusal": refusal.slug}
    about = ("release", release_id)
    refusals.remember(database, actor, Act.ACCESS_DENIED, about, at=at, facts=facts)


@router.post("/releases/{release_id}/refuse")
def refuse(
    call: Request,
    release_id: UUID,
    form: Form,
    actor: CanApprove,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Turn a request down, and say why."""
    note, at = form.get("note")[:_MOST_NOTE], clock.now()
    release = service.seen(session, actor, ReleaseId(release_id), lock=True)
    if release.state != ReleaseState.REQUESTED:
        raise ReleaseNotRequested(state=release.state)
    if not note:
        said = edge.words_of(call, actor, session).gettext("Say why, so that it can be put right.")
        return _show(call, actor, session, release, at=at, note_wrong=said)
    service.revoke(session, actor, ReleaseId(release_id), note=note, at=at)
    return edge.see(f"/releases/{release_id}")


@router.post("/releases/{release_id}/end")
def end(
    release_id: UUID, form: Form, actor: CanRevoke, session: SessionDep, clock: ClockDep
) -> Response:
    """End a release at once, or take a request back."""
    note = form.get("note")[:_MOST_NOTE]
    service.revoke(session, actor, ReleaseId(release_id), note=note or None, at=clock.now())
    return edge.see(f"/releases/{release_id}")


@router.post("/releases/{release_id}/bundle")
def make_bundle(
    release_id: UUID, form: Form, actor: CanRead, session: SessionDep, clock: ClockDep
) -> Response:
    """Let the bundle be made once more."""
    del form
    release = service.seen(session, actor, ReleaseId(release_id), lock=True)
    bundles.ask(session, release, at=clock.now())
    return edge.see(f"/releases/{release_id}#bundle")


# --- one release ---------------------------------------------------------------------------------


def _show(  # noqa: PLR0913 - who looks at what, and what is said beside it.
    call: Request,
    actor: Actor,
    session: Session,
    release: Release,
    *,
    at: datetime,
    url: str = "",
    passphrase: str = "",
    is_mailed: bool = False,
    wrong: str = "",
    note: str = "",
    note_wrong: str = "",
) -> Response:
    words = edge.words_of(call, actor, session)
    is_waiting = release.state == ReleaseState.REQUESTED
    is_own = actor.id == release.requested_by
    is_involved = _is_involved(session, actor, release)
    may_decide = (
        is_waiting
        and Permission.RELEASE_APPROVE in actor.permissions
        and not is_own
        and not is_involved
    )
    is_over = release.state in {ReleaseState.REVOKED, ReleaseState.DENIED}
    said = {} if is_over else dict(_standing(session, release, at=at))
    lacking = _lacking(release, said) if is_waiting else ()
    has_approved = is_waiting and not lacking and _has_approved(actor, release, said)
    known = consent.contact(session, release.contact_id)
    reason = EndReason(release.end_reason) if release.end_reason else None
    people = [release.requested_by, release.revoked_by]
    people += [a.approver_id for wish in release.wishes for a in wish.approvals]
    names = disputes.names(session, people)
    ended_by = words.gettext(_ENDED_BY[reason]) if reason else ""
    if reason is EndReason.PERSON and release.revoked_by:
        ended_by = names.get(release.revoked_by, ended_by)
    page = ReleasePage(
        title=words.gettext("Release to %(who)s") % {"who": release.client_name},
        id=release.id,
        state=_state(release),
        is_open=queries.is_open(session, release.id),
        next=_next(release, words, may_decide=may_decide, is_lacking=bool(lacking), url=url),
        client=release.client_name,
        client_path=f"/clients/{release.client_id}",
        dispute_id=release.dispute_id,
        contact=known[0].name if known else "—",
        position=(known[0].position or "") if known else "",
        is_verified=bool(known and known[1]),
        purpose=wording.words(wording.PURPOSES, words.language).get(
            release.purpose, release.purpose
        ),
        requested_by=names.get(release.requested_by, release.sender_person),
        requested_at=release.requested_at,
        days=release.lifetime.days,
        granted_at=release.granted_at,
        expires_at=release.expires_at,
        ended_at=release.revoked_at,
        ended_by=ended_by,
        end_note=release.end_note or "",
        views=queries.views(session, release.id),
        parts=_parts(session, release, words, names, said),
        bundle=_bundle(session, release),
        url=url,
        passphrase=passphrase,
        has_passphrase=queries.has_passphrase(session, release.id),
        is_mailed=is_mailed,
        may_approve=may_decide and not lacking and not has_approved,
        lacking=lacking,
        is_involved=is_involved and is_waiting,
        has_approved=has_approved,
        is_own=is_own,
        may_refuse=may_decide,
        may_end=Permission.RELEASE_REVOKE in actor.permissions
        and release.state in {ReleaseState.REQUESTED, ReleaseState.GRANTED},
        may_preview=Permission.EXHIBIT_PREVIEW in actor.permissions,
        wrong=wrong,
        note=note,
        note_wrong=note_wrong,
    )
    status = 409 if wrong else (422 if note_wrong else 200)
    return edge.render(
        call, actor, session, "releases/release.html", page, status=status, words=words
    )


def _is_involved(session: Session, actor: Actor, release: Release) -> bool:
    """Say whether the dispute is about the conduct of who looks."""
    if actor.id is None or release.dispute_id is None:
        return False
    return disputes.is_in_question(session, release.dispute_id, actor.id)


def _lacking(release: Release, said: Mapping[UUID, Decision]) -> tuple[int, ...]:
    """Return the numbers of the parts that no approval makes possible yet."""
    return tuple(
        number
        for number, wish in enumerate(release.wishes, 1)
        if not service.can_be_approved(said[wish.id])
    )


def _has_approved(actor: Actor, release: Release, said: Mapping[UUID, Decision]) -> bool:
    """Say whether somebody has said yes to each part as it stands now."""
    return all(
        any(
            (one.approver_id, one.inputs_digest.hex()) == (actor.id, said[wish.id].inputs_digest)
            for one in wish.approvals
        )
        for wish in release.wishes
    )


def _next(release: Release, words: Words, *, may_decide: bool, is_lacking: bool, url: str) -> str:
    if url:
        return words.gettext("Copy the link now and send it: it is shown only this once.")
    if may_decide and is_lacking:
        return words.gettext("It cannot be approved yet: see below what is still missing.")
    if may_decide:
        return words.gettext("Hear and see each part as it would leave, then approve or refuse.")
    if release.state == ReleaseState.REQUESTED:
        return words.gettext("Another person approves or refuses; nothing leaves until then.")
    return ""


def _parts(
    session: Session,
    release: Release,
    words: Words,
    names: dict[UUID, str],
    said: Mapping[UUID, Decision],
) -> tuple[PartRow, ...]:
    is_over = release.state in {ReleaseState.REVOKED, ReleaseState.DENIED}
    exhibits = queries.exhibits(session, release.dispute_id) if release.dispute_id else ()
    items = {item.wish_id: item for item in release.items}
    found = []
    for number, wish in enumerate(release.wishes, 1):
        exhibit = _exhibit_of(wish, exhibits)
        around = Around(
            client_id=release.client_id,
            dispute_id=release.dispute_id,
            recording_id=wish.recording_id,
        )
        item = items.get(wish.id)
        decision = said.get(wish.id)
        found.append(
            PartRow(
                number=number,
                is_recording=wish.recording_id is not None,
                at=_began(session, wish),
                from_ms=wish.from_ms,
                to_ms=wish.to_ms,
                hidden=len(wish.redactions) + len(wish.areas),
                preview=f"/v1/exhibits/{exhibit.id}/preview" if exhibit and not is_over else "",
                link=f"/recordings/{wish.recording_id}?at={wish.from_ms}"
                if wish.recording_id
                else "",
                decided=decided.shown(decision, around, words) if decision else None,
                approvals=tuple(
                    ApprovalRow(who=names.get(a.approver_id, "—"), at=a.at, note=a.note or "")
                    for a in wish.approvals
                ),
                size_bytes=item.size_bytes if item else None,
            )
        )
    return tuple(found)


def _standing(session: Session, release: Release, *, at: datetime) -> list[tuple[UUID, Decision]]:
    return [
        (wish.id, decision)
        for wish, decision in service.standing(session, release, release.wishes, at=at)
    ]


def _exhibit_of(wish: ReleaseWish, exhibits: Sequence[Exhibit]) -> Exhibit | None:
    """Return the exhibit that shows exactly what is asked for, whose preview are its very bytes."""
    subject = subjects.of(wish)
    for exhibit in exhibits:
        part = service.part_of(exhibit)
        if part.subject != subject:
            continue
        same = (exhibit.from_ms, exhibit.to_ms) == (wish.from_ms, wish.to_ms)
        if subject.is_screenshot or (same and part.redactions == read_all(wish.redactions)):
            return exhibit
    return None


def _began(session: Session, wish: ReleaseWish) -> datetime | None:
    if wish.recording_id is not None:
        recording = queries.recording(session, wish.recording_id)
        return recording.started_at if recording else None
    if wish.screenshot_id is not None:
        shot = queries.screenshot(session, wish.screenshot_id)
        return shot[0].captured_at if shot else None
    return None


def _bundle(session: Session, release: Release) -> BundleRow | None:
    one = bundles.of(session, release.id)
    if one is None:
        return None
    return BundleRow(
        state=one.state,
        size_bytes=one.size_bytes,
        sha256=one.sha256.hex() if one.sha256 else "",
        made_at=one.made_at,
    )

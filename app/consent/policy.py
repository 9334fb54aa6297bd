"""The packs that the archive keeps: proposed by one person, put in force by two others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from app.consent import queries, service
from app.consent.models import PackSetAside, PolicyPackRow, SetAside
from app.consent.packs import Mark, Pack, PackInvalid, parse, shipped, shipped_packs
from app.consent.review import person
from app.core.errors import Conflict, Forbidden, Invalid, NotFound
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.models import User
from app.identity.permissions import Role

_AGREEING = frozenset({Role.APPROVER, Role.LEGAL})


class PackNotFound(NotFound):
    """There is no such version of a pack."""


class PackRefused(Invalid):
    """The pack is not whole or says what no pack can.

    `faults` lists each fault: `where` is a JSON pointer (RFC 6901) into the pack, `what` says
    what is wrong there.
    """


class PackVersionTaken(Conflict):
    """The pack does not follow on the versions that are there.

    `expected` is the number of the next one; it need not be named.
    """


class PackInForce(Conflict):
    """The version has been put in force already, or comes with the product."""


class PackOutdated(Conflict):
    """A later version is in force.

    To go back, propose the old content as a new version.
    """


class PackNotYetEffective(Conflict):
    """The day that the pack names as its first has not come.

    `effective_from` is that day; a pack is in force from its activation on, never by itself.
    """


class PackAltered(Conflict):
    """What is stored is not what was proposed; propose it again."""


class ProposerActivates(Forbidden):
    """Who proposed a pack does not agree to it."""


class SamePersonActivates(Forbidden):
    """You have agreed already; another person must."""


class ApproverNeeded(Forbidden):
    """One of the two who put a pack in force is an approver."""


class FirstPersonGone(Conflict):
    """Who agreed first may do so no longer; propose the pack again."""


class PackEnded(Conflict):
    """The proposal was withdrawn or rejected; propose it again."""


class ProposerOnly(Forbidden):
    """A pack is withdrawn by who proposed it; another rejects it."""


class PackState(StrEnum):
    """How far a version has come."""

    PROPOSED = "proposed"
    APPROVED = "approved"  # One of the two has agreed.
    ACTIVE = "active"
    SUPERSEDED = "superseded"  # A later version is in force.
    WITHDRAWN = "withdrawn"  # By who proposed it.
    REJECTED = "rejected"  # By another.


_WAITING = frozenset({PackState.PROPOSED, PackState.APPROVED})
_ENDED = {SetAside.WITHDRAWN: Act.POLICY_WITHDRAWN, SetAside.REJECTED: Act.POLICY_REJECTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A version of a pack as it is kept: shipped with the product, or a row."""

    pack: Pack
    body: Mapping[str, Any]
    state: PackState
    row: PolicyPackRow | None = None
    ended: PackSetAside | None = None

    @property
    def uncertain(self) -> list[str]:
        """Return what of the pack is for a lawyer: fields by name, `places`, the whole as `*`."""
        places = self.body.get("places", {}).get("mark")
        found = {name for name, mark in self.pack.marks.items() if mark == Mark.UNCERTAIN}
        found |= {"places"} if places == Mark.UNCERTAIN else set()
        return sorted(found | ({"*"} if self.pack.mark == Mark.UNCERTAIN else set()))


def _versions(session: Session, jurisdiction: str | None = None) -> list[Kept]:
    """Return every version of every pack, or of one: by name, the oldest version first.

    Raises:
        PackAltered: one that is stored is not what was proposed.
    """
    rows = [(_unaltered(row), row) for row in queries.packs(session, jurisdiction)]
    ended = queries.packs_set_aside(session)
    last = {pack.jurisdiction: pack.version for pack, row in rows if row.activated_at is not None}
    found = [
        Kept(
            pack=pack,
            body=shipped()[code],
            state=PackState.SUPERSEDED if code in last else PackState.ACTIVE,
        )
        for code, pack in shipped_packs().items()
        if jurisdiction in {None, code}
    ]
    for pack, row in rows:
        state = PackState.PROPOSED if row.activated_by is None else PackState.APPROVED
        if pack.version <= last.get(pack.jurisdiction, 0):
            is_last = pack.version == last[pack.jurisdiction]
            state = PackState.ACTIVE if is_last else PackState.SUPERSEDED
        if row.id in ended:
            state = PackState(ended[row.id].how)
        found.append(Kept(pack=pack, body=row.body, state=state, row=row, ended=ended.get(row.id)))
    return sorted(found, key=lambda kept: (kept.pack.jurisdiction, kept.pack.version))


def catalogue(session: Session) -> list[Kept]:
    """Return the packs in force and those that wait for somebody to agree."""
    shown = _WAITING | {PackState.ACTIVE}
    return [kept for kept in _versions(session) if kept.state in shown]


def replaced(session: Session, kept: Kept) -> Pack | None:
    """Return the version that was in force before this one, None where its place had none."""
    in_force = {PackState.ACTIVE, PackState.SUPERSEDED}
    before = [
        k.pack
        for k in _versions(session, kept.pack.jurisdiction)
        if k.state in in_force
        and k.pack.version < kept.pack.version
        and (k.row is None or k.row.activated_at is not None)
    ]
    return max(before, key=lambda pack: pack.version, default=None)


def find(session: Session, jurisdiction: str, version: int) -> Kept:
    """Return one version; of a stored and a shipped one of the same number, the stored.

    Raises:
        PackNotFound: there is none.
    """
    found = [k for k in _versions(session, jurisdiction) if k.pack.version == version]
    if not found:
        raise PackNotFound
    return max(found, key=lambda kept: kept.row is not None)


def _require_storable(told: Mapping[str, Any]) -> None:
    """Refuse what a database cannot keep: NUL and halves of characters."""
    written = json.dumps(told, ensure_ascii=False)
    if "\\u0000" in written or _is_broken(written):
        fault = {"where": "", "what": "a character that cannot be kept"}
        raise PackRefused("The pack holds a character that cannot be kept.", faults=[fault])


def _is_broken(written: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in written)


def propose(session: Session, actor: Actor, told: Mapping[str, Any], *, at: datetime) -> Kept:
    """Keep a new version of a pack; it changes nothing before two others have agreed to it.

    The version is the next of its jurisdiction; one that is named must be that.

    Raises:
        PackRefused: `faults` names every fault and its place.
        PackVersionTaken: another version is named than the next.
    """
    _require_storable(told)
    queries.lock_packs(session)
    code = told.get("jurisdiction")
    taken = [k.pack.version for k in _versions(session, code)] if isinstance(code, str) else []
    following = max(taken, default=0) + 1
    body = {"version": following, **told}
    try:
        pack = parse(body)
    except PackInvalid as exc:
        faults = [{"where": fault.where, "what": fault.what} for fault in exc.faults]
        raise PackRefused(f"Faults: {len(faults)}.", faults=faults) from exc
    if pack.version != following:
        raise PackVersionTaken(expected=following)
    row = PolicyPackRow(
        id=new_id(),
        jurisdiction=pack.jurisdiction,
        version=pack.version,
        body=body,
        sha256=bytes.fromhex(pack.sha256),
        effective_from=pack.effective_from,
        created_by=person(actor),
        created_at=at,
    )
    session.add(row)
    session.flush()
    _tell(session, actor, Act.POLICY_PROPOSED, row, at=at)
    return Kept(pack=pack, body=body, state=PackState.PROPOSED, row=row)


def activate(
    session: Session, actor: Actor, jurisdiction: str, version: int, *, at: datetime
) -> Kept:
    """Agree to a pack; the second person to do so puts it in force from this commit on.

    Every decision made before is then stale: what it allowed is closed until it is asked again.

    Raises:
        PackNotFound: there is none.
        PackInForce: it is in force already, or shipped.
        PackOutdated: a later version is in force.
        PackEnded: it was withdrawn or rejected.
        PackNotYetEffective: its first day has not come.
        PackAltered: the stored pack is not the one that was proposed.
        ProposerActivates: the actor proposed it.
        SamePersonActivates: the actor agreed before.
        FirstPersonGone: who agreed before is no longer an approver or legal.
        ApproverNeeded: neither is an approver.
        NoLongerHere: he was shut out a moment ago.
        ProofNeeded: he acts from a browser, and gave neither password nor code lately.
    """
    identity.must_be_here(session, actor)
    through = actor.proved(at=at)
    queries.lock_packs(session)
    row = _waiting(session, jurisdiction, version)
    _must_not_be_outdated(session, row)
    _unaltered(row)
    if row.effective_from > at.date():
        raise PackNotYetEffective(effective_from=row.effective_from.isoformat())
    agreeing = person(actor)
    if agreeing == row.created_by:
        raise ProposerActivates
    if agreeing == row.activated_by:
        raise SamePersonActivates
    if row.activated_by is None:
        row.activated_by, row.first_at = agreeing, at
        session.flush()
        _tell(session, actor, Act.POLICY_APPROVED, row, at=at, through=through)
        return find(session, jurisdiction, version)
    first = session.get_one(User, row.activated_by, populate_existing=True)
    if first.role not in _AGREEING or first.disabled_at is not None:
        raise FirstPersonGone
    if Role.APPROVER not in {first.role, actor.role}:
        raise ApproverNeeded
    before = service.in_force(session).get(jurisdiction)
    row.second_by, row.activated_at = agreeing, at
    session.flush()
    _tell(
        session,
        actor,
        Act.POLICY_ACTIVATED,
        row,
        at=at,
        through=through,
        first_by=str(row.activated_by),
        replaced_version=before.version if before else None,
        replaced_sha256=before.sha256 if before else None,
    )
    return find(session, jurisdiction, version)


def _waiting(session: Session, jurisdiction: str, version: int) -> PolicyPackRow:
    """Return the row of a pack that is not in force and not set aside, locked."""
    row = queries.pack(session, jurisdiction, version, lock=True)
    if row is None:
        shipped_one = shipped_packs().get(jurisdiction)
        if shipped_one is not None and shipped_one.version == version:
            raise PackInForce
        raise PackNotFound
    if row.activated_at is not None:
        raise PackInForce
    ended = queries.packs_set_aside(session).get(row.id)
    if ended is not None:
        raise PackEnded(how=ended.how)
    return row


def _must_not_be_outdated(session: Session, row: PolicyPackRow) -> None:
    later = [
        other.version
        for other in queries.packs(session, row.jurisdiction)
        if other.activated_at is not None and other.version > row.version
    ]
    if later:
        raise PackOutdated(in_force=max(later))


def set_aside(  # noqa: PLR0913 - which pack, how and why; all named.
    session: Session,
    actor: Actor,
    jurisdiction: str,
    version: int,
    *,
    how: SetAside,
    reason: str,
    at: datetime,
) -> Kept:
    """Withdraw or reject a proposed pack, also one that somebody has agreed to; it stays so.

    Raises:
        PackNotFound: there is none.
        PackInForce: it is in force already, or shipped.
        PackEnded: it was withdrawn or rejected already.
        ProposerOnly: who proposed it rejects it, or another withdraws it.
    """
    queries.lock_packs(session)
    row = _waiting(session, jurisdiction, version)
    if (how == SetAside.WITHDRAWN) != (row.created_by == person(actor)):
        raise ProposerOnly
    session.add(PackSetAside(pack_id=row.id, how=how, set_by=person(actor), reason=reason, at=at))
    session.flush()
    _tell(session, actor, _ENDED[how], row, at=at, reason=reason)
    return find(session, jurisdiction, version)


def _unaltered(row: PolicyPackRow) -> Pack:
    try:
        return service.unaltered(row)
    except ValueError as exc:
        raise PackAltered(jurisdiction=row.jurisdiction, version=row.version) from exc


def _tell(
    session: Session,
    actor: Actor,
    act: Act,
    row: PolicyPackRow,
    *,
    at: datetime,
    reason: str | None = None,
    **more: str | int | None,
) -> None:
    facts: dict[str, str | int | None] = {
        "jurisdiction": row.jurisdiction,
        "version": row.version,
        "sha256": row.sha256.hex(),
        "effective_from": row.effective_from.isoformat(),
    }
    detail = {"reason": reason} if reason else None
    about = ("policy_pack", row.id)
    ledger.append(session, actor, act, about, at=at, facts=facts | more, detail=detail)

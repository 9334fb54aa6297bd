"""Who is heard when, said by people: at once where it makes nothing milder, else by two.

A presence that is cut short, another firm, another side or place can all let more of a call out.
So they are proposed by one and confirmed by another; until then nothing has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients.models import Contact
from app.core.errors import Conflict, Forbidden, Invalid, NotFound
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.identity import service as identity
from app.identity.actor import Actor
from app.recordings import service
from app.recordings.call_schemas import PartyAdd, PartyWrite
from app.recordings.models import ChangeState, Party, PartyChange, PresenceBy, Recording

_FIELDS = (
    "side",
    "client_id",
    "contact_id",
    "present_from_ms",
    "present_to_ms",
    "channel",
    "jurisdiction",
)
_PRESENCE = frozenset({"present_from_ms", "present_to_ms"})
_HARMLESS = _PRESENCE | {"channel"}


class PartyNotFound(NotFound):
    """There is no such party in this recording."""


class PartyThere(Conflict):
    """A party of this label is there already."""


class PresenceInvalid(Invalid):
    """A presence ends after its beginning."""


class EntityUnknown(Invalid):
    """There is no such client or contact, or the contact is not of the client."""


class ChangeNotFound(NotFound):
    """There is no such change of this recording's parties."""


class ChangeSettled(Conflict):
    """The change was settled already, or the party has changed since."""


class ProposerConfirms(Forbidden):
    """Who proposed a change does not settle it; another person must."""


def facts_of(party: Party) -> dict[str, Any]:
    """Return what of a party can change, as JSON."""
    values = {name: getattr(party, name) for name in _FIELDS}
    return {k: str(v) if isinstance(v, UUID) else v for k, v in values.items()}


def put(party: Party, facts: dict[str, Any]) -> None:
    """Let a party be as `facts` say."""
    for name in _FIELDS:
        value = facts[name]
        is_id = name in {"client_id", "contact_id"} and value is not None
        setattr(party, name, UUID(value) if is_id else value)


def _covers(after: dict[str, Any], before: dict[str, Any]) -> bool:
    ends = after["present_to_ms"], before["present_to_ms"]
    longer = ends[0] is None or (ends[1] is not None and ends[0] >= ends[1])
    return bool(after["present_from_ms"] <= before["present_from_ms"] and longer)


def needs_two(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Say whether a change could let out what stays now."""
    changed = {name for name in _FIELDS if before[name] != after[name]}
    return not changed <= _HARMLESS or not _covers(after, before)


def write_down(  # noqa: PLR0913 - a change has these parts.
    session: Session,
    actor: Actor,
    recording: Recording,
    party: Party,
    *,
    before: dict[str, Any] | None,
    after: dict[str, Any],
    at: datetime,
    reason: str | None = None,
    state: ChangeState = ChangeState.APPLIED,
) -> PartyChange:
    """Write a change into the history and the ledger; one that is in force grows the epoch."""
    row = PartyChange(
        id=new_id(),
        recording_id=recording.id,
        party_id=party.id,
        source="person" if actor.kind == "user" else "exchange",
        before=before,
        after=after,
        reason=reason,
        state=state,
        proposed_by=actor.id if actor.kind == "user" else None,
        proposed_at=at,
    )
    session.add(row)
    session.flush()
    applied = state == ChangeState.APPLIED
    act = Act.PARTY_CHANGED if applied else Act.PARTY_CHANGE_PROPOSED
    _tell(session, actor, act, row, party, at=at)
    if applied:
        _in_force(session, recording)
    return row


def _tell(
    session: Session, actor: Actor, act: Act, row: PartyChange, party: Party, *, at: datetime
) -> None:
    ledger.append(
        session,
        actor,
        act,
        ("recording", row.recording_id),
        at=at,
        facts={
            "party": party.label,
            "change_id": str(row.id),
            "source": row.source,
            "present_from_ms": row.after["present_from_ms"],
            "present_to_ms": row.after["present_to_ms"],
        },
        detail={"before": row.before, "after": row.after, "reason": row.reason},
    )


def _in_force(session: Session, recording: Recording) -> None:
    """Make every decision that was made before stale, and let the flag follow."""
    session.execute(
        update(Recording)
        .where(Recording.id == recording.id)
        .values(consent_epoch=Recording.consent_epoch + 1)
        .execution_options(synchronize_session=False)
    )
    enqueue(session, Job(task=service.REFRESH_FLAG, args={"recording_id": str(recording.id)}))


def add(
    session: Session, actor: Actor, recording_id: UUID, told: PartyAdd, *, at: datetime
) -> tuple[Party, PartyChange]:
    """Name somebody who is heard. He is there at once; for whom he speaks waits for another.

    Raises:
        RecordingNotFound: there is none that `actor` may see.
        PartyThere: a party of this label is there.
        PresenceInvalid, EntityUnknown: as they say.
    """
    recording = _mine(session, actor, recording_id)
    if any(party.label == told.label for party in recording.parties):
        raise PartyThere(label=told.label)
    party = Party(
        id=new_id(),
        recording_id=recording.id,
        label=told.label,
        side="own" if told.side == "own" else "other",
        present_from_ms=told.present_from_ms or 0,
        present_to_ms=told.present_to_ms,
        channel=told.channel,
        how_identified="person",
        presence_by=PresenceBy.PERSON,
    )
    start = facts_of(party)
    wanted = _wanted(session, actor, start, told)
    session.add(party)
    session.flush()
    recording.parties.append(party)
    row = write_down(
        session, actor, recording, party, before=None, after=start, at=at, reason=told.reason
    )
    if wanted != start:
        row = write_down(
            session,
            actor,
            recording,
            party,
            before=start,
            after=wanted,
            at=at,
            reason=told.reason,
            state=ChangeState.PROPOSED,
        )
    return party, row


def alter(
    session: Session,
    actor: Actor,
    recording_id: UUID,
    label: str,
    told: PartyWrite,
    *,
    at: datetime,
) -> tuple[Party, PartyChange]:
    """Say something else of a party; in force at once only where it makes nothing milder.

    Raises:
        RecordingNotFound, PartyNotFound: there is none that `actor` may see.
        PresenceInvalid, EntityUnknown: as they say.
    """
    recording = _mine(session, actor, recording_id)
    party = next((p for p in recording.parties if p.label == label), None)
    if party is None:
        raise PartyNotFound
    before = facts_of(party)
    after = _wanted(session, actor, before, told)
    state = ChangeState.PROPOSED if needs_two(before, after) else ChangeState.APPLIED
    row = write_down(
        session,
        actor,
        recording,
        party,
        before=before,
        after=after,
        at=at,
        reason=told.reason,
        state=state,
    )
    if state == ChangeState.APPLIED:
        _apply(session, party, before, after)
    return party, row


def _apply(session: Session, party: Party, before: dict[str, Any], after: dict[str, Any]) -> None:
    put(party, after)
    if any(before[name] != after[name] for name in _PRESENCE):
        party.presence_by = PresenceBy.PERSON
    if any(before[name] != after[name] for name in ("side", "client_id", "contact_id")):
        party.how_identified = "person"
    session.flush()


def _mine(session: Session, actor: Actor, recording_id: UUID) -> Recording:
    """Return the recording, locked, so that two changes never cross."""
    service.find(session, actor, recording_id)
    session.execute(select(Recording.id).where(Recording.id == recording_id).with_for_update())
    session.expire_all()
    return service.find(session, actor, recording_id)


def _wanted(
    session: Session, actor: Actor, before: dict[str, Any], told: PartyWrite
) -> dict[str, Any]:
    said = told.model_fields_set
    after = before | {
        name: getattr(told, name)
        for name in ("side", "present_from_ms", "present_to_ms", "channel", "jurisdiction")
        if name in said
    }
    if "client" in said:
        client = clients.client_by_external_id(session, told.client) if told.client else None
        is_seen = client is not None and clients.is_seen(session, actor, client.id)
        if told.client and not is_seen:
            raise EntityUnknown(client=told.client)
        after |= {"client_id": str(client.id) if client else None, "contact_id": None}
    if "contact" in said:
        contact = session.get(Contact, told.contact) if told.contact else None
        if told.contact and (
            contact is None
            or str(contact.client_id) != after["client_id"]
            or not clients.is_seen(session, actor, contact.client_id)
        ):
            raise EntityUnknown(contact=str(told.contact))
        after |= {"contact_id": str(contact.id) if contact else None}
    if after["side"] == "own" and (after["client_id"] or after["contact_id"]):
        raise EntityUnknown("Our own people speak for no client.")
    to_ms = after["present_to_ms"]
    if to_ms is not None and to_ms <= after["present_from_ms"]:
        raise PresenceInvalid
    return after


def history(
    session: Session, actor: Actor, recording_id: UUID
) -> Sequence[tuple[PartyChange, str]]:
    """Return every change of a recording's parties with the label of its party, oldest first."""
    service.find(session, actor, recording_id)
    rows = session.execute(
        select(PartyChange, Party.label)
        .join(Party, Party.id == PartyChange.party_id)
        .where(PartyChange.recording_id == recording_id)
        .order_by(PartyChange.proposed_at, PartyChange.id)
    )
    return [(row, label) for row, label in rows]


def settle(  # noqa: PLR0913 - which change of what, by whom, how.
    session: Session,
    actor: Actor,
    recording_id: UUID,
    change_id: UUID,
    *,
    is_true: bool,
    reason: str,
    at: datetime,
) -> tuple[Party, PartyChange]:
    """Confirm or reject a proposed change; who proposed it cannot.

    Raises:
        RecordingNotFound, ChangeNotFound: there is none that `actor` may see.
        ChangeSettled: it was settled, or the party is no longer as it was then.
        ProposerConfirms, NoLongerHere: this person may not.
    """
    recording = _mine(session, actor, recording_id)
    row = session.scalar(
        select(PartyChange)
        .where(PartyChange.id == change_id, PartyChange.recording_id == recording_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise ChangeNotFound
    identity.must_be_here(session, actor)
    if row.proposed_by == actor.id:
        raise ProposerConfirms
    party = next(p for p in recording.parties if p.id == row.party_id)
    is_as_before = row.before == facts_of(party)
    if row.state != ChangeState.PROPOSED or (is_true and not is_as_before):
        raise ChangeSettled(state=row.state)
    row.state = ChangeState.CONFIRMED if is_true else ChangeState.REJECTED
    row.decided_by, row.decided_at = actor.id, at
    session.flush()
    ledger.append(
        session,
        actor,
        Act.PARTY_CHANGED if is_true else Act.PARTY_CHANGE_REJECTED,
        ("recording", recording_id),
        at=at,
        facts={"party": party.label, "change_id": str(row.id), "source": row.source},
        detail={"before": row.before, "after": row.after, "reason": reason},
    )
    if is_true:
        _apply(session, party, row.before or {}, row.after)
        _in_force(session, recording)
    return party, row

"""Everything that a decision depends on, as values. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from enum import StrEnum
from types import NoneType
from typing import Any, Literal
from uuid import UUID

import rfc8785

from app.consent.packs import Pack
from app.consent.purposes import (
    BLOCKS,
    PROOF,
    STRENGTH,
    ClauseScope,
    GroundCode,
    Kind,
    PlaceBy,
    ProofClass,
    Purpose,
    RecipientClass,
    ScreeningResult,
    Side,
    Status,
    Strength,
)
from app.consent.spans import WHOLE, Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Somebody heard, from where to where. `place` is a pack's code, null where nobody knows.

    `hint` is a place that is too weak to be relied on and can only make an answer stricter.
    `user_id` is set for an own employee who has an account here.
    """

    id: UUID
    label: str
    side: Side
    present: Segment = WHOLE
    client_id: UUID | None = None
    contact_id: UUID | None = None
    agent: str | None = None
    user_id: UUID | None = None
    place: str | None = None
    place_by: PlaceBy = PlaceBy.NOBODY
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A contract's clause together with the validity of its contract."""

    contract_id: UUID
    client_id: UUID
    clause_ref: str
    signed_on: date
    valid_from: datetime
    valid_to: datetime | None
    terminated_at: datetime | None
    scope: frozenset[ClauseScope]
    purposes: frozenset[str]
    recipients: frozenset[str]
    survives_until: datetime | None = None
    retroactive_from: datetime | None = None
    wording: str = ""

    @property
    def ends_at(self) -> datetime | None:
        """Return when the contract ends: by its term or by its termination, the earlier."""
        ends = [end for end in (self.valid_to, self.terminated_at) if end is not None]
        return min(ends) if ends else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asserted:
    """One piece of evidence, bound to a recording's party or to a client, contact or agent.

    One that is bound to the recording and to no party speaks of everybody in it if it blocks,
    and of nobody if it permits. `code` and `matter` belong to other grounds. `proved` is what
    its evidence amounts to; without it the kind alone tells.
    """

    id: UUID
    kind: Kind
    status: Status
    proposed_at: datetime
    in_recording: bool = True
    party_id: UUID | None = None
    client_id: UUID | None = None
    contact_id: UUID | None = None
    agent: str | None = None
    segment: Segment = WHOLE
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    purposes: frozenset[str] = frozenset()
    recipients: frozenset[str] = frozenset()
    clause: Clause | None = None
    code: GroundCode | None = None
    matter: str | None = None
    supersedes: UUID | None = None
    proved: ProofClass | None = None

    @property
    def proof(self) -> ProofClass:
        return self.proved or PROOF[self.kind]

    @property
    def strength(self) -> Strength:
        return STRENGTH[self.kind]

    @property
    def says_no(self) -> bool:
        return self.kind in BLOCKS and self.status in {Status.PROPOSED, Status.VERIFIED}

    @property
    def since(self) -> datetime:
        """Return the moment from which it speaks."""
        return self.valid_from or self.proposed_at

    def is_about(self, party: Heard) -> bool:
        """Say whether it speaks of `party`."""
        if self.in_recording and self.party_id is None:
            return self.kind in BLOCKS
        return (
            (self.party_id is not None and self.party_id == party.id)
            or (self.contact_id is not None and self.contact_id == party.contact_id)
            or (self.client_id is not None and self.client_id == party.client_id)
            or (self.agent is not None and self.agent == party.agent)
        )

    def is_for(self, purpose: Purpose) -> bool:
        """Say whether a refusal or withdrawal reaches `purpose`; naming none means all."""
        return not self.purposes or purpose in self.purposes


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """What a person heard in a segment who listened for what must not leave."""

    id: UUID
    segment: Segment
    result: ScreeningResult
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorContract:
    """A contract by which somebody works on recordings for us, and for which purposes.

    `processor` is his tax number; a recipient of the class is the one that the question names.
    """

    id: UUID
    processor: str
    valid_from: datetime
    valid_to: datetime | None
    purposes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """One leg of the recording: which bytes, and since when they are here."""

    leg: str
    sha256: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """All that is known about one recording or screenshot at one moment.

    `client_id` is that of the linked event. `packs` holds the packs in force by jurisdiction,
    `establishment` the jurisdiction of the office. `sounds` are the legs: a leg that arrives later
    is sound that nobody has listened to or approved yet.
    """

    recording_id: UUID
    started_at: datetime
    establishment: str
    packs: Mapping[str, Pack]
    parties: tuple[Heard, ...]
    assertions: tuple[Asserted, ...] = ()
    screenings: tuple[Screened, ...] = ()
    sounds: tuple[Sound, ...] = ()
    processors: tuple[ProcessorContract, ...] = ()
    client_id: UUID | None = None
    duration_ms: int | None = None
    object_kind: Literal["recording", "screenshot"] = "recording"
    erased: bool = False
    integrity_failed: bool = False
    restricted: bool = False
    held_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who would hear it. `verified`: a person checked identity and mandate; `left`: he left.

    `processor` is the tax number of one who works on recordings for us.
    """

    recipient_class: RecipientClass
    contact_id: UUID | None = None
    client_id: UUID | None = None
    processor: str | None = None
    verified: bool = False
    left: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person's yes to exactly the inputs of this digest. `role` is what he was then."""

    by: UUID
    inputs_digest: str
    at: datetime
    role: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: for what, to whom, which part, by whom, and who has approved."""

    purpose: Purpose
    recipient: Recipient
    requested_by: UUID
    segment: Segment = WHOLE
    approvals: tuple[Approval, ...] = field(default=())


def _parts(value: object) -> object:
    return {part.name: _plain(getattr(value, part.name)) for part in fields(value)}  # type: ignore[arg-type]  # only dataclasses come here


_FORMS: tuple[tuple[type | tuple[type, ...], Callable[[Any], object]], ...] = (
    (StrEnum, lambda value: value.value),
    ((str, bool, int, NoneType), lambda value: value),
    (UUID, str),
    (datetime, lambda value: value.astimezone(UTC).isoformat()),
    (date, lambda value: value.isoformat()),
    (Pack, lambda value: value.sha256),
    (Mapping, lambda value: {str(key): _plain(item) for key, item in value.items()}),
    # What has no order is sorted, so that equal inputs look equal.
    (frozenset, lambda value: sorted(map(str, value))),
    (tuple, lambda value: sorted(map(_plain, value), key=_canonical)),
    (
        (
            Segment,
            Heard,
            Clause,
            Asserted,
            Screened,
            Sound,
            ProcessorContract,
            CaseFile,
            Recipient,
        ),
        _parts,
    ),
)


def _plain(value: object) -> object:
    """Return `value` as JSON."""
    for kinds, form in _FORMS:
        if isinstance(value, kinds):
            return form(value)
    raise TypeError(f"{type(value).__name__} has no canonical form.")


def _canonical(value: object) -> bytes:
    return rfc8785.dumps(value)  # type: ignore[arg-type]  # the library's JSON type is private


def inputs_jcs(case: CaseFile, question: Question) -> bytes:
    """Return the canonical JSON of all inputs but who asks and who approved.

    Source: RFC 8785.
    """
    inputs = {
        "case": _plain(case),
        "purpose": _plain(question.purpose),
        "recipient": _plain(question.recipient),
        "segment": _plain(question.segment),
    }
    return _canonical(inputs)


def inputs_digest(case: CaseFile, question: Question) -> str:
    """Return the SHA-256 of the inputs, by which a decision names them."""
    return hashlib.sha256(inputs_jcs(case, question)).hexdigest()


def policy_jcs(case: CaseFile) -> bytes:
    """Return the canonical JSON of the digests of all packs in force, by their places."""
    return _canonical(_plain(case.packs))


def policy_sha256(case: CaseFile) -> str:
    """Return the SHA-256 of the packs in force, by which a decision names them."""
    return hashlib.sha256(policy_jcs(case)).hexdigest()

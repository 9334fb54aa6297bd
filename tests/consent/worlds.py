"""A world in which the rules say yes, to break one thing in."""

# ruff: noqa: ANN401 - a test names the fields that it changes, of any type.

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from app.consent.casefile import (
    Approval,
    Asserted,
    CaseFile,
    Clause,
    Heard,
    Question,
    Recipient,
    Screened,
    inputs_digest,
)
from app.consent.packs import Pack, parse, shipped
from app.consent.purposes import (
    ClauseScope,
    GroundCode,
    Kind,
    Purpose,
    RecipientClass,
    ScreeningResult,
    Side,
    Status,
)
from app.consent.rules import Decision, decide
from app.consent.spans import WHOLE, Segment

_NAMES = UUID("6f1c1a52-6f2f-4d0b-9d0c-3c1f0a3f7b11")
CALLED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
TOLD_AT = CALLED + timedelta(hours=1)
DAY = timedelta(days=1)
NOTICE_END_MS = 4_000
ASKED = Segment(4_000, 600_000)
QUALITY = frozenset({"internal_quality"})
SHIPPED = frozenset({"internal_quality", "dispute_client"})
MANAGEMENT = frozenset({"client_same_entity"})


def uid(name: str) -> UUID:
    return uuid5(_NAMES, name)


def pack(code: str, *, based_on: str = "RU", **values: Any) -> Pack:
    """Return a pack that differs from a shipped one in the fields named."""
    body = {**shipped()[based_on], "jurisdiction": code}
    body["fields"] = body["fields"] | {
        name: {"value": value, "mark": "firm"} for name, value in values.items()
    }
    return parse(body)


CALIFORNIA = pack("US-CA", unlawful_counsel=True, notice_must_name_purposes=False)
PACKS = {code: parse(body) for code, body in shipped().items()} | {"US-CA": CALIFORNIA}

ENGINEER = Heard(
    id=uid("eng"), label="eng", side=Side.OWN, agent="ivan", user_id=uid("ivan"), place="RU"
)
CLIENT = Heard(
    id=uid("cli"),
    label="cli",
    side=Side.CLIENT,
    client_id=uid("firm"),
    contact_id=uid("director"),
    place="RU",
)
GUEST = Heard(
    id=uid("guest"), label="guest", side=Side.OTHER, present=Segment(300_000, None), place="RU"
)


def asserted(name: str, kind: Kind, **values: Any) -> Asserted:
    facts: dict[str, Any] = {"status": Status.VERIFIED, "proposed_at": TOLD_AT} | values
    return Asserted(id=uid(name), kind=kind, **facts)


ACK = asserted(
    "ack", Kind.EMPLOYEE_ACK, in_recording=False, agent="ivan", valid_from=CALLED - 90 * DAY
)


def told(
    party: Heard = CLIENT,
    *,
    purposes: frozenset[str] = SHIPPED,
    recipients: frozenset[str] = MANAGEMENT,
    **values: Any,
) -> Asserted:
    values = {"segment": Segment(NOTICE_END_MS, None)} | values
    return asserted(
        f"told {party.label}",
        Kind.IVR_NOTICE,
        party_id=party.id,
        purposes=purposes,
        recipients=recipients,
        **values,
    )


def agreed(
    party: Heard = CLIENT, recipients: frozenset[str] = MANAGEMENT, **values: Any
) -> Asserted:
    values = {"purposes": frozenset({"dispute_client"})} | values
    return asserted(
        f"agreed {party.label}",
        Kind.VERBAL_CONSENT,
        party_id=party.id,
        recipients=recipients,
        **values,
    )


def clause(**values: Any) -> Asserted:
    facts: dict[str, Any] = {
        "contract_id": uid("contract"),
        "client_id": uid("firm"),
        "clause_ref": "7.3",
        "signed_on": (CALLED - 60 * DAY).date(),
        "valid_from": CALLED - 60 * DAY,
        "valid_to": None,
        "terminated_at": None,
        "scope": frozenset({ClauseScope.NOTICE, ClauseScope.DISCLOSE_TO_MANAGEMENT}),
        "purposes": SHIPPED,
        "recipients": MANAGEMENT,
    } | values
    return asserted(
        "clause",
        Kind.CONTRACT_CLAUSE,
        in_recording=False,
        client_id=facts["client_id"],
        purposes=facts["purposes"],
        recipients=facts["recipients"],
        clause=Clause(**facts),
    )


def assessed(**values: Any) -> Asserted:
    values = {"purposes": frozenset({"dispute_client"}), "matter": "A40-1/2026"} | values
    return asserted(
        "assessed", Kind.OTHER_GROUND, code=GroundCode.LEGAL_CLAIMS, valid_from=NOW - DAY, **values
    )


def screened(
    segment: Segment = WHOLE,
    result: ScreeningResult = ScreeningResult.CLEAR,
    *,
    by: str = "olga",
    at: datetime = NOW - DAY,
) -> Screened:
    name = f"screened {segment} {result} {by} {at}"
    return Screened(id=uid(name), segment=segment, result=result, by=uid(by), at=at)


DIRECTOR = Recipient(
    recipient_class=RecipientClass.CLIENT_SAME_ENTITY,
    contact_id=uid("director"),
    client_id=uid("firm"),
    verified=True,
)
CASE = CaseFile(
    recording_id=uid("recording"),
    started_at=CALLED,
    establishment="RU",
    packs=PACKS,
    parties=(ENGINEER, CLIENT),
    assertions=(ACK, told()),
    screenings=(screened(),),
    client_id=uid("firm"),
    duration_ms=600_000,
)
QUESTION = Question(
    purpose=Purpose.DISPUTE_CLIENT, recipient=DIRECTOR, requested_by=uid("manager"), segment=ASKED
)


@dataclass(frozen=True, kw_only=True)
class World:
    """A case and a question, and who approves; by default the answer is yes."""

    case: CaseFile = CASE
    question: Question = QUESTION
    approvers: tuple[str, ...] = ("anna",)
    roles: tuple[str, ...] = ("approver",)
    digest: str | None = None
    at: datetime = field(default=NOW)

    def about(self, **values: Any) -> World:
        return replace(self, case=replace(self.case, **values))

    def asking(self, **values: Any) -> World:
        return replace(self, question=replace(self.question, **values))

    def to(self, kind: RecipientClass, **values: Any) -> World:
        return self.asking(recipient=Recipient(recipient_class=kind, **values))

    def with_evidence(self, *assertions: Asserted) -> World:
        return self.about(assertions=assertions)

    def approved_by(self, *names: str, **values: Any) -> World:
        return replace(self, approvers=names, **values)

    def decide(self) -> Decision:
        """Decide with each approver's yes to exactly these inputs."""
        digest = self.digest or inputs_digest(self.case, self.question)
        approvals = tuple(
            Approval(by=uid(name), inputs_digest=digest, at=NOW, role=self.roles[0])
            for name in self.approvers
        )
        return decide(self.case, replace(self.question, approvals=approvals), at=self.at)


ALLOWED = World()

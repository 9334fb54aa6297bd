"""How a dispute goes on: its states and who may move it, its steps, deadlines, hours. Pure."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from uuid import UUID

DUE_SOON = timedelta(hours=24)
_MINUTES_IN_HOUR = 60


class State(StrEnum):
    """Where a dispute stands."""

    OPEN = "open"
    CALLING_BACK = "calling_back"  # We paused, and promised to call back.
    CHECKING = "checking"
    WAITING_FOR_CLIENT = "waiting_for_client"
    WITH_SPECIALIST = "with_specialist"
    DECIDED = "decided"
    HANDED_OVER = "handed_over"
    ANSWERED = "answered"
    CLOSED = "closed"
    REOPENED = "reopened"


class MoverRole(StrEnum):
    """The roles that may move disputes at all, by the names of the table of people."""

    MANAGER = "manager"
    APPROVER = "approver"
    LEGAL = "legal"


class Need(StrEnum):
    """What must be there before a dispute comes to a state."""

    REASON = "reason"
    FIRST_VALIDITY = "first_validity"  # That step is done, or skipped with a reason.
    VERDICT = "verdict"
    ANSWER = "answer"
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A way from one state to another: who may go it, and whether he must say why."""

    to: State
    roles: frozenset[MoverRole]
    needs_reason: bool = False


_MANAGER = frozenset({MoverRole.MANAGER})
_ALL = frozenset(MoverRole)


def _on(to: State) -> Move:
    return Move(to=to, roles=_MANAGER)


def _back(to: State) -> Move:
    return Move(to=to, roles=_ALL, needs_reason=True)


_CLOSE = Move(to=State.CLOSED, roles=_ALL)
_CLOSE_EARLY = _back(State.CLOSED)

MOVES: Mapping[State, tuple[Move, ...]] = {
    State.OPEN: (_on(State.CALLING_BACK), _on(State.CHECKING), _CLOSE_EARLY),
    State.CALLING_BACK: (_on(State.CHECKING), _on(State.WAITING_FOR_CLIENT), _CLOSE_EARLY),
    State.CHECKING: (
        _on(State.CALLING_BACK),
        _on(State.WAITING_FOR_CLIENT),
        _on(State.WITH_SPECIALIST),
        _on(State.DECIDED),
        _CLOSE_EARLY,
    ),
    State.WAITING_FOR_CLIENT: (
        _on(State.CALLING_BACK),
        _on(State.CHECKING),
        _on(State.WITH_SPECIALIST),
        _on(State.DECIDED),
        _CLOSE_EARLY,
    ),
    State.WITH_SPECIALIST: (
        _on(State.CHECKING),
        _on(State.WAITING_FOR_CLIENT),
        _on(State.DECIDED),
        _CLOSE_EARLY,
    ),
    State.DECIDED: (
        _on(State.HANDED_OVER),
        _on(State.ANSWERED),
        _back(State.CHECKING),
        _CLOSE,
    ),
    State.HANDED_OVER: (_on(State.ANSWERED), _back(State.CHECKING), _CLOSE),
    State.ANSWERED: (_on(State.HANDED_OVER), _back(State.CHECKING), _CLOSE),
    State.CLOSED: (_back(State.REOPENED),),
    State.REOPENED: (
        _on(State.CALLING_BACK),
        _on(State.CHECKING),
        _on(State.WAITING_FOR_CLIENT),
        _on(State.WITH_SPECIALIST),
        _on(State.DECIDED),
        _CLOSE_EARLY,
    ),
}
"""The one table of states. The database has the same, and refuses what is not in it."""


def needs_of(to: State) -> frozenset[Need]:
    """Return what a state asks for, whatever a dispute comes from."""
    return _NEEDS.get(to, frozenset())


_NEEDS: Mapping[State, frozenset[Need]] = {
    State.WITH_SPECIALIST: frozenset({Need.FIRST_VALIDITY}),
    State.DECIDED: frozenset({Need.VERDICT}),
    State.ANSWERED: frozenset({Need.ANSWER}),
    State.CLOSED: frozenset({Need.OUTCOME}),
}


def moves_for(state: State, role: str | None, *, is_in_question: bool = False) -> tuple[Move, ...]:
    """Return where somebody of `role` may move a dispute; whose conduct is in question, nowhere."""
    if is_in_question:
        return ()
    return tuple(move for move in MOVES[state] if role in move.roles)


def missing(move: Move, *, has: Iterable[Need]) -> frozenset[Need]:
    """Return what lacks for a move; `has` is what is there, a given reason included."""
    reason = {Need.REASON} if move.needs_reason else set()
    return (needs_of(move.to) | reason) - frozenset(has)


class StepKind(StrEnum):
    """What is done in a dispute, in the order in which it is usually done."""

    CALL_BACK = "call_back"
    WHOSE_SIDE = "whose_side"
    OUR_CHECK = "our_check"
    INSTRUCTIONS = "instructions"
    DOCUMENTS = "documents"
    FIRST_VALIDITY = "first_validity"
    SPECIALIST = "specialist"
    VERDICT = "verdict"
    LESSONS = "lessons"
    OTHER = "other"


CHECKLIST = tuple(kind for kind in StepKind if kind is not StepKind.OTHER)
"""What every dispute begins with. Steps may be put in another order or skipped, with a reason."""


class StepState(StrEnum):
    TODO = "todo"
    DONE = "done"
    SKIPPED = "skipped"


class RequestState(StrEnum):
    """How far a request for documents has come."""

    ASKED = "asked"
    RECEIVED = "received"
    VALID = "valid"
    ASKED_AGAIN = "asked_again"
    GIVEN_UP = "given_up"


REQUEST_MOVES: Mapping[RequestState, frozenset[RequestState]] = {
    RequestState.ASKED: frozenset({RequestState.RECEIVED, RequestState.GIVEN_UP}),
    RequestState.RECEIVED: frozenset(
        {RequestState.VALID, RequestState.ASKED_AGAIN, RequestState.GIVEN_UP}
    ),
    RequestState.ASKED_AGAIN: frozenset({RequestState.RECEIVED, RequestState.GIVEN_UP}),
    RequestState.VALID: frozenset({RequestState.ASKED_AGAIN}),
    RequestState.GIVEN_UP: frozenset({RequestState.ASKED_AGAIN}),
}
WAITING = frozenset({RequestState.ASKED, RequestState.ASKED_AGAIN})
"""In these the client owes us something, and its link takes files."""


class UploadState(StrEnum):
    """How far what a client sent by a link has come."""

    WAITING = "waiting"
    KEPT = "kept"
    REFUSED = "refused"


class StatementKind(StrEnum):
    """What is written down of a dispute in somebody's words."""

    COMPLAINT = "complaint"
    FINDING = "finding"
    VERDICT = "verdict"
    BASIS = "basis"
    ANSWER = "answer"
    OUTCOME = "outcome"
    LESSON = "lesson"
    PRAISE = "praise"


class Side(StrEnum):
    """Whose side it was on, as a specialist says."""

    OURS = "ours"
    CLIENT = "client"
    THIRD = "third"
    NO_PROBLEM = "no_problem"


class AnswerKind(StrEnum):
    """What the client did with what it was told."""

    ACKNOWLEDGED = "acknowledged"
    DISPUTES = "disputes"
    TOOK_MEASURES = "took_measures"


class Outcome(StrEnum):
    """How a dispute ended. Nobody need be to blame."""

    NO_PROBLEM = "no_problem"
    PRAISE = "praise"
    PUT_RIGHT = "put_right"
    CLIENT_MEASURES = "client_measures"
    THIRD_SIDE = "third_side"
    AGREED = "agreed"
    WITHDRAWN = "withdrawn"
    PARTED = "parted"


VALUES: Mapping[StatementKind, type[StrEnum]] = {
    StatementKind.VERDICT: Side,
    StatementKind.ANSWER: AnswerKind,
    StatementKind.OUTCOME: Outcome,
}
"""The kinds of statements that choose one word of a list."""


class Channel(StrEnum):
    """How somebody told us something."""

    PHONE = "phone"
    EMAIL = "email"
    MESSENGER = "messenger"
    LETTER = "letter"
    IN_PERSON = "in_person"
    PORTAL = "portal"


class WorkRole(StrEnum):
    """As what somebody worked on a dispute; each has a rate of its own."""

    MANAGER = "manager"
    ADMINISTRATOR = "administrator"
    ENGINEER = "engineer"
    CONSULTANT = "consultant"
    SPECIALIST = "specialist"
    LEGAL = "legal"


class Urgency(StrEnum):
    """How a deadline stands."""

    DUE_SOON = "due_soon"
    OVERDUE = "overdue"


def urgency(due_at: datetime | None, *, at: datetime) -> Urgency | None:
    """Return how a deadline stands at a moment; None: there is none, or it is far."""
    if due_at is None or at < due_at - DUE_SOON:
        return None
    return Urgency.OVERDUE if at >= due_at else Urgency.DUE_SOON


def cost_minor(minutes: int, hour_minor: int) -> int:
    """Return what work costs at a rate for an hour, half a minor unit rounded up."""
    return rounded(Fraction(minutes * hour_minor, _MINUTES_IN_HOUR))


def rounded(exact: Fraction) -> int:
    """Return the nearest whole number, a half rounded up."""
    return (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)


def month_share(monthly_minor: int, since: date, until: date) -> int:
    """Return what a monthly price brings from a day until before another, by days of each month."""
    return rounded(monthly_minor * max(Fraction(0), _months(until) - _months(since)))


def _months(day: date) -> Fraction:
    """Return how many months have passed until a day, the last of them by its days."""
    days_in_month = monthrange(day.year, day.month)[1]
    return day.year * 12 + day.month + Fraction(day.day - 1, days_in_month)


def is_same_set(wanted: Sequence[UUID], known: Iterable[UUID]) -> bool:
    """Say whether `wanted` names each of `known` once and nothing else."""
    return len(set(wanted)) == len(wanted) and set(wanted) == set(known)

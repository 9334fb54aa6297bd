"""The table of states, deadlines and money: pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.disputes import rules
from app.disputes.models import DisputeTransition
from app.disputes.rules import (
    MOVES,
    REQUEST_MOVES,
    Move,
    MoverRole,
    Need,
    RequestState,
    State,
    Urgency,
)
from app.identity.permissions import PERMISSIONS, Permission, Role

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def _reached(start: State) -> set[State]:
    found, waiting = {start}, [start]
    while waiting:
        for move in MOVES[waiting.pop()]:
            if move.to not in found:
                found.add(move.to)
                waiting.append(move.to)
    return found


@pytest.mark.parametrize("state", State)
def test_from_every_state_a_dispute_can_be_closed_and_taken_up_again(state: State) -> None:
    assert {State.CLOSED, State.REOPENED} <= _reached(state)


def test_every_state_is_reached_from_the_first() -> None:
    assert _reached(State.OPEN) == set(State)


def test_a_state_leads_to_another_at_most_once_and_never_to_itself() -> None:
    for state, moves in MOVES.items():
        targets = [move.to for move in moves]
        assert len(set(targets)) == len(targets)
        assert state not in targets


def test_whoever_may_move_is_let_in_and_nobody_else() -> None:
    movers = {role for role in Role if Permission.DISPUTE_MOVE in PERMISSIONS[role]}
    assert {str(role) for role in movers} == {str(role) for role in MoverRole}
    assert {role for moves in MOVES.values() for m in moves for role in m.roles} == set(MoverRole)


@given(st.sampled_from(State), st.sampled_from([*Role, None]))
def test_whose_conduct_is_in_question_moves_nothing(state: State, role: Role | None) -> None:
    assert rules.moves_for(state, role, is_in_question=True) == ()


@given(st.sampled_from(State), st.sampled_from(Role))
def test_a_role_gets_the_moves_of_the_table(state: State, role: Role) -> None:
    found = rules.moves_for(state, role)
    assert set(found) == {move for move in MOVES[state] if str(role) in move.roles}


ALL_MOVES = [move for moves in MOVES.values() for move in moves]


@given(st.sampled_from(ALL_MOVES), st.sets(st.sampled_from(Need)))
def test_more_that_is_there_never_lacks_more(move: Move, has: set[Need]) -> None:
    lacks = rules.missing(move, has=has)
    assert lacks.isdisjoint(has)
    assert rules.missing(move, has=has | lacks) == frozenset()
    assert lacks == frozenset() or lacks <= set(Need)


def test_nothing_is_closed_without_an_outcome_and_nothing_decided_without_a_verdict() -> None:
    for moves in MOVES.values():
        for move in moves:
            lacks = rules.missing(move, has=())
            assert (Need.OUTCOME in lacks) == (move.to is State.CLOSED)
            assert (Need.VERDICT in lacks) == (move.to is State.DECIDED)
            assert (Need.FIRST_VALIDITY in lacks) == (move.to is State.WITH_SPECIALIST)


def test_the_database_has_the_same_table(session: Session) -> None:
    rows = session.scalars(select(DisputeTransition)).all()
    kept = {(r.from_state, r.to_state, r.role, r.needs_reason) for r in rows}
    assert kept == {
        (str(state), str(move.to), str(role), move.needs_reason)
        for state, moves in MOVES.items()
        for move in moves
        for role in move.roles
    }


def test_what_came_is_judged_before_it_counts() -> None:
    into_valid = {state for state, to in REQUEST_MOVES.items() if RequestState.VALID in to}
    assert into_valid == {RequestState.RECEIVED}
    assert set(REQUEST_MOVES) == set(RequestState)


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (25, None),
        (24, Urgency.DUE_SOON),
        (1, Urgency.DUE_SOON),
        (0, Urgency.OVERDUE),
        (-9, "overdue"),
    ],
)
def test_a_deadline_comes_near_and_passes(hours: int, expected: str | None) -> None:
    assert rules.urgency(AT + timedelta(hours=hours), at=AT) == expected


def test_what_was_not_promised_is_never_due() -> None:
    assert rules.urgency(None, at=AT) is None


@given(st.integers(0, 14_400), st.integers(0, 10**15))
def test_a_cost_is_within_half_a_unit_of_the_exact_one(minutes: int, hour_minor: int) -> None:
    exact = Fraction(minutes * hour_minor, 60)
    assert abs(rules.cost_minor(minutes, hour_minor) - exact) <= Fraction(1, 2)


@pytest.mark.parametrize(
    ("exact", "whole"), [("1/2", 1), ("3/2", 2), ("1/3", 0), ("2/3", 1), ("7", 7)]
)
def test_a_half_is_rounded_up(exact: str, whole: int) -> None:
    assert rules.rounded(Fraction(exact)) == whole

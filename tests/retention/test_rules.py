"""What keeps a recording: the table of precedence, and the arithmetic of periods."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.retention.rules import (
    Action,
    Because,
    Bounds,
    Outcome,
    Period,
    Rule,
    Standing,
    Trigger,
    bounds,
    end_of,
    verdict,
)

MOSCOW = ZoneInfo("Europe/Moscow")
BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PAST, FUTURE, LATER = AT - DAY, AT + DAY, AT + 2 * DAY

LAW = Bounds(law_until=FUTURE)
POLICY = Bounds(policy_until=FUTURE)
OVER = Bounds(latest=PAST)
TABLE = [
    # An order or a hold is stronger than everything.
    (Standing(ordered=True, asked=True, bounds=OVER), Outcome.KEEP, Because.ORDER),
    (Standing(ordered=True, held=True, bounds=OVER), Outcome.KEEP, Because.ORDER),
    (Standing(held=True, asked=True), Outcome.KEEP, Because.HOLD),
    (Standing(held=True, bounds=LAW), Outcome.KEEP, Because.HOLD),
    (Standing(held=True, bounds=OVER), Outcome.KEEP, Because.HOLD),
    # A law's minimum is stronger than a request and than the maximum.
    (Standing(asked=True, bounds=LAW), Outcome.KEEP, Because.LAW),
    (Standing(bounds=Bounds(law_until=FUTURE, latest=PAST)), Outcome.KEEP, Because.LAW),
    (Standing(asked=True, bounds=Bounds(is_law_open=True)), Outcome.KEEP, Because.LAW),
    # A request is stronger than the maximum and than the house's own minimum.
    (Standing(asked=True), Outcome.ERASE, Because.REQUEST),
    (Standing(asked=True, bounds=POLICY), Outcome.ERASE, Because.REQUEST),
    (Standing(asked=True, bounds=Bounds(latest=FUTURE)), Outcome.ERASE, Because.REQUEST),
    (Standing(asked=True, bounds=Bounds(law_until=PAST)), Outcome.ERASE, Because.REQUEST),
    # The maximum is stronger than what the house wishes; where both contradict, people decide.
    (Standing(bounds=OVER), Outcome.ERASE, Because.MAXIMUM),
    (Standing(bounds=Bounds(latest=AT)), Outcome.ERASE, Because.MAXIMUM),
    (Standing(bounds=Bounds(latest=PAST, action=Action.REVIEW)), Outcome.REVIEW, Because.MAXIMUM),
    (Standing(bounds=Bounds(policy_until=PAST, latest=PAST)), Outcome.ERASE, Because.MAXIMUM),
    (
        Standing(bounds=Bounds(policy_until=LATER, latest=FUTURE)),
        Outcome.CONFLICT,
        Because.CONFLICT,
    ),
    (Standing(bounds=Bounds(is_open=True, latest=PAST)), Outcome.CONFLICT, Because.CONFLICT),
    # Nothing else speaks: it is kept.
    (Standing(), Outcome.KEEP, Because.POLICY),
    (Standing(bounds=POLICY), Outcome.KEEP, Because.POLICY),
    (Standing(bounds=Bounds(latest=FUTURE)), Outcome.KEEP, Because.POLICY),
]


@pytest.mark.parametrize(("standing", "outcome", "because"), TABLE)
def test_the_stronger_decides(standing: Standing, outcome: Outcome, because: Because) -> None:
    said = verdict(standing, at=AT)
    assert (said.outcome, said.because) == (outcome, because)


@pytest.mark.parametrize(
    ("standing", "is_past"),
    [
        (Standing(held=True, bounds=OVER), True),
        (Standing(held=True, asked=True), True),
        (Standing(held=True), False),
        (Standing(held=True, asked=True, bounds=LAW), False),
        (Standing(bounds=OVER), False),
    ],
)
def test_what_only_a_hold_keeps_is_told_apart(standing: Standing, *, is_past: bool) -> None:
    assert verdict(standing, at=AT).held_past_retention is is_past


@pytest.mark.parametrize(
    ("found", "needed"),
    [
        (Bounds(), 1),
        (POLICY, 2),
        (Bounds(is_open=True), 2),
        (Bounds(policy_until=AT), 1),
        (Bounds(policy_until=PAST), 1),
    ],
)
def test_before_the_houses_own_minimum_two_people_agree(found: Bounds, needed: int) -> None:
    assert verdict(Standing(asked=True, bounds=found), at=AT).approvals == needed


@pytest.mark.parametrize(
    ("began", "period", "last_day"),
    [
        ("2024-02-29", Period(years=1), "2025-02-28"),
        ("2024-02-29", Period(years=4), "2028-02-29"),
        ("2026-01-31", Period(months=1), "2026-02-28"),
        ("2026-08-31", Period(months=6), "2027-02-28"),
        ("2026-12-31", Period(days=30), "2027-01-30"),
        ("2026-11-21", Period(years=3), "2029-11-21"),
        ("2026-11-21", Period(), "2026-11-21"),
    ],
)
def test_a_period_ends_with_its_last_day(began: str, period: Period, last_day: str) -> None:
    start = datetime.fromisoformat(f"{began}T12:00:00+03:00")
    end = end_of(start, period, MOSCOW)
    assert (end - timedelta(microseconds=1)).astimezone(MOSCOW).date() == date.fromisoformat(
        last_day
    )
    assert end.astimezone(MOSCOW).isoformat().endswith("T00:00:00+03:00")


def test_the_day_is_that_of_the_office() -> None:
    late = datetime(2026, 11, 21, 22, 30, tzinfo=UTC)  # The 22nd in Moscow already.
    assert end_of(late, Period(), MOSCOW) == datetime(2026, 11, 22, 21, tzinfo=UTC)
    assert end_of(late, Period(), ZoneInfo("UTC")) == datetime(2026, 11, 22, tzinfo=UTC)


def test_a_day_of_the_changed_clock_has_its_own_length() -> None:
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert end_of(before, Period(), BERLIN) == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert end_of(before, Period(days=1), BERLIN) == datetime(2026, 3, 29, 22, tzinfo=UTC)


moments = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
periods = st.builds(
    Period,
    years=st.integers(0, 30),
    months=st.integers(0, 30),
    days=st.integers(0, 4000),
)


@given(moments, periods, st.sampled_from([MOSCOW, BERLIN]))
def test_no_period_ends_before_it_began(began: datetime, period: Period, zone: ZoneInfo) -> None:
    end = end_of(began, period, zone)
    assert end > began
    assert end.astimezone(zone).time().hour == 0


@given(moments, moments, periods)
def test_what_began_later_ends_no_sooner(one: datetime, other: datetime, period: Period) -> None:
    first, second = sorted((one, other))
    assert end_of(first, period, MOSCOW) <= end_of(second, period, MOSCOW)


def rule(**told: object) -> Rule:
    values: dict[str, object] = {
        "id": None,
        "name": "one",
        "trigger": Trigger.CALL_END,
        "minimum": None,
        "maximum": None,
        "basis": "b",
    }
    return Rule(**(values | told))  # type: ignore[arg-type]


def test_the_greatest_minimum_and_the_least_maximum_count() -> None:
    short, long = UUID(int=1), UUID(int=2)
    found = bounds(
        [
            rule(minimum=Period(days=1), maximum=Period(days=30), id=long),
            rule(minimum=Period(days=5), maximum=Period(days=20), id=short),
            rule(minimum=Period(days=3), min_is_law=True),
        ],
        {Trigger.CALL_END: AT},
        MOSCOW,
    )
    assert found.policy_until == end_of(AT, Period(days=5), MOSCOW)
    assert found.law_until == end_of(AT, Period(days=3), MOSCOW)
    assert found.earliest == found.policy_until
    assert found.latest == end_of(AT, Period(days=20), MOSCOW)
    assert found.deciding == (short,)
    assert not found.contradict


def test_a_minimum_whose_beginning_has_not_come_keeps_for_now() -> None:
    found = bounds([rule(trigger=Trigger.CONTRACT_END, minimum=Period(years=3))], {}, MOSCOW)
    assert found.is_open
    assert found.latest is None


def test_what_nobody_has_reviewed_has_no_end() -> None:
    unknown = rule(trigger=Trigger.REVIEWED, minimum=Period(days=30), maximum=Period(days=30))
    waiting = bounds([unknown], {Trigger.REVIEWED: None}, MOSCOW)
    assert (waiting.latest, waiting.is_open) == (None, False)
    reviewed = bounds([unknown], {Trigger.REVIEWED: AT}, MOSCOW)
    assert reviewed.latest == end_of(AT, Period(days=30), MOSCOW)
    assert verdict(Standing(bounds=reviewed), at=reviewed.latest).outcome is Outcome.ERASE
    assert verdict(Standing(bounds=reviewed), at=reviewed.latest - DAY).outcome is Outcome.KEEP


def test_a_rule_fits_flags_and_client() -> None:
    mine, other = UUID(int=1), UUID(int=2)
    assert rule().fits(kind="recording", flag="unknown", client_id=None)
    assert rule(flags=("unknown",)).fits(kind="recording", flag="unknown", client_id=mine)
    assert not rule(flags=("unknown",)).fits(kind="recording", flag="refused", client_id=mine)
    assert not rule(client_id=mine).fits(kind="recording", flag="unknown", client_id=other)
    shots = rule(kinds=("screenshot",))
    assert shots.fits(kind="screenshot", flag=None, client_id=mine)
    assert not shots.fits(kind="recording", flag="unknown", client_id=mine)
    assert not rule().fits(kind="screenshot", flag=None, client_id=mine)


some_bounds = st.builds(
    Bounds,
    law_until=st.sampled_from([None, PAST, FUTURE]),
    policy_until=st.sampled_from([None, PAST, FUTURE, LATER]),
    latest=st.sampled_from([None, PAST, FUTURE]),
    is_open=st.booleans(),
    is_law_open=st.booleans(),
    action=st.sampled_from(list(Action)),
)
standings = st.builds(
    Standing, ordered=st.booleans(), held=st.booleans(), asked=st.booleans(), bounds=some_bounds
)


@given(standings)
def test_nothing_held_and_nothing_that_a_law_keeps_is_erased(standing: Standing) -> None:
    said = verdict(standing, at=AT)
    found = standing.bounds
    if standing.ordered or standing.held:
        assert said.outcome is Outcome.KEEP
    if found.is_law_open or (found.law_until is not None and found.law_until > AT):
        assert said.outcome is Outcome.KEEP


@given(standings)
def test_a_hold_is_never_weaker_than_none(standing: Standing) -> None:
    held = Standing(
        ordered=standing.ordered, held=True, asked=standing.asked, bounds=standing.bounds
    )
    free = Standing(asked=standing.asked, bounds=standing.bounds)
    assert verdict(held, at=AT).outcome is Outcome.KEEP
    is_erased = verdict(free, at=AT).outcome is Outcome.ERASE
    assert verdict(held, at=AT).held_past_retention is is_erased

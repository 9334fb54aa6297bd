"""Who was on the line when: the same whatever the order, and never shorter than is proved."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.recordings.models import CallEventKind, Direction
from app.recordings.presence import (
    EXACT_SKEW_MS,
    SNAP_MS,
    Leg,
    Presence,
    Told,
    Trust,
    is_near,
    label_of_end,
    place_ms,
    placed,
    presences,
)

BEGAN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_NAMES = UUID("6f1c1a52-6f2f-4d0b-9d0c-3c1f0a3f7b11")
JOIN, LEAVE, TRANSFER = CallEventKind.JOIN, CallEventKind.LEAVE, CallEventKind.TRANSFER


def told(
    kind: CallEventKind,
    second: float,
    leg: str = "guest",
    *,
    trust: Trust = Trust.EXCHANGE,
    skew_ms: int = 0,
    target: str | None = None,
    sequence: int = 0,
) -> Told:
    return Told(
        id=uuid5(_NAMES, f"{kind} {second} {leg} {trust} {target} {sequence}"),
        kind=kind,
        at=BEGAN + timedelta(seconds=second),
        trust=trust,
        skew_ms=skew_ms,
        sequence=sequence,
        leg=Leg(name=leg),
        target=Leg(name=target) if target else None,
    )


def begun(second: float) -> Told:
    return Told(
        id=uuid5(_NAMES, f"begun {second}"),
        kind=CallEventKind.RECORDING_STARTED,
        at=BEGAN + timedelta(seconds=second),
        trust=Trust.EXCHANGE,
    )


def spans(*events: Told) -> dict[str, tuple[int | None, int | None]]:
    return {p.leg.name: (p.from_ms, p.to_ms) for p in presences(events, started_at=BEGAN)}


OFF = EXACT_SKEW_MS + 1
CASES: dict[str, tuple[list[Told], dict[str, tuple[int | None, int | None]]]] = {
    "joined later": ([told(JOIN, 300)], {"guest": (300_000, None)}),
    "joined and left": ([told(JOIN, 300), told(LEAVE, 420)], {"guest": (300_000, 420_000)}),
    "left and came back": (
        [told(JOIN, 10), told(LEAVE, 20), told(JOIN, 50), told(LEAVE, 60)],
        {"guest": (10_000, 60_000)},
    ),
    "came back and stayed": (
        [told(JOIN, 10), told(LEAVE, 20), told(JOIN, 50)],
        {"guest": (10_000, None)},
    ),
    "there before": ([told(JOIN, -5)], {"guest": (0, None)}),
    "gone before": ([told(JOIN, -9), told(LEAVE, -1)], {}),
    "only left": ([told(LEAVE, 20)], {"guest": (None, 20_000)}),
    "transferred": (
        [told(TRANSFER, 300, "caller", target="guest")],
        {"caller": (None, 300_000), "guest": (300_000, None)},
    ),
    "transferred and back": (
        [told(TRANSFER, 300, "a", target="b"), told(TRANSFER, 400, "b", target="a")],
        {"a": (None, None), "b": (300_000, 400_000)},
    ),
    "left and joined at once, in their order": (
        [told(JOIN, 5), told(JOIN, 9, sequence=2), told(LEAVE, 9, sequence=1)],
        {"guest": (5_000, None)},
    ),
    "a wrong clock tells no place": (
        [told(JOIN, 300, skew_ms=OFF), told(LEAVE, 420, skew_ms=OFF)],
        {"guest": (0, None)},
    ),
    "a wrong clock that began the recording does": (
        [begun(100), told(JOIN, 400, skew_ms=OFF), told(LEAVE, 450, skew_ms=OFF)],
        {"guest": (300_000, 350_000)},
    ),
    "the softphone's leave is a claim": (
        [told(JOIN, 300, trust=Trust.OWN_DEVICE), told(LEAVE, 420, trust=Trust.OWN_DEVICE)],
        {"guest": (300_000, None)},
    ),
    "a person's leave is a claim": (
        [told(JOIN, 300), told(LEAVE, 420, trust=Trust.PERSON)],
        {"guest": (300_000, None)},
    ),
    "held is there": (
        [told(JOIN, 300), told(CallEventKind.HOLD, 310), told(CallEventKind.RESUME, 320)],
        {"guest": (300_000, None)},
    ),
    "a prompt brings nobody": ([told(CallEventKind.PROMPT_PLAYED, 3)], {}),
    "gone in the millisecond of coming": (
        [told(JOIN, 3), told(LEAVE, 3, sequence=1)],
        {"guest": (3_000, 3_001)},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_events_tell_who_was_there(name: str) -> None:
    events, expected = CASES[name]
    assert spans(*events) == expected
    assert spans(*reversed(events)) == expected
    assert spans(*events, *events) == expected


EVENTS = st.lists(
    st.builds(
        told,
        st.sampled_from([JOIN, LEAVE]),
        st.integers(-10, 600),
        st.sampled_from(["a", "b"]),
        trust=st.sampled_from(list(Trust)),
        skew_ms=st.sampled_from([0, OFF]),
        sequence=st.integers(0, 3),
    )
    | st.builds(
        told,
        st.just(TRANSFER),
        st.integers(-10, 600),
        st.just("a"),
        target=st.just("b"),
    )
    | st.builds(begun, st.integers(-5, 5)),
    max_size=7,
    unique_by=lambda e: e.id,
)
SOME = settings(max_examples=300, derandomize=True, deadline=None)


@SOME
@given(events=EVENTS, data=st.data())
def test_their_order_is_no_matter(events: list[Told], data: st.DataObject) -> None:
    mixed = data.draw(st.permutations(events))
    assert spans(*mixed) == spans(*events)


def test_a_claim_never_makes_a_presence_shorter() -> None:
    met: Counter[str] = Counter()

    @SOME
    @given(
        events=EVENTS,
        second=st.integers(0, 600),
        kind=st.sampled_from([JOIN, LEAVE]),
        known=st.sampled_from([(0, None), (0, 400_000), (200_000, None)]),
    )
    def check(
        events: list[Told], second: int, kind: CallEventKind, known: tuple[int, int | None]
    ) -> None:
        def of(*several: Told) -> tuple[int, int | None]:
            found = {p.leg.name: p for p in presences(several, started_at=BEGAN)}
            if "a" not in found:
                return known
            return placed(known, found["a"], is_end=False, by_person=False)

        claim = told(kind, second, "a", trust=Trust.PERSON, sequence=9)
        before, after = of(*events), of(*events, claim)
        met.update(["same" if before == after else "longer"])
        assert after[0] <= before[0]
        assert after[1] is None or (before[1] is not None and after[1] >= before[1])

    check()
    assert met["same"] > 0
    assert met["longer"] > 0


def _presence(from_ms: int | None, to_ms: int | None, *, is_proved: bool = True) -> Presence:
    return Presence(leg=Leg(name="x"), from_ms=from_ms, to_ms=to_ms, is_proved=is_proved)


@pytest.mark.parametrize(
    ("known", "told_of_him", "is_end", "by_person", "expected"),
    [
        ((0, None), _presence(300_000, 400_000), False, False, (300_000, 400_000)),
        ((0, None), _presence(300_000, 400_000), False, True, (0, None)),
        ((100, 200), _presence(150, 180), False, True, (100, 200)),
        ((100, 200), _presence(50, 250), False, True, (50, 250)),
        ((0, 200), _presence(300, None), False, False, (300, None)),
        ((0, None), _presence(SNAP_MS, None), True, False, (0, None)),
        ((0, None), _presence(SNAP_MS + 1, None), True, False, (SNAP_MS + 1, None)),
        ((0, None), _presence(SNAP_MS, None), False, False, (SNAP_MS, None)),
        ((0, None), _presence(None, 300), False, False, (0, 300)),
        ((500, None), _presence(None, 300), False, False, (500, 501)),
        ((0, None), _presence(300, None, is_proved=False), False, False, (0, None)),
    ],
)
def test_what_is_known_follows_what_is_proved(
    known: tuple[int, int | None],
    told_of_him: Presence,
    is_end: bool,  # noqa: FBT001 - a column of the table above.
    by_person: bool,  # noqa: FBT001 - a column of the table above.
    expected: tuple[int, int | None],
) -> None:
    assert placed(known, told_of_him, is_end=is_end, by_person=by_person) == expected


def test_the_ends_of_a_call_are_known_by_its_direction() -> None:
    assert label_of_end("caller", Direction.INBOUND) == "cli"
    assert label_of_end("caller", Direction.OUTBOUND) == "own"
    assert label_of_end("callee", Direction.INTERNAL) == "own-2"
    assert label_of_end("7", Direction.INBOUND) is None


def test_events_of_another_day_belong_to_another_call() -> None:
    assert is_near(BEGAN + timedelta(hours=2), BEGAN)
    assert not is_near(BEGAN - timedelta(hours=2), BEGAN)
    assert not is_near(BEGAN.replace(year=2031), BEGAN)
    assert place_ms(BEGAN.replace(year=2190), BEGAN) == 2**31 - 1

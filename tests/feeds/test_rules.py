"""Which recording is of which call, whatever order they came in, and why one has none."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.feeds import rules
from app.feeds.reasons import BY_PERSON, BY_SENDER, OPEN, REASONS, GapReason
from app.feeds.rules import Call, Circumstances, Exclusion, Match, Matching, Sound

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
SPACE = UUID(int=7)
PBX, PHONE = UUID(int=1), UUID(int=2)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def call(name: str, second: float = 0, **more: object) -> Call:
    made = Call(
        id=uuid5(SPACE, f"call {name}"),
        source=PBX,
        call_id=name,
        linked_id=None,
        started_at=AT + second * SECOND,
        duration_ms=70_000,
        talk_ms=60_000,
        is_answered=True,
        number="+74950008414",
        ends=frozenset({"+74950008414", "106"}),
        line=None,
        direction="inbound",
    )
    return replace(made, **more)  # type: ignore[arg-type]  # what a test says of a call.


def sound(name: str, second: float = 0, **more: object) -> Sound:
    made = Sound(
        id=uuid5(SPACE, f"sound {name}"),
        device=PHONE,
        call_id=name,
        started_at=AT + second * SECOND,
        duration_ms=60_000,
        number="+74950008414",
        ends=frozenset({"+74950008414", "106"}),
        line=None,
    )
    return replace(made, **more)  # type: ignore[arg-type]  # what a test says of a recording.


def match(calls: list[Call], sounds: list[Sound]) -> Matching:
    return rules.match(calls, sounds, tolerance=MINUTE)


def test_a_calls_own_id_comes_before_number_and_time() -> None:
    one, near = call("a"), sound("b", 1)
    named = sound("a", 3600, number=None)
    assert match([one], [near, named]).matches == {one.id: Match(sound=named.id, by="call_id")}


def test_the_id_of_all_rows_of_a_call_finds_its_recording_once() -> None:
    ringing = call("1.1", linked_id="1", is_answered=False)
    talk = call("1.2", 5, linked_id="1")
    moved = call("1.3", 40, linked_id="1")
    kept = sound("1")
    found = match([moved, ringing, talk], [kept])
    assert found.matches == {talk.id: Match(sound=kept.id, by="linked_id")}
    assert found.part_of == {ringing.id: talk.id, moved.id: talk.id}


def test_an_id_that_another_device_counts_too_is_no_proof_far_away() -> None:
    assert match([call("17")], [sound("17", 13 * 3600)]).matches == {}
    own = sound("17", 13 * 3600, device=PBX)
    assert match([call("17")], [own]).matches[call("17").id].sound == own.id


@pytest.mark.parametrize(
    ("second", "is_found"), [(-60, True), (-61, False), (70, True), (71, False)]
)
def test_a_clock_may_drift_so_far_and_no_farther(second: float, is_found: bool) -> None:  # noqa: FBT001 - a case.
    found = match([call("a")], [sound("x", second)])
    assert bool(found.matches) == is_found


@pytest.mark.parametrize(
    ("line", "other", "is_same"),
    [
        (None, "main", True),
        ("main", "Main ", True),
        ("main", "sales", False),
        ("8 (495) 123-45-67", "+74951234567", True),
        ("+74951234567", "+74951234568", False),
        ("+74951234567", "main", True),
    ],
)
def test_lines_are_compared_where_they_can_be(line: str, other: str, is_same: bool) -> None:  # noqa: FBT001 - a case.
    assert bool(match([call("a", line=line)], [sound("x", line=other)]).matches) == is_same


def test_two_that_fit_equally_stay_open_and_lengths_part_them() -> None:
    first, second = call("a"), call("b", 20)
    alike = [sound("x", 1), sound("y", 21)]
    found = match([first, second], alike)
    assert found.matches == {}
    assert found.ambiguous_calls == {first.id, second.id}
    assert found.ambiguous_sounds == {one.id for one in alike}
    short = call("a", duration_ms=5_000, talk_ms=4_000)
    long = call("b", 20, duration_ms=300_000, talk_ms=290_000)
    x, y = sound("x", 1, duration_ms=4_000), sound("y", 21, duration_ms=290_000)
    parted = match([short, long], [x, y])
    assert {c: m.sound for c, m in parted.matches.items()} == {short.id: x.id, long.id: y.id}


def test_calls_inside_the_house_are_known_by_both_ends() -> None:
    ends = frozenset({"101", "106"})
    inside = call("a", number=None, ends=ends)
    assert match([inside], [sound("x", number=None, ends=ends)]).matches
    assert not match([inside], [sound("x", number=None, ends=frozenset({"101", "107"}))]).matches
    nobody = call("a", number=None, ends=frozenset())
    assert not match([nobody], [sound("x", number=None, ends=frozenset())]).matches


_TOLD = st.builds(
    call,
    st.sampled_from(["a", "b", "c", "d", "e"]),
    st.integers(0, 300),
    linked_id=st.sampled_from([None, "a", "l"]),
    number=st.sampled_from(["+74950000001", "+74950000002"]),
    is_answered=st.booleans(),
    line=st.sampled_from([None, "main", "sales"]),
)
_CAME = st.builds(
    sound,
    st.sampled_from(["a", "b", "l", "x", "y", "z"]),
    st.integers(0, 300),
    number=st.sampled_from(["+74950000001", "+74950000002"]),
    duration_ms=st.sampled_from([None, 5_000, 60_000, 200_000]),
    line=st.sampled_from([None, "main"]),
)
_CALLS = st.lists(_TOLD, max_size=6, unique_by=lambda one: one.call_id)
_SOUNDS = st.lists(_CAME, max_size=6, unique_by=lambda one: one.call_id)


@given(_CALLS, _SOUNDS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_plays_no_part(
    calls: list[Call], sounds: list[Sound], dice: random.Random
) -> None:
    before = match(calls, sounds)
    dice.shuffle(calls)
    dice.shuffle(sounds)
    assert match(calls, sounds) == before


@given(_CALLS, _SOUNDS)
def test_a_recording_is_of_one_call_and_each_call_is_told_once(
    calls: list[Call], sounds: list[Sound]
) -> None:
    found = match(calls, sounds)
    used = [one.sound for one in found.matches.values()]
    assert len(used) == len(set(used))
    assert not found.ambiguous_sounds & set(used)
    assert not found.ambiguous_calls & set(found.matches)
    assert not set(found.part_of) & set(found.matches)
    for call_id, one in found.matches.items():
        told = next(c for c in calls if c.id == call_id)
        came = next(s for s in sounds if s.id == one.sound)
        if one.by == "number":
            assert rules.fits(told, came, tolerance=MINUTE)
        else:
            assert came.call_id == (told.call_id if one.by == "call_id" else told.linked_id)


@given(_CALLS, _SOUNDS)
def test_every_answered_call_without_recording_has_one_reason(
    calls: list[Call], sounds: list[Sound]
) -> None:
    found = match(calls, sounds)
    for one in calls:
        reason = rules.why(one, found, Circumstances())
        has_recording = one.id in found.matches or one.id in found.part_of
        assert (reason is None) == (has_recording or not one.is_answered)


@pytest.mark.parametrize(
    ("around", "reason"),
    [
        (Circumstances(), GapReason.UNEXPLAINED),
        (Circumstances(shortest_ms=60_001), GapReason.TOO_SHORT),
        (Circumstances(shortest_ms=60_000), GapReason.UNEXPLAINED),
        (Circumstances(declared={call("a").id: GapReason.PRIVATE}), GapReason.PRIVATE),
        (Circumstances(refused={call("a").id}), GapReason.REFUSED),
        (Circumstances(erased={call("a").id}, refused={call("a").id}), GapReason.ERASED),
    ],
)
def test_a_reason_is_found(around: Circumstances, reason: GapReason) -> None:
    assert rules.why(call("a"), Matching(), around) == reason


def test_an_exception_covers_what_it_names_while_it_lasts() -> None:
    def covers(**more: object) -> GapReason | None:
        plain = Exclusion(
            is_outage=False, source=None, line=None, direction=None, since=AT, until=None
        )
        around = Circumstances(exclusions=[replace(plain, **more)])  # type: ignore[arg-type]
        return rules.why(call("a", line="main"), Matching(), around)

    assert covers(line="MAIN") == covers(direction="inbound") == GapReason.EXCLUDED
    assert covers(source=PBX, is_outage=True) == GapReason.DEVICE_DOWN
    assert covers(source=PHONE) == covers(line="sales") == GapReason.UNEXPLAINED
    assert covers(line="main", until=AT) == GapReason.UNEXPLAINED
    assert covers(line="main", since=AT + SECOND) == GapReason.UNEXPLAINED
    assert covers(line="main", until=AT + SECOND) == GapReason.EXCLUDED


def test_every_reason_has_words_and_somebody_who_gives_it() -> None:
    assert set(REASONS) == set(GapReason)
    for words in REASONS.values():
        assert all((words.title_ru, words.title_en, words.help_ru, words.help_en))
    assert BY_SENDER <= BY_PERSON
    assert not BY_PERSON & OPEN
    assert BY_PERSON | OPEN | {GapReason.ERASED} == set(GapReason)

"""Which call a file is of, and what is told of it."""

from __future__ import annotations

from app.uploader.facts import calls_of
from app.uploader.sending import pause_after
from app.uploader.spool import Call
from app.uploader.wire import Answer, Means, meaning


def call(name: str, first_at: float, answered_at: float | None, ended_at: float | None) -> Call:
    return Call(
        source="s",
        id=name,
        direction="inbound",
        local=None,
        peer=None,
        peer_name=None,
        first_at=first_at,
        answered_at=answered_at,
        ended_at=ended_at,
        is_private=False,
    )


def names(
    began: float, beginnings: list[float], calls: list[Call], closed: float = 9e9
) -> list[str]:
    return [one.id for one in calls_of(began, closed, beginnings, calls)]


def test_a_file_belongs_to_the_call_that_was_answered_in_its_second() -> None:
    calls = [call("a", 990, 1000.4, 1020), call("b", 1018, 1021.9, 1050)]
    assert names(1000, [1000, 1021], calls) == ["a"]
    assert names(1021, [1000, 1021], calls) == ["b"]
    assert names(1500, [1000, 1021], calls) == []


def test_two_calls_of_one_second_are_in_one_file() -> None:
    calls = [call("a", 990, 1000.1, 1020), call("b", 991, 1000.8, 1050)]
    assert names(1000, [1000], calls) == ["a", "b"]
    # With a file of its own, each is in its own.
    later = [call("a", 990, 1000.1, 1020), call("b", 991, 1001.2, 1050)]
    assert names(1000, [1000, 1001], later) == ["a"]


def test_of_a_call_whose_end_alone_was_heard_the_file_that_was_closed_then_tells() -> None:
    calls = [call("a", 0.0, None, 1020)]
    assert names(1000, [1000], calls, closed=1020.5) == ["a"]
    assert names(1000, [1000], calls, closed=1040) == []


def test_a_call_that_nobody_answered_has_no_file() -> None:
    assert names(1000, [1000], [call("a", 1030, None, 1040)]) == []


def test_what_statuses_mean() -> None:
    assert {meaning(s) for s in (200, 201)} == {Means.KEPT}
    assert {meaning(s) for s in (429, 500, 503, 408, 460)} == {Means.LATER}
    assert {meaning(s) for s in (301, 401, 403, 404)} == {Means.STUCK}
    assert {meaning(s) for s in (400, 409, 410, 413, 415, 422)} == {Means.NEVER}


def test_pauses_grow_to_a_limit_and_the_archive_may_ask_for_more() -> None:
    assert [pause_after(n, None, 1.0) for n in (0, 1, 2, 20)] == [2, 4, 8, 600]
    assert pause_after(0, None, 0.0) == 1
    assert pause_after(0, 120, 0.0) == 120


def test_retry_after_is_read_in_both_forms() -> None:
    def wait(told: str) -> float | None:
        headers = {"retry-after": told, "date": "Mon, 30 Nov 2026 10:00:00 GMT"}
        return Answer(status=503, headers=headers, body=b"").wait_seconds

    assert wait("30") == 30
    assert wait("Mon, 30 Nov 2026 10:02:00 GMT") == 120
    assert wait("soon") is None
    assert wait("999999") == 86_400

"""When something is due, what must be opened and what is drawn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.review import wording
from app.review.reports import defused
from app.review.rules import (
    Frozen,
    Plan,
    Queue,
    Span,
    block_due,
    how_many_to_open,
    is_failing,
    list_digest,
    picked,
    score_of,
    span_of,
)
from app.web import review_words

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
SEED = bytes(range(32))
IDS = st.frozensets(st.uuids(version=4), min_size=1, max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["played_ms", "from_ms", "to_ms", "question", "answer", "offset_ms", "match"]
)


@pytest.mark.parametrize(
    ("total", "opened"), [(1, 1), (19, 19), (20, 20), (200, 20), (201, 21), (205, 21), (500, 50)]
)
def test_twenty_or_a_tenth_must_be_opened(total: int, opened: int) -> None:
    assert how_many_to_open(total) == opened


@given(ids=IDS, seed=st.binary(min_size=32, max_size=32))
def test_the_pick_is_of_the_list_and_can_be_repeated(ids: frozenset[UUID], seed: bytes) -> None:
    chosen = picked(ids, seed)
    assert chosen <= ids
    assert len(chosen) == how_many_to_open(len(ids))
    assert picked(sorted(ids, key=str, reverse=True), seed) == chosen


def test_another_seed_picks_others() -> None:
    ids = [UUID(int=n) for n in range(200)]
    assert picked(ids, SEED) != picked(ids, bytes(32))


@given(evidence=st.dictionaries(NAMES, JSON), from_ms=st.integers(0, 1 << 30))
def test_evidence_of_any_shape_has_a_span(evidence: dict[str, object], from_ms: int) -> None:
    span = span_of(evidence, from_ms=from_ms)
    assert span.from_ms >= 0
    assert span.to_ms is None or span.to_ms > span.from_ms
    score_of(evidence)


def test_the_span_is_where_the_evidence_says_it_is_heard() -> None:
    assert span_of({"played_ms": [900, 4100]}, from_ms=4100) == Span(from_ms=900, to_ms=4100)
    assert span_of({"from_ms": 10, "to_ms": 20}, from_ms=5) == Span(from_ms=10, to_ms=20)
    consent = {"question": {"from_ms": 100}, "answer": {"from_ms": 300, "to_ms": 400}}
    assert span_of(consent, from_ms=0) == Span(from_ms=100, to_ms=400)
    assert span_of({"offset_ms": 700}, from_ms=0) == Span(from_ms=700, to_ms=None)
    assert span_of({}, from_ms=33) == Span(from_ms=33, to_ms=None)
    assert Span(from_ms=900, to_ms=None).starts_at_ms == 400
    assert Span(from_ms=100, to_ms=None).starts_at_ms == 0


def test_clocks_of_refusals_and_withdrawals() -> None:
    month = SINCE + timedelta(days=30)
    assert block_due(since=SINCE, withdrawal_days=10, is_withdrawal=False) == month
    assert block_due(since=SINCE, withdrawal_days=None, is_withdrawal=True) == month
    assert block_due(since=SINCE, withdrawal_days=90, is_withdrawal=True) == month
    assert block_due(since=SINCE, withdrawal_days=0, is_withdrawal=True) == SINCE


def test_the_digest_of_a_list_changes_with_any_of_its_evidence() -> None:
    one = Frozen(assertion_id=UUID(int=1), evidence_sha256=bytes(32))
    two = Frozen(assertion_id=UUID(int=2), evidence_sha256=bytes(32))
    altered = Frozen(assertion_id=UUID(int=2), evidence_sha256=b"\1" * 32)
    digest = list_digest("verbal_notice", "q", [one, two])
    assert digest == list_digest("verbal_notice", "q", [two, one])
    others = {
        list_digest("verbal_notice", "q", [one]),
        list_digest("verbal_notice", "q", [one, altered]),
        list_digest("ivr_notice", "q", [one, two]),
        list_digest("verbal_notice", "other", [one, two]),
    }
    assert len(others) == 4
    assert digest not in others


def test_a_plan_draws_the_band_and_about_its_percentage() -> None:
    ids = [UUID(int=n) for n in range(4000)]
    some = Plan(seed=SEED, percent=10, low=5.0, high=10.0)
    drawn = [i for i in ids if some.draws(i, 20.0)]
    assert 300 < len(drawn) < 500
    assert all(some.draws(i, score) for i in ids[:20] for score in (5.0, 9.99))
    assert not all(some.draws(i, 10.0) for i in ids[:100])
    everything = Plan(seed=SEED, percent=100, low=None, high=None)
    nothing = Plan(seed=SEED, percent=0, low=None, high=None)
    assert all(everything.draws(i, None) for i in ids)
    assert not any(nothing.draws(i, 7.0) for i in ids)


@pytest.mark.parametrize(
    ("checked", "wrong", "fails"),
    [(1, 1, False), (2, 2, True), (40, 2, False), (40, 3, True), (500, 25, False), (500, 26, True)],
)
def test_a_sample_fails_above_its_limit(checked: int, wrong: int, *, fails: bool) -> None:
    assert is_failing(checked=checked, wrong=wrong, error_percent=5, least_checked=20) is fails


@pytest.mark.parametrize("cell", ["=1+1", "+7495", "-5", "@x", "\t=1", "\r=1"])
def test_a_cell_that_begins_a_formula_is_defused(cell: str) -> None:
    assert defused(cell) == f"'{cell}"


def test_plain_cells_stay_as_they_are() -> None:
    assert [defused(cell) for cell in ("line", -5, 1.5, None, "")] == ["line", -5, 1.5, None, ""]


def test_every_word_is_said_in_both_languages_and_differs() -> None:
    for queues in (wording.TITLES, review_words.HELP, review_words.EMPTY):
        assert set(queues) == set(Queue)
    looked = 0
    for words in (
        wording.WHY,
        wording.STEPS,
        wording.HINDRANCES,
        wording.ROLES,
        wording.KINDS,
        wording.PURPOSES,
    ):
        for code, said in words.items():
            looked += 1
            assert said.ru, code
            assert said.en, code
            assert said.ru != said.en or code == "product", code
    assert looked > 60

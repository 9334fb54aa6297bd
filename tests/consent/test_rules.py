"""Properties of the decision, over random cases, with counts that show that both sides are met."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.consent import remedies, rules
from app.consent.casefile import Asserted, Heard, Screened, inputs_digest
from app.consent.purposes import (
    ClauseScope,
    Kind,
    Outcome,
    Purpose,
    RecipientClass,
    ScreeningResult,
    Side,
    Status,
)
from app.consent.rules import CLOCK_TOLERANCE, ConsentRefused, fail_closed, grant
from app.consent.spans import Segment, SegmentInvalid
from tests.consent.worlds import (
    ACK,
    ALLOWED,
    CALLED,
    CASE,
    CLIENT,
    DAY,
    ENGINEER,
    GUEST,
    MANAGEMENT,
    NOW,
    PACKS,
    SHIPPED,
    World,
    agreed,
    asserted,
    assessed,
    clause,
    screened,
    told,
    uid,
)

LADDER = list(Outcome)
PLACES = st.sampled_from([*PACKS, None, "ZZ"])
MARKS_MS = st.sampled_from([0, 4_000, 60_000, 300_000, 420_000, 600_000])
SOME = settings(
    max_examples=300,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def rank(outcome: Outcome) -> int:
    return LADDER.index(outcome)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    start = draw(st.sampled_from([0, 4_000, 4_000, 60_000, 300_000]))
    end = draw(st.sampled_from([None, 600_000, 420_000, 300_001]))
    return Segment(start, end)


@st.composite
def evidence(draw: st.DrawFn, parties: tuple[Heard, ...]) -> tuple[Asserted, ...]:
    found = [ACK] if draw(st.integers(0, 9)) else []
    likely = st.sampled_from([Status.VERIFIED] * 7 + list(Status))
    for n, party in enumerate(p for p in parties if p.side != Side.OWN):
        for m in range(draw(st.integers(1, 2))):
            recipients = draw(st.sampled_from([MANAGEMENT, MANAGEMENT, frozenset()]))
            values = {"status": draw(likely), "recipients": recipients}
            make = draw(st.sampled_from([told, told, agreed, agreed]))
            one = make(party, **values)
            if make is told:
                one = replace(one, segment=Segment(max(4_000, party.present.from_ms + 4_000), None))
            found.append(replace(one, id=uid(f"evidence {n} {m}")))
        if not draw(st.integers(0, 5)):
            no = draw(st.sampled_from([Kind.REFUSAL, Kind.WITHDRAWAL]))
            found.append(asserted(f"no {n}", no, party_id=party.id, status=draw(likely)))
    if draw(st.booleans()):
        found.append(clause())
    if draw(st.booleans()):
        found.append(assessed(segment=draw(segments())))
    return tuple(found)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    client = replace(CLIENT, place=draw(st.sampled_from(["RU", "RU", "RU", "DE", None])))
    parties: tuple[Heard, ...] = (ENGINEER, client)
    if draw(st.booleans()):
        parties = (*parties, replace(GUEST, present=Segment(draw(MARKS_MS), None)))
    screenings: tuple[Screened, ...] = (screened(draw(segments())), screened())
    if not draw(st.integers(0, 4)):
        screenings = (screened(draw(segments()), draw(st.sampled_from(ScreeningResult))),)
    return replace(
        ALLOWED,
        approvers=draw(st.sampled_from([("anna", "boris"), ("anna",), ()])),
        case=replace(
            CASE,
            parties=parties,
            assertions=draw(evidence(parties)),
            screenings=screenings,
            duration_ms=draw(st.sampled_from([None, 600_000])),
        ),
    ).asking(segment=draw(segments()))


def both_sides(met: Counter[str]) -> None:
    assert met["ALLOW"] > 0
    assert met["DENY"] > 0


def never_softer(met: Counter[str], change: Callable[[World, st.DataObject], World]) -> None:
    """Check over random worlds that `change` never makes the outcome more permissive."""
    changed: Counter[str] = Counter()

    @SOME
    @given(world=worlds(), data=st.data())
    def check(world: World, data: st.DataObject) -> None:
        before, after = world.decide().outcome, change(world, data).decide().outcome
        met.update([before.value])
        changed.update(["harder" if after != before else "same"])
        assert rank(after) >= rank(before)

    check()
    assert changed["harder"] > 0
    assert changed["same"] > 0
    both_sides(met)


def test_decision_adding_a_party_is_never_more_permissive(met: Counter[str]) -> None:
    def add(world: World, data: st.DataObject) -> World:
        newcomer = Heard(
            id=uid("new"),
            label="new",
            side=data.draw(st.sampled_from([Side.CLIENT, Side.OTHER, Side.OWN])),
            client_id=data.draw(st.sampled_from([uid("firm"), None])),
            agent=data.draw(st.sampled_from(["ivan", "petr"])),
            present=Segment(data.draw(MARKS_MS), None),
            place=data.draw(PLACES),
        )
        return world.about(parties=(*world.case.parties, newcomer))

    never_softer(met, add)


def test_decision_adding_a_jurisdiction_is_never_more_permissive(met: Counter[str]) -> None:
    def move(world: World, data: st.DataObject) -> World:
        """Add a place by a party who has agreed to everything and changes nothing else."""
        visitor = replace(GUEST, id=uid("visitor"), label="visitor", present=Segment(0, None))
        consent = replace(agreed(visitor), purposes=SHIPPED)
        at_home = replace(visitor, place="RU")
        before = world.about(
            parties=(*world.case.parties, at_home),
            assertions=(*world.case.assertions, consent),
        )
        after = before.about(
            parties=(*world.case.parties, replace(at_home, place=data.draw(PLACES)))
        )
        assert rank(after.decide().outcome) >= rank(before.decide().outcome)
        return after

    never_softer(met, move)


def test_decision_removing_evidence_that_permits_is_never_more_permissive(
    met: Counter[str],
) -> None:
    def remove(world: World, data: st.DataObject) -> World:
        permits = [
            a
            for a in world.case.assertions
            if a.status == Status.VERIFIED and a.kind not in {Kind.REFUSAL, Kind.WITHDRAWAL}
        ]
        if not permits:
            return world
        gone = data.draw(st.sampled_from(permits))
        return world.about(assertions=tuple(a for a in world.case.assertions if a != gone))

    never_softer(met, remove)


def test_decision_taking_a_ground_from_the_pack_is_never_more_permissive(
    met: Counter[str],
) -> None:
    def narrow(world: World, data: st.DataObject) -> World:
        office = world.case.packs["RU"]
        kept = data.draw(st.sets(st.sampled_from(sorted(office.demands.disclosure_grounds))))
        demands = replace(office.demands, disclosure_grounds=frozenset(kept))
        return world.about(packs={**world.case.packs, "RU": replace(office, demands=demands)})

    never_softer(met, narrow)


def test_decision_asking_for_less_is_never_less_permissive(met: Counter[str]) -> None:
    softer: Counter[bool] = Counter()

    @SOME
    @given(world=worlds(), data=st.data())
    def check(world: World, data: st.DataObject) -> None:
        whole = world.question.segment
        end_ms = min(whole.end_ms, 600_000)
        inside = st.integers(whole.from_ms, end_ms - 1)
        start = data.draw(inside)
        end = data.draw(st.integers(start + 1, end_ms))
        before = world.decide().outcome
        after = world.asking(segment=Segment(start, end)).decide().outcome
        met.update([before.value])
        softer.update([after != before])
        assert rank(after) <= rank(before)

    check()
    assert softer[True] > 0
    assert softer[False] > 0
    both_sides(met)


def test_decision_does_not_depend_on_the_order_of_what_is_known(met: Counter[str]) -> None:
    @SOME
    @given(world=worlds(), data=st.data())
    def check(world: World, data: st.DataObject) -> None:
        case = world.case
        mixed = world.about(
            assertions=tuple(data.draw(st.permutations(case.assertions))),
            parties=tuple(data.draw(st.permutations(case.parties))),
            screenings=tuple(data.draw(st.permutations(case.screenings))),
        )
        one, other = world.decide(), mixed.decide()
        met.update([one.outcome.value])
        assert one.inputs_digest == other.inputs_digest
        assert (one.outcome, one.reasons) == (other.outcome, other.reasons)
        assert one.allowed_segments == other.allowed_segments

    check()
    both_sides(met)


def test_decision_parts_that_are_offered_can_be_had(met: Counter[str]) -> None:
    offered = 0

    @SOME
    @given(world=worlds())
    def check(world: World) -> None:
        nonlocal offered
        decision = world.approved_by("anna", "boris").decide()
        met.update([decision.outcome.value])
        for part in decision.allowed_segments:
            offered += decision.outcome == Outcome.DENY
            clip = world.approved_by("anna", "boris").asking(segment=part)
            assert clip.decide().allowed

    check()
    assert offered > 0
    both_sides(met)


@pytest.mark.parametrize("status", [Status.PROPOSED, Status.VERIFIED])
@pytest.mark.parametrize("kind", [Kind.REFUSAL, Kind.WITHDRAWAL])
@pytest.mark.parametrize("party", [CLIENT.id, ENGINEER.id, None])
def test_any_refusal_or_withdrawal_denies(kind: Kind, status: Status, party: UUID | None) -> None:
    no = replace(asserted("no", kind, status=status), party_id=party)
    assert ALLOWED.decide().allowed
    assert ALLOWED.with_evidence(ACK, told(), no).decide().outcome == Outcome.DENY


def test_a_rejected_refusal_denies_nothing() -> None:
    no = asserted("no", Kind.REFUSAL, party_id=CLIENT.id, status=Status.REJECTED)
    assert ALLOWED.with_evidence(ACK, told(), no).decide().allowed


def foreign(word: str) -> Any:  # noqa: ANN401 - a word that is in none of the lists.
    return word


@pytest.mark.parametrize(
    "world",
    [
        ALLOWED.asking(purpose="gossip"),
        ALLOWED.asking(
            recipient=replace(ALLOWED.question.recipient, recipient_class=foreign("friend"))
        ),
        ALLOWED.with_evidence(ACK, replace(told(), kind=foreign("hearsay"))),
        ALLOWED.with_evidence(ACK, replace(told(), status=foreign("probably"))),
        ALLOWED.about(screenings=(replace(screened(), result=foreign("fine")),)),
        ALLOWED.about(parties=(replace(CLIENT, side=foreign("both")),)),
        ALLOWED.about(packs={}),
        ALLOWED.about(packs={k: v for k, v in PACKS.items() if k != "DEFAULT"}),
        replace(ALLOWED, at=CALLED - DAY),
    ],
)
def test_what_is_unknown_or_missing_is_denied(world: World) -> None:
    decision = world.decide()
    assert decision.outcome == Outcome.DENY
    assert [r.text for r in decision.reasons] == ["E_INTERNAL"]


def test_a_clock_may_differ_by_five_minutes_and_no_more() -> None:
    ahead = told(proposed_at=NOW + CLOCK_TOLERANCE)
    assert ALLOWED.with_evidence(ACK, ahead).decide().allowed
    late = replace(ahead, proposed_at=ahead.proposed_at + timedelta(microseconds=1))
    assert ALLOWED.with_evidence(ACK, late).decide().outcome == Outcome.DENY


def test_where_nobody_is_known_nobody_was_asked() -> None:
    world = ALLOWED.about(parties=(ENGINEER,))
    assert [r.text for r in world.decide().reasons] == ["C_NOBODY_KNOWN"]


def test_own_staff_needs_an_acknowledgement_from_before_the_call() -> None:
    for missing in ((), (replace(ACK, valid_from=CALLED + DAY),), (replace(ACK, agent="petr"),)):
        world = ALLOWED.with_evidence(told(), *missing)
        assert [r.text for r in world.decide().reasons] == ["C_STAFF_UNACKNOWLEDGED:eng"]


@pytest.mark.parametrize("purpose", [Purpose.PUBLISH, Purpose.AI_TRAINING])
def test_some_purposes_are_never_allowed(purpose: Purpose) -> None:
    world = ALLOWED.asking(purpose=purpose)
    assert [r.text for r in world.decide().reasons] == ["P_FORBIDDEN"]


def test_nothing_is_for_the_public() -> None:
    world = ALLOWED.to(RecipientClass.PUBLIC, verified=True)
    assert [r.text for r in world.decide().reasons] == ["P_FORBIDDEN"]


def test_another_client_is_not_the_same_entity() -> None:
    world = ALLOWED.asking(recipient=replace(ALLOWED.question.recipient, client_id=uid("other")))
    assert [r.text for r in world.decide().reasons] == ["RCPT_WRONG_ENTITY"]


def test_who_has_left_no_longer_speaks_for_the_firm() -> None:
    world = ALLOWED.asking(recipient=replace(ALLOWED.question.recipient, left=True))
    assert [r.text for r in world.decide().reasons] == ["RCPT_LEFT"]


def test_who_is_heard_does_not_approve() -> None:
    assert [r.text for r in ALLOWED.approved_by("ivan").decide().reasons] == ["A_INVOLVED"]


def test_a_legal_demand_needs_the_role_legal_and_its_own_scope() -> None:
    demand = asserted("order", Kind.LEGAL_DEMAND, segment=Segment(0, 300_000))
    world = (
        ALLOWED.with_evidence(demand)
        .asking(purpose=Purpose.LEGAL_DEMAND, segment=Segment(0, 300_000))
        .to(RecipientClass.AUTHORITY)
    )
    assert [r.text for r in world.decide().reasons] == ["A_LEGAL"]
    assert world.approved_by("lawyer", roles=("legal",)).decide().allowed
    wider = world.approved_by("lawyer", roles=("legal",)).asking(segment=Segment(0, 300_001))
    assert [r.text for r in wider.decide().reasons] == ["L_DEMAND_MISSING"]


def test_who_was_not_heard_is_no_data_subject() -> None:
    world = ALLOWED.asking(purpose=Purpose.SUBJECT_ACCESS).to(
        RecipientClass.DATA_SUBJECT, contact_id=uid("stranger"), verified=True
    )
    assert [r.text for r in world.decide().reasons] == ["RCPT_NOT_HEARD"]


def test_private_content_stays_until_another_person_finds_it_clear() -> None:
    private = screened(result=ScreeningResult.PRIVATE, at=NOW - 3 * DAY)
    for by, allowed in (("olga", False), ("pavel", True)):
        world = ALLOWED.about(screenings=(private, screened(by=by)))
        assert world.decide().allowed is allowed


def test_a_clause_for_one_firm_says_nothing_of_a_guest() -> None:
    present = replace(GUEST, present=Segment(0, None))
    world = ALLOWED.about(parties=(ENGINEER, CLIENT, present)).with_evidence(
        ACK, told(), told(present, recipients=frozenset()), clause()
    )
    assert [r.text for r in world.decide().reasons] == ["G_NONE"]


def test_a_clause_that_does_not_speak_of_disclosure_is_no_ground() -> None:
    only_notice = clause(scope=frozenset({ClauseScope.NOTICE}))
    world = ALLOWED.with_evidence(ACK, told(recipients=frozenset()), only_notice)
    decision = world.decide()
    assert [r.text for r in decision.reasons] == ["G_NONE"]
    assert "ASK_CLAUSE_DISCLOSE" in decision.remedies


def test_a_later_joiner_is_not_covered_by_the_notice() -> None:
    world = ALLOWED.about(parties=(ENGINEER, CLIENT, GUEST)).with_evidence(ACK, told(), told(GUEST))
    assert [r.text for r in world.decide().reasons] == ["C_UNKNOWN:guest"]


def test_the_decision_ends_with_what_it_stands_on() -> None:
    survives = clause(terminated_at=NOW - DAY, survives_until=NOW + 5 * DAY)
    world = ALLOWED.with_evidence(ACK, told(recipients=frozenset()), survives)
    decision = world.decide()
    assert decision.allowed
    assert decision.valid_until == NOW + 5 * DAY
    assert not replace(world, at=NOW + 5 * DAY).decide().allowed


def test_every_input_is_bound_by_the_digest() -> None:
    other = [
        ALLOWED.about(restricted=True),
        ALLOWED.about(duration_ms=600_001),
        ALLOWED.with_evidence(ACK, told(status=Status.PROPOSED)),
        ALLOWED.about(packs=PACKS | {"RU": PACKS["RU-strict"]}),
        ALLOWED.about(screenings=()),
        ALLOWED.asking(segment=Segment(4_000, 599_999)),
        ALLOWED.asking(purpose=Purpose.INTERNAL_QUALITY),
        ALLOWED.asking(recipient=replace(ALLOWED.question.recipient, verified=False)),
    ]
    digests = {inputs_digest(w.case, w.question) for w in (ALLOWED, *other)}
    assert len(digests) == len(other) + 1
    asked_by_another = ALLOWED.asking(requested_by=uid("somebody"))
    assert inputs_digest(asked_by_another.case, asked_by_another.question) in digests


def test_only_an_allowing_decision_makes_a_permit() -> None:
    decision = ALLOWED.decide()
    permit = grant(decision)
    assert permit.recording_id == CASE.recording_id
    assert permit.segment == ALLOWED.question.segment
    assert permit.inputs_digest == decision.inputs_digest
    with pytest.raises(ConsentRefused) as refused:
        grant(ALLOWED.approved_by().decide())
    assert refused.value.facts == {
        "reasons": ["A_COMPLIANCE_1"],
        "remedies": ["ASK_APPROVAL"],
        "outcome": "NEEDS_APPROVAL",
    }
    with pytest.raises(ConsentRefused):
        grant(fail_closed(CASE.recording_id, ALLOWED.question))


@pytest.mark.parametrize(("from_ms", "to_ms"), [(-1, 5), (5, 5), (6, 5)])
def test_a_segment_has_a_length(from_ms: int, to_ms: int) -> None:
    with pytest.raises(SegmentInvalid):
        Segment(from_ms, to_ms)


def test_remedies_are_codes_of_the_list() -> None:
    said = ALLOWED.approved_by().about(screenings=()).decide().remedies
    assert said == ("ASK_APPROVAL", "SCREEN_SEGMENT")
    assert set(said) <= remedies.CODES


def test_trying_out_says_what_a_decision_without_approvals_would() -> None:
    met: Counter[str] = Counter()

    @SOME
    @given(world=worlds())
    def check(world: World) -> None:
        question = replace(world.question, approvals=())
        said = rules.decide(world.case, question, at=NOW)
        tried = rules.try_out(world.case, world.question, at=NOW)
        assert tried.question == question
        assert (tried.outcome, tried.reasons) == (said.outcome, said.reasons)
        assert tried.allowed_segments == said.allowed_segments
        met.update([said.outcome.value, "parts" if said.allowed_segments else "none"])

    check()
    assert min(met["DENY"], met["NEEDS_APPROVAL"], met["parts"], met["none"]) > 0

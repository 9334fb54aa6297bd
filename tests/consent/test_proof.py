"""Classes of proof: what evidence amounts to, who decides, and which class suffices where."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.consent.casefile import Asserted, Heard
from app.consent.packs import PROVING, PackInvalid, parse, shipped, shipped_packs, strictest
from app.consent.proof import class_of, of_case, of_party
from app.consent.purposes import PROOF, Kind, Outcome, ProofClass, Purpose, Side, Status
from app.recordings.models import Proof
from tests.consent.test_rules import SOME, rank, worlds
from tests.consent.worlds import (
    ACK,
    ALLOWED,
    CALLED,
    CLIENT,
    DAY,
    ENGINEER,
    GUEST,
    NOW,
    PACKS,
    World,
    agreed,
    asserted,
    clause,
    pack,
    told,
)

_K = Kind
MATCH = {"match": {"hit_id": "x"}}
LOG = {"pbx": {"row_sha256": "x"}}
CLASSES: list[tuple[Kind, dict[str, Any], bool, timedelta, str]] = [
    (_K.IVR_NOTICE, MATCH, True, DAY, "A"),
    (_K.IVR_NOTICE, {"heard": {"quote": "x"}}, True, DAY, "A"),
    (_K.IVR_NOTICE, MATCH | LOG, True, DAY, "A"),
    (_K.IVR_NOTICE, LOG, True, DAY, "B"),
    (_K.IVR_NOTICE, LOG | MATCH | {"log_only": True}, True, DAY, "B"),
    (_K.BEEP, {}, True, DAY, "A"),
    (_K.DTMF_CONSENT, LOG, True, DAY, "B"),
    (_K.VERBAL_NOTICE, {}, True, DAY, "C"),
    (_K.VERBAL_CONSENT, {}, True, DAY, "A"),
    (_K.VERBAL_CONSENT, {}, False, -DAY, "D"),
    (_K.VERBAL_CONSENT, {}, False, DAY, "E"),
    (_K.CONTRACT_CLAUSE, {}, False, DAY, "D"),
    (_K.WRITTEN_CONSENT, {"signed_on": "2026-03-02"}, True, DAY, "D"),
    (_K.WRITTEN_CONSENT, {"signed_on": "2026-03-03"}, True, -DAY, "E"),
    (_K.WRITTEN_CONSENT, {"signed_on": "soon"}, True, DAY, "E"),
    (_K.WRITTEN_CONSENT, {}, False, -DAY, "D"),
    (_K.OTHER_GROUND, {}, True, DAY, "D"),
    (_K.REFUSAL, {}, True, DAY, "F"),
]


@pytest.mark.parametrize(("kind", "evidence", "here", "after", "expected"), CLASSES)
def test_evidence_has_a_class(
    kind: Kind,
    evidence: dict[str, Any],
    here: bool,  # noqa: FBT001 - a column of the table above.
    after: timedelta,
    expected: str,
) -> None:
    found = class_of(kind, evidence, in_recording=here, since=CALLED + after, called_at=CALLED)
    assert found == expected


def test_the_words_are_those_of_the_recordings() -> None:
    assert [p.value for p in ProofClass] == [p.value for p in Proof]
    assert set(PROOF) == set(Kind)


def by_log(party: Heard = CLIENT) -> Asserted:
    return replace(told(party), proved=ProofClass.PLAYED)


def test_the_best_evidence_of_the_worst_party_decides() -> None:
    case = ALLOWED.case
    assert of_case(case, None, at=NOW) == "A"
    assert of_case(replace(case, assertions=(ACK, by_log(), clause())), None, at=NOW) == "B"
    both = replace(case, parties=(ENGINEER, CLIENT, GUEST))
    assert of_case(both, None, at=NOW) == "F"
    assert of_party(both, CLIENT, None, at=NOW).proof == "A"
    proposed = replace(case, assertions=(ACK, told(status=Status.PROPOSED)))
    assert of_case(proposed, None, at=NOW) == "F"
    assert of_case(replace(case, parties=(ENGINEER,)), None, at=NOW) == "F"


def test_evidence_stands_with_the_best_first() -> None:
    case = replace(ALLOWED.case, assertions=(ACK, clause(), by_log(), agreed()))
    found = of_party(case, CLIENT, None, at=NOW)
    assert [a.proof for a in found.evidence] == ["A", "B", "D"]


def asking_for(*classes: str, purpose: str = "dispute_client") -> World:
    strict = pack("RU", proof={purpose: list(classes)})
    return ALLOWED.about(packs={**PACKS, "RU": strict})


def reasons(world: World) -> str:
    return " ".join(reason.text for reason in world.decide().reasons)


@pytest.mark.parametrize(
    ("accepted", "evidence", "expected"),
    [
        ("A", told(), ""),
        ("A", by_log(), "C_PROOF_TOO_WEAK:cli"),
        ("AB", by_log(), ""),
        ("B", told(), "C_PROOF_TOO_WEAK:cli"),
        ("A", replace(told(), kind=Kind.VERBAL_NOTICE), "C_PROOF_TOO_WEAK:cli"),
        ("ABD", clause(), ""),
        ("ABC", clause(), "C_PROOF_TOO_WEAK:cli"),
        ("ABD", replace(agreed(), proved=ProofClass.AFTERWARDS), "C_PROOF_TOO_WEAK:cli"),
        ("ABDE", replace(agreed(), proved=ProofClass.AFTERWARDS), ""),
        ("A", told(status=Status.PROPOSED), "C_PENDING:cli"),
    ],
)
def test_decision_asks_for_a_class_that_suffices(
    accepted: str,
    evidence: Asserted,
    expected: str,
) -> None:
    assert reasons(asking_for(*accepted).with_evidence(ACK, evidence)) == expected


def test_strength_and_proof_are_asked_of_the_same_evidence() -> None:
    express = pack("RU", record_outside_min="EXPRESS", proof={"dispute_client": ["A"]})
    world = ALLOWED.about(packs={**PACKS, "RU": express})
    afterwards = replace(agreed(), proved=ProofClass.AFTERWARDS)
    assert reasons(world.with_evidence(ACK, told(), afterwards)) == "C_PROOF_TOO_WEAK:cli"
    assert reasons(world.with_evidence(ACK, told(), agreed())) == ""


def test_what_is_proved_by_the_log_covers_its_own_part_only() -> None:
    first = replace(told(), segment=replace(told().segment, to_ms=300_000))
    world = asking_for("A").with_evidence(ACK, first, replace(by_log(), id=agreed().id))
    assert "C_PROOF_TOO_WEAK:cli" in reasons(world)
    clip = world.asking(segment=replace(world.question.segment, to_ms=300_000))
    assert reasons(clip) == ""


def test_another_purpose_asks_for_its_own_classes() -> None:
    assert reasons(asking_for("B", purpose="internal_quality")) == ""


def test_the_strictest_of_two_packs_takes_what_both_take() -> None:
    one, other = pack("AA", proof={"dispute_client": ["A", "B"]}), pack("BB", proof={})
    both = strictest([one.demands, other.demands])
    assert both.proof_for(Purpose.DISPUTE_CLIENT) == {"A", "B"}
    assert both.proof_for(Purpose.TRANSCRIPTION) == PROVING
    third = pack("CC", proof={"dispute_client": ["B", "C"]})
    assert strictest([one.demands, third.demands]).proof_for(Purpose.DISPUTE_CLIENT) == {"B"}


@pytest.mark.parametrize(
    "value",
    [
        [],
        "A",
        {"dispute_client": ["F"]},
        {"dispute_client": ["G"]},
        {"party": ["A"]},
        {"dispute_client": "A"},
        {"dispute_client": ["A", "A"]},
        {"dispute_client": [None]},
    ],
)
def test_a_pack_of_faulty_proof_is_none(value: Any) -> None:  # noqa: ANN401 - JSON.
    body = {**shipped()["RU"]}
    body["fields"] = body["fields"] | {"proof": {"value": value, "mark": "firm"}}
    with pytest.raises(PackInvalid) as refused:
        parse(body)
    assert [fault.where for fault in refused.value.faults] == ["/fields/proof/value"]


@pytest.mark.parametrize(
    ("value", "what"),
    [("A", "'A' is no object of purposes."), ({"dispute_client": ["F"]}, "F is no proof.")],
)
def test_a_faulty_proof_is_named(value: Any, what: str) -> None:  # noqa: ANN401 - JSON.
    body = {**shipped()["RU"]}
    body["fields"] = body["fields"] | {"proof": {"value": value, "mark": "firm"}}
    with pytest.raises(PackInvalid) as refused:
        parse(body)
    assert [fault.what for fault in refused.value.faults] == [what]


def test_every_shipped_pack_says_what_suffices_for_every_purpose_that_asks_for_consent() -> None:
    asked = {
        Purpose.INTERNAL_QUALITY,
        Purpose.INTERNAL_TRAINING,
        Purpose.DISPUTE_CLIENT,
        Purpose.TRANSCRIPTION,
        Purpose.CLAIM_DEFENCE,
    }
    for code, one in shipped_packs().items():
        assert {purpose for purpose, _ in one.demands.proof} == asked, code
        assert all(classes for _, classes in one.demands.proof), code


def test_a_pack_of_before_asks_for_no_class() -> None:
    body = {**shipped()["RU"], "fields": dict(shipped()["RU"]["fields"])}
    del body["fields"]["proof"]
    assert parse(body).demands.proof_for(Purpose.DISPUTE_CLIENT) == PROVING


def test_decision_with_worse_proof_or_fewer_classes_is_never_more_permissive() -> None:
    met: Counter[str] = Counter()
    order = list(ProofClass)

    @SOME
    @given(world=worlds(), data=st.data())
    def check(world: World, data: st.DataObject) -> None:
        classes = data.draw(st.sets(st.sampled_from(sorted(PROVING)), min_size=1))
        before = world.about(
            packs={**world.case.packs, "RU": pack("RU", proof={"dispute_client": sorted(classes)})}
        )
        fewer = data.draw(st.sets(st.sampled_from(sorted(classes))))
        after = world.about(
            packs={**world.case.packs, "RU": pack("RU", proof={"dispute_client": sorted(fewer)})}
        )
        outcomes = before.decide().outcome, after.decide().outcome
        assert rank(outcomes[1]) >= rank(outcomes[0])
        met.update(["harder" if outcomes[0] != outcomes[1] else outcomes[0].value])
        worse = tuple(
            replace(a, proved=order[data.draw(st.integers(a.proof.rank, 4))])
            if a.proof.rank <= 4
            else a
            for a in before.case.assertions
        )
        by_rank = [sorted(PROVING)[: len(classes)]]
        ladder = world.about(
            packs={**world.case.packs, "RU": pack("RU", proof={"dispute_client": by_rank[0]})}
        )
        first = ladder.decide().outcome
        assert rank(ladder.about(assertions=worse).decide().outcome) >= rank(first)

    check()
    assert met["harder"] > 0
    assert met[Outcome.ALLOW] > 0
    assert met[Outcome.DENY] > 0


def test_a_refusal_proves_nothing_and_hides_nothing() -> None:
    refused = asserted("no", Kind.REFUSAL, party_id=CLIENT.id)
    case = replace(ALLOWED.case, assertions=(ACK, told(), refused))
    assert of_case(case, Purpose.DISPUTE_CLIENT, at=NOW) == "A"
    assert all(p.side == Side.OWN for p in (ENGINEER,))

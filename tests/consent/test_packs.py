"""The packs that are shipped: what they say, of which places they are, the strictest of them."""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations_with_replacement, product
from typing import Any

import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.clients.schemas import ClientWrite
from app.consent.packs import (
    DEFAULT,
    MAX_PACK_BYTES,
    Demands,
    Fault,
    Mark,
    PackInvalid,
    for_places,
    is_code,
    parse,
    shipped,
    shipped_packs,
    strictest,
    together,
)
from app.consent.purposes import Kind, Outcome, Purpose, RecipientClass, Strength
from app.consent.spans import Segment
from tests.consent.test_rules import rank, worlds
from tests.consent.worlds import ACK, ALLOWED, CLIENT, GUEST, SHIPPED, World, agreed, told, uid

OVERLAYS = {"FIN-EU", "HEALTH", "MINOR"}
PLACES = sorted(set(shipped()) - OVERLAYS)
# Source: the consent model, 7. Least for outside parties, for own staff, what staying counts as,
# whether purposes are named, grounds, training, days for a withdrawal and for access (w: working
# days), people for counsel (!: with a warning of a crime), regions, days kept at most, mark.
TABLE = """
RU NOTICE NOTICE NOTICE yes notice,contract,consent,claims announced 30 10w 2 RU 365 practice
RU-strict NOTICE NOTICE NOTICE yes contract,consent,claims announced 30 10w 2 RU 365 firm
EU-base NOTICE NOTICE NOTICE yes contract,consent,claims express 0 30 2 EEA/ground 180 practice
DE EXPRESS EXPRESS NONE yes consent express 0 30 2! EEA/ground 90 firm
FR NOTICE NOTICE NOTICE yes contract,consent,claims announced 0 30 2 EEA/ground 180 practice
UK NOTICE NOTICE NOTICE yes contract,consent,claims announced 0 30 2 UK/ground 180 practice
US-one-party NOTICE NONE NOTICE no notice,contract,consent,claims free - - 1 - 365 firm
US-all-party NOTICE NOTICE NOTICE no notice,contract,consent,claims announced - - 2! - 365 uncertain
CA NOTICE NOTICE NOTICE yes notice,contract,consent announced - 30 2 - 180 practice
JP NOTICE NOTICE NOTICE no consent announced - 0 1 - 365 uncertain
KZ NOTICE NOTICE NOTICE yes consent announced - - 2 KZ 365 uncertain
BY NOTICE NOTICE NOTICE yes contract,consent announced - - 2 BY 365 uncertain
DEFAULT EXPRESS NOTICE NONE yes consent express 30 10w 2 - 90 choice
"""
ROWS = {line.split()[0]: line for line in TABLE.split("\n") if line}


def _days(value: int | None, *, working: bool = False) -> str:
    return "-" if value is None else f"{value}{'w' * working}"


def row_of(code: str) -> str:
    """Return what a shipped pack says, as a row of the table."""
    pack = shipped_packs()[code]
    d = pack.demands
    held = {ground.name.split("_")[0].lower() for ground in d.disclosure_grounds}
    cells = [
        code,
        d.record_outside_min,
        d.record_own_min,
        d.stay_counts_as,
        "yes" if d.notice_must_name_purposes else "no",
        ",".join(word for word in ("notice", "contract", "consent", "claims") if word in held),
        d.training_listening,
        _days(d.withdrawal_days),
        _days(d.subject_access_days, working=d.subject_access_in_working_days),
        f"{d.counsel_people}{'!' * d.unlawful_counsel}",
        "/".join(sorted(d.storage_regions)).replace("transfer_", "") or "-",
        _days(d.retention_max_days),
        pack.mark,
    ]
    return " ".join(cells)


@pytest.mark.parametrize("code", PLACES)
def test_a_shipped_pack_says_what_the_table_says(code: str) -> None:
    assert row_of(code) == ROWS[code]


def test_every_pack_of_the_model_is_shipped() -> None:
    assert set(shipped()) == set(ROWS) | OVERLAYS
    assert {code for code, pack in shipped_packs().items() if pack.is_overlay} == OVERLAYS


def test_what_is_uncertain_is_marked() -> None:
    marks = {code: pack.marks for code, pack in shipped_packs().items()}
    assert marks["RU"]["subject_access_days"] == Mark.UNCERTAIN
    for code in ("KZ", "BY"):
        assert marks[code]["storage_regions"] == Mark.UNCERTAIN
        assert marks[code]["withdrawal_days"] == Mark.UNCERTAIN
    assert shipped()["US-all-party"]["places"]["mark"] == Mark.UNCERTAIN
    assert all(set(pack.marks) == set(shipped()[code]["fields"]) for code, pack in ITEMS)


ITEMS = sorted(shipped_packs().items())


def packs_of(*places: str) -> dict[str, str]:
    """Return the name of the pack by which each place is judged."""
    return {c: p.jurisdiction for c, p in for_places(shipped_packs(), places).items()}


def test_a_place_leads_to_its_pack() -> None:
    assert packs_of("GB", "US-CA", "US-TX", "US", "IT", "RU-strict") == {
        "DEFAULT": "DEFAULT",
        "GB": "UK",
        "US-CA": "US-all-party",
        "US-TX": "US-one-party",
        "US": "US-all-party",
        "IT": "EU-base",
        "RU-strict": "RU-strict",
    }
    assert packs_of("ZZ", "US-ZZ", "RU-Strict", "DE-BY", "AT") == {"DEFAULT": "DEFAULT"}


def test_every_state_and_member_is_of_one_pack() -> None:
    named = Counter(place for _, pack in ITEMS for place in pack.places)
    assert max(named.values()) == 1
    assert sum(place.startswith("US-") for place in named) == 51
    assert not set(named) & set(shipped())


@pytest.mark.parametrize("place", [p for p in PLACES if p != DEFAULT] + ["US-CA", "DE-FIN-EU"])
def test_a_client_may_be_of_any_place_that_has_a_pack(place: str) -> None:
    assert ClientWrite(name="ООО", jurisdiction=place).jurisdiction == place
    assert is_code(place, overlay=False)


def test_an_overlay_is_added_to_a_place() -> None:
    found = for_places(shipped_packs(), ["RU-MINOR", "DE-HEALTH-FIN-EU", "ZZ-MINOR", "RU", "DE"])
    assert found["RU-MINOR"].demands == replace(found["RU"].demands, always_review=True)
    both = found["DE-HEALTH-FIN-EU"].demands
    assert both.retention_min_days == 1826
    assert both == strictest(shipped_packs()[c].demands for c in ("DE", "HEALTH", "FIN-EU"))
    assert found["ZZ-MINOR"].demands == replace(found[DEFAULT].demands, always_review=True)
    assert found["RU-MINOR"].sha256 != found["RU"].sha256


def test_of_two_packs_that_are_of_one_place_the_strictest_holds() -> None:
    texas = copy.deepcopy(dict(shipped()["US-one-party"])) | {"jurisdiction": "US-TX"}
    del texas["places"]
    texas["fields"]["training_listening"]["value"] = "express"
    packs = {**shipped_packs(), "US-TX": parse(texas)}
    both = for_places(packs, ["US-TX"])["US-TX"].demands
    assert both == strictest([packs["US-TX"].demands, packs["US-one-party"].demands])
    assert both.training_listening == "express"


def test_of_what_is_decided_only_the_packs_of_its_places_are_part() -> None:
    before = for_places(shipped_packs(), ["RU"])
    other = replace(shipped_packs()["JP"], sha256="0" * 64)
    assert for_places({**shipped_packs(), "JP": other}, ["RU"]) == before


MINOR_CLIENT = replace(CLIENT, place="RU-MINOR")


def test_with_a_minor_every_case_is_left_to_a_person() -> None:
    world = ALLOWED.about(packs=for_places(shipped_packs(), ["RU", "RU-MINOR"]))
    assert world.decide().outcome == Outcome.ALLOW
    decision = world.about(parties=(world.case.parties[0], MINOR_CLIENT)).decide()
    assert decision.outcome == Outcome.REVIEW
    assert [reason.text for reason in decision.reasons] == ["J_ALWAYS_REVIEW"]
    asked = world.about(parties=(world.case.parties[0], MINOR_CLIENT)).asking(
        purpose=Purpose.CONSENT_REVIEW
    )
    assert asked.to(RecipientClass.OWN_COMPLIANCE).decide().outcome == Outcome.ALLOW


def test_in_belarus_only_a_written_consent_carries_a_disclosure() -> None:
    world = ALLOWED.about(
        packs=for_places(shipped_packs(), ["RU", "BY"]),
        parties=(ALLOWED.case.parties[0], replace(CLIENT, place="BY")),
    )
    spoken = agreed(purposes=SHIPPED)
    written = replace(spoken, kind=Kind.WRITTEN_CONSENT)
    assert [r.code for r in world.with_evidence(ACK, told(), spoken).decide().reasons] == ["G_NONE"]
    assert world.with_evidence(ACK, told(), written).decide().allowed
    in_russia = ALLOWED.with_evidence(ACK, told(recipients=frozenset()), spoken)
    assert in_russia.decide().allowed


def _least(value: int | None) -> float:
    return float("inf") if value is None else value


def _length(d: Demands) -> tuple[float, bool]:
    return _least(d.subject_access_days), d.subject_access_in_working_days


AT_LEAST: dict[str, Callable[[Demands, Demands], bool]] = {
    "record_outside_min": lambda a, b: a.record_outside_min.rank >= b.record_outside_min.rank,
    "record_own_min": lambda a, b: a.record_own_min.rank >= b.record_own_min.rank,
    "stay_counts_as": lambda a, b: a.stay_counts_as.rank <= b.stay_counts_as.rank,
    "beep_counts_as": lambda a, b: a.beep_counts_as.rank <= b.beep_counts_as.rank,
    "min_stay_ms": lambda a, b: a.min_stay_ms >= b.min_stay_ms,
    "notice_must_name_purposes": lambda a, b: (
        a.notice_must_name_purposes >= b.notice_must_name_purposes
    ),
    "disclosure_grounds": lambda a, b: a.disclosure_grounds <= b.disclosure_grounds,
    "training_listening": lambda a, b: a.training_listening.rank >= b.training_listening.rank,
    "withdrawal_days": lambda a, b: _least(a.withdrawal_days) <= _least(b.withdrawal_days),
    "subject_access_days": lambda a, b: _length(a) <= _length(b),
    "counsel_people": lambda a, b: a.counsel_people >= b.counsel_people,
    "unlawful_counsel": lambda a, b: a.unlawful_counsel >= b.unlawful_counsel,
    "storage_regions": lambda a, b: a.storage_regions >= b.storage_regions,
    "retention_max_days": lambda a, b: _least(a.retention_max_days) <= _least(b.retention_max_days),
    "disclosure_consent_min": lambda a, b: (
        a.disclosure_consent_min.rank >= b.disclosure_consent_min.rank
    ),
    "always_review": lambda a, b: a.always_review >= b.always_review,
    "retention_min_days": lambda a, b: (a.retention_min_days or 0) >= (b.retention_min_days or 0),
    "proof": lambda a, b: all(a.proof_for(p) <= b.proof_for(p) for p in Purpose),
}


def test_the_strictest_of_every_pair_is_at_least_as_strict_as_each() -> None:
    fields = set(Demands.__dataclass_fields__)
    assert set(AT_LEAST) == fields - {"subject_access_in_working_days"}
    pairs = 0
    for (_, one), (_, other) in combinations_with_replacement(ITEMS, 2):
        both = strictest([one.demands, other.demands])
        assert both == strictest([other.demands, one.demands])
        assert both == strictest([both, one.demands])
        for name, holds in AT_LEAST.items():
            for part in (one.demands, other.demands):
                assert holds(both, part), (one.jurisdiction, other.jurisdiction, name)
        if one == other:
            assert both == one.demands
        pairs += 1
    assert pairs == 136


def test_the_strictest_of_three_does_not_depend_on_the_order() -> None:
    demands = [pack.demands for _, pack in ITEMS]
    for k in range(len(demands) - 2):
        a, b, c = demands[k : k + 3]
        assert strictest([strictest([a, b]), c]) == strictest([a, strictest([b, c])])
        assert strictest([a, b, c]) == strictest([c, a, b])


QUESTIONS = st.sampled_from(
    [
        (Purpose.DISPUTE_CLIENT, None),
        (Purpose.DISPUTE_CLIENT, None),
        (Purpose.INTERNAL_QUALITY, RecipientClass.OWN_STAFF_MANAGER),
        (Purpose.INTERNAL_TRAINING, RecipientClass.OWN_STAFF_MANAGER),
        (Purpose.CLAIM_DEFENCE, RecipientClass.OWN_COUNSEL),
        (Purpose.TRANSCRIPTION, RecipientClass.OWN_COMPLIANCE),
    ]
)
SOMEWHERE = st.sampled_from([*PLACES, "US-CA", "US-TX", "GB", "RU-MINOR", "US-TX-HEALTH"])
OFFICES = st.sampled_from([p for p in PLACES if p != DEFAULT])


def _in(world: World, office: str, *places: str) -> World:
    """Move the office and judge by the packs that are shipped."""
    parties = tuple(replace(p, place=office) if p.side == "own" else p for p in world.case.parties)
    known = {office, *places, *(p.place for p in parties if p.place)}
    return world.about(
        parties=parties, establishment=office, packs=for_places(shipped_packs(), known)
    )


def test_decision_adding_a_jurisdiction_to_any_office_is_never_more_permissive(
    met: Counter[str],
) -> None:
    """Somebody who agreed to everything, in writing, changes nothing but by his place."""
    changes: Counter[str] = Counter()

    @settings(
        max_examples=600,
        derandomize=True,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(world=worlds(), office=OFFICES, place=SOMEWHERE, asked=QUESTIONS, data=st.data())
    def check(
        world: World,
        office: str,
        place: str,
        asked: tuple[Purpose, RecipientClass | None],
        data: st.DataObject,
    ) -> None:
        purpose, kind = asked
        world = (
            world.asking(purpose=purpose)
            if kind is None
            else world.asking(purpose=purpose).to(kind)
        )
        home = data.draw(st.sampled_from([office, "US-TX", "JP", "CA"]))
        parties = tuple(
            replace(p, place=home) if p.side != "own" else p for p in world.case.parties
        )
        visitor = replace(
            GUEST, id=uid("visitor"), label="visitor", present=Segment(0, None), place=office
        )
        everything = frozenset(map(str, Purpose))
        consent = replace(agreed(visitor), kind=Kind.WRITTEN_CONSENT, purposes=everything)
        before = _in(
            world.about(parties=(*parties, visitor), assertions=(*world.case.assertions, consent)),
            office,
        )
        moved = tuple(
            replace(p, place=place) if p.id == visitor.id else p for p in before.case.parties
        )
        after = _in(before.about(parties=moved), office, place)
        old, new = before.decide().outcome, after.decide().outcome
        met.update([old.value])
        changes.update(["harder" if new != old else "same"])
        assert rank(new) >= rank(old), (office, place, home)

    check()
    assert min(met[k] for k in ("ALLOW", "NEEDS_APPROVAL", "DENY")) > 10
    assert min(changes[k] for k in ("harder", "same")) > 10


def test_decision_every_place_added_to_every_office_is_never_more_permissive() -> None:
    """From a yes: each office with a client at home, and a visitor from each place."""
    everything = frozenset(map(str, Purpose))
    visitor = replace(GUEST, id=uid("visitor"), label="visitor", present=Segment(0, None))
    consents = [
        replace(agreed(party), kind=Kind.WRITTEN_CONSENT, purposes=everything)
        for party in (CLIENT, visitor)
    ]
    notice = told(purposes=everything)
    met: Counter[str] = Counter()
    for office, place in product([p for p in PLACES if p != DEFAULT], PLACES):
        for strong in (True, False):
            assertions = (ACK, notice, *consents) if strong else (ACK, notice, consents[1])
            client = replace(CLIENT, place=office)
            home = replace(visitor, place=office)
            world = ALLOWED.with_evidence(*assertions).approved_by("anna", "boris")
            before = _in(world.about(parties=(world.case.parties[0], client, home)), office)
            away = replace(visitor, place=place)
            after = _in(world.about(parties=(world.case.parties[0], client, away)), office, place)
            old, new = before.decide().outcome, after.decide().outcome
            met.update([old.value, "harder" if new != old else "same"])
            assert rank(new) >= rank(old), (office, place)
    assert min(met[k] for k in ("ALLOW", "DENY", "harder", "same")) > 20


def changed(**members: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON of any type.
    return copy.deepcopy(dict(shipped()["DE"])) | members


def field(name: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON of any type.
    body = changed()
    body["fields"][name] = value
    return body


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (changed(jurisdiction="de"), "/jurisdiction"),
        (changed(jurisdiction="HEALTH"), "/jurisdiction"),
        (changed(overlay=True), "/jurisdiction"),
        (changed(overlay="yes"), "/overlay"),
        (changed(jurisdiction=7), "/jurisdiction"),
        (changed(version=0), "/version"),
        (changed(version=True), "/version"),
        (changed(effective_from="soon"), "/effective_from"),
        (changed(effective_from=7), "/effective_from"),
        (changed(mark="sure"), "/mark"),
        (changed(title="Deutschland"), "/title"),
        (changed(title={"ru": "", "en": "Germany"}), "/title/ru"),
        (changed(mood=1), "/mood"),
        (changed(fields=[]), "/fields"),
        (changed(places={"value": ["de"], "mark": "norm"}), "/places/value"),
        (changed(places={"value": ["AT"]}), "/places/mark"),
        (changed(places=["AT"]), "/places"),
        (changed(jurisdiction=DEFAULT, places={"value": [], "mark": "norm"}), "/places"),
        (field("mood", {"value": 1, "mark": "firm"}), "/fields/mood"),
        (field("a/b~", {"value": 1, "mark": "firm"}), "/fields/a~1b~0"),
        (field("counsel_people", 2), "/fields/counsel_people"),
        (field("counsel_people", {"value": 2}), "/fields/counsel_people/mark"),
        (field("counsel_people", {"value": -1, "mark": "firm"}), "/fields/counsel_people/value"),
        (field("counsel_people", {"value": 1e400, "mark": "firm"}), ""),
        (field("counsel_people", {"value": 1 << 60, "mark": "firm"}), ""),
        (field("storage_regions", {"value": ["DE", "DE"], "mark": "firm"}), None),
        (field("stay_counts_as", {"value": ["NONE"], "mark": "firm"}), None),
        (field("stay_counts_as", {"value": "NONE", "mark": "firm", "note": "?"}), None),
        (field("disclosure_grounds", {"value": ["gossip"], "mark": "firm"}), None),
        (changed(title={"ru": "\0", "en": "Germany"}), ""),
        (changed(title={"ru": "\ud800", "en": "Germany"}), ""),
        (changed(title={"ru": "я" * 70_000, "en": "Germany"}), ""),
    ],
)
def test_a_faulty_pack_is_refused_with_the_place_of_the_fault(
    body: dict[str, Any], where: str | None
) -> None:
    with pytest.raises(PackInvalid) as refused:
        parse(body)
    places = {fault.where for fault in refused.value.faults}
    if where is None:
        assert all(place.startswith("/fields/") for place in places)
    else:
        assert where in places


def test_every_fault_is_named_at_once() -> None:
    body = field("counsel_people", {"value": "two", "mark": "sure"}) | {"mark": "sure"}
    del body["fields"]["min_stay_ms"]
    with pytest.raises(PackInvalid) as refused:
        parse(body)
    assert [fault.where for fault in refused.value.faults] == [
        "/mark",
        "/fields/min_stay_ms",
        "/fields/counsel_people/value",
        "/fields/counsel_people/mark",
    ]
    assert Fault("/fields/min_stay_ms", "This is missing.") in refused.value.faults


SAID: list[tuple[dict[str, Any], str, str]] = [
    (
        field("counsel_people", {"value": 1 << 31, "mark": "firm"}),
        "/fields/counsel_people/value",
        "2147483648 is no whole number from 0 to 2147483647.",
    ),
    (
        field("always_review", {"value": 1, "mark": "firm"}),
        "/fields/always_review/value",
        "1 is neither true nor false.",
    ),
    (changed(title={"ru": " ", "en": "Germany"}), "/title/ru", "' ' is no text."),
    (
        field("storage_regions", {"value": "DE", "mark": "firm"}),
        "/fields/storage_regions/value",
        "'DE' is no list of words.",
    ),
    (
        field("storage_regions", {"value": ["DE", "DE"], "mark": "firm"}),
        "/fields/storage_regions/value",
        "['DE', 'DE'] names something twice.",
    ),
    (
        changed(mark="sure"),
        "/mark",
        "'sure' is none of norm, practice, firm, uncertain, choice.",
    ),
    (changed(fields=[]), "/fields", "This is no object."),
    (changed(mood=1), "/mood", "This is not known."),
    (changed(version=0), "/version", "Versions begin with 1."),
    (
        field("stay_counts_as", {"value": "NONE", "mark": "firm", "note": {"ru": "", "en": "x"}}),
        "/fields/stay_counts_as/note/ru",
        "'' is no text.",
    ),
    (
        changed(places={"value": ["AT"], "mark": "sure"}),
        "/places/mark",
        "'sure' is none of norm, practice, firm, uncertain, choice.",
    ),
    (
        changed(places={"value": ["AT"], "mark": "firm", "note": {"ru": "", "en": "x"}}),
        "/places/note/ru",
        "'' is no text.",
    ),
    (
        changed(places={"value": ["AT", "AT"], "mark": "firm"}),
        "/places/value",
        "['AT', 'AT'] names something twice.",
    ),
    (
        changed(places={"value": ["at"], "mark": "firm"}),
        "/places/value",
        "'at' is no place.",
    ),
    (changed(jurisdiction="de"), "/jurisdiction", "'de' is no place, as DE or US-CA."),
    (
        changed(jurisdiction="de", overlay=True),
        "/jurisdiction",
        "'de' is no overlay, as HEALTH.",
    ),
    (
        changed(jurisdiction="HEALTH", overlay=True, places={"value": [], "mark": "firm"}),
        "/places",
        "Only the pack of a place is of further places.",
    ),
    (
        changed(title={"ru": "\0", "en": "Germany"}),
        "",
        "At most 65536 bytes, and no zero characters.",
    ),
]


@pytest.mark.parametrize(("body", "where", "what"), SAID)
def test_a_fault_is_told_in_words(body: dict[str, Any], where: str, what: str) -> None:
    with pytest.raises(PackInvalid) as refused:
        parse(body)
    assert refused.value.faults == (Fault(where, what),)
    assert str(refused.value) == f"{where or '/'}: {what}"


def test_several_faults_are_told_in_one_line() -> None:
    with pytest.raises(PackInvalid) as refused:
        parse(changed(version=0, mood=1))
    assert str(refused.value) == "/mood: This is not known.; /version: Versions begin with 1."


def test_a_pack_without_fields_lacks_them_and_no_more() -> None:
    body = changed()
    del body["fields"]
    with pytest.raises(PackInvalid) as refused:
        parse(body)
    said = dict.fromkeys(fault.where for fault in refused.value.faults)
    assert next(iter(said)) == "/fields"
    assert all(fault.what == "This is missing." for fault in refused.value.faults)


def test_what_has_no_canonical_form_is_told_and_has_no_digest() -> None:
    with pytest.raises(PackInvalid) as refused:
        parse(field("counsel_people", {"value": 1 << 60, "mark": "firm"}))
    assert refused.value.faults[0].where == ""
    assert refused.value.faults[0].what.startswith("This has no canonical form: ")
    assert refused.value.faults[0].what != "This has no canonical form: None"


def test_a_pack_may_have_as_many_bytes_as_are_said() -> None:
    def sized(more: int) -> dict[str, Any]:
        return changed(title={"ru": "x" * more, "en": "Germany"})

    room = MAX_PACK_BYTES - len(rfc8785.dumps(sized(1))) + 1
    assert parse(sized(room)).version == 2
    with pytest.raises(PackInvalid):
        parse(sized(room + 1))


def test_a_pack_says_how_sure_it_is_and_what_it_is_of() -> None:
    body = field("stay_counts_as", {"value": "NONE", "mark": "uncertain"})
    body["places"] = {"value": ["AT"], "mark": "firm"}
    found = parse(body)
    assert (found.mark, found.is_overlay, found.places) == (Mark.FIRM, False, frozenset({"AT"}))
    assert found.marks["stay_counts_as"] == Mark.UNCERTAIN
    assert set(found.marks) == set(body["fields"])
    assert parse(changed(jurisdiction="HEALTH", overlay=True)).is_overlay is True


def test_the_strictest_pack_of_a_place_is_called_after_it() -> None:
    one = parse(field("stay_counts_as", {"value": "NONE", "mark": "uncertain"}) | {"version": 3})
    other = parse(changed(jurisdiction="AT", effective_from="2030-01-01"))
    found = together("DE-X", [one, other])
    digests = sorted([one.sha256, other.sha256])
    assert (found.jurisdiction, found.version) == ("DE-X", 3)
    assert found.effective_from == max(one.effective_from, other.effective_from)
    assert found.sha256 == hashlib.sha256(rfc8785.dumps(digests)).hexdigest()
    assert (found.mark, found.marks) == (
        Mark.UNCERTAIN,
        {"proof": Mark.UNCERTAIN, "stay_counts_as": Mark.UNCERTAIN},
    )
    assert found.demands.stay_counts_as == Strength.NONE
    firm = field("proof", changed()["fields"]["proof"] | {"mark": "firm"})
    sure = together("DE-X", [parse(firm), parse(firm | {"jurisdiction": "AT"})])
    assert (sure.mark, sure.marks) == (Mark.CHOICE, {})
    assert together("DE-X", [one]) is one
    assert (
        for_places({"DE": one, "EU": replace(other, places=frozenset({"DE"}))}, ["DE"])[
            "DE"
        ].jurisdiction
        == "DE"
    )


def test_an_overlay_of_a_place_that_nobody_knows_is_of_none() -> None:
    overlay = parse(changed(jurisdiction="HEALTH", overlay=True))
    assert for_places({"HEALTH": overlay}, ["ZZ-HEALTH"]) == {}


def test_the_weakest_of_the_strengths_is_by_rank() -> None:
    """Their words in the order of letters are EXPRESS, NONE, NOTICE, WRITTEN."""
    one, other = (
        parse(field("stay_counts_as", {"value": word, "mark": "firm"}))
        for word in ("EXPRESS", "NOTICE")
    )
    assert strictest([one.demands, other.demands]).stay_counts_as == Strength.NOTICE


def test_a_pack_has_the_digest_of_its_canonical_json() -> None:
    body = shipped()["DE"]
    backwards = dict(reversed(list(body.items())))
    assert parse(backwards).sha256 == parse(body).sha256
    assert parse(changed(version=3)).sha256 != parse(body).sha256
    assert parse(field("stay_counts_as", {"value": "NONE", "mark": "firm"})).sha256 != (
        parse(body).sha256
    )
    assert parse(body).demands.disclosure_consent_min == Strength.NONE

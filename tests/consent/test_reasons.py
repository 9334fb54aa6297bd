"""Every reason and remedy is explained, in both languages."""

from __future__ import annotations

import re

import pytest

from app.consent import gates, remedies
from app.consent.packs import Pack, PackInvalid, parse, shipped, strictest
from app.consent.purposes import Ground, State, Strength
from app.consent.reasons import REASONS, REMEDIES, Words, remedies_of
from app.recordings.models import Flag


def test_every_code_of_the_rules_has_its_text_and_no_other() -> None:
    assert set(REASONS) == gates.CODES
    assert set(REMEDIES) == remedies.CODES
    assert set(remedies.BY_REASON) <= gates.CODES
    assert {code for reason in REASONS for code in remedies_of(reason)} == remedies.CODES


def all_words() -> list[Words]:
    said = [words for one in REASONS.values() for words in (one.title, one.meaning)]
    return [*said, *REMEDIES.values()]


def test_each_language_is_what_it_says() -> None:
    for words in all_words():
        assert re.search("[а-яё]", words.of("ru")), words
        assert not re.search("[а-яё]", words.of("en")), words


def test_states_are_the_flags_of_recordings() -> None:
    assert [s.value for s in State if s.flag == s.value] == [str(flag) for flag in Flag]


def test_shipped_packs_are_whole_and_marked() -> None:
    packs = {code: parse(body) for code, body in shipped().items()}
    assert set(packs) >= {"RU", "RU-strict", "DE", "DEFAULT"}
    assert len({pack.sha256 for pack in packs.values()}) == len(packs)
    assert packs["RU"].demands.disclosure_grounds - packs[
        "RU-strict"
    ].demands.disclosure_grounds == {Ground.NOTICE_DISCLOSURE}


def test_the_strictest_of_two_packs() -> None:
    one, other = (parse(shipped()[code]).demands for code in ("RU", "DE"))
    both = strictest([one, other])
    assert both == strictest([other, one])
    assert both.record_outside_min == Strength.EXPRESS
    assert both.stay_counts_as == Strength.NONE
    assert both.disclosure_grounds == {Ground.CONSENT_DISCLOSURE}
    assert both.retention_max_days == 90
    assert both.unlawful_counsel


@pytest.mark.parametrize(
    "change",
    [
        {"counsel_people": {"value": "two", "mark": "firm"}},
        {"counsel_people": {"value": True, "mark": "firm"}},
        {"counsel_people": {"value": 2}},
        {"counsel_people": {"value": 2, "mark": "sure"}},
        {"record_own_min": {"value": "LOUD", "mark": "firm"}},
        {"storage_regions": {"value": "RU", "mark": "firm"}},
        {"mood": {"value": 1, "mark": "firm"}},
    ],
)
def test_a_pack_with_a_wrong_field_is_refused(change: dict[str, object]) -> None:
    body = {**shipped()["RU"]}
    assert isinstance(parse(body), Pack)
    with pytest.raises(PackInvalid):
        parse(body | {"fields": body["fields"] | change})
    with pytest.raises(PackInvalid):
        parse({})

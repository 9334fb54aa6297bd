"""What is wrong with proposed rules is told in the reader's words, whatever it is."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.consent.packs import PackInvalid, parse, shipped
from app.web import pack_faults, words

Change = Callable[[dict[str, Any]], object]


def _value(name: str, value: object) -> Change:
    return lambda pack: pack["fields"][name].update(value=value)


BROKEN: tuple[Change, ...] = (
    lambda pack: pack.pop("title"),
    lambda pack: pack.update(more=1),
    lambda pack: pack.update(title="x"),
    lambda pack: pack["title"].update(ru=5),
    lambda pack: pack.update(version=0),
    lambda pack: pack.update(version="one"),
    lambda pack: pack.update(mark="sure"),
    lambda pack: pack.update(effective_from="2026-02-30"),
    lambda pack: pack.update(effective_from=5),
    lambda pack: pack.update(jurisdiction="Moscow"),
    lambda pack: pack.update(jurisdiction="x", overlay=True),
    lambda pack: pack.update(overlay="yes"),
    lambda pack: pack.update(overlay=True, places={"value": ["DE"], "mark": "certain"}),
    lambda pack: pack.update(places={"value": ["Moscow"], "mark": "certain"}),
    lambda pack: pack.update(places={"value": "DE", "mark": "certain"}),
    lambda pack: pack.update(places={"value": ["DE", "DE"], "mark": "certain"}),
    lambda pack: pack["title"].update(ru="x" * 70_000),
    lambda pack: pack["title"].update(ru="\ud800"),
    _value("min_stay_ms", "long"),
    *(
        lambda pack, name=name, value=value: pack["fields"][name].update(value=value)
        for name in shipped()["RU"]["fields"]
        for value in ("nonsense", ["nonsense"], {"nonsense": ["A"]}, {"any": ["F"]}, 5, None)
    ),
)


@pytest.mark.parametrize("change", BROKEN, ids=map(str, range(len(BROKEN))))
def test_each_fault_of_proposed_rules_has_its_russian(change: Change) -> None:
    pack = copy.deepcopy(dict(shipped()["RU"]))
    change(pack)
    try:
        parse(pack)
    except PackInvalid as exc:
        faults = [fault.what for fault in exc.faults]
    else:
        return  # That value fits this field.
    said = words.load(ZoneInfo("Europe/Moscow"), "RU")
    for fault in faults:
        assert re.search("[а-я]", pack_faults.said(fault, said["ru"])), fault
        assert not re.search("[а-я]", pack_faults.said(fault, said["en"])), fault


def test_what_is_no_json_is_told_with_its_place() -> None:
    said = words.load(ZoneInfo("Europe/Moscow"), "RU")
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads('{\n"a": }')
    told = pack_faults.said(str(caught.value), said["ru"])
    assert "строку 2" in told

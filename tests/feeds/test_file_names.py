"""What names of recordings tell."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.feeds import file_names
from app.feeds.file_names import PRESETS, PatternInvalid
from app.uploader import names as uploader

MOSCOW = ZoneInfo("Europe/Moscow")
NOON = "2026-03-05T09:00:00+00:00"  # In Moscow it is three hours later.


def told(name: str, **how: object) -> dict[str, object]:
    found = file_names.read(name, zone=MOSCOW, **how)  # type: ignore[arg-type]
    assert found is not None, name
    facts = {key: value for key, value in asdict(found).items() if value is not None}
    assert found.started_at is not None
    return facts | {"started_at": found.started_at.isoformat()}


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        (
            "20260305-120000-+79161234567-incoming-office.mp3",
            {"preset": "microsip", "direction": "inbound", "number": "+79161234567"}
            | {"own": "office", "capture": "softphone"},
        ),
        (
            "20260305-120000-89161234567-outgoing-101.wav",
            {"preset": "microsip", "direction": "outbound", "number": "89161234567"}
            | {"own": "101", "capture": "softphone"},
        ),
        (
            "dump-2026-03-05-12-00-00-enc.wav",
            {"preset": "baresip", "leg": "sent", "capture": "softphone"},
        ),
        (
            "dump-sip:101@pbx=>sip:+74950008414@pbx-2026-03-05-12-00-00-dec.wav",
            {"preset": "baresip", "leg": "received"}
            | {"own": "101", "number": "+74950008414", "capture": "softphone"},
        ),
        (
            "2026-03-05_12-00-00_74950008414_101.mkv",
            {"preset": "linphone", "direction": "inbound", "number": "74950008414"}
            | {"own": "101", "capture": "softphone"},
        ),
        (
            "out-89161234567-101-20260305-120000-1772701200.15.wav",
            {"preset": "freepbx", "direction": "outbound", "number": "89161234567"}
            | {"own": "101", "call_id": "1772701200.15", "capture": "pbx"},
        ),
        (
            "external-101-89161234567-20260305-120000-1772701200.15.WAV",
            {"preset": "freepbx", "direction": "inbound", "number": "89161234567"}
            | {"own": "101", "call_id": "1772701200.15", "capture": "pbx"},
        ),
        (
            "q-600-89161234567-20260305-120000-1772701200.15.wav",
            {"preset": "freepbx", "direction": "inbound", "number": "89161234567"}
            | {"own": "600", "call_id": "1772701200.15", "capture": "pbx"},
        ),
        (
            "internal-102-101-20260305-120000-1772701200.15.wav",
            {"preset": "freepbx", "direction": "internal", "number": "102"}
            | {"own": "101", "call_id": "1772701200.15", "capture": "pbx"},
        ),
        (
            "1772701200.15-in.wav",
            {"preset": "asterisk", "call_id": "1772701200.15", "leg": "received"}
            | {"capture": "pbx"},
        ),
        (
            "1772701200.15.wav",
            {"preset": "asterisk", "call_id": "1772701200.15", "capture": "pbx"},
        ),
        (
            "mikopbx-1772701200.15_aB3dE9.webm",
            {"preset": "mikopbx", "call_id": "mikopbx-1772701200.15_aB3dE9", "capture": "pbx"},
        ),
        (
            "mikopbx-1772701200.15_aB3dE9_out.wav",
            {"preset": "mikopbx", "call_id": "mikopbx-1772701200.15_aB3dE9"}
            | {"leg": "sent", "capture": "pbx"},
        ),
        (
            "pickup_mikopbx-1772701200.15_aB3dE9.webm",
            {"preset": "mikopbx", "call_id": "mikopbx-1772701200.15_aB3dE9", "capture": "pbx"},
        ),
        (
            "mikopbx-17727012_101_aB3dE9_in.wav",
            {"preset": "mikopbx", "call_id": "mikopbx-17727012_101_aB3dE9"}
            | {"leg": "received", "capture": "pbx"},
        ),
        (
            "transfer_89161234567_102_mikopbx-1772701200.15_in.wav",
            {"preset": "mikopbx", "direction": "inbound", "number": "89161234567", "own": "102"}
            | {"call_id": "transfer_89161234567_102_mikopbx-1772701200.15"}
            | {"leg": "received", "capture": "pbx"},
        ),
        (
            "[Иванов, Пётр]_101-79161234567_20260305120000(4711).wav",
            {"preset": "3cx", "direction": "outbound", "number": "79161234567"}
            | {"own": "101", "call_id": "4711", "capture": "pbx"},
        ),
        (
            "Иван Петров(89161234567)_20260305120000.mp3",
            {"preset": "phone", "number": "89161234567", "capture": "mobile"},
        ),
        (
            "Иван@0079161234567_20260305120000.amr",
            {"preset": "phone", "number": "0079161234567", "capture": "mobile"},
        ),
        (
            "Запись вызова +79161234567_260305_120000.m4a",
            {"preset": "phone", "number": "+79161234567", "capture": "mobile"},
        ),
        (
            "2026-03-05 12-00-00 (phone) Иван (+79161234567) ↗.m4a",
            {"preset": "phone", "direction": "outbound", "number": "+79161234567"}
            | {"capture": "mobile"},
        ),
        (
            "20260305_120000.123+0300_in_+79161234567_Иван.oga",
            {"preset": "phone", "direction": "inbound", "number": "+79161234567"}
            | {"capture": "mobile"},
        ),
        (
            "Call recording Иван_260305_120000.m4a",
            {"preset": "phone", "capture": "mobile"},
        ),
    ],
)
def test_names_tell(name: str, facts: dict[str, object]) -> None:
    assert told(name) == facts | {"started_at": NOON}


KNOWN = {
    "microsip": ["20260305-120000-+79161234567-incoming-office.mp3"],
    "baresip": ["dump-2026-03-05-12-00-00-enc.wav"],
    "baresip3": ["dump-sip:101@pbx=>sip:+74950008414@pbx-2026-03-05-12-00-00-dec.wav"],
    "linphone": [
        "2026-03-05_12-00-00_74950008414_101.mkv",
        "2026-03-05_12-00-00_sip:lena@pbx_sip:oleg@pbx.wav",
    ],
    "freepbx": [
        f"{kind}-101-{other}-20260305-120000-1772701200.15.wav"
        for kind in ("in", "out", "external", "internal", "exten", "q", "rg", "force", "ondemand")
        for other in ("89161234567", "102")
    ],
    "asterisk": ["1772701200.15.wav", "1772701200.15-out.WAV", "pbx-1772701200.15.gsm"],
    "mikopbx": [
        "mikopbx-1772701200.15_aB3dE9.webm",
        "mikopbx-1772701200.15_aB3dE9x1Yz.mp3",
        "mikopbx-1772701200.15.mp3",
        "mikopbx-1772701200.15_aB3dE9_in.wav",
        "mikopbx-1772701200.15_123456_out.wav48",
        "pickup_mikopbx-1772701200.15_outINx.webm",
        "mikopbx-17727012_89161234567_aB3dE9.mp3",
        "transfer_89161234567_101_mikopbx-1772701200.15.webm",
        "transfer_101_102_mikopbx-1772701200.15_in.wav",
    ],
    "3cx": ["[Иванов]_101-79161234567_20260305120000(4711).wav"],
    "cube-acr": [
        "2026-03-05 12-00-00 (phone) Иван (+7 916 123-45-67) ↙.m4a",
        "2026-03-05 12-00-00 (phone) (89161234567) ↗.amr",
        "2026-03-05 12-00-00 (phone) Иван (89161234567).m4a",
    ],
    "xiaomi": ["Иван Петров(89161234567)_20260305120000.mp3", "112(112)_20260305120000.mp3"],
    "huawei": ["Иван@0079161234567_20260305120000.amr", "+79161234567_20260305120000.amr"],
    "truephone": [
        "5433 @ 2026-03-05_120000_out.amr",
        "Оператор (5433 Мобильный) 2026-03-05_120000_in.m4a",
    ],
    "bcr": [
        "20260305_120000.123+0300_in_+79161234567_Иван.oga",
        "20260305_120000.123+0300_out_sim2_89161234567.m4a",
    ],
    "callrecord": ["CallRecord_20260305-120000_+79161234567.m4a"],
    "lineageos": ["+79161234567_260305_120000577.amr"],
    "samsung": [
        "Запись вызова +79161234567_260305_120000.m4a",
        "Call recording Иван_260305_120000.m4a",
        "통화 녹음 01012345678_260305_120000.m4a",
    ],
    "way-number": ["incoming_+79161234567_20260305-120000.mp3"],
    "number-way": ["+79161234567_outgoing_20260305_120000.mp3"],
}


def test_there_is_an_example_of_each_preset() -> None:
    assert set(KNOWN) == set(uploader.PRESETS)
    assert set(uploader.PRESETS) < set(PRESETS)


@pytest.mark.parametrize(
    ("preset", "name"), [(preset, name) for preset, some in KNOWN.items() for name in some]
)
def test_the_uploader_and_the_import_read_the_same_from_a_name(preset: str, name: str) -> None:
    there = uploader.understand(name, list(uploader.PRESETS.values()), zone=MOSCOW)
    here = file_names.read(name, zone=MOSCOW)
    assert there is not None
    assert here is not None
    assert there.pattern == preset
    assert file_names.read(name, zone=MOSCOW, preset=preset) == here
    assert file_names.read(name, zone=MOSCOW, preset=here.preset) == here
    assert here.started_at == there.started_at == datetime.fromisoformat(NOON)
    assert here.direction == there.direction
    assert (here.leg or "mixed", here.capture) == (there.leg, there.capture)
    assert here.call_id == there.call_id
    caller, called = there.ends(here.direction)
    ends = (here.number, here.own) if here.direction == "inbound" else (here.own, here.number)
    if here.direction is not None:
        assert ends == (caller, called)


def test_a_name_that_tells_nothing_is_none() -> None:
    assert file_names.read("совещание.wav", zone=MOSCOW) is None
    assert file_names.read("20261305-120000-1-incoming-a.mp3", zone=MOSCOW) is None
    # A day and a time; MikoPBX's own name stands before what it cuts off.
    assert file_names.read("20260305_120000_in.wav", zone=MOSCOW) is None
    assert file_names.read("mikopbx-17727012.15_aB3dE9.webm", zone=MOSCOW) is None
    assert file_names.read("20260305-120000-1-incoming-a.mp3", zone=MOSCOW, preset="phone") is None


def test_an_id_behind_a_moment_is_the_exchanges_own() -> None:
    own = file_names.pattern("rec_{epoch}.{id}_{leg}")
    assert told("rec_1772701200.15_out.wav", own=own) == {
        "preset": "own",
        "started_at": NOON,
        "call_id": "1772701200.15",
        "leg": "sent",
    }


def test_a_pattern_of_ones_own() -> None:
    own = file_names.pattern("{any}={year}.{month}.{day} {hour}.{minute}={number}={id}")
    assert told("тел=2026.03.05 12.00=89161234567=a-1.ogg", own=own) == {
        "preset": "own",
        "started_at": NOON,
        "number": "89161234567",
        "call_id": "a-1",
    }


@pytest.mark.parametrize(
    "wrong", ["{number}", "{year}{month}{day}", "{epoch}{epoch}", "{epoch}{word}", "{hour}"]
)
def test_a_pattern_that_makes_no_moment_is_refused(wrong: str) -> None:
    with pytest.raises(PatternInvalid):
        file_names.pattern(wrong)


def test_v1_3_12_a_pattern_that_would_run_away_is_refused() -> None:
    """Five fields of any length take hours over a name of dashes; four, a second or two."""
    moment = "{year}{month}{day}{hour}"
    for fields in (["{any}"] * 5, ["{from}", "{to}", "{own}", "{id}", "{any}"], ["{any}"] * 50):
        with pytest.raises(PatternInvalid, match="At most 4"):
            file_names.pattern(moment + "-".join(fields))
    file_names.pattern(moment + "{any}-{to}-{own}-{id}")


@given(st.text(max_size=200))
def test_no_name_breaks_the_reader(name: str) -> None:
    found = file_names.read(name, zone=MOSCOW)
    assert found is None or found.preset in PRESETS

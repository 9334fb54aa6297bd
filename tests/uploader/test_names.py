"""What file names tell, and what they do not."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.uploader.names import LONGEST_NAME, PRESETS, Pattern, PatternWrong, Understood, understand

MOSCOW = ZoneInfo("Europe/Moscow")
TEN = datetime(2026, 11, 30, 10, 15, tzinfo=MOSCOW)


def told(name: str, **more: object) -> Understood:
    found = understand(name, tuple(PRESETS.values()), zone=MOSCOW, **more)  # type: ignore[arg-type]
    assert found is not None, name
    return found


@pytest.mark.parametrize(
    ("name", "pattern", "direction", "ends"),
    [
        (
            "20261130-101500-+74950008414-incoming-106.mp3",
            "microsip",
            "inbound",
            ("+74950008414", "106"),
        ),
        (
            "20261130-101500-sip_bob@host-outgoing-my_label.wav",
            "microsip",
            "outbound",
            ("my_label", "sip_bob@host"),
        ),
        ("dump-2026-11-30-10-15-00-enc.wav", "baresip", None, (None, None)),
        (
            "dump-sip:106@pbx=>sip:+74950008414@pbx-2026-11-30-10-15-00-dec.wav",
            "baresip3",
            None,
            ("sip:+74950008414@pbx", "sip:106@pbx"),
        ),
        (
            "2026-11-30_10-15-00_+74950008414_106.mkv",
            "linphone",
            "inbound",
            ("+74950008414", "106"),
        ),
        (
            "out-84950008414-106-20261130-101500-1796022900.12.wav",
            "freepbx",
            "outbound",
            ("106", "84950008414"),
        ),
        (
            "exten-106-84950008414-20261130-101500-1796022900.12.wav",
            "freepbx",
            "inbound",
            ("84950008414", "106"),
        ),
        (
            "internal-107-106-20261130-101500-1796022900.12.WAV",
            "freepbx",
            "internal",
            ("106", "107"),
        ),
        ("pbx-1796022900.12.wav", "asterisk", None, (None, None)),
        ("mikopbx-1796022900.12_aB3dE9.webm", "mikopbx", None, (None, None)),
        ("mikopbx-17960229_101_aB3dE9_in.wav", "mikopbx", None, (None, None)),
        (
            "transfer_101_84950008414_mikopbx-1796022900.12.webm",
            "mikopbx",
            "outbound",
            ("101", "84950008414"),
        ),
        (
            "[Ivan Petrov]_106-84950008414_20261130101500(77).wav",
            "3cx",
            "outbound",
            ("106", "84950008414"),
        ),
        (
            "2026-11-30 10-15-00 (phone) Иван (+7 495 000-84-14) ↙.m4a",
            "cube-acr",
            "inbound",
            ("+7 495 000-84-14", None),
        ),
        ("Иван(+74950008414)_20261130101500.mp3", "xiaomi", None, ("+74950008414", None)),
        ("Call recording Ivan_261130_101500.m4a", "samsung", None, (None, None)),
        ("Запись вызова +74950008414_261130_101500.m4a", "samsung", None, ("+74950008414", None)),
        (
            "20261130_101500.123+0300_in_+74950008414_Ivan.oga",
            "bcr",
            "inbound",
            ("+74950008414", None),
        ),
    ],
)
def test_presets_understand_their_programs(
    name: str, pattern: str, direction: str | None, ends: tuple[str | None, str | None]
) -> None:
    found = told(name)
    assert found.pattern == pattern
    assert found.started_at == TEN
    assert found.direction == direction
    assert found.ends(direction) == ends


def test_both_directions_of_a_call_have_one_name_and_know_each_other() -> None:
    sent, received = (told(f"dump-2026-11-30-10-15-00-{way}.wav") for way in ("enc", "dec"))
    assert (sent.leg, received.leg) == ("sent", "received")
    assert sent.derived_id == received.derived_id == "baresip-20261130T071500Z"
    assert "dump-2026-11-30-10-15-00-dec.wav" in sent.siblings
    assert sent.stem == received.stem


def test_whose_end_it_is_can_be_said() -> None:
    name = "2026-11-30_10-15-00_sip:lena@pbx_sip:oleg@pbx.wav"
    assert told(name).direction is None
    assert told(name, own=["sip:lena@pbx"]).direction == "outbound"
    assert told(name, own=["sip:oleg@pbx"]).direction == "inbound"


@pytest.mark.parametrize(
    "name",
    [
        "notes.wav",
        "20261399-101500-1-incoming-106.wav",
        "dump-2026-11-30-10-15-00.wav",
        "",
        "(" * 90,
    ],
)
def test_other_names_tell_nothing(name: str) -> None:
    assert understand(name, tuple(PRESETS.values()), zone=MOSCOW) is None


@given(st.text(max_size=LONGEST_NAME + 20))
def test_no_name_breaks_anything(name: str) -> None:
    found = understand(name, tuple(PRESETS.values()), zone=MOSCOW)
    assert found is None or len(name) <= LONGEST_NAME


def test_a_pattern_of_ones_own_is_used() -> None:
    own = Pattern.read(
        "mine", r"(?P<at>\d{12})_(?P<number>\d+)_(?P<direction>вх|исх)\.wav", "%Y%m%d%H%M"
    )
    found = understand("202611301015_84950008414_исх.wav", [own], zone=UTC)
    assert found is not None
    assert (found.direction, found.number) == ("outbound", "84950008414")
    assert found.started_at == datetime(2026, 11, 30, 10, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("regex", "word"),
    [
        ("(", "regular expression"),
        (r"(?P<when>\d+)", "unknown group when"),
        (r"(?P<number>\d+)", "moment"),
        ("x" * 501, "500"),
    ],
)
def test_a_pattern_that_cannot_be_used_says_why(regex: str, word: str) -> None:
    with pytest.raises(PatternWrong, match=word):
        Pattern.read("mine", regex, "%Y")


def test_a_pattern_that_runs_away_is_broken_off() -> None:
    own = Pattern.read("mine", r"(?P<at>\d{4})(a|a|aa)+(a*)*b", "%Y")
    began = time.monotonic()
    with pytest.raises(PatternWrong, match="takes too long"):
        understand("2026" + "a" * 200 + "c", [own], zone=UTC)
    assert time.monotonic() - began < 60  # It would take longer than anybody waits.

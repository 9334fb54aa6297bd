"""What exchanges post of a finished recording."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.feeds import posted
from app.feeds.posted import PostedInvalid

FREESWITCH = {
    "uuid": "4f1c",
    "recording_file": "/spool/4f1c.wav",
    "caller_id_number": "101",
    "destination_number": "89161234567",
    "direction": "inbound",
    "duration": "65",
    "start_epoch": "1772701200",
    "record_seconds": "60",
}
ASTERISK = {
    "recording_name": "calls/1772701200.15",
    "target_uri": "channel:1772701200.15",
    "format": "wav",
    "duration": 60,
    "channel_id": "1772701200.15",
    "caller_id_num": "89161234567",
    "connected_line_num": "101",
    "state": "done",
    "timestamp": "2026-03-05T12:01:05.000+0300",
}


def test_freeswitch_tells_of_its_channel_and_the_numbers_tell_the_direction() -> None:
    assert posted.facts(FREESWITCH) == {
        "source_call_id": "4f1c",
        "from": "101",
        "to": "89161234567",
        "direction": "outbound",
        "capture": "pbx",
        "started_at": "2026-03-05T09:00:00+00:00",
        "ended_at": "2026-03-05T09:01:05+00:00",
        "duration_ms": 60_000,
    }
    assert posted.file_of(FREESWITCH) == "/spool/4f1c.wav"
    outside = FREESWITCH | {"caller_id_number": "sip:+74950008414@trunk"}
    assert (posted.facts(outside)["direction"], posted.facts(outside)["from"]) == (
        "inbound",
        "+74950008414",
    )


def test_asterisk_tells_of_the_end_and_the_length_tells_the_beginning() -> None:
    assert posted.facts(ASTERISK) == {
        "source_call_id": "1772701200.15",
        "from": "89161234567",
        "to": "101",
        "direction": "inbound",
        "capture": "pbx",
        "duration_ms": 60_000,
        "ended_at": "2026-03-05T09:01:05+00:00",
        "started_at": "2026-03-05T09:00:05+00:00",
    }
    assert posted.file_of(ASTERISK) == "calls/1772701200.15.wav"
    assert "started_at" not in posted.facts(ASTERISK | {"duration": None})


def test_the_archives_own_metadata_stays_as_it_is() -> None:
    told = {"source_call_id": "a", "direction": "inbound"}
    assert posted.facts(told) == told
    assert posted.file_of(told) is None


@pytest.mark.parametrize(
    "wrong",
    [
        FREESWITCH | {"start_epoch": "soon"},
        FREESWITCH | {"start_epoch": "99999999999"},
        FREESWITCH | {"duration": "-1"},
        FREESWITCH | {"duration": "nan"},
        FREESWITCH | {"uuid": {"a": 1}},
        ASTERISK | {"timestamp": "2026-03-05T12:01:05"},
        ASTERISK | {"timestamp": "yesterday"},
        ASTERISK | {"duration": 10**9},
    ],
)
def test_a_member_of_another_kind_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PostedInvalid):
        posted.facts(wrong)


_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())


@given(st.sampled_from([FREESWITCH, ASTERISK]), st.data())
def test_no_message_breaks_the_reader(shape: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(shape)))
    try:
        posted.facts(shape | {name: data.draw(_VALUES)})
    except PostedInvalid:
        return

"""Metadata of recording sessions: RFC 7865, and the drafts before it."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.feeds import siprec
from app.feeds.siprec import Happened, SiprecInvalid
from app.recordings.call_schemas import CallEventTold

MOSCOW = ZoneInfo("Europe/Moscow")
# Built from the elements of RFC 7865, with a maker's own element in it.
RFC = """<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1" xmlns:m="urn:maker">
  <datamode>complete</datamode>
  <group group_id="g1"><associate-time>2026-03-05T09:00:00Z</associate-time></group>
  <session session_id="s1">
    <sipSessionID>ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2</sipSessionID>
    <group-ref>g1</group-ref>
    <m:conversation kind="voice">conv-77</m:conversation>
  </session>
  <participant participant_id="p1">
    <nameID aor="sip:+79161234567@trunk.example"><name xml:lang="ru">Пётр</name></nameID>
  </participant>
  <participant participant_id="p2"><nameID aor="sip:101@pbx.example"/></participant>
  <participant participant_id="p3"><nameID aor="tel:102"/></participant>
  <stream stream_id="st1" session_id="s1"><label>1</label></stream>
  <stream stream_id="st2" session_id="s1"><label>2</label></stream>
  <sessionrecordingassoc session_id="s1">
    <associate-time>2026-03-05T09:00:00Z</associate-time>
  </sessionrecordingassoc>
  <participantsessionassoc participant_id="p1" session_id="s1">
    <associate-time>2026-03-05T09:00:00Z</associate-time>
  </participantsessionassoc>
  <participantsessionassoc participant_id="p2" session_id="s1">
    <associate-time>2026-03-05T09:00:01Z</associate-time>
    <disassociate-time>2026-03-05T09:01:00Z</disassociate-time>
  </participantsessionassoc>
  <participantsessionassoc participant_id="p3" session_id="s1">
    <associate-time>2026-03-05T12:01:00+03:00</associate-time>
  </participantsessionassoc>
  <participantstreamassoc participant_id="p1">
    <send>st1</send><recv>st2</recv>
    <associate-time>2026-03-05T09:00:00Z</associate-time>
    <disassociate-time>2026-03-05T09:00:30Z</disassociate-time>
  </participantstreamassoc>
  <participantstreamassoc participant_id="p1">
    <send>st1</send>
    <associate-time>2026-03-05T09:00:50Z</associate-time>
  </participantstreamassoc>
  <participantstreamassoc participant_id="p2">
    <send>st2</send>
    <associate-time>2026-03-05T09:00:01Z</associate-time>
    <disassociate-time>2026-03-05T09:01:00Z</disassociate-time>
  </participantstreamassoc>
</recording>
"""
OLD = """<?xml version='1.0' encoding='UTF-8'?>
<recording xmlns='urn:ietf:params:xml:ns:recording'>
  <dataMode>complete</dataMode>
  <session id="OS1">
    <associate-time>2026-03-05T12:00:00</associate-time>
    <extensiondata xmlns:apkt="http://acmepacket.com/siprec/extensiondata">
      <apkt:ucid>00FA080018803B69810C6D;encoding=hex</apkt:ucid>
    </extensiondata>
  </session>
  <participant id="OP1" session="OS1">
    <nameID aor="sip:89161234567@192.0.2.1"><name>89161234567</name></nameID>
    <send>OM1</send>
    <associate-time>2026-03-05T12:00:02</associate-time>
  </participant>
  <participant id="OP2" session="OS1">
    <nameID aor="sip:101@192.0.2.2"/>
    <send>OM2</send>
  </participant>
  <stream id="OM1" session="OS1"><label>65804</label><mode>separate</mode></stream>
</recording>
"""


def at(minute: int, second: int = 0) -> datetime:
    return datetime(2026, 3, 5, 9, minute, second, tzinfo=UTC)


def happened(kind: str, who: str, when: datetime) -> Happened:
    return Happened(kind=kind, participant=who, at=when)


def test_who_came_who_left_and_who_was_held() -> None:
    told = siprec.read(RFC.encode(), zone=MOSCOW)
    assert (told.session_id, told.is_partial) == ("s1", False)
    assert (told.sip_session_id or "").startswith("ab30317f1a784dc48ff824d0d3715d86;")
    assert [(one.number, one.name, one.is_own) for one in told.participants] == [
        ("+79161234567", "Пётр", False),
        ("101", None, True),
        ("102", None, True),
    ]
    assert told.happened == (
        happened("join", "p1", at(0)),
        happened("join", "p2", at(0, 1)),
        happened("hold", "p1", at(0, 30)),
        happened("resume", "p1", at(0, 50)),
        happened("join", "p3", at(1)),
        happened("leave", "p2", at(1)),
    )
    assert told.unknown == (("/recording/session/{urn:maker}conversation", 'kind="voice" conv-77'),)


def test_the_drafts_before_the_rfc_are_read_too() -> None:
    told = siprec.read(OLD.encode(), zone=MOSCOW)
    assert told.session_id == "OS1"
    assert [one.number for one in told.participants] == ["89161234567", "101"]
    assert told.happened == (happened("join", "OP2", at(0)), happened("join", "OP1", at(0, 2)))
    (place, words) = told.unknown[0]
    assert place.endswith("extensiondata")
    assert "00FA080018803B69810C6D;encoding=hex" in words


def test_events_are_those_that_an_exchange_tells_and_the_same_each_time() -> None:
    told = siprec.read(RFC.encode(), zone=MOSCOW)
    found = [CallEventTold.model_validate(one) for one in siprec.events(told)]
    assert siprec.events(told) == siprec.events(siprec.read(RFC.encode(), zone=MOSCOW))
    assert [one.kind for one in found] == [
        *("call_started", "join", "join", "hold", "resume", "join", "leave")
    ]
    assert found[0].more == dict(told.unknown)
    assert (found[2].leg, found[2].number, found[2].side, found[2].agent) == (
        *("p2", "101", "own"),
        "101",
    )
    assert len({one.event_id for one in found}) == len(found)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<recording/>",
        b"<recording xmlns='urn:ietf:params:xml:ns:recording:1'/>",
        RFC.replace('session_id="s1">', ">").encode(),
        RFC.replace("2026-03-05T09:00:50Z", "soon").encode(),
        b"<!DOCTYPE recording [<!ENTITY a 'b'>]>" + RFC.partition("?>")[2].encode(),
        b"<!DOCTYPE r SYSTEM 'file:///etc/passwd'>" + RFC.partition("?>")[2].encode(),
        RFC.encode() + b" " * siprec.MAX_BYTES,
    ],
)
def test_what_is_none_is_refused(raw: bytes) -> None:
    with pytest.raises(SiprecInvalid):
        siprec.read(raw, zone=MOSCOW)


@given(st.binary(max_size=200), st.integers(0, len(RFC)))
def test_no_text_breaks_the_reader(raw: bytes, place: int) -> None:
    text = RFC.encode()
    for broken in (raw, text[:place] + raw + text[place:]):
        try:
            siprec.read(broken, zone=MOSCOW)
        except SiprecInvalid:
            continue

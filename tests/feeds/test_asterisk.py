"""Call records as Asterisk and FreePBX write them."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.feeds import asterisk
from app.feeds.schemas import CallTold

MOSCOW = ZoneInfo("Europe/Moscow")
INBOUND = (
    '"","74950008414","106","from-trunk","""Ромашка"" <74950008414>","SIP/trunk-0000001a",'
    '"SIP/106-0000001b","Dial","SIP/106,20,tT","2026-11-20 10:00:00","2026-11-20 10:00:05",'
    '"2026-11-20 10:01:05",65,60,"ANSWERED","DOCUMENTATION","1763622000.26","","",'
    '"1763622000.26",26'
)


def read(*lines: str, zone: ZoneInfo = MOSCOW) -> list[asterisk.Row]:
    return list(asterisk.rows((f"{line}\n" for line in lines), zone=zone))


def told(line: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    (row,) = read(line, **more)
    assert row.wrong is None
    return dict(row.call or {})


def test_a_line_of_master_csv_is_a_call() -> None:
    found = told(INBOUND)
    assert found.pop("raw_sha256")
    assert found == {
        "call_id": "1763622000.26#26",
        "linked_id": "1763622000.26",
        "started_at": "2026-11-20T07:00:00+00:00",
        "duration_ms": 65_000,
        "talk_ms": 60_000,
        "direction": "inbound",
        "from": "74950008414",
        "to": "106",
        "disposition": "answered",
    }
    assert CallTold.model_validate(found).talk_ms == 60_000


def test_moments_are_of_the_zone_that_is_said() -> None:
    assert told(INBOUND, zone=ZoneInfo("UTC"))["started_at"] == "2026-11-20T10:00:00+00:00"


@pytest.mark.parametrize(
    ("src", "dst", "channel", "dstchannel", "direction"),
    [
        ("74950008414", "106", "SIP/trunk-1", "SIP/106-2", "inbound"),
        ("74950008414", "s", "PJSIP/trunk-1", "", "inbound"),
        ("74950008414", "74951234567", "PJSIP/trunk-1", "PJSIP/106-2", "inbound"),
        ("106", "84950008414", "SIP/106-1", "SIP/trunk-2", "outbound"),
        ("74951234567", "84950008414", "SIP/106-1", "SIP/trunk-2", "outbound"),
        ("101", "106", "SIP/101-1", "SIP/106-2", "internal"),
        ("", "106", "SIP/trunk-1", "SIP/106-2", "inbound"),
    ],
)
def test_the_direction_is_told_from_the_ends(
    src: str, dst: str, channel: str, dstchannel: str, direction: str
) -> None:
    line = (
        INBOUND.replace('"74950008414","106"', f'"{src}","{dst}"', 1)
        .replace("SIP/trunk-0000001a", channel)
        .replace("SIP/106-0000001b", dstchannel)
    )
    assert told(line)["direction"] == direction


@pytest.mark.parametrize(
    ("written", "disposition", "talk_ms"),
    [
        ("NO ANSWER", "no_answer", 0),
        ("BUSY", "busy", 0),
        ("FAILED", "failed", 0),
        ("CONGESTION", "congestion", 0),
        ("ANSWERED", "answered", 60_000),
    ],
)
def test_dispositions(written: str, disposition: str, talk_ms: int) -> None:
    found = told(INBOUND.replace("ANSWERED", written))
    assert (found["disposition"], found["talk_ms"]) == (disposition, talk_ms)


def test_columns_that_were_switched_off_may_be_missing() -> None:
    short = ",".join(INBOUND.split(",")[:-5])  # Without uniqueid and all after it.
    first, again = told(short), told(short)
    assert first["call_id"] == again["call_id"]
    assert str(first["call_id"]).startswith("row-")
    assert "linked_id" not in first


def test_a_line_of_names_says_which_column_is_which() -> None:
    found = read(
        "calldate,clid,src,dst,dcontext,channel,dstchannel,lastapp,lastdata,duration,billsec,"
        "disposition,amaflags,accountcode,uniqueid,userfield,did,linkedid,sequence",
        "2026-11-20 10:00:00,x,74950008414,106,ctx,SIP/trunk-1,SIP/106-2,Dial,d,65,60,ANSWERED,3,,"
        "1.5,,74951234567,1.4,5",
        "2026-11-20 10:00:00,x",
    )
    assert found[0].call is not None
    assert found[0].call["line"] == "74951234567"
    assert (found[0].call["call_id"], found[0].call["linked_id"]) == ("1.5#5", "1.4")
    assert found[1].wrong == "2 columns, and the first line names 19"


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("a,b,c", "3 columns"),
        (INBOUND.replace("ANSWERED", "PERHAPS"), "disposition 'PERHAPS'"),
        (INBOUND.replace(",65,60,", ",65,sixty,"), "billsec 'sixty'"),
        (INBOUND.replace(",65,60,", ",60,65,"), "billsec is greater"),
        (INBOUND.replace(",65,60,", ",-65,60,"), "duration '-65'"),
        (INBOUND.replace("2026-11-20 10:00:00", "yesterday"), "start 'yesterday'"),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_the_rest_goes_on(line: str, wrong: str) -> None:
    found = read(INBOUND, "", line, INBOUND)
    assert [row.number for row in found] == [1, 3, 4]
    assert [row.wrong is None for row in found] == [True, False, True]
    assert wrong in str(found[1].wrong)


@given(st.lists(st.text(max_size=80), max_size=6))
def test_no_text_breaks_the_reading(lines: list[str]) -> None:
    for row in read(*lines, INBOUND):
        assert (row.call is None) != (row.wrong is None)


AMI = (
    "Asterisk Call Manager/7.0.3\r\n"
    "Response: Success\r\nMessage: Authentication accepted\r\n\r\n"
    "Event: FullyBooted\r\nPrivilege: system,all\r\n\r\n"
    "Event: Cdr\r\nPrivilege: cdr,all\r\nAccountCode: \r\nSource: 89161234567\r\n"
    'Destination: 101\r\nDestinationContext: from-trunk\r\nCallerID: "X" <89161234567>\r\n'
    "Channel: SIP/trunk-1\r\nDestinationChannel: SIP/101-2\r\nLastApplication: Dial\r\n"
    "LastData: SIP/101,20\r\nStartTime: 2026-03-05 12:00:00\r\nAnswerTime: 2026-03-05 12:00:05\r\n"
    "EndTime: 2026-03-05 12:01:05\r\nDuration: 65\r\nBillableSeconds: 60\r\n"
    "Disposition: ANSWERED\r\nAMAFlags: DOCUMENTATION\r\nUniqueID: 1772701200.15\r\n"
    "UserField: audio:/spool/a.wav\r\n\r\n"
    "Event: Cdr\r\nSource: 1\r\nDestination: 2\r\nDuration: many\r\nBillableSeconds: 0\r\n"
    "Disposition: BUSY\r\nStartTime: 2026-03-05 12:00:00\r\n\r\n"
    "Event: Cdr\r\nSource: 1\r\n"
)


def test_cdr_events_of_ami_are_calls_and_the_rest_is_passed_over() -> None:
    found = list(asterisk.events(AMI.splitlines(keepends=True), zone=ZoneInfo("Europe/Moscow")))
    assert [row.wrong for row in found] == [
        None,
        "duration 'many' is no number of seconds",
        "the event tells no billsec, disposition, dst, duration",
    ]
    call = dict(found[0].call or {})
    assert call.pop("raw_sha256")
    assert found[0].recording == "a.wav"
    assert call == {
        "call_id": "1772701200.15",
        "linked_id": "1772701200.15",
        "started_at": "2026-03-05T09:00:00+00:00",
        "duration_ms": 65_000,
        "talk_ms": 60_000,
        "direction": "inbound",
        "disposition": "answered",
        "from": "89161234567",
        "to": "101",
    }

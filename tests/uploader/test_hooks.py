"""What phones hand to the programs that they run."""

from __future__ import annotations

import json

import pytest

from app.uploader import hooks
from app.uploader.hooks import HookEmpty

AT = 1_796_022_900.0


def test_variables_name_the_call_and_its_files() -> None:
    found = hooks.read(
        {
            "CALL_ID": "2ee1",
            "CALL_DIRECTION": "incoming",
            "CALL_LOCAL": "sip:106@pbx",
            "CALL_PEER": "sip:+74950008414@pbx",
            "CALL_STARTED_AT": "1796022800.5",
            "CALL_ENDED_AT": "2026-11-30T10:15:00+03:00",
            "REC_SENT": "/calls/a-enc.wav",
            "REC_RECEIVED": "/calls/a-dec.wav",
        },
        "",
        AT,
    )
    assert (found.call_id, found.direction, found.step) == ("2ee1", "inbound", "end")
    assert (found.answered_at, found.ended_at) == (1_796_022_800.5, 1_796_022_900.0)
    assert found.files == {"/calls/a-enc.wav": "sent", "/calls/a-dec.wav": "received"}


def test_the_input_does_as_well_and_relative_paths_do_not() -> None:
    told = {"call_id": "c", "direction": "outgoing", "peer": "7", "sent": ["x/a.wav", "/x/a.wav"]}
    found = hooks.read({}, json.dumps(told), AT)
    assert (found.direction, found.step, dict(found.files)) == (
        "outbound",
        "end",
        {"/x/a.wav": "sent"},
    )
    assert found.ended_at == AT


@pytest.mark.parametrize(
    ("trigger", "direction", "peer", "step"),
    [
        ("in_call", "inbound", "74950008414", "begin"),
        ("in_call_answered", "inbound", "74950008414", "answer"),
        ("out_call", "outbound", "106", "begin"),
        ("remote_release", None, None, "end"),
    ],
)
def test_twinkle_tells_each_step(
    trigger: str, direction: str | None, peer: str | None, step: str
) -> None:
    variables = {
        "TWINKLE_TRIGGER": trigger,
        "SIP_CALL_ID": "abc@host",
        "SIP_FROM_USER": "74950008414",
        "SIP_TO_USER": "106",
    }
    found = hooks.read(variables, "", AT)
    assert (found.call_id, found.direction, found.peer) == ("abc@host", direction, peer)
    assert found.step == step
    assert (found.answered_at, found.ended_at) == (
        AT if step == "answer" else None,
        AT if step == "end" else None,
    )


@pytest.mark.parametrize(
    ("variables", "given"),
    [({}, ""), ({}, "no json"), ({}, "[1]"), ({"TWINKLE_TRIGGER": "in_call"}, ""), ({}, "{}")],
)
def test_what_names_no_call_is_refused(variables: dict[str, str], given: str) -> None:
    with pytest.raises(HookEmpty):
        hooks.read(variables, given, AT)

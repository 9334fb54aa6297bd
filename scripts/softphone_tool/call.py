"""One phone rings the other, they talk, one hangs up."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from softphone_tool import sound
from softphone_tool.phone import Phone
from softphone_tool.ports import free_ports

_SPARE_SECONDS = 60  # More than a call is longer than asked for on a busy machine.
_RING_SECONDS = 15
_CLOSE_SECONDS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One end of the call: the user part of its SIP address, and its microphone or a tone."""

    role: str
    user: str
    microphone: Path | None
    tone_hz: int


def place(caller: Side, callee: Side, *, seconds: float, folder: Path) -> list[dict[str, object]]:
    """Place a call of so many seconds and return the facts of each phone, the caller's first.

    Raises:
        PhoneBroken, SoundWrong, NoRoom: no call, or no recordings of it.
    """
    phones: list[Phone] = []
    try:
        for side in (caller, callee):
            phones.append(_phone(side, seconds=seconds, folder=folder / side.role))
            phones[-1].start()
        calling, called = phones
        calling.ask("dial", called.uri)
        called.wait_for("CALL_INCOMING", seconds=_RING_SECONDS)
        called.ask("accept")
        for phone in phones:
            phone.wait_for("CALL_ESTABLISHED", seconds=_RING_SECONDS)
        time.sleep(seconds)
        calling.ask("hangup")
        return [_facts(phone) for phone in phones]
    finally:
        for phone in phones:
            phone.end()


def _phone(side: Side, *, seconds: float, folder: Path) -> Phone:
    folder.mkdir(parents=True)
    heard_seconds = seconds + _SPARE_SECONDS
    microphone = folder / "microphone.wav"
    if side.microphone is None:
        sound.tone(microphone, hz=side.tone_hz, seconds=heard_seconds)
    else:
        sound.padded(side.microphone, microphone, seconds=heard_seconds)
    return Phone(name=side.role, user=side.user, folder=folder, ports=free_ports())


def _facts(phone: Phone) -> dict[str, object]:
    began = phone.wait_for("CALL_ESTABLISHED", seconds=_CLOSE_SECONDS)
    ended = phone.wait_for("CALL_CLOSED", seconds=_CLOSE_SECONDS)
    return {
        "phone": phone.name,
        "call_id": ended.told["id"],
        "direction": ended.told["direction"],
        "local": ended.told["accountaor"],
        "peer": ended.told["peeruri"],
        "started_at": began.at.isoformat(),
        "ended_at": ended.at.isoformat(),
        "files": {"sent": str(phone.recording("enc")), "received": str(phone.recording("dec"))},
        "events": [{"at": event.at.isoformat(), **event.told} for event in phone.events],
    }

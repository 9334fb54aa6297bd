"""The command line of scripts/softphone."""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import tempfile
from pathlib import Path

from softphone_tool.call import Side, place
from softphone_tool.phone import PhoneBroken
from softphone_tool.ports import NoRoom
from softphone_tool.sound import SoundWrong

_USER = re.compile(r"\+?[\w.-]+", re.ASCII)
_LONGEST_SECONDS = 3600


def main() -> int:
    """Place the call that the command line asks for; print one JSON object per phone."""
    asked = _parser().parse_args()
    # Ended in order, so that the phones end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    caller = Side(role="caller", user=asked.caller, microphone=asked.caller_wav, tone_hz=440)
    callee = Side(role="callee", user=asked.callee, microphone=asked.callee_wav, tone_hz=620)
    try:
        found = place(caller, callee, seconds=asked.seconds, folder=_new_folder(asked.work))
    except (PhoneBroken, SoundWrong, NoRoom) as exc:
        print(f"softphone: {exc}", file=sys.stderr)
        return 1
    for facts in found:
        print(json.dumps(facts, ensure_ascii=False))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/softphone",
        description="Place a call between two softphones on this machine; needs baresip.",
        epilog="Prints one JSON object per phone, the caller's first: call id, direction, URIs, "
        "times, the files sent and received, and all events.",
    )
    parser.add_argument("--seconds", type=_seconds, default=20.0, help="length of the call")
    parser.add_argument("--caller-wav", type=Path, help="microphone: WAV of 8 kHz, mono, 16 bit")
    parser.add_argument("--callee-wav", type=Path, help="microphone: WAV of 8 kHz, mono, 16 bit")
    parser.add_argument("--caller", type=_user, default="alice", help="user part of the SIP URI")
    parser.add_argument("--callee", type=_user, default="bob", help="user part of the SIP URI")
    parser.add_argument("--work", type=Path, help="folder to work in; else one under /tmp")
    return parser


def _new_folder(work: Path | None) -> Path:
    """Return a folder of this call's own: recordings have no call id in their names."""
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
        work = work.resolve()
    return Path(tempfile.mkdtemp(prefix="audiatur-call-", dir=work))


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= _LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"between 1 and {_LONGEST_SECONDS}")
    return seconds


def _user(text: str) -> str:
    if not _USER.fullmatch(text):
        raise argparse.ArgumentTypeError("letters, digits, dots and dashes")
    return text


if __name__ == "__main__":
    sys.exit(main())

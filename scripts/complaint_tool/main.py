"""Go from a complaint to the second of the call in the sample company; print steps and seconds.

Needs Chromium at /usr/bin/chromium. Everything runs on this machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
from demo_company import story
from playwright.sync_api import Browser, Page, sync_playwright

from complaint_tool.journey import Heard, Journey

_ROOT = Path(__file__).resolve().parents[2]
_CHROMIUM: Final = "/usr/bin/chromium"
_MOST_SECONDS: Final = 60
_MOST_CLICKS: Final = 3
_TOLERANCE_MS: Final = 20
_MOMENT: Final = ("0:20", 20_000)


def main() -> int:
    """Walk both ways; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/complaint-to-second", description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of a demo; it is kept and used again")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="audiatur-complaint-") as folder:
        Path(folder).chmod(0o711)  # The account of Postgres passes through to its own folder.
        with (
            _company(asked.data or Path(folder) / "demo", keep=asked.data is not None) as found,
            sync_playwright() as playwright,
        ):
            browser = playwright.chromium.launch(
                executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
            )
            is_well = both(browser, *found)
            browser.close()
    print(f"complaint-to-second: {'ok' if is_well else 'not as it must be'}", flush=True)
    return 0 if is_well else 1


def both(browser: Browser, address: str, accounts: dict[str, Any]) -> bool:
    """Walk both ways; say whether the right second was heard, in time and in three clicks."""
    told = story.read(now=datetime.now(UTC)).company["dispute"]
    password = accounts["passwords"]["manager"]
    exhibit = _exhibit(address, accounts["keys"]["manager"], told["subject"])

    print("The complaint of the sample company:")
    journey = Journey(_page(browser))
    journey.log_in(address, "manager", password)
    journey.open_disputes()
    journey.open_complaint(told["subject"])
    before = journey.clicks
    journey.open_exhibit()
    journey.say_purpose()
    heard = journey.play()
    clicks = journey.clicks - before
    begins_ms = _first_ms(address, accounts["keys"]["manager"], exhibit["recording_id"])
    is_well = _told(journey, heard, begins_ms) and clicks <= _MOST_CLICKS
    print(f"  from the complaint to the sound: {clicks} clicks")

    print("Another complaint of that day, which is written down now:")
    journey = Journey(_page(browser))
    journey.log_in(address, "manager", password)
    journey.open_disputes()
    journey.write_complaint(
        {
            "client": told["client"],
            "subject": "Снова не печатаются счета-фактуры",
            "words": "Вы обещали, что этого больше не будет.",
            "said_at": told["complaint"]["said_at"][:16],
            "said_by": told["complaint"]["said_by"],
        }
    )
    place, wanted_ms = _MOMENT
    journey.show(exhibit["recording_id"], place)
    journey.open_exhibit()
    journey.say_purpose()
    return _told(journey, journey.play(), wanted_ms) and is_well


def _told(journey: Journey, heard: Heard, wanted_ms: int) -> bool:
    """Print the steps; say whether the right second was heard in time."""
    for number, step in enumerate(journey.steps, 1):
        print(f"  {number}. {step.seconds:5.1f} s  {step.does}")
    print(
        f"  {journey.seconds:.1f} s in all; it plays from {heard.from_ms / 1000:.3f} s of the call "
        f"(wanted: {wanted_ms / 1000:.3f} s) and goes on to {heard.then_ms / 1000:.3f} s",
        flush=True,
    )
    return journey.seconds < _MOST_SECONDS and abs(heard.from_ms - wanted_ms) <= _TOLERANCE_MS


def _page(browser: Browser) -> Page:
    context = browser.new_context(locale="ru-RU", viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    return context.new_page()


def _ask(address: str, key: str, path: str) -> Any:  # noqa: ANN401 - JSON of any shape.
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.get(f"{address}/v1{path}", headers=headers, timeout=60, trust_env=False)
    answer.raise_for_status()
    return answer.json()


def _exhibit(address: str, key: str, subject: str) -> dict[str, Any]:
    """Return the recording that is an exhibit of the complaint with this subject."""
    found = _ask(address, key, "/disputes")["items"]
    dispute = next(one for one in found if one["subject"] == subject)
    exhibits = _ask(address, key, f"/disputes/{dispute['id']}")["exhibits"]
    return next(one for one in exhibits if one["recording_id"])


def _first_ms(address: str, key: str, recording_id: str) -> int:
    """Return from where the rules let a manager hear it for quality control."""
    query = "purpose=internal_quality&recipient=own_staff_manager"
    decision = _ask(address, key, f"/recordings/{recording_id}/decision?{query}")
    return int(decision["allowed_segments"][0]["from_ms"])


@contextmanager
def _company(folder: Path, *, keep: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the address of the sample company and its log-ins; it ends with the block."""
    command = [str(_ROOT / "scripts" / "demo"), "--data", str(folder), "--port", "0"]
    command += ["--keep"] if keep else []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own.
    address = ""
    try:
        assert process.stdout is not None  # noqa: S101 - it was asked for.
        for line in process.stdout:
            if line.startswith("address: "):
                address = line.split()[1]
            if line.startswith("demo: ok"):
                break
        else:
            sys.exit("complaint-to-second: the sample company did not start")
        accounts = json.loads((folder / "log-ins.json").read_text(encoding="utf-8"))
        yield address, accounts
    finally:
        process.terminate()
        process.wait(60)


if __name__ == "__main__":
    sys.exit(main())

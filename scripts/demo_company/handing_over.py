"""Handing recordings to a client's director: asking, approving, listening, and ending it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import httpx

from demo_company import people
from demo_company.report import Row, say
from demo_company.stage import Stage
from demo_company.story import Call

_RELEASED = "released"
_AUDIO = re.compile(r'/s/[^/"]+/audio/[0-9a-f-]{36}')
_PICTURE = re.compile(r'/s/[^/"]+/picture/[0-9a-f-]{36}')
_TAKEN_BYTES = 1000


def hand_over(stage: Stage, rows: dict[str, Row]) -> None:
    """Let the manager ask for what the story asks for, and the approver answer."""
    for call in stage.story.calls:
        if call.ask:
            _ask(stage, call, rows[call.id])


def _ask(stage: Stage, call: Call, row: Row) -> None:
    ask = call.ask or {}
    contact = stage.contacts[ask["contact"]]
    if call.id in stage.story.company["dispute"]["calls"]:
        answer = _ask_in_dispute(stage, call, contact)
    else:
        item = {"recording_id": stage.recordings[call.id], "from_ms": ask["from_ms"]}
        body = {"contact_id": contact, "purpose": "dispute_client", "items": [item]}
        answer = stage.api.ask("manager", "POST", "/v1/releases", body=body)
    if answer.is_success:
        own = stage.api.ask("manager", "POST", f"/v1/releases/{answer.json()['id']}/approve")
        stage.report.expect("who asks and approves too is answered", 403, own.status_code)
        answer = stage.api.ask("approver", "POST", f"/v1/releases/{answer.json()['id']}/approve")
    found = answer.json()
    if answer.is_success:
        row.outcome = _RELEASED
        stage.links[call.id] = found["link"]["url"]
        stage.releases[call.id] = found["release"]["id"]
        begins_ms = found["release"]["items"][0]["from_ms"]
        recording = stage.api.must("reviewer", "GET", f"/v1/recordings/{stage.recordings[call.id]}")
        asked_ms = (call.ask or {}).get("from_ms")
        stage.report.expect(
            f"{call.id} is released from where it was asked, else the announcement's end",
            asked_ms or recording["inspection"]["notices"][0]["end_ms"],
            begins_ms,
        )
        say(f"  {call.id}: released from {begins_ms / 1000} s on, as the approver says yes too")
        return
    row.outcome = found.get("outcome", f"{answer.status_code} {found.get('title', '')}")
    # Nobody approves what cannot be, so a missing approval is no news here.
    row.reasons = [code for code in found.get("reasons", []) if not code.startswith("A_")]
    remedies = [code for code in found.get("remedies", []) if code != "ASK_APPROVAL"]
    told = f"{row.outcome} {', '.join(row.reasons)}"
    say(f"  {call.id}: {told}; what would make it possible: {', '.join(remedies)}")


def _ask_in_dispute(stage: Stage, call: Call, contact: str) -> httpx.Response:
    wanted = stage.story.company["dispute"]
    must = stage.api.must
    body = {name: wanted[name] for name in ("client", "subject", "event", "complaint")}
    dispute = must("manager", "POST", "/v1/disputes", body=body)
    stage.dispute = dispute["id"]
    path = f"/v1/disputes/{dispute['id']}"
    exhibit = {"recording_id": stage.recordings[call.id], "note": "Первое обращение"}
    must("manager", "POST", f"{path}/exhibits", body=exhibit)
    shot = wanted["screenshot"]
    shown = {"screenshot_id": stage.screenshots[shot["file"]], "areas": shot["areas"]}
    added = must("manager", "POST", f"{path}/exhibits", body=shown)
    must("reviewer", "POST", f"/v1/exhibits/{added['id']}/screenings", body={"result": "clear"})
    say(
        f"The manager opens a dispute with {dispute['client']} and adds call {call.id} and a "
        "screenshot with a part black; the reviewer finds nothing private in it."
    )
    wish = {"contact_id": contact, "purpose": "dispute_client"}
    return stage.api.ask("manager", "POST", f"{path}/releases", body=wish)


class Director:
    """The client's director with the link on his phone; he has no account."""

    def __init__(self, stage: Stage, call: Call) -> None:
        # Wherever the link would lead people to, it is served here.
        self._path = urlsplit(stage.links[call.id]).path
        self._browser = httpx.Client(
            base_url=stage.link_address,
            headers={"Accept-Language": "ru", "User-Agent": "Mozilla/5.0 (iPhone)"},
            timeout=60,
            trust_env=False,
        )

    def look(self) -> int:
        """Open the page; return the status."""
        return self._browser.get(self._path).status_code

    def listen(self) -> str:
        """Press the button; return the address of the sound.

        Raises:
            LookupError: the page that follows has none.
        """
        self._browser.post(f"{self._path}/open")
        page = self._browser.get(f"{self._path}/listen")
        found = _AUDIO.search(page.text)
        if found is None:
            raise LookupError(f"the page for listening answers {page.status_code} without a sound")
        return found[0]

    def see(self) -> list[int]:
        """Look at every picture of the page; return the status of each."""
        page = self._browser.get(f"{self._path}/listen")
        return [self._browser.get(one).status_code for one in set(_PICTURE.findall(page.text))]

    def take(self, address: str) -> httpx.Response:
        """Take the first part of the sound, as a player does."""
        return self._browser.get(address, headers={"Range": f"bytes=0-{_TAKEN_BYTES - 1}"})

    def close(self) -> None:
        self._browser.close()


def listen(stage: Stage, call: Call) -> None:
    """Open a link as the director would: look, press the button, hear the beginning."""
    if call.id not in stage.links:
        return
    director = Director(stage, call)
    try:
        stage.report.expect(f"{call.id} the page of the link is answered", 200, director.look())
        heard = director.take(director.listen())
        stage.report.expect(f"{call.id} a range of the sound is answered", 206, heard.status_code)
        stage.report.expect(f"{call.id} bytes of sound", _TAKEN_BYTES, len(heard.content))
        kind = heard.headers.get("Content-Type", "nothing")
        stage.report.expect(f"{call.id} the screenshot is shown", [200], director.see())
        say(f"The director opens the link of {call.id}, hears it ({kind}) and sees the screenshot.")
    finally:
        director.close()


def withdraw(stage: Stage, rows: dict[str, Row], call: Call) -> None:
    """Withdraw on a call that was released, and see that its link ends with that."""
    if call.id not in stage.links:
        return
    director = Director(stage, call)
    try:
        address = director.listen()
        before = director.take(address).status_code
        people.withdraw(stage, call)
        after = (director.look(), director.take(address).status_code)
    finally:
        director.close()
    stage.report.expect(f"{call.id} the sound before the withdrawal", 206, before)
    stage.report.expect(f"{call.id} page and sound after the withdrawal", (410, 410), after)
    if after == (410, 410):
        rows[call.id].outcome = "released, ended by withdrawal"
    say(
        f"The caller of {call.id} withdraws: the director's link answered {before}, now {after[0]}."
    )
    stage.links.pop(call.id)


def as_it_is(stage: Stage, row: Row) -> dict[str, Any]:
    """Return the recording of `row` as the manager sees it."""
    path = f"/v1/recordings/{stage.recordings[row.call.id]}"
    found: dict[str, Any] = stage.api.must("manager", "GET", path)
    return found

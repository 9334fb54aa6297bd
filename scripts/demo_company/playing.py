"""Sending: what 1C tells of clients and events, and what softphones record."""

from __future__ import annotations

from typing import Any

from demo_company.api import wait_until
from demo_company.report import say
from demo_company.stage import ONE_C, Stage
from demo_company.story import FOLDER, Call

_PATIENCE_SECONDS = 600
_HOSTILE = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"


def tell(stage: Stage, *, late: bool) -> None:
    """Tell of the clients and events that come before or, `late`, after the recordings."""
    for client in stage.story.company["clients"]:
        if client["is_late"] == late:
            _tell_client(stage, client)
    events = [e for e in stage.story.company["events"] if e["is_late"] == late]
    for event in events:
        stage.api.must(ONE_C, "PUT", f"/v1/events/{event['external_id']}", body=event["told"])
    say(f"1C tells of {len(events)} {'more ' if late else ''}events.")


def _tell_client(stage: Stage, client: dict[str, Any]) -> None:
    name = client["external_id"]
    answer = stage.api.must(ONE_C, "PUT", f"/v1/clients/{name}", body=client["told"])
    stage.client_names[name] = answer["name"]
    stage.contacts |= {c["external_id"]: c["id"] for c in answer["contacts"]}
    stage.contracts |= {c["number"]: c["id"] for c in answer["contracts"]}
    say(f"1C tells of the client {answer['name']}, {len(answer['contacts'])} contacts.")


def send_calls(stage: Stage) -> None:
    """Send every leg of every call by the device that recorded it, as a softphone would."""
    for call in stage.story.calls:
        for file in call.files:
            answer = stage.api.must_upload(
                call.device, "/v1/recordings", _told(call, file), FOLDER / file["file"]
            )
            before = stage.recordings.setdefault(call.id, answer["id"])
            stage.report.expect(f"{call.id} leg {file['leg']} joins its call", before, answer["id"])
    files = sum(len(call.files) for call in stage.story.calls)
    say(f"Softphones, exchange and mobile send {len(stage.story.calls)} calls in {files} files.")


def _told(call: Call, file: dict[str, str]) -> dict[str, Any]:
    return call.told | {"leg": file["leg"]}


def send_screenshots(stage: Stage) -> int:
    """Send the screenshots; return how many."""
    shots = stage.story.company["screenshots"]
    for shot in shots:
        answer = stage.api.must_upload(
            shot["device"], "/v1/screenshots", shot["told"], FOLDER / shot["file"]
        )
        stage.screenshots[shot["file"]] = answer["id"]
        named = shot["told"]["event"]["external_id"]
        stage.report.expect(f"event of {shot['file']}", named, answer["event"]["external_id"])
    return len(shots)


def send_what_is_refused(stage: Stage) -> None:
    """Send a call again, other bytes in its name, and what is no recording at all."""
    first, other = stage.story.calls[0], stage.story.call("d11")
    told, path = _told(first, first.files[0]), FOLDER / first.files[0]["file"]
    send = stage.api.upload
    again = send(first.device, "/v1/recordings", told, path)
    stage.report.expect("a repeat is answered", 200, again.status_code)
    if again.is_success:
        stage.report.expect("a repeat is", stage.recordings[first.id], again.json()["id"])
    changed = send(
        first.device,
        "/v1/recordings",
        told,
        (path.name, (FOLDER / other.files[0]["file"]).read_bytes()),
    )
    stage.report.expect("other bytes under the same call are answered", 409, changed.status_code)
    hostile = send(
        first.device,
        "/v1/recordings",
        told | {"source_call_id": "demo-hostile"},
        ("call.mp3", _HOSTILE),
    )
    stage.report.expect(
        "a playlist that calls itself a recording is answered", 415, hostile.status_code
    )
    for what, answer in (
        ("The same call again", again),
        ("Other bytes in its name", changed),
        ("A playlist named call.mp3", hostile),
    ):
        title = "" if answer.is_success else f" {answer.json()['title']}"
        say(f"{what}: {answer.status_code}{title}")


def wait_for_inspection(stage: Stage) -> None:
    """Wait until the worker has looked into every recording."""
    done = wait_until(
        lambda: all(r["inspection"] != "pending" for r in _listed(stage)),
        patience_seconds=_PATIENCE_SECONDS,
    )
    stage.report.expect("all recordings are inspected in time", expected=True, found=done)


def _listed(stage: Stage) -> list[dict[str, Any]]:
    page = stage.api.must("manager", "GET", "/v1/recordings", query={"limit": "100"})
    found: list[dict[str, Any]] = page["items"]
    return found


def wait_for_adoption(stage: Stage) -> None:
    """Wait until recordings have come to the events and clients that were told of after them."""
    wanted = {
        stage.recordings[c.id]: (c.expect.event, c.expect.client)
        for c in stage.story.calls
        if c.relink is None
    }

    def is_done() -> bool:
        found = {r["id"]: (r["event"]["external_id"], r["event"]["client"]) for r in _listed(stage)}
        return all(found.get(name) == tie for name, tie in wanted.items())

    wait_until(is_done, patience_seconds=_PATIENCE_SECONDS / 4)  # The table tells what is not so.


def relink(stage: Stage) -> None:
    """Let the manager say where a call belongs that told nobody's number."""
    for call in stage.story.calls:
        if call.relink is None:
            continue
        name = call.relink["event"]
        body = {"event": {"external_id": name}, "reason": call.relink["reason"]}
        path = f"/v1/recordings/{stage.recordings[call.id]}/link"
        stage.api.must("manager", "POST", path, body=body)
        say(f"The manager finds out that call {call.id} belongs to {name}.")

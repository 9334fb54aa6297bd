"""An archive that is fed names, numbers, texts and tokens on every way.

What it logs goes to standard error. A process of its own, since `logs.configure` is for a whole
one. Prints what was fed, by what it is.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import httpx
import psycopg
from fastapi.routing import APIRoute

from app import logs
from app.inspection.sandbox import Sandbox
from app.main import ROUTERS
from tests.factories import wav
from tests.live import Live, live_archive, metadata
from tests.providers.house import Laid, ProviderHouse, media_stand_in, twilio_signature

WORDS = {
    "surname": "Премудрова",
    "latin": "Premudrova",
    "number": "9037654321",
    "spoken": "секретнаяфраза",
    "mailbox": "premudrova@fed.example",
    "token": "auds_ThisTokenIsNobodys0123456789",
    "password": "correct-horse-of-premudrova",
    "call": "CA77777777770123456789000000000000",
    "secret": "hook-secret-of-nobody",
}
ALL = " ".join(WORDS.values())
# What the database refuses with the row in its answer: each is a fault that might be there.
REFUSED = (
    "ALTER TABLE clients ADD CONSTRAINT fed CHECK (name NOT LIKE '%broken%')",
    "ALTER TABLE parties ADD CONSTRAINT fed CHECK (number NOT LIKE '%0000') NOT VALID",
    "ALTER TABLE legs ADD CONSTRAINT fed CHECK (duration_ms IS NULL) NOT VALID",
)


def every_route(live: Live) -> None:
    """Call each route with words in its path, its query and its body, as four kinds of callers."""
    found = [
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    ]
    assert len(found) > 250
    callers = [
        {"Authorization": f"Bearer {live.key('admin')}"},
        {"Authorization": f"Bearer {WORDS['token']}"},
    ]
    with httpx.Client(base_url=live.url, timeout=60) as client:
        for at, (method, path) in enumerate(found):
            if path in {"/healthz", "/readyz", "/metrics"}:
                continue
            # Whom nobody knows is refused before a route is looked for: a few show it.
            known = callers[:1] if at % 10 else callers
            for caller in known:
                for word in (ALL, str(uuid4())) if caller is callers[0] else (ALL,):
                    filled = _filled(path, word)
                    body = json.dumps(dict.fromkeys(WORDS, ALL) | {"name": [ALL], "to": ALL})
                    is_form = not path.startswith(("/v1", "/hooks"))
                    kind = "application/x-www-form-urlencoded" if is_form else "application/json"
                    content = f"name={quote(ALL)}&text={quote(ALL)}" if is_form else body
                    client.request(
                        method,
                        f"{filled}?q={quote(ALL)}&number={WORDS['number']}&next={quote(ALL)}",
                        content=None if method in {"GET", "HEAD"} else content,
                        headers={**caller, "Content-Type": kind, "Origin": live.url},
                    )


def _filled(path: str, word: str) -> str:
    while "{" in path:
        before, _, rest = path.partition("{")
        path = before + quote(word, safe="") + rest.partition("}")[2]
    return path


def real_things(live: Live) -> None:
    """Send what is kept and what is refused, then do the jobs."""
    client = {
        "name": WORDS["surname"],
        "contacts": [
            {
                "name": WORDS["latin"],
                "phones": [f"+7{WORDS['number']}"],
                "email": WORDS["mailbox"],
            }
        ],
    }
    kept = live.call("PUT", f"/v1/clients/{WORDS['latin']}", who="manager", json=client)
    assert kept.status_code == 201, kept.text
    told = {"from": f"+7{WORDS['number']}", "line": WORDS["spoken"]}
    sent = live.send(metadata("c1", **told), wav(0.3), name=f"{WORDS['surname']}.wav")
    assert sent.status_code == 201, sent.text
    live.send(metadata("c2", **told), b"no sound at all " * 9, name=f"{WORDS['surname']}.wav")
    live.send(json.dumps({"from": ALL, WORDS["spoken"]: 1}), wav(0.1))
    live.send('{"from": "' + ALL, wav(0.1))
    for name in ("nobody", WORDS["latin"]):
        login = {"name": name, "password": WORDS["password"]}
        live.call("POST", "/v1/session", who=None, json=login)
    hook = {"name": "crm", "url": f"https://127.0.0.1:1/{WORDS['secret']}?who={WORDS['number']}"}
    live.call("POST", "/v1/webhooks", who="admin", json=hook)
    live.work()


def broken_things(live: Live, owner: str) -> None:
    """Let the database refuse with the row in its words: a request, the way in, and a job."""
    with psycopg.connect(owner) as session:
        for statement in REFUSED:
            session.execute(statement.encode())
    name = f"broken {WORDS['surname']}"
    broken = live.call("PUT", "/v1/clients/C-2", who="manager", json={"name": name, "contacts": []})
    assert broken.status_code == 500, broken.text
    told = metadata("c3", **{"from": "+74957650000", "line": WORDS["spoken"]})
    broken = live.send(told, wav(0.2), name=f"{WORDS['surname']}.wav")
    assert broken.status_code == 500, broken.text
    told = metadata("c4", **{"from": f"+7{WORDS['number']}", "line": WORDS["spoken"]})
    assert live.send(told, wav(0.2)).status_code == 201
    live.work()


def providers(live: Live) -> None:
    """Send what a service sends: forged, unreadable, and of a recording that is gone."""
    with media_stand_in() as media:
        house = ProviderHouse(live, media)
        house.add("twilio", {"token": WORDS["secret"]}, name="calls")
        address = house.addresses["twilio"]
        place = f"/{WORDS['secret']}/{WORDS['latin']}"
        for ending in ("", ".wav", ".mp3"):
            media.lay(place + ending, Laid(body=f"no sound: {ALL}".encode()))
        facts = {
            "CallSid": WORDS["call"],
            "RecordingSid": "RE" + "2" * 32,
            "RecordingStatus": "completed",
            "RecordingChannels": "1",
            "RecordingDuration": "1",
            "RecordingUrl": media.url + place,
            "From": f"+7{WORDS['number']}",
            "To": f"+7{WORDS['number']}",
            "CallerName": WORDS["surname"],
        }
        for given, secret in (
            (facts, WORDS["secret"]),
            (facts, "another"),
            ({"a": ALL}, WORDS["secret"]),
        ):
            body = "&".join(f"{k}={quote(v, safe='')}" for k, v in given.items()).encode()
            url = f"https://calls.example.com{address}"
            signed = twilio_signature(url, given, secret)
            house.send(
                "twilio",
                body,
                headers={
                    "X-Twilio-Signature": signed,
                    "Content-Type": "application/x-www-form-urlencoded",
                },
            )
        house.work()
        house.pull()
        assert house.pulls()


def main() -> None:
    """Feed an archive in the folder that is given."""
    logs.configure("debug")
    folder = Path(sys.argv[1])
    settings = {"outbound_http": True, "outbound_networks": "127.0.0.0/8"}
    with live_archive(folder, os.environ["TEST_URL"], Sandbox.detect(), None, **settings) as live:
        real_things(live)
        providers(live)
        every_route(live)
        broken_things(live, os.environ["TEST_OWNER_URL"])
        keys = dict(live.keys)
    told = WORDS | {f"key of {name}": key[5:] for name, key in keys.items()}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()

"""What people and programs do with the archive while it is watched, at a walking pace."""

from __future__ import annotations

import base64
import http.client
import json
import random
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx
from crash_tool import uploads
from crash_tool.uploads import Upload
from demo_company.archive import Accounts, Running

from app.identity.authenticator import SESSION_COOKIE

_TIMEOUT_S = 60
_WORDS = ("печатает", "сеть", "отчёт", "касса", "1С", "звонок", "договор", "печ")
_OK = frozenset({200, 201, 204, 206})
_SOUND = _OK | {403, 409, 416}  # A part that is not there, or that he may not hear.
_AUDIO = re.compile(r'/s/[^/"]+/audio/[0-9a-f-]{36}')
_MOST_FAULTS = 30
_TUS = {"Tus-Resumable": "1.0.0"}


@dataclass(slots=True, kw_only=True)
class Tally:
    """How often each thing was done, and the answers that must not be."""

    done: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        with self.lock:
            self.done[what] += 1

    def fault(self, what: str) -> None:
        with self.lock:
            if len(self.faults) < _MOST_FAULTS:
                self.faults.append(what)
                print(f"fault: {what}", flush=True)


@dataclass(slots=True, kw_only=True)
class Life:
    """The archive, who is known there, and what was seen of it so far."""

    running: Running
    accounts: Accounts
    pages: Mapping[str, list[str]]
    """Which pages each person looks at."""
    tally: Tally = field(default_factory=Tally)
    seed: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**9)))
    disputes: list[str] = field(default_factory=list)

    def ask(
        self,
        client: httpx.Client,
        method: str,
        path: str,
        *,
        expected: frozenset[int] = _OK,
        **more: object,
    ) -> httpx.Response:
        """Ask, read the whole answer, and write down one that is not expected."""
        answer = client.request(method, path, **more)  # type: ignore[arg-type]  # httpx's own.
        with self.tally.lock:
            self.tally.requests += 1
        if answer.status_code not in expected:
            self.tally.fault(f"{method} {path}: {answer.status_code} {answer.text[:160]!r}")
        return answer

    def client(self, who: str | None = None) -> httpx.Client:
        headers = {} if who is None else {"Authorization": f"Bearer {self.accounts.keys[who]}"}
        return httpx.Client(
            base_url=self.running.address, headers=headers, timeout=_TIMEOUT_S, trust_env=False
        )

    def upload(self) -> Upload:
        with self.tally.lock:
            return uploads.upload(self.seed, next(self._numbers))


Deed = Callable[[Life, random.Random], None]


def send(life: Life, chance: random.Random) -> None:
    """Send a call as a softphone does, and one in ten once more."""
    upload = life.upload()
    with life.client("softphone-101") as client:
        for _ in range(2 if chance.random() < 0.1 else 1):  # noqa: PLR2004 - see above.
            life.ask(
                client,
                "POST",
                upload.path,
                content=upload.body(),
                headers={"Content-Type": uploads.CONTENT_TYPE},
            )


def break_off(life: Life, chance: random.Random) -> None:
    """Lose the line in the middle of a call that is sent."""
    body = life.upload().body()
    there = urlsplit(life.running.address)
    head = (
        f"POST /v1/recordings HTTP/1.1\r\nHost: {there.netloc}\r\n"
        f"Authorization: Bearer {life.accounts.keys['softphone-101']}\r\n"
        f"Content-Type: {uploads.CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((there.hostname, there.port), timeout=_TIMEOUT_S) as line:
        line.sendall(head.encode() + body[: chance.randrange(len(body))])


def send_in_pieces(life: Life, chance: random.Random) -> None:
    """Send a call in pieces, ask where it stands, and go on, or give up."""
    number = chance.randrange(10**12)
    content = uploads.upload(life.seed, 0).content
    told = {
        "source_call_id": f"pieces-{number}",
        "started_at": datetime.now(UTC).isoformat(),
        "direction": "inbound",
        "from": "+79991112233",
        "agent": "101",
    }
    named = {"metadata": json.dumps(told), "filename": "call.wav"}
    metadata = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in named.items())
    with life.client("softphone-101") as client:
        begun = life.ask(
            client,
            "POST",
            "/v1/uploads",
            headers=_TUS | {"Upload-Length": str(len(content)), "Upload-Metadata": metadata},
        )
        path = begun.headers.get("Location", "/v1/uploads/none")
        half = chance.randrange(1, len(content))
        _append(life, client, path, 0, content[:half])
        if chance.random() < 0.2:  # noqa: PLR2004 - one in five.
            life.ask(client, "DELETE", path, headers=_TUS)
            return
        life.ask(client, "HEAD", path, headers=_TUS)
        _append(life, client, path, half, content[half:])


def _append(life: Life, client: httpx.Client, path: str, offset: int, piece: bytes) -> None:
    headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    life.ask(client, "PATCH", path, headers=_TUS | headers, content=piece)


def read_pages(life: Life, chance: random.Random) -> None:
    """Log in, look at some pages and log out."""
    who = chance.choice(sorted(life.pages))
    with life.client() as client:
        body = {"name": who, "password": life.accounts.passwords[who]}
        answer = life.ask(client, "POST", "/v1/session", json=body)
        cookie = answer.headers.get("set-cookie", "").partition(";")[0].partition("=")[2]
        headers = {"Cookie": f"{SESSION_COOKIE}={cookie}", "Sec-Fetch-Site": "same-origin"}
        for path in chance.sample(life.pages[who], 8):
            life.ask(client, "GET", path, headers=headers)
        life.ask(client, "DELETE", "/v1/session", headers=headers)


def play(life: Life, chance: random.Random) -> None:
    """List calls as a reviewer, open one, and play parts of it."""
    with life.client("reviewer") as client:
        listed = life.ask(client, "GET", "/v1/recordings", params={"limit": "20"})
        found = chance.choice(listed.json()["items"])["id"]
        life.ask(client, "GET", f"/v1/recordings/{found}")
        for _ in range(4):
            begin = chance.randrange(20_000)
            headers = {"Range": f"bytes={begin}-{begin + 8191}"}
            path = f"/v1/recordings/{found}/audio"
            life.ask(client, "GET", path, headers=headers, expected=_SOUND)
        path = f"/v1/recordings/{found}/waveform"
        life.ask(client, "GET", path, expected=_SOUND | {404})


def search(life: Life, chance: random.Random) -> None:
    """Search as a manager."""
    with life.client("manager") as client:
        word = chance.choice(_WORDS)
        for path in ("/v1/recordings", "/v1/screenshots", "/v1/disputes"):
            life.ask(client, "GET", path, params={"q": word})
        number = {"number": f"+7900{chance.randrange(10**7):07d}"}
        life.ask(client, "GET", "/v1/recordings", params=number)


def dispute(life: Life, chance: random.Random) -> None:
    """Open a dispute and tell of it, or read an earlier one, with its report."""
    with life.client("manager") as client:
        if life.disputes and chance.random() < 0.6:  # noqa: PLR2004 - more is read than written.
            path = f"/v1/disputes/{chance.choice(life.disputes)}"
            for more in ("", "/history", "/timeline", "/report"):
                life.ask(client, "GET", path + more)
            return
        told = {"client": "vasilek", "subject": f"Не печатает {chance.choice(_WORDS)}"}
        made = life.ask(client, "POST", "/v1/disputes", json=told)
        if not made.is_success:
            return
        life.disputes.append(made.json()["id"])
        words = {
            "words": "Стоит вся бухгалтерия.",
            "said_by": "Белова",
            "said_at": "2026-03-24T10:05:00+03:00",
            "channel": "phone",
        }
        path = f"/v1/disputes/{made.json()['id']}/complaints"
        life.ask(client, "POST", path, json=words)


def open_link(life: Life, chance: random.Random) -> None:
    """Open a link as a director, press the button and hear parts."""
    path = chance.choice(sorted(life.accounts.links.values()))
    with httpx.Client(
        base_url=life.running.link_address,
        headers={"Accept-Language": "ru"},
        timeout=_TIMEOUT_S,
        trust_env=False,
    ) as phone:
        life.ask(phone, "GET", path)
        life.ask(phone, "POST", f"{path}/open", expected=_OK | {303})
        page = life.ask(phone, "GET", f"{path}/listen")
        sound = _AUDIO.search(page.text)
        if sound is None:
            life.tally.fault(f"the page of a link has no sound: {page.status_code}")
            return
        for begin in (0, 4096, 20_000):
            headers = {"Range": f"bytes={begin}-{begin + 4095}"}
            life.ask(phone, "GET", sound[0], headers=headers, expected=_SOUND)


# Each with its pause in seconds: together what some hundred telephones do, and no more than two
# processors inspect, so that what grows is not a queue.
DEEDS: tuple[tuple[Deed, float], ...] = (
    (send, 2.0),
    (break_off, 3.0),
    (send_in_pieces, 8.0),
    (read_pages, 2.0),
    (play, 2.0),
    (search, 2.0),
    (dispute, 5.0),
    (open_link, 3.0),
)


@contextmanager
def going_on(life: Life) -> Iterator[None]:
    """Let all of it go on during the block; what broke a deed is a fault."""
    over = threading.Event()

    def walk(deed: Deed, pause_s: float) -> None:
        chance = random.Random(f"{life.seed}/{deed.__name__}")  # noqa: S311 - no secret.
        while not over.wait(pause_s * chance.uniform(0.5, 1.5)):
            try:
                deed(life, chance)
                life.tally.count(deed.__name__.replace("_", " "))
            except (httpx.HTTPError, http.client.HTTPException, OSError, ValueError) as exc:
                life.tally.fault(f"{deed.__name__}: {type(exc).__name__} {exc}")

    walkers = [threading.Thread(target=walk, args=each, daemon=True) for each in DEEDS]
    for walker in walkers:
        walker.start()
    try:
        yield
    finally:
        over.set()
        for walker in walkers:
            walker.join()


@contextmanager
def hearing(tally: Tally) -> Iterator[str]:
    """Take webhooks, as the program of another firm; give the address."""

    class Hears(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            tally.count("webhook taken")
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hears)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

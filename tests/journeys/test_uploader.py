"""Two real phones, an uploader beside one of them, and an archive: each call arrives once.

Whatever is killed in the middle: the archive, the uploader, or both.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from app.custody.models import CustodyEntry
from app.embedded.postgres import Cluster
from app.inspection.models import JoinedSound
from app.settings import Settings
from app.uploader.spool import State
from app.wiring import configured_urls, open_tools
from tests.conftest import new_database
from tests.factories import notice
from tests.journeys.deployment import ROOT, _answers, _environment
from tests.live import Live
from tests.ports import held_port
from tests.uploader.house import House, receipt_key

sys.path.insert(0, str(ROOT / "scripts"))  # As scripts/softphone itself does.

from softphone_tool import sound  # Needs the line above.
from softphone_tool.phone import Phone  # The same.
from softphone_tool.ports import free_ports  # The same.

CLIENT, AGENT = "+74950008414", "106"
CALL_SECONDS = 8
PATIENCE_SECONDS = 180


@dataclass(kw_only=True)
class Served:
    """An archive of processes at one address, over a Postgres that outlives them."""

    folder: Path
    settings: dict[str, str]
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own program.
                [sys.executable, "-P", "-m", "app.cli", "serve", "--port", str(self.port)],
                cwd=self.folder,
                env=_environment(self.settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not _answers(self.url):
            assert self.process.poll() is None, (self.folder / "serve.log").read_text()[-3000:]
            assert time.monotonic() < give_up_at, "it does not start"
            time.sleep(0.2)

    def kill(self) -> None:
        """Kill the supervisor, whose children go with it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            finally:
                self.process.kill()
                self.process.wait()


@dataclass(kw_only=True)
class Desk:
    """The agent's phone and the uploader beside it; and the client's phone, far away."""

    served: Served
    live: Live
    agent: Phone
    client: Phone
    house: House
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = self.house.start()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def calls_on(self) -> int:
        return len([e for e in self.client.events if e.type == "CALL_ESTABLISHED"])

    def wait(self, is_so: Any, what: str) -> None:  # noqa: ANN401 - anything that answers.
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            log = (self.house.folder / "log").read_text()[-3000:]
            assert time.monotonic() < give_up_at, (what, self.house.items(), log)
            time.sleep(0.1)

    def dial(self) -> None:
        """Let the client's phone ring the agent's, which answers by itself."""
        before = self.calls_on()
        self.client.ask("dial", self.agent.uri)
        self.wait(lambda: self.calls_on() > before, "no call")

    def hang_up(self) -> str:
        """End the call; return its id."""
        self.client.ask("hangup")
        closed = [e for e in self.client.events if e.type == "CALL_ESTABLISHED"][-1].told["id"]
        self.wait(
            lambda: any(
                e.type == "CALL_CLOSED" and e.told["id"] == closed for e in self.client.events
            ),
            "not closed",
        )
        return str(closed)

    def delivered(self, call: str) -> dict[str, Any]:
        """Wait until a call was sent and inspected; return what the archive has of it."""
        self.wait(
            lambda: [i.state for i in self.house.items() if i.key == call] == [State.SENT] * 2,
            "not sent",
        )
        found: dict[str, Any] = {}

        def is_inspected() -> bool:
            listed = self.live.call("GET", "/v1/recordings?limit=100", who="auditor").json()
            ids = [one["id"] for one in listed["items"]]
            every = [
                self.live.call("GET", f"/v1/recordings/{one}", who="auditor").json() for one in ids
            ]
            of_call = [one for one in every if one["source_call_id"] == call]
            assert len(of_call) == 1
            found.update(of_call[0])
            return bool(found["inspection"]["state"] == "done" and found["inspection"]["notices"])

        self.wait(is_inspected, f"not inspected: {found}")
        return found


@pytest.fixture(scope="module")
def desk(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    if shutil.which("baresip") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("No softphone: baresip is missing; run scripts/setup --with-tests.")
        pytest.skip("No softphone: baresip is missing.")
    folder = tmp_path_factory.mktemp("desk")
    with ExitStack() as stack:
        urls = stack.enter_context(new_database(cluster))
        served = Served(
            folder=folder,
            settings={"AUDIATUR_DATA": str(folder / "data"), "AUDIATUR_DATABASE_URL": urls.web},
            port=stack.enter_context(held_port()),
        )
        stack.callback(served.end)
        served.start()
        names = {name.removeprefix("AUDIATUR_").lower(): v for name, v in served.settings.items()}
        settings = Settings.model_validate(names)
        tools = stack.enter_context(open_tools(settings, configured_urls(settings)))
        live = Live(tools=tools, url=served.url, database_url=urls.web)
        _told(live)
        client, agent = (stack.enter_context(_phone(name, folder)) for name in ("client", "agent"))
        house = House(
            folder=folder,
            url=served.url,
            key=live.key("phone"),
            receipt_key=receipt_key(live),
            after="delete",
            folder_lines=[
                'names = "baresip"',
                "[[baresip]]",
                f'control = "127.0.0.1:{agent.ports.control}"',
                f'folder = "{folder / "calls"}"',
            ],
        )
        # The phone records where the uploader looks.
        shutil.rmtree(house.calls)
        house.calls.symlink_to(agent.folder / "recordings", target_is_directory=True)
        desk = Desk(served=served, live=live, agent=agent, client=client, house=house)
        desk.start()
        stack.callback(desk.kill)
        yield desk


def _told(live: Live) -> None:
    """Tell the archive of the client, and of the notice that is played to him."""
    live.put_client("romashka", CLIENT)
    words = {
        "language": "ru",
        "text": "В целях повышения качества обслуживания ваш разговор может быть записан",
        "purposes": ["internal_quality"],
        "recipients": ["own_staff_manager"],
        "valid_from": "2026-01-01T00:00:00+03:00",
    }
    made = live.send(words, notice(), who="admin", name="notice.wav", path="/v1/notice-texts")
    assert made.status_code == 201, made.text
    path = f"/v1/notice-texts/{made.json()['id']}/approve"
    done = live.call("POST", path, who="approver", json={"version": made.json()["version"]})
    assert done.is_success, done.text


@contextmanager
def _phone(name: str, folder: Path) -> Iterator[Phone]:
    home = folder / name
    home.mkdir()
    seconds = 600.0
    if name == "agent":
        clean = home / "notice.wav"
        clean.write_bytes(notice())
        sound.padded(clean, home / "microphone.wav", seconds=seconds)
    else:
        sound.tone(home / "microphone.wav", hz=440, seconds=seconds)
    phone = Phone(
        name=name,
        user=AGENT if name == "agent" else CLIENT,
        folder=home,
        ports=free_ports(),
        answers="auto",
    )
    phone.start()
    try:
        yield phone
    finally:
        phone.end()


def _joined(live: Live, recording_id: str) -> bool:
    """Tell whether the archive has made one file of both directions, each on its side."""
    with live.tools.database.transaction() as session:
        found = session.scalar(
            select(JoinedSound).where(JoinedSound.recording_id == UUID(recording_id))
        )
    return found is not None


@pytest.mark.parametrize("killed", ["nothing", "the archive", "the uploader", "both"])
def test_each_call_arrives_once_linked_and_with_its_notice(desk: Desk, killed: str) -> None:
    desk.wait(lambda: "hears the phone" in (desk.house.folder / "log").read_text(), "deaf")
    desk.dial()
    time.sleep(CALL_SECONDS / 2)
    if killed in {"the archive", "both"}:
        desk.served.kill()
    if killed in {"the uploader", "both"}:
        desk.kill()
        desk.start()  # As the service of systemd does, a second later.
    time.sleep(CALL_SECONDS / 2)
    call = desk.hang_up()
    if killed in {"the uploader", "both"}:
        desk.wait(lambda: any(i.call_id == call for i in desk.house.items()), "not taken in")
        desk.kill()
        desk.start()
    if killed in {"the archive", "both"}:
        desk.served.start()

    found = desk.delivered(call)

    assert {leg["leg"] for leg in found["legs"]} == {"sent", "received"}
    assert found["direction"] == "inbound"
    assert found["outside_number"] == CLIENT
    assert found["agent"] == AGENT
    assert found["event"]["client"] == "romashka"
    assert any(one["complete"] for one in found["inspection"]["notices"])
    assert list(desk.house.calls.glob("*.wav")) == []
    with desk.live.tools.database.transaction() as session:
        told = session.scalars(
            select(CustodyEntry.act).where(CustodyEntry.object_id == UUID(found["id"]))
        ).all()
    desk.wait(lambda: _joined(desk.live, found["id"]), "no file of both directions")
    assert "recording.ingested" in told
    assert "recording.conflict" not in told


def test_a_call_whose_phone_was_killed_arrives_too(desk: Desk) -> None:
    desk.wait(lambda: "hears the phone" in (desk.house.folder / "log").read_text(), "deaf")
    desk.dial()
    time.sleep(CALL_SECONDS)
    process = desk.agent._process
    assert process is not None
    process.kill()
    process.wait()
    desk.agent.end()
    call = str([e for e in desk.client.events if e.type == "CALL_ESTABLISHED"][-1].told["id"])
    desk.client.ask("hangup")
    desk.wait(lambda: [i.key for i in desk.house.items()].count(call) == 2, "not taken in")
    desk.agent.start()

    found = desk.delivered(call)

    assert {leg["leg"] for leg in found["legs"]} == {"sent", "received"}
    assert found["outside_number"] == CLIENT
    assert any(one["complete"] for one in found["inspection"]["notices"])
    of_call = [item for item in desk.house.items() if item.key == call]
    assert all("header lost" in item.notes[0] for item in of_call)
    assert desk.house.status()["call"] is None

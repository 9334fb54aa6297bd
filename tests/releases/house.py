"""An archive with a consented recording, its people, and the routes of releases over HTTP."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from PIL import Image
from sqlalchemy import select, text

from app.clients.models import Client, Event
from app.consent import review
from app.consent.models import Verdict
from app.consent.purposes import Kind, Purpose, ScreeningResult
from app.consent.review import Proposal
from app.consent.spans import WHOLE
from app.core import problems
from app.core.clock import SetClock
from app.core.db import Database
from app.custody import ledger
from app.custody.checkpoints import LogTools
from app.custody.ledger import Act
from app.disputes.report_routes import router as dispute_reports
from app.disputes.routes import router as disputes
from app.disputes.work_routes import router as dispute_work
from app.identity.actor import Actor
from app.identity.authenticator import Authenticator
from app.identity.models import User
from app.identity.permissions import Role
from app.inspection.sandbox import Sandbox
from app.playback.listening import Listenings
from app.playback.routes import router as listening
from app.recordings.models import Recording
from app.releases.bundle_door import BundleDoor
from app.releases.bundle_routes import router as bundle_routes
from app.releases.copies import Copier
from app.releases.part_routes import router as parts
from app.releases.preview_routes import router as previews
from app.releases.routes import router as releases
from app.settings import Settings
from storage.sealed import SealedStore
from tests.factories import Make, wav
from tests.live import running
from tests.logs import log_tools

DETAILS = {
    "question": {"from_ms": 0, "quote": "Согласны ли вы, что запись услышит ваше руководство?"},
    "answer": {"from_ms": 2000, "quote": "Да."},
    "identity_basis": "Назвал себя.",
}
ACKNOWLEDGED = {"act_number": "7", "act_version": "1", "signed_on": "2026-01-10", "log": "x"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What the jobs are given."""

    database: Database
    release: SealedStore
    clock: SetClock
    log: LogTools
    archive: SealedStore
    sandbox: Sandbox


@dataclass(kw_only=True)
class House:
    """The archive's own side, each step a committed transaction."""

    database: Database
    clock: SetClock
    archive: SealedStore
    release: SealedStore
    spool: Path
    log: LogTools = field(init=False)
    url: str = ""
    people: dict[str, Actor] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    contact_id: UUID | None = None

    def __post_init__(self) -> None:
        self.log = log_tools(self.spool / "log", self.database, self.clock)

    @contextmanager
    def making(self) -> Iterator[Make]:
        with self.database.transaction() as session:
            make = Make(session, self.clock, self.archive)
            yield make

    def person(self, name: str, role: Role, *, agent_ref: str | None = None) -> Actor:
        """Make a person and a key."""
        with self.making() as make:
            self.people[name] = make.user(role, agent_ref=agent_ref)
            make.session.flush()
            self.keys[name] = make.key(self.people[name])
        return self.people[name]

    def staff(self) -> None:
        self.person("manager", Role.MANAGER)
        self.person("reviewer", Role.REVIEWER)
        self.person("approver", Role.APPROVER)
        self.person("legal", Role.LEGAL)

    def recording(
        self,
        body: bytes | None = None,
        *,
        agreed: bool = True,
        agreed_from_ms: int = 0,
        duration_ms: int = 600_000,
        agent: str = "101",
        heard_inside: bool = False,
    ) -> Recording:
        """Return a recording of a client, cleared but for the approvals where it was `agreed`."""
        with self.making() as make:
            client = make.client()
            recording = make.recording(
                client=client, body=body, duration_ms=duration_ms, agent=agent
            )
            ledger.append(
                make.session,
                Actor.system("tests"),
                Act.RECORDING_INGESTED,
                ("recording", recording.id),
                at=self.clock.now(),
                content=hashlib.sha256(body or wav()).digest(),
            )
        self.clear(
            recording, agreed=agreed, agreed_from_ms=agreed_from_ms, heard_inside=heard_inside
        )
        return recording

    def clear(
        self,
        recording: Recording,
        *,
        agreed: bool = True,
        agreed_from_ms: int = 0,
        heard_inside: bool = False,
    ) -> None:
        """Bring all evidence that a release needs of a recording."""
        at = self.clock.now()
        manager, reviewer = self.people["manager"], self.people["reviewer"]
        with self.making() as make:
            session = make.session
            client = session.scalars(
                select(Client)
                .join(Event, Event.client_id == Client.id)
                .where(Event.id == recording.event_id)
            ).one()
            contact = make.contact(client)
            make.contract(client)
            self.contact_id = contact.id
            review.verify_contact(
                session,
                reviewer,
                contact.id,
                identity_basis="Паспорт",
                mandate_basis="Устав",
                at=at,
            )
            review.screen(
                session, reviewer, recording.id, WHOLE, ScreeningResult.CLEAR, note=None, at=at
            )
            inside = [Purpose.INTERNAL_QUALITY] if heard_inside else []
            proposals = [
                Proposal(kind=Kind.EMPLOYEE_ACK, evidence=ACKNOWLEDGED, party="own", wide=True)
            ]
            if agreed:
                proposals.append(
                    Proposal(
                        kind=Kind.VERBAL_CONSENT,
                        evidence=DETAILS,
                        party="cli",
                        from_ms=agreed_from_ms,
                        purposes=(Purpose.DISPUTE_CLIENT, *inside),
                        recipients=("client_same_entity", *(["own_staff_manager"] * len(inside))),
                    )
                )
            for proposal in proposals:
                row = review.propose(session, manager, recording.id, proposal, at=at)
                review.decide(session, reviewer, row.id, Verdict.VERIFY, reason="Слышно.", at=at)

    def screenshot(
        self, recording: Recording, *, with_ground: bool = True, size: tuple[int, int] = (60, 40)
    ) -> UUID:
        """Return a screenshot of the event that `recording` is of.

        With a ground, a clause of the client's contract lets his management see it.
        """
        image = Image.new("RGB", size, (250, 250, 250))
        image.paste((200, 30, 30), (10, 10, 30, 20))
        written = io.BytesIO()
        image.save(written, "PNG")
        body, at = written.getvalue(), self.clock.now()
        with self.making() as make:
            event = make.session.get_one(Event, recording.event_id)
            client = make.session.get_one(Client, event.client_id)
            shot = make.screenshot(body, client=client, media_type="image/png", size=size)
            shot.event_id = event.id
            ledger.append(
                make.session,
                Actor.system("tests"),
                Act.SCREENSHOT_INGESTED,
                ("screenshot", shot.id),
                at=at,
                content=hashlib.sha256(body).digest(),
            )
            if with_ground:
                contract = make.contract(client, scope=["disclose_to_management"])
                row = review.propose(
                    make.session,
                    self.people["manager"],
                    recording.id,
                    Proposal(
                        kind=Kind.CONTRACT_CLAUSE,
                        evidence={"contract_id": str(contract.id), "clause_ref": "7.2"},
                        party="cli",
                        wide=True,
                        purposes=(Purpose.DISPUTE_CLIENT,),
                        recipients=("client_same_entity",),
                    ),
                    at=at,
                )
                for name in ("reviewer", "approver"):
                    review.decide(
                        make.session,
                        self.people[name],
                        row.id,
                        Verdict.VERIFY,
                        reason="Прочитано.",
                        at=at,
                    )
        return shot.id

    def dispute(self, recording: Recording, *exhibits: dict[str, object]) -> tuple[str, list[str]]:
        """Return a dispute of the client of `recording` and the ids of its `exhibits`."""
        with self.making() as make:
            event = make.session.get_one(Event, recording.event_id)
            client = make.session.get_one(Client, event.client_id).external_id
        body = {"client": client, "subject": "Не печатает"}
        opened = self.call("manager", "POST", "/v1/disputes", json=body)
        assert opened.status_code == 201, opened.text
        path = f"/v1/disputes/{opened.json()['id']}/exhibits"
        added = [self.call("manager", "POST", path, json=one) for one in exhibits]
        assert [one.status_code for one in added] == [201] * len(exhibits), added[-1].text
        return opened.json()["id"], [one.json()["id"] for one in added]

    def screen_exhibit(self, exhibit_id: str, result: str = "clear") -> httpx.Response:
        path = f"/v1/exhibits/{exhibit_id}/screenings"
        return self.call("reviewer", "POST", path, json={"result": result})

    def ask_in_dispute(self, dispute_id: str, **more: object) -> httpx.Response:
        body = {"contact_id": str(self.contact_id)} | more
        return self.call("manager", "POST", f"/v1/disputes/{dispute_id}/releases", json=body)

    def withdraw(self, recording_id: UUID, *, wide: bool = False) -> None:
        """Let the manager note that the client has taken his consent back."""
        evidence = {
            "received_at": self.clock.now().isoformat(),
            "channel": "phone",
            "identity_check": "Перезвонили.",
            "purposes": [],
            "effective_at": self.clock.now().isoformat(),
        }
        with self.database.transaction() as session:
            review.propose(
                session,
                self.people["manager"],
                recording_id,
                Proposal(kind=Kind.WITHDRAWAL, evidence=evidence, party="cli", wide=wide),
                at=self.clock.now(),
            )

    def call(self, who: str, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own arguments.
        headers = dict(more.pop("headers", {}))
        headers["Authorization"] = f"Bearer {self.keys[who]}"
        return httpx.request(method, self.url + path, headers=headers, timeout=60, **more)

    def ask(self, recording_id: UUID, *, who: str = "manager", **more: object) -> httpx.Response:
        body = {
            "contact_id": str(self.contact_id),
            "items": [{"recording_id": str(recording_id)} | more],
        }
        return self.call(who, "POST", "/v1/releases", json=body)

    def approve(self, release_id: str, *, who: str = "approver") -> httpx.Response:
        return self.call(who, "POST", f"/v1/releases/{release_id}/approve", json={})

    def acts(self, object_id: object) -> list[str]:
        with self.database.transaction() as session:
            return list(
                session.scalars(
                    text("SELECT act FROM custody_entries WHERE object_id = :id ORDER BY position"),
                    {"id": object_id},
                )
            )

    def disable(self, name: str) -> None:
        with self.database.transaction() as session:
            session.get_one(User, self.people[name].id).disabled_at = self.clock.now()

    def worker(self) -> Worker:
        return Worker(
            database=self.database,
            release=self.release,
            clock=self.clock,
            log=self.log,
            archive=self.archive,
            sandbox=Sandbox.detect(),
        )


@contextmanager
def opened(house: House) -> Iterator[House]:
    """Serve the routes of disputes and releases."""
    app = FastAPI()
    app.include_router(disputes)
    app.include_router(dispute_work)
    app.include_router(dispute_reports)
    app.include_router(listening)
    app.include_router(parts)
    app.include_router(previews)
    app.include_router(releases)
    app.include_router(bundle_routes)
    problems.install(app)
    app.state.database = house.database
    app.state.clock = house.clock
    app.state.settings = Settings(data=house.spool, _env_file=None)
    app.state.authenticator = Authenticator(house.database, house.clock)
    app.state.log = house.log
    app.state.listenings = Listenings()
    app.state.tools = SimpleNamespace(archive=house.archive)
    app.state.bundles = BundleDoor(database=house.database, store=house.release, clock=house.clock)
    app.state.public_url = "https://links.example/"
    app.state.copier = Copier(
        database=house.database,
        archive=house.archive,
        release=house.release,
        sandbox=Sandbox.detect,
        clock=house.clock,
        spool=house.spool,
        public_url="https://links.example/",
    )
    with running(app) as house.url:
        yield house

"""A running archive with the rooms of review, and makers of what waits in its queues."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.consent import notices, review
from app.consent.models import Assertion, NoticeText, Verdict
from app.consent.notices import NoticeWords, ReferenceAudio
from app.consent.packs import shipped
from app.consent.purposes import BLOCKS, Kind, Purpose, ScreeningResult
from app.consent.review import Proposal
from app.consent.spans import WHOLE
from app.core.clock import SetClock
from app.core.db import APP_ROLE, Database
from app.custody import ledger
from app.custody.ledger import Act, DetailCipher
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.models import User
from app.identity.permissions import Role
from app.inspection.references import Shelf
from app.inspection.sandbox import Sandbox
from app.main import create_app
from app.recordings.models import Recording
from app.recordings.stages import Measured
from app.settings import Settings
from app.tools import Tools
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.sealed import SealedStore
from tests.consent.evidences import MATCHED
from tests.factories import Make, wav
from tests.live import running
from tests.logs import log_tools

PASSWORD = "a long pass phrase"
VERBAL = {
    "from_ms": 2000,
    "to_ms": 5000,
    "speaker": "own",
    "quote": "Разговор записывается.",
    "reaction": "continued",
}


AGREED = {
    "question": {"from_ms": 500, "quote": "Можно передать запись вашему руководству?"},
    "answer": {"from_ms": 2000, "quote": "Да."},
    "identity_basis": "Назвал себя.",
}
ACKNOWLEDGED = {"act_number": "7", "act_version": "1", "signed_on": "2026-01-10", "log": "x"}


@dataclass(kw_only=True)
class House:
    """The archive, its people and their keys; each step is a committed transaction."""

    database: Database
    clock: SetClock
    archive: SealedStore
    tools: Tools
    owner_url: str
    url: str = ""
    app: FastAPI = field(default_factory=FastAPI)
    people: dict[str, Actor] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def making(self) -> Iterator[Make]:
        with self.database.transaction() as session:
            yield Make(session, self.clock, self.archive)

    def person(self, name: str, role: Role) -> Actor:
        """Make a person with a key and a password."""
        with self.making() as make:
            user = identity.add_user(
                make.session,
                Actor.system("tests"),
                name,
                role=role,
                at=self.clock.now(),
                password=PASSWORD,
            )
            make.session.flush()
            self.people[name] = Actor.user(UUID(str(user.id)), role, name)
            self.keys[name] = identity.add_api_key(
                make.session,
                Actor.system("tests"),
                make.session.get_one(User, user.id),
                at=self.clock.now(),
            )
        return self.people[name]

    def staff(self) -> None:
        for role in (
            Role.MANAGER,
            Role.REVIEWER,
            Role.APPROVER,
            Role.LEGAL,
            Role.AUDITOR,
            Role.ADMIN,
        ):
            self.person(str(role), role)

    def call(self, who: str, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own arguments.
        headers = {"Authorization": f"Bearer {self.keys[who]}"}
        return httpx.request(method, self.url + path, headers=headers, timeout=60, **more)

    def recording(self, **more: Any) -> Recording:  # noqa: ANN401 - the factory's own arguments.
        told: dict[str, Any] = {"body": wav(8.0), "duration_ms": 8000} | more
        with self.making() as make:
            return make.recording(**told)

    def propose(
        self,
        recording_id: UUID,
        kind: Kind = Kind.VERBAL_NOTICE,
        *,
        who: str = "manager",
        evidence: dict[str, Any] | None = None,
        party: str = "cli",
    ) -> UUID:
        """Let somebody propose evidence on a party; by default words said by our agent."""
        told = evidence if evidence is not None else dict(VERBAL)
        proposal = Proposal(
            kind=kind,
            evidence=told,
            party=party,
            purposes=(Purpose.INTERNAL_QUALITY,)
            if kind not in BLOCKS and kind != Kind.IVR_NOTICE
            else (),
        )
        with self.database.transaction() as session:
            row = review.propose(
                session, self.people[who], recording_id, proposal, at=self.clock.now()
            )
            self._listened(session, recording_id)
        return row.id

    def _listened(self, session: Session, recording_id: UUID) -> None:
        """Write down that all of compliance have heard the recording a minute ago."""
        for person in self.people.values():
            if person.role in {Role.REVIEWER, Role.APPROVER, Role.LEGAL}:
                ledger.append(
                    session,
                    person,
                    Act.MEDIA_PLAYED,
                    ("recording", recording_id),
                    at=self.clock.now() - timedelta(minutes=1),
                )

    def withdraw(self, recording_id: UUID, *, received_at: datetime) -> UUID:
        evidence = {"received_at": received_at.isoformat(), "channel": "phone"}
        evidence["identity_check"] = "Паспорт."
        return self.propose(recording_id, Kind.WITHDRAWAL, evidence=evidence)

    def notice(self) -> NoticeText:
        """Return an approved text."""
        at = self.clock.now()
        with self.making() as make:
            object_id = make.sealed(wav(1.0))
            words = NoticeWords(
                id=None,
                language="ru",
                text="Разговор записывается.",
                purposes=("internal_quality",),
                recipients=(),
                lines=(),
                valid_from=at - timedelta(days=400),
            )
            audio = ReferenceAudio(object_id=object_id, media_type="audio/wav", sha256=bytes(32))
            row = notices.add(make.session, self.people["admin"], words, audio, at=at)
            return notices.approve(
                make.session, self.people["approver"], row.id, version=None, at=at
            )

    def wanted(
        self, *, screened: bool = False, known: bool = False, email: str | None = None
    ) -> str:
        """Return a release that a manager asked for, of a client who agreed to the purpose."""
        at = self.clock.now()
        reviewer = self.people["reviewer"]
        with self.making() as make:
            client = make.client()
            contact = make.contact(client, email=email)
            make.contract(client)
            recording = make.recording(client=client, body=wav(8.0), duration_ms=8000)
            proposals = (
                Proposal(kind=Kind.EMPLOYEE_ACK, evidence=ACKNOWLEDGED, party="own", wide=True),
                Proposal(
                    kind=Kind.VERBAL_CONSENT,
                    evidence=AGREED,
                    party="cli",
                    from_ms=0,
                    purposes=(Purpose.DISPUTE_CLIENT,),
                    recipients=("client_same_entity",),
                ),
            )
            for told in proposals:
                row = review.propose(
                    make.session, self.people["manager"], recording.id, told, at=at
                )
                review.decide(make.session, reviewer, row.id, Verdict.VERIFY, reason=None, at=at)
            if screened:
                clear = ScreeningResult.CLEAR
                review.screen(make.session, reviewer, recording.id, WHOLE, clear, note=None, at=at)
            if known:
                review.verify_contact(
                    make.session,
                    reviewer,
                    contact.id,
                    identity_basis="Паспорт",
                    mandate_basis="Устав",
                    at=at,
                )
        body = {
            "contact_id": str(contact.id),
            "items": [{"recording_id": str(recording.id), "from_ms": 1000, "to_ms": 7000}],
        }
        answer = self.call("manager", "POST", "/v1/releases", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def propose_pack(self, who: str = "admin", **values: object) -> dict[str, Any]:
        """Let somebody propose the Russian pack with other values in the fields named."""
        body: dict[str, Any] = copy.deepcopy(dict(shipped()["RU"]))
        del body["version"]
        for name, value in values.items():
            body["fields"][name] = {"value": value, "mark": "firm"}
        answer = self.call(who, "POST", "/v1/packs", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def hear(self, notice: NoticeText, *, score: float, line: str | None = None) -> UUID:
        """Return evidence as the detector leaves it behind: verified, by nobody."""
        recording = self.recording()
        evidence = {
            "notice": {"id": str(notice.id), "version": notice.version},
            "played_ms": [1000, 3000],
            "stayed_after_ms": 5000,
            "match": MATCHED | {"score": score},
        }
        found = self.propose(recording.id, Kind.IVR_NOTICE, evidence=evidence)
        # The rule by which the detector verifies belongs to another room; here only its mark.
        with psycopg.connect(self.owner_url, autocommit=True) as owner:
            owner.execute("ALTER TABLE assertions DROP CONSTRAINT IF EXISTS ck_assertions_decided")
            owner.execute("ALTER TABLE assertions DISABLE TRIGGER assertions_update_guard")
            owner.execute(
                "UPDATE assertions SET status = 'verified', decided_at = %s WHERE id = %s",
                (self.clock.now(), found),
            )
            owner.execute("UPDATE recordings SET line = %s WHERE id = %s", (line, recording.id))
            owner.execute("ALTER TABLE assertions ENABLE TRIGGER assertions_update_guard")
        return found

    def assertion(self, assertion_id: UUID | str) -> Assertion:
        with self.database.transaction() as session:
            return session.get_one(Assertion, assertion_id)

    def acts(self, object_id: object) -> list[str]:
        with self.database.transaction() as session:
            return list(
                session.scalars(
                    text("SELECT act FROM custody_entries WHERE object_id = :id ORDER BY position"),
                    {"id": object_id},
                )
            )


@contextmanager
def opened(
    folder: Path,
    *,
    web_url: str,
    owner_url: str,
    sandbox: Sandbox,
    clock: SetClock,
    has_staff: bool = True,
    **settings: Any,  # noqa: ANN401 - whatever settings there are.
) -> Iterator[House]:
    """Run the archive with the routes of review over a database of the test's own."""
    keys = MasterKeys.create(folder / "archive.key")
    cipher = DetailCipher(keys.derive("ledger-detail"))
    database = Database(web_url, role=APP_ROLE, info={"detail_cipher": cipher})
    archive = SealedStore(FolderStore(folder / "archive"), keys)
    tools = Tools(
        settings=Settings(data=folder, totp_roles="none", _env_file=None, **settings),
        clock=clock,
        database=database,
        cipher=cipher,
        log=log_tools(folder, database, clock),
        archive=archive,
        shelf=Shelf(archive=archive, sandbox=sandbox, spool=folder / "spool"),
        release=SealedStore(FolderStore(folder / "release"), MasterKeys.create(folder / "r.key")),
        sandbox=sandbox,
    )
    house = House(database=database, clock=clock, archive=archive, tools=tools, owner_url=owner_url)
    if has_staff:
        house.staff()
    house.app = app = create_app(tools, stages=Measured())
    try:
        with running(app) as house.url:
            yield house
    finally:
        database.close()

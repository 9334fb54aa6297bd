"""Makers of rows: each call makes what its name says, with the least that a test must know."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from uuid import UUID

import psycopg
from sqlalchemy.orm import Session

from app.clients.models import (
    Client,
    Contact,
    ContactPhone,
    Contract,
    ContractClause,
    Event,
    EventKind,
    EventOrigin,
)
from app.core.clock import SetClock
from app.core.ids import new_id
from app.documents.models import Document
from app.identity import queries as people
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.models import Device, User
from app.identity.permissions import Role
from app.inspection.models import LegSound
from app.inspection.sound import talk_to_bytes
from app.inspection.talk import Spans, talk_ms
from app.recordings.models import (
    Capture,
    Direction,
    InspectionState,
    Leg,
    LegKind,
    LinkChange,
    LinkedBy,
    Party,
    Recording,
    Screenshot,
    SealedRow,
)
from storage.sealed import SealedStore

DAY = timedelta(days=1)
_count = itertools.count(1)


def set_erased(owner_url: str, recording_id: UUID | str) -> None:
    """Let a recording be erased, as the owner of the database alone can say."""
    with psycopg.connect(owner_url) as owner:
        owner.execute("SELECT set_config('audiatur.erasing', 'on', true)")
        owner.execute("UPDATE recordings SET erased_at = now() WHERE id = %s", [recording_id])


def wav(seconds: float = 1.0, *, rate_hz: int = 8000) -> bytes:
    """Return a mono 16-bit WAV of a quiet ramp, `seconds` long."""
    samples = b"".join((i % 200).to_bytes(2, "little") for i in range(int(seconds * rate_hz)))
    head = b"RIFF" + (36 + len(samples)).to_bytes(4, "little") + b"WAVEfmt "
    form = b"".join(
        value.to_bytes(size, "little")
        for value, size in (
            (16, 4),
            (1, 2),
            (1, 2),
            (rate_hz, 4),
            (rate_hz * 2, 4),
            (2, 2),
            (16, 2),
        )
    )
    return head + form + b"data" + len(samples).to_bytes(4, "little") + samples


def notice() -> bytes:
    """Return the reference audio of a notice: speech, as a notice text's reference must be."""
    folder = Path(__file__).parents[1] / "scripts" / "demo_company" / "notice"
    return (folder / "notice_ru.wav").read_bytes()


class Make:
    """Makes people, clients, events and recordings in one session."""

    def __init__(self, session: Session, clock: SetClock, store: SealedStore) -> None:
        self.session = session
        self.clock = clock
        self.store = store
        self._system = Actor.system("tests")

    def user(self, role: Role, *, agent_ref: str | None = None) -> Actor:
        """Return a new person of `role`."""
        user = identity.add_user(
            self.session,
            self._system,
            f"{role}{next(_count)}",
            role=role,
            agent_ref=agent_ref,
            at=self.clock.now(),
        )
        return people.as_actor(self.session, user)

    def key(self, actor: Actor) -> str:
        """Return an API key of a person."""
        user = self.session.get_one(User, actor.id)
        return identity.add_api_key(self.session, self._system, user, at=self.clock.now())

    @cached_property
    def agent(self) -> Actor:
        return self.user(Role.AGENT, agent_ref="101")

    @cached_property
    def manager(self) -> Actor:
        return self.user(Role.MANAGER)

    @cached_property
    def reviewer(self) -> Actor:
        return self.user(Role.REVIEWER)

    @cached_property
    def approver(self) -> Actor:
        return self.user(Role.APPROVER)

    @cached_property
    def legal(self) -> Actor:
        return self.user(Role.LEGAL)

    @cached_property
    def admin(self) -> Actor:
        return self.user(Role.ADMIN)

    @cached_property
    def auditor(self) -> Actor:
        return self.user(Role.AUDITOR)

    @cached_property
    def device(self) -> Actor:
        return self.new_device()[0]

    def new_device(self) -> tuple[Actor, str]:
        """Return a new device and its key."""
        name = f"phone-{next(_count)}"
        key = identity.add_device(self.session, self._system, name, at=self.clock.now())
        self.session.flush()
        row = self.session.query(Device).filter_by(name=name).one()
        return Actor.device(row.id, name), key

    def client(
        self, *, jurisdiction: str | None = "RU", tax_id: str | None = None, name: str = ""
    ) -> Client:
        place = next(_count)
        client = Client(
            id=new_id(),
            external_id=f"C-{place}",
            name=name or f"ООО «Ромашка-{place}»",
            tax_id=tax_id or f"77{place:08d}",
            jurisdiction=jurisdiction,
            created_at=self.clock.now(),
            updated_at=self.clock.now(),
        )
        self.session.add(client)
        self.session.flush()
        return client

    def contact(
        self,
        client: Client,
        *,
        phones: Sequence[str] = (),
        is_management: bool = True,
        email: str | None = None,
    ) -> Contact:
        contact = Contact(
            id=new_id(),
            client_id=client.id,
            name=f"Директор {next(_count)}",
            position="директор",
            email=email,
            is_management=is_management,
            phones=[ContactPhone(number=number) for number in phones],
        )
        self.session.add(contact)
        self.session.flush()
        return contact

    def document(
        self,
        body: bytes = b"%PDF-1.7 paper",
        *,
        role: str = "other",
        by: Actor | None = None,
        client: Client | None = None,
        recording: Recording | None = None,
    ) -> Document:
        """Keep `body` as a document, as if it had been uploaded."""
        sealed = self.session.get_one(SealedRow, self.sealed(body))
        document = Document(
            id=new_id(),
            upload_id=f"u-{next(_count)}",
            role=role,
            title="Документ",
            kind="pdf",
            media_type="application/pdf",
            object_id=sealed.object_id,
            sha256=sealed.sha256,
            examined=["header"],
            oddities=[],
            client_id=client.id if client else None,
            recording_id=recording.id if recording else None,
            uploaded_by=(by or self.manager).id,
            uploaded_at=self.clock.now(),
        )
        self.session.add(document)
        self.session.flush()
        return document

    def contract(
        self,
        client: Client,
        *,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        scope: Sequence[str] = (),
        purposes: Sequence[str] = ("dispute_client",),
        recipients: Sequence[str] = ("client_same_entity",),
    ) -> Contract:
        """Return a running contract; with a `scope`, it has the clause 7.2 of that scope.

        Its document is kept where it has a clause.
        """
        paper = f"contract {next(_count)}".encode()
        if scope:
            self.document(paper, role="contract")
        contract = Contract(
            id=new_id(),
            client_id=client.id,
            number=f"Д-{next(_count)}",
            signed_on=(self.clock.now() - 365 * DAY).date(),
            our_entity="ООО «Сервис»",
            document_sha256=hashlib.sha256(paper).digest(),
            signature_kind="ukep",
            valid_from=valid_from or self.clock.now() - 365 * DAY,
            valid_to=valid_to,
        )
        if scope:
            contract.clauses = [
                ContractClause(
                    id=new_id(),
                    clause_ref="7.2",
                    quote="Записи могут быть переданы руководству Заказчика.",
                    scope=list(scope),
                    purposes=list(purposes),
                    recipients=list(recipients),
                )
            ]
        self.session.add(contract)
        self.session.flush()
        return contract

    def event(
        self,
        client: Client | None,
        *,
        at: datetime | None = None,
        external_id: str | None = None,
        origin: EventOrigin = EventOrigin.SENT,
        kind: EventKind = EventKind.TICKET,
    ) -> Event:
        event = Event(
            id=new_id(),
            external_id=external_id or f"E-{next(_count)}",
            kind=kind,
            origin=origin,
            occurred_at=at or self.clock.now(),
            subject="Не работает сеть",
            client_id=client.id if client else None,
            agents=[],
            created_at=self.clock.now(),
            updated_at=self.clock.now(),
        )
        self.session.add(event)
        self.session.flush()
        return event

    def recording(
        self,
        *,
        client: Client | None = None,
        number: str | None = None,
        started_at: datetime | None = None,
        duration_ms: int = 600_000,
        body: bytes | None = None,
        agent: str | None = "101",
        capture: Capture = Capture.SOFTPHONE,
        outside: int = 1,
        leg: LegKind = LegKind.MIXED,
        file_name: str = "call.wav",
    ) -> Recording:
        """Return an inspected recording of our agent and `outside` persons of `client`."""
        client = client or self.client()
        started_at = started_at or self.clock.now() - DAY
        event = self.event(client, at=started_at)
        recording = Recording(
            id=new_id(),
            device_id=self.device.id,
            source_call_id=f"call-{next(_count)}",
            started_at=started_at,
            direction=Direction.INBOUND,
            capture=capture,
            from_party=number,
            to_party="101",
            outside_number=number,
            agent=agent,
            event_id=event.id,
            linked_by=LinkedBy.SENDER,
            received_at=self.clock.now(),
            inspection_state=InspectionState.DONE,
            duration_ms=duration_ms,
        )
        self.session.add(recording)
        self.session.flush()
        self.leg(recording, body or wav(), duration_ms, kind=leg, file_name=file_name)
        self.session.add(
            LinkChange(
                id=new_id(),
                recording_id=recording.id,
                event_id=event.id,
                linked_by=LinkedBy.SENDER,
                at=self.clock.now(),
            )
        )
        self.party(recording, "own", side="own", agent=agent)
        for place in range(outside):
            self.party(recording, "cli" if place == 0 else f"cli-{place + 1}", client=client)
        self.session.flush()
        return recording

    def party(
        self,
        recording: Recording,
        label: str,
        *,
        side: str = "client",
        client: Client | None = None,
        agent: str | None = None,
        present: tuple[int, int | None] = (0, None),
    ) -> Party:
        party = Party(
            id=new_id(),
            recording_id=recording.id,
            label=label,
            side=side,
            client_id=client.id if client else None,
            agent=agent,
            present_from_ms=present[0],
            present_to_ms=present[1],
            how_identified="number" if client else "sender",
        )
        self.session.add(party)
        self.session.flush()
        return party

    def sealed(self, body: bytes) -> UUID:
        """Keep `body` in the archive store and return its object's id."""
        draft = self.store.begin(new_id())
        draft.write(body)
        kept = draft.keep()
        self.session.add(
            SealedRow(
                object_id=kept.object_id,
                wrapped_key=kept.wrapped_key,
                size_bytes=kept.size_bytes,
                sha256=kept.sha256,
                crc32=kept.crc32,
                stored_at=self.clock.now(),
            )
        )
        self.session.flush()
        return kept.object_id

    def screenshot(
        self, body: bytes, *, client: Client | None = None, media_type: str, size: tuple[int, int]
    ) -> Screenshot:
        """Keep `body` as a screenshot of an event of `client`."""
        sealed = self.session.get_one(SealedRow, self.sealed(body))
        screenshot = Screenshot(
            id=new_id(),
            device_id=self.device.id,
            captured_at=self.clock.now(),
            event_id=self.event(client).id,
            linked_by=LinkedBy.SENDER,
            object_id=sealed.object_id,
            sha256=sealed.sha256,
            media_type=media_type,
            width=size[0],
            height=size[1],
            received_at=self.clock.now(),
        )
        self.session.add(screenshot)
        self.session.flush()
        return screenshot

    def talked(self, leg: Leg, *channels: Spans, duration_ms: int) -> None:
        """Keep when somebody talks on each channel of a leg, as an inspection does."""
        levels = {"loudness_lufs": -20.0, "peak_dbfs": -3.0, "clipped_samples": 0}
        silence = {"clipped_runs": 0, "silent_ms": 0, "longest_silence_ms": 0}
        self.session.add(
            LegSound(
                id=new_id(),
                recording_id=leg.recording_id,
                leg_id=leg.id,
                method_version="tests",
                duration_ms=duration_ms,
                loudness_lufs=-20.0,
                same_channels=False,
                channels=[levels | silence | {"talk_ms": talk_ms(spans)} for spans in channels],
                talk_object_id=self.sealed(talk_to_bytes(channels)),
                at=self.clock.now() + timedelta(seconds=1),
            )
        )

    def leg(
        self,
        recording: Recording,
        body: bytes,
        duration_ms: int,
        *,
        kind: LegKind,
        file_name: str = "call.wav",
    ) -> None:
        """Add a file to a recording."""
        self.session.add(
            Leg(
                id=new_id(),
                recording_id=recording.id,
                leg=kind,
                object_id=self.sealed(body),
                media_type="audio/wav",
                container="wav",
                codec="pcm_s16le",
                channels=1,
                sample_rate_hz=8000,
                file_name=file_name,
                received_at=self.clock.now(),
                inspection_state=InspectionState.DONE,
                duration_ms=duration_ms,
                damaged=False,
                decoder="tests",
            )
        )
        self.session.flush()

"""No byte of sound is given after the commit of a refusal or withdrawal, whatever the order."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from app.consent import review
from app.consent.models import Verdict
from app.consent.purposes import Kind, Purpose, RecipientClass
from app.consent.review import Proposal
from app.core.clock import SetClock, SystemClock
from app.core.db import APP_ROLE
from app.custody.ledger import DetailCipher
from app.identity.actor import Actor
from app.inspection.references import Shelf
from app.inspection.sandbox import Sandbox
from app.main import create_app
from app.playback.door import PIECE_BYTES
from app.public.links import Links
from app.public.main import PublicTools, _cookie, create_public_app
from app.public.server import ROLE
from app.recordings.stages import Measured
from app.settings import Settings
from app.tools import Tools
from storage.folder import FolderStore
from storage.keys import MasterKeys
from tests.conftest import FIGURES, Urls
from tests.factories import Make
from tests.live import running
from tests.logs import log_tools
from tests.playback.interleaving import Answer, SeamedDatabase, SeamedStore, Turns, ask
from tests.releases.house import ACKNOWLEDGED, DETAILS
from tests.releases.world import World

INTERLEAVINGS = int(os.environ.get("AUDIATUR_TEST_INTERLEAVINGS", "50"))
SEED = int(os.environ.get("AUDIATUR_TEST_SEED", "20261122"))
ROUNDS, LISTENERS = 12, 20
BODY = bytes(2 * PIECE_BYTES + 1)  # Three pieces.
PARTS: tuple[dict[str, str], ...] = (
    {},
    {},
    {"Range": "bytes=0-"},
    {"Range": f"bytes={PIECE_BYTES}-"},
    {"Range": "bytes=-9"},
)
REFUSAL = {"quote": "Не записывайте"}
WITHDRAWAL = {"received_at": "2026-11-20T10:00:00Z", "channel": "letter"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A recording that may be heard, in the house and by a link, until somebody says no."""

    recording_id: UUID
    manager: Actor
    doors: tuple[tuple[str, str, dict[str, str]], ...]
    objects: tuple[UUID, UUID]


@dataclass(kw_only=True)
class Archive:
    """The web application and that of the links, with seams, over a database of the test's own."""

    turns: Turns
    database: SeamedDatabase
    links: SeamedDatabase
    tools: Tools
    house: FastAPI
    public: FastAPI
    made: int = 0

    def case(self) -> Case:
        """Make a recording, its evidence and an open link with a view."""
        self.made += 1
        clock = SetClock(SystemClock().now())
        with self.database.transaction() as session:
            make = Make(session, clock, self.tools.archive)
            client = make.client()
            recording = make.recording(client=client, body=BODY, agent=f"a{self.made}")
            ack = Proposal(kind=Kind.EMPLOYEE_ACK, evidence=ACKNOWLEDGED, party="own", wide=True)
            consent = Proposal(
                kind=Kind.VERBAL_CONSENT,
                evidence=DETAILS,
                party="cli",
                purposes=(Purpose.INTERNAL_QUALITY, Purpose.DISPUTE_CLIENT),
                recipients=(RecipientClass.OWN_STAFF_MANAGER, RecipientClass.CLIENT_SAME_ENTITY),
            )
            for told in (ack, consent):
                row = review.propose(session, make.manager, recording.id, told, at=clock.now())
                review.decide(
                    session, make.reviewer, row.id, Verdict.VERIFY, reason="x", at=clock.now()
                )
            session.refresh(recording, ["legs"])
            world = World(
                session=session,
                clock=clock,
                store=self.tools.release,
                make=make,
                client=client,
                contact=make.contact(client),
                recording=recording,
                release_id=recording.id,
                body=BODY,
            )
            item = world.open()
            key = make.key(make.manager)
        view = Links(self.links).view(world.token)
        cookie = f"{_cookie(world.token, is_secure=False)}={view.secret}"
        return Case(
            recording_id=recording.id,
            manager=make.manager,
            doors=(
                (
                    "house",
                    f"/v1/recordings/{recording.id}/audio",
                    {"Authorization": f"Bearer {key}"},
                ),
                ("link", f"/s/{world.token.secret}/audio/{item.id}", {"Cookie": cookie}),
            ),
            objects=(recording.legs[0].object_id, item.object_id),
        )

    def say_no(self, case: Case, draw: random.Random) -> None:
        """Commit a refusal or withdrawal of the party or of everybody."""
        kind, evidence = draw.choice([(Kind.REFUSAL, REFUSAL), (Kind.WITHDRAWAL, WITHDRAWAL)])
        no = Proposal(kind=kind, evidence=evidence, party=draw.choice(["cli", None]))
        with self.database.transaction() as session:
            review.propose(session, case.manager, case.recording_id, no, at=SystemClock().now())

    def forget(self, case: Case) -> None:
        """Take the bytes away, so that thousands of cases fit on a disk."""
        self.tools.archive.delete(case.objects[0])
        self.tools.release.delete(case.objects[1])


@pytest.fixture
def archive(own_database: Urls, tmp_path: Path, sandbox: Sandbox) -> Iterator[Archive]:
    turns = Turns()
    keys = [MasterKeys.create(tmp_path / f"{name}.key") for name in ("archive", "release")]
    stores = [
        SeamedStore(FolderStore(tmp_path / name), key, turns)
        for name, key in zip(("archive", "release"), keys, strict=True)
    ]
    cipher = DetailCipher(keys[0].derive("ledger-detail"))
    database = SeamedDatabase(own_database.web, role=APP_ROLE, info={"detail_cipher": cipher})
    links = SeamedDatabase(own_database.link, role=ROLE)
    database.turns = links.turns = turns
    tools = Tools(
        settings=Settings(data=tmp_path, _env_file=None),
        clock=SystemClock(),
        database=database,
        cipher=cipher,
        archive=stores[0],
        shelf=Shelf(archive=stores[0], sandbox=sandbox, spool=tmp_path / "spool"),
        release=stores[1],
        sandbox=sandbox,
        log=log_tools(tmp_path, database, SystemClock()),
    )
    public = PublicTools(database=links, release=stores[1], clock=SystemClock())
    yield Archive(
        turns=turns,
        database=database,
        links=links,
        tools=tools,
        house=create_app(tools, stages=Measured()),
        public=create_public_app(public),
    )
    database.close()
    links.close()


def outcome(answer: Answer) -> str:
    if not answer.is_given:
        return "refused"
    return "whole" if answer.has_ended else "cut off"


def test_withdrawal_in_any_order_of_steps_ends_every_access(
    archive: Archive, record_property: Callable[[str, object], None]
) -> None:
    draw = random.Random(SEED)  # noqa: S311 - an order of events, no secret.
    met: Counter[str] = Counter()
    late = 0
    for number in range(INTERLEAVINGS):
        case = archive.case()
        answers: list[tuple[str, Answer]] = []
        withdrawn: list[int] = []

        def withdraw(case: Case = case, withdrawn: list[int] = withdrawn) -> None:
            for _ in range(draw.randint(0, 30)):
                archive.turns.seam()  # The others take many turns; the no would often come early.
            archive.say_no(case, draw)
            withdrawn.append(archive.turns.turn)

        def listen(
            door: tuple[str, str, dict[str, str]],
            part: dict[str, str],
            answers: list[tuple[str, Answer]] = answers,
        ) -> None:
            name, path, headers = door
            app = archive.house if name == "house" else archive.public
            # The second is a further part of the same listening.
            answers += [(name, ask(app, archive.turns, path, headers | part)) for _ in range(2)]

        works: list[Callable[[], None]] = [withdraw]
        for _ in range(draw.randint(1, 3)):
            door, part = draw.choice(case.doors), draw.choice(PARTS)
            works.append(lambda door=door, part=part: listen(door, part))  # type: ignore[misc]
        archive.turns.run(works, draw)
        for name, answer in answers:
            met[f"{name} {outcome(answer)}"] += 1
            assert answer.status in {200, 206, 403, 409, 410}, (SEED, number, answer)
            late += bool(answer.after(withdrawn[0]))
            assert not late, (SEED, number, withdrawn, answer)
        archive.forget(case)
    record_property(
        f"{FIGURES}R7 orders of steps", {"drawn": INTERLEAVINGS, "begun after": late, **met}
    )
    assert all(met[f"{name} {end}"] for name in ("house", "link") for end in ("refused", "whole"))
    assert met["house cut off"]
    assert met["link cut off"]


def test_withdrawal_among_many_real_requests_lets_none_begin(
    archive: Archive, record_property: Callable[[str, object], None]
) -> None:
    draw = random.Random(SEED)  # noqa: S311 - an order of events, no secret.
    met: Counter[str] = Counter()
    with running(archive.house) as house, running(archive.public) as public:
        for _ in range(ROUNDS):
            case = archive.case()
            urls = {"house": house, "link": public}
            sent, is_over = threading.Semaphore(0), threading.Event()

            def listen(
                door: tuple[str, str, dict[str, str]],
                sent: threading.Semaphore = sent,
                is_over: threading.Event = is_over,
                urls: dict[str, str] = urls,
            ) -> tuple[bool, str, int]:
                name, path, headers = door
                is_late = is_over.is_set()
                sent.release()
                came = 0
                try:
                    with httpx.stream("GET", urls[name] + path, headers=headers) as answer:
                        if answer.status_code != 200:
                            return is_late, "refused", 0
                        for piece in answer.iter_raw():
                            came += len(piece)
                except httpx.RemoteProtocolError:
                    return is_late, "cut off", came
                return is_late, "whole", came

            with ThreadPoolExecutor(6) as pool:
                going = [pool.submit(listen, draw.choice(case.doors)) for _ in range(LISTENERS)]
                for _ in range(draw.randint(0, LISTENERS * 2 // 3)):
                    sent.acquire()
                archive.say_no(case, draw)
                is_over.set()
                going += [pool.submit(listen, door) for door in case.doors]
            for is_late, end, came in (one.result() for one in going):
                met[f"{'after' if is_late else 'before'}: {end}"] += 1
                assert not (is_late and came)
            archive.forget(case)
    record_property(f"{FIGURES}R7 real requests", dict(met))
    assert met["after: refused"] > ROUNDS
    assert met["before: whole"]
    assert not met["after: whole"] + met["after: cut off"]

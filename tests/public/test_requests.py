"""A client sends documents by the link of a request: the page, what is refused, the taking over."""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pytest
from sqlalchemy import exc, func, select, text

from app.clients.models import Client
from app.core.clock import SetClock
from app.core.db import Database
from app.core.errors import Refusal
from app.core.ids import DisputeId, new_id
from app.custody import receipts
from app.custody.models import CustodyEntry
from app.custody.signing import Purpose
from app.disputes import papers, report, taking, timeline
from app.disputes.models import RequestedDocument
from app.disputes.report import Reader
from app.documents.models import Document
from app.identity.actor import Actor
from app.identity.permissions import Role
from app.public import form
from app.public.form import FormBroken
from app.public.intake import Busy, Intake, SenderSlow
from app.public.main import PublicTools
from app.public.requests import Requests, SealedFile
from app.releases import sweeping
from app.releases.models import ReleaseItem
from app.releases.tokens import ShareToken
from storage.sealed import SealedDraft, SealedRef, SealedStore
from tests.conftest import Urls
from tests.papers import pdf
from tests.public.conftest import served
from tests.public.requesting import SEND, WEEK, Asked, png
from tests.releases.world import World


def test_the_page_says_what_is_asked_and_by_when(asked: Asked) -> None:
    answer = asked.browser.get(asked.path)
    assert answer.status_code == 200
    assert "Снимки экрана с ошибкой &lt;b&gt;и журнал&lt;/b&gt;" in answer.text
    assert "Василёк" in answer.text
    assert "до 10 файлов, каждый до 20 МБ" in answer.text
    english = asked.browser.get(asked.path, headers={"Accept-Language": "en"})
    assert "Please send us documents" in english.text
    assert "<script" not in answer.text + english.text
    assert "content-security-policy" in answer.headers
    assert asked.acts().count("upload.received") == 0


def test_what_is_asked_for_again_says_why(asked: Asked, own_database: Urls) -> None:
    asked.send(("a.png", png()))
    asked.take_over()
    why = "На снимке не видно времени <i>"
    assert "Нужно ещё кое-что" not in asked.browser.get(asked.path).text
    with psycopg.connect(own_database.owner) as owner:
        owner.execute("UPDATE dispute_requests SET state = 'asked_again', words = %s", (why,))
    page = asked.browser.get(asked.path).text
    assert "Нужно ещё кое-что" in page
    assert "На снимке не видно времени &lt;i&gt;" in page
    asked.send(("b.png", png("red")))
    asked.take_over()
    assert "Нужно ещё кое-что" not in asked.browser.get(asked.path).text


def test_files_and_steps_are_taken_over_as_documents_of_the_client(asked: Asked) -> None:
    picture, paper = png(), pdf()
    answer = asked.send(("экран.png", picture), ("log.pdf", paper), steps="1. Открыл\r\n2. Упало")
    assert answer.status_code == 303
    thanks = asked.browser.get(answer.headers["location"])
    assert "Спасибо" in thanks.text
    assert "экран.png" in thanks.text
    assert "проверяется" in thanks.text
    sent = asked.uploads()
    assert [one.state for one in sent] == ["waiting"] * 3
    assert sorted(asked.jobs()) == sorted(str(one.id) for one in sent)
    assert asked.objects() == {one.object_id for one in sent if one.object_id}
    asked.take_over()
    sent = asked.uploads()
    assert [one.state for one in sent] == ["kept"] * 3
    assert {one.words for one in sent} == {None, "1. Открыл\n2. Упало"}
    assert asked.objects() == set()
    assert {one.wrapped_key for one in sent} == {None}
    with asked.worker.database.transaction() as session:
        documents = session.scalars(select(Document).order_by(Document.kind)).all()
        tied = session.scalars(select(RequestedDocument.document_id)).all()
        assert [one.kind for one in documents] == ["pdf", "png"]
        assert {one.client_id for one in documents} == {asked.client_id}
        assert {one.uploaded_by for one in documents} == {None}
        assert {one.id for one in documents} == set(tied)
        at, sender = asked.worker.clock.now(), Actor.user(new_id(), Role.MANAGER, "manager")
        window = timeline.Window(
            client_id=asked.client_id,
            since=at - WEEK,
            until=at + WEEK,
            kinds=frozenset({timeline.Happened.DOCUMENT}),
        )
        lines = timeline.lines(session, sender, window, after=None, limit=10)
        client = session.get_one(Client, asked.client_id)
        assert [list(one.who) for one in lines] == [[client.name]] * 2
        for one, body in zip(documents, (paper, picture), strict=True):
            key, size = session.execute(
                text("SELECT wrapped_key, size_bytes FROM sealed_objects WHERE object_id = :id"),
                {"id": one.object_id},
            ).one()
            ref = SealedRef(object_id=one.object_id, wrapped_key=bytes(key), size_bytes=size)
            assert b"".join(asked.worker.archive.stream(ref)) == body
    request = asked.request()
    assert (request.state, request.changed_by) == ("received", None)
    acts = asked.acts()
    assert acts.count("upload.received") == 3
    assert acts.count("document.kept") == 2
    assert acts.count("dispute.request") == 5  # Asked, its link, and three that came.
    assert "получено" in asked.browser.get(asked.path).text


def test_what_is_kept_has_a_receipt_that_the_archive_signed(asked: Asked) -> None:
    picture, steps = png(), "1. Открыл\n2. Упало"
    sent = asked.browser.get(asked.send(("экран.png", picture), steps=steps).headers["location"])
    digests = [hashlib.sha256(one).hexdigest() for one in (picture, steps.encode())]
    assert sent.text.count("квитанция появится здесь") == 2
    assert all(f"SHA-256: {digest}" in sent.text for digest in digests)
    assert "/receipt/" not in sent.text
    asked.take_over()
    for page in (asked.path, f"{asked.path}/sent"):
        shown = asked.browser.get(page).text
        links = re.findall(r'href="([^"]*/receipt/[^"]*)"', shown)
        assert len(links) == shown.count("Скачать квитанцию") == 2
        assert all(digest in shown for digest in digests)
    keys = asked.worker.log.ring.keys.public(Purpose.RECEIPT)
    told = {}
    for link in links:
        taken = asked.browser.get(link)
        assert taken.status_code == 200
        assert taken.headers["content-type"] == "text/plain; charset=utf-8"
        assert taken.headers["content-disposition"].startswith('attachment; filename="receipt-')
        found = receipts.check(taken.text, keys)
        told[found.sha256.hex()] = found
    assert list(told) == digests
    of_picture, of_steps = told.values()
    rows = {one.words is None: one for one in asked.uploads()}
    assert of_picture.object_kind == "document"
    assert of_picture.object_id == rows[True].document_id
    assert (of_steps.object_kind, of_steps.object_id) == ("words", rows[False].id)
    assert [one.size_bytes for one in (of_picture, of_steps)] == [len(picture), len(steps.encode())]
    assert [one.received_at for one in (of_picture, of_steps)] == [rows[True].at, rows[False].at]
    with asked.worker.database.transaction() as session:
        for one, act in ((of_picture, "document.kept"), (of_steps, "dispute.request")):
            entry = session.get_one(CustodyEntry, one.entry_id)
            assert (entry.act, entry.content_commitment) == (act, one.commitment)


def test_a_receipt_is_given_by_its_own_link_alone(asked: Asked, own_database: Urls) -> None:
    asked.send(("a.png", png()))
    (waiting,) = asked.uploads()
    path = f"/receipt/{waiting.id}"
    unknown = asked.browser.get(f"/r/{'x' * 43}")
    assert asked.browser.get(asked.path + path).text == unknown.text  # There is none yet.
    asked.take_over()
    assert asked.browser.get(asked.path + path).status_code == 200
    answers = [
        asked.browser.get(f"/r/{'x' * 43}{path}"),
        asked.browser.get(f"{asked.path}/receipt/{asked.request_id}"),
        asked.browser.get(f"{asked.path}/receipt/1"),
    ]
    with psycopg.connect(own_database.owner) as owner:
        owner.execute("UPDATE dispute_requests SET token_expires_at = now()")
    answers.append(asked.browser.get(asked.path + path))
    assert {(one.status_code, one.text) for one in answers} == {(410, unknown.text)}


def test_a_taking_over_twice_keeps_once(asked: Asked) -> None:
    asked.send(("a.png", png()))
    for _ in range(2):
        asked.take_over()
    with asked.worker.database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(Document)) == 1
    assert asked.acts().count("document.kept") == 1


def test_what_was_broken_off_before_its_bytes_went_is_finished(asked: Asked) -> None:
    class Dying:
        """A store whose process is killed before it removes anything."""

        def __init__(self, inner: SealedStore) -> None:
            self._inner = inner

        def stream(self, ref: SealedRef) -> Iterator[bytes]:
            return self._inner.stream(ref)

        def delete(self, object_id: UUID) -> None:
            raise KeyboardInterrupt(object_id)

    asked.send(("a.png", png()))
    (one,) = asked.uploads()
    dying = replace(asked.worker, release=Dying(asked.worker.release))  # type: ignore[arg-type]  # what the job needs of it
    with suppress(KeyboardInterrupt):
        taking.handle_take_over(dying, str(one.id))
    assert len(asked.objects()) == 1
    assert asked.uploads()[0].state == "kept"
    asked.take_over()
    assert asked.objects() == set()


class Killed(BaseException):
    """The process is gone."""


class DyingRequests(Requests):
    """The process is killed after the bytes are sealed and before a row names them."""

    def take(self, token: ShareToken, files: Sequence[SealedFile], words: str) -> frozenset[UUID]:
        raise Killed(token, files, words)


class DyingStore:
    """A store of a process that is gone: it removes nothing any more."""

    def __init__(self, inner: SealedStore) -> None:
        self._inner = inner

    def begin(self, object_id: UUID) -> SealedDraft:
        return self._inner.begin(object_id)

    def delete(self, object_id: UUID) -> None:
        pass


def test_what_was_sealed_and_never_written_down_is_swept(
    asked: Asked, public_database: Database, own_db: Database, opened: Callable[[], World]
) -> None:
    world = opened()
    asked.send(("a.png", png()))
    (waiting,) = asked.uploads()
    before = asked.objects()
    token = ShareToken.parse(asked.token)
    assert token is not None
    store: Any = DyingStore(asked.worker.release)
    intake = Intake(requests=DyingRequests(public_database), store=store)

    async def form_with_a_file() -> AsyncIterator[bytes]:
        yield (
            b'--x\r\nContent-Disposition: form-data; name="files"; filename="b.png"\r\n\r\n'
            + png("red")
            + b"\r\n--x--\r\n"
        )

    with suppress(Killed):
        asyncio.run(
            intake.take(
                token,
                form_with_a_file(),
                content_type="multipart/form-data; boundary=x",
                content_length=None,
            )
        )
    (left,) = asked.objects() - before
    hour = timedelta(hours=1)
    assert sweeping.sweep_store(asked.worker, older_than=datetime.now(UTC) - hour) == 0
    assert left in asked.objects()
    assert sweeping.sweep_store(asked.worker, older_than=datetime.now(UTC) + hour) == 1
    assert asked.objects() == before
    with own_db.transaction() as session:
        copy = session.scalars(
            select(ReleaseItem.object_id).where(ReleaseItem.release_id == world.release_id)
        ).one()
    assert {waiting.object_id, copy} == before
    asked.take_over()
    assert asked.uploads()[0].state == "kept"


def test_the_same_sent_again_is_taken_once(asked: Asked) -> None:
    for _ in range(2):
        assert asked.send(("a.png", png()), steps="Шаг").status_code == 303
    assert len(asked.uploads()) == 2
    assert len(asked.objects()) == 1


@pytest.mark.parametrize(
    "body",
    [b"MZ\x90\x00" + b"x" * 100, b"<script>alert(1)</script>", b"PK\x03\x04" + b"0" * 50, b"x"],
)
def test_another_kind_is_refused_and_nothing_stays(asked: Asked, body: bytes) -> None:
    answer = asked.send(("good.png", png()), ("evil.png", body))
    assert answer.status_code == 415
    assert "Уберите этот файл" in answer.text
    assert asked.uploads() == []
    assert asked.objects() == set()


@pytest.mark.parametrize(
    ("body", "reason", "shown"),
    [
        (
            b"\x89PNG\r\n\x1a\n" + b"not a picture at all" * 9,
            "not-a-document",
            "не целое изображение",
        ),
        (pdf("/OpenAction << /S /JavaScript /JS (x) >>"), "active-content", "сам запускает"),
    ],
)
def test_what_only_looks_right_is_refused_with_its_reason(
    asked: Asked, body: bytes, reason: str, shown: str
) -> None:
    assert asked.send(("a.pdf", body)).status_code == 303
    asked.take_over()
    (one,) = asked.uploads()
    assert (one.state, one.reason, one.wrapped_key) == ("refused", reason, None)
    assert asked.objects() == set()
    assert asked.request().state == "asked"
    assert "upload.refused" in asked.acts()
    assert shown in asked.browser.get(asked.path).text
    assert list(asked.worker.archive.listed(datetime.now(UTC) + WEEK)) == []
    assert one.receipt is None
    assert "/receipt/" not in asked.browser.get(asked.path).text


def test_a_file_too_large_is_refused(asked: Asked) -> None:
    answer = asked.send(("big.png", png() + bytes(form.MAX_FILE_BYTES)))
    assert answer.status_code == 413
    assert "слишком большие" in answer.text
    assert asked.uploads() == []
    assert asked.objects() == set()


def test_a_body_that_says_it_is_too_large_is_not_read(asked: Asked) -> None:
    url = asked.browser.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=20) as wire:
        wire.sendall(_head(asked, length=form.MAX_BODY_BYTES + 1))
        assert b" 413 " in wire.recv(4096).splitlines()[0]


def test_too_many_files_are_refused(asked: Asked) -> None:
    answer = asked.send(*((f"{n}.png", png()) for n in range(form.MAX_FILES + 1)))
    assert answer.status_code == 413
    assert asked.uploads() == []


def test_nothing_sent_is_said(asked: Asked) -> None:
    answer = asked.send()
    assert answer.status_code == 400
    assert "Ничего не выбрано" in answer.text


def test_a_form_that_drips_is_given_up_and_keeps_nothing(
    public_database: Database, release_store: SealedStore, clock: SetClock, asked: Asked
) -> None:
    tools = PublicTools(
        database=public_database, release=release_store, clock=clock, idle_seconds=0.3
    )
    with served(tools) as address:
        url = httpx.URL(address)
        with socket.create_connection((url.host, url.port or 80), timeout=20) as wire:
            wire.sendall(_head(asked, length=5000))
            wire.sendall(
                b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
                + png()
            )
            assert b" 408 " in wire.recv(4096).splitlines()[0]
    assert asked.uploads() == []
    assert asked.objects() == set()


def test_a_day_takes_no_more_than_its_room(asked: Asked, own_database: Urls) -> None:
    with psycopg.connect(own_database.owner) as owner:
        owner.execute(
            "INSERT INTO dispute_uploads (id, request_id, object_id, wrapped_key, size_bytes, "
            "sha256, state, at) SELECT gen_random_uuid(), %s, gen_random_uuid(), 'k', 10, "
            "sha256(n::text::bytea), 'waiting', now() FROM generate_series(1, 39) n",
            (asked.request_id,),
        )
    assert asked.send(("a.png", png("red")), ("b.png", png("blue"))).status_code == 429
    assert len(asked.uploads()) == 39
    assert asked.objects() == set()
    assert asked.send(("a.png", png("red"))).status_code == 303
    page = asked.browser.get(asked.path)
    assert "за сутки" in page.text
    assert 'type="file"' not in page.text


def test_all_links_that_take_nothing_look_the_same(asked: Asked, own_database: Urls) -> None:
    unknown = asked.browser.get(f"/r/{'x' * 43}")
    assert unknown.status_code == 410
    malformed = asked.browser.get("/r/1")
    with psycopg.connect(own_database.owner) as owner:
        owner.execute("UPDATE dispute_requests SET token_expires_at = now()")
    ended = [
        asked.browser.get(asked.path),
        asked.browser.get(f"{asked.path}/sent"),
        asked.send(("a.png", png())),
        asked.browser.post(f"/r/{'x' * 43}", files={"files": ("a.png", png())}, headers=SEND),
    ]
    assert {(one.status_code, one.text) for one in [unknown, malformed, *ended]} == {
        (410, unknown.text)
    }
    assert "Василёк" not in unknown.text
    assert asked.objects() == set()


@pytest.mark.parametrize("change", ["judged", "given_up", "closed"])
def test_what_is_judged_or_closed_takes_nothing_more(
    asked: Asked, own_database: Urls, change: str
) -> None:
    asked.send(("a.png", png()))
    asked.take_over()
    assert asked.browser.get(asked.path).status_code == 200  # Something may have been forgotten.
    with psycopg.connect(own_database.owner) as owner:
        if change == "closed":
            owner.execute("UPDATE disputes SET state = 'closed', closed_at = now()")
        else:
            state = "valid" if change == "judged" else "given_up"
            owner.execute("UPDATE dispute_requests SET state = %s, words = 'x'", (state,))
    assert asked.browser.get(asked.path).status_code == 410
    assert asked.send(("b.png", png("red"))).status_code == 410


def test_the_report_of_the_dispute_has_the_steps_that_the_client_described(asked: Asked) -> None:
    asked.send(("a.png", png()), steps="Открыл журнал, нажал <Печать>.")
    asked.take_over()
    with asked.worker.database.transaction() as session:
        told = report.gather(
            session,
            Actor.user(new_id(), Role.MANAGER, "manager"),
            DisputeId(asked.dispute_id),
            Reader(language="ru", zone=ZoneInfo("Europe/Moscow")),
            at=asked.worker.clock.now(),
        )
    page = papers.report_page(told)
    assert page.count("Открыл журнал, нажал &lt;Печать&gt;.") == 1
    assert ">Как описал клиент</th>" in page


def test_what_came_before_the_end_of_the_dispute_is_kept(asked: Asked, own_database: Urls) -> None:
    asked.send(("a.png", png()))
    with psycopg.connect(own_database.owner) as owner:
        owner.execute("UPDATE disputes SET state = 'closed', closed_at = now()")
    asked.take_over()
    assert asked.uploads()[0].state == "kept"
    assert asked.request().state == "asked"


def test_a_form_from_another_site_sends_nothing(asked: Asked) -> None:
    answer = asked.browser.post(
        asked.path,
        files={"files": ("a.png", png())},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{asked.path}?")
    assert asked.uploads() == []


def test_a_released_copy_is_nobodys_upload(
    public_database: Database, asked: Asked, own_db: Database, opened: Callable[[], object]
) -> None:
    opened()
    with own_db.transaction() as session:
        object_id = session.scalars(text("SELECT object_id FROM release_items")).one()
    told = (
        f'{{"words": "", "files": [{{"object_id": "{object_id}", "wrapped_key": "00", '
        f'"size_bytes": 1, "sha256": "{"00" * 32}"}}]}}'
    )
    with (
        pytest.raises(exc.DBAPIError, match="no upload"),
        public_database.transaction() as session,
    ):
        session.execute(
            text("SELECT ask_take(sha256(CAST(:token AS bytea)), CAST(:told AS jsonb))"),
            {"token": asked.token.encode(), "told": told},
        )


def test_an_upload_is_settled_once_and_stays(asked: Asked, own_database: Urls) -> None:
    asked.send(("a.png", png()))
    asked.take_over()
    for statement in (
        "UPDATE dispute_uploads SET state = 'waiting', settled_at = NULL",
        "UPDATE dispute_uploads SET state = 'refused', reason = 'x', document_id = NULL",
        "DELETE FROM dispute_uploads",
        "TRUNCATE dispute_uploads CASCADE",
    ):
        with psycopg.connect(own_database.owner) as owner, pytest.raises(psycopg.Error):
            owner.execute(statement)


def test_lost_bytes_are_refused_and_can_be_sent_again(asked: Asked) -> None:
    asked.send(("a.png", png()))
    (one,) = asked.uploads()
    assert one.object_id is not None
    asked.worker.release.delete(one.object_id)
    asked.take_over()
    assert asked.uploads()[0].reason == "other-than-sent"
    asked.send(("a.png", png()))
    asked.take_over()
    assert [one.state for one in asked.uploads()] == ["refused", "kept"]


def _head(asked: Asked, *, length: int) -> bytes:
    return (
        f"POST {asked.path} HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def test_one_link_takes_two_forms_at_once_and_leaves_room_for_others(
    asked: Asked, public_database: Database, release_store: SealedStore
) -> None:
    token = ShareToken.parse(asked.token)
    assert token is not None
    intake = Intake(requests=Requests(public_database), store=release_store)
    found = asyncio.run(_two_that_stay_and_one_more(intake, token))
    assert found == [Busy, SenderSlow, SenderSlow, FormBroken]


async def _two_that_stay_and_one_more(intake: Intake, token: ShareToken) -> list[type[object]]:
    """Return how a third form ends beside two, how the two do, and how one after them does."""
    inside = [asyncio.Event(), asyncio.Event()]
    may_end = asyncio.Event()

    async def staying(came: asyncio.Event) -> AsyncIterator[bytes]:
        came.set()
        await may_end.wait()
        raise TimeoutError
        yield b""

    async def nothing() -> AsyncIterator[bytes]:
        return
        yield b""

    async def take(pieces: AsyncIterator[bytes], content_type: str) -> type[object]:
        try:
            await intake.take(token, pieces, content_type=content_type, content_length=None)
        except Refusal as exc:
            return type(exc)
        return int

    kind = "multipart/form-data; boundary=x"
    two = [asyncio.create_task(take(staying(came), kind)) for came in inside]
    for came in inside:
        await came.wait()
    third = await take(nothing(), "text/plain")
    may_end.set()
    return [third, *[await one for one in two], await take(nothing(), "text/plain")]

"""An archive that is told of a real mail server on loopback, which runs or does not."""

from __future__ import annotations

import email.policy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from ipaddress import ip_address
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any, cast

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.core.clock import SetClock
from app.identity.models import User
from app.inspection.sandbox import Sandbox
from app.mail.models import Mail
from app.worker import loop
from tests.conftest import Urls
from tests.ports import held_port
from tests.review.house import House, opened

SENDER = "Архив <archive@example.com>"


@dataclass
class Box:
    """What a mail server has taken, and whom it refuses by which answer."""

    port: int
    letters: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    encrypted: list[bool] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - the name that the server calls.
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        rcpt_options: list[str],
    ) -> str:
        del server, session, rcpt_options
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above.
        del server
        self.encrypted.append(session.ssl is not None)
        assert isinstance(envelope.original_content, bytes)
        parsed = BytesParser(policy=email.policy.default).parsebytes(envelope.original_content)
        self.letters.append((list(envelope.rcpt_tos), parsed))
        return "250 taken"

    @contextmanager
    def up(self, tls: SSLContext | None = None) -> Iterator[Box]:
        """Run the server for as long as the block lasts."""
        server = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            tls_context=tls,
            require_starttls=tls is not None,
        )
        server.start()
        try:
            yield self
        finally:
            server.stop()

    def to(self, address: str) -> list[EmailMessage]:
        return [letter for names, letter in self.letters if names == [address]]


def part(letter: EmailMessage, kind: str) -> str:
    """Return the part of a letter that is plain text or HTML."""
    found = letter.get_body((kind,))
    assert found is not None
    return cast("str", cast("EmailMessage", found).get_content())


@dataclass(kw_only=True)
class Office:
    """A running archive, its mail server, and how to reach its queue."""

    house: House
    box: Box
    urls: Urls

    def address(self, name: str, address: str | None, language: str | None = "ru") -> None:
        with self.house.database.transaction() as session:
            user = session.get_one(User, self.house.people[name].id)
            user.email, user.language = address, language

    def work(self) -> None:
        """Do the jobs that are due, those that wait for another try too."""
        with psycopg.connect(self.urls.owner, autocommit=True) as owner:
            owner.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'")
        loop.drain(self.house.tools, self.urls.web)

    def mails(self) -> list[Mail]:
        with self.house.database.transaction() as session:
            return list(session.query(Mail).order_by(Mail.id))

    def jobs(self) -> list[tuple[str, int, bool]]:
        """Return state, attempts and whether it waits for a later moment, of each job of mail."""
        with psycopg.connect(self.urls.owner) as owner:
            rows = owner.execute(
                "SELECT status::text, attempts, coalesce(scheduled_at > now(), false) "
                "FROM procrastinate_jobs WHERE task_name = 'mail.send' ORDER BY id"
            )
            return [(row[0], row[1], row[2]) for row in rows]


@pytest.fixture
def box() -> Iterator[Box]:
    """Give a mail server that does not run yet, on a port that nobody else takes."""
    with held_port() as port:
        yield Box(port=port)


Open = Callable[..., Office]


@pytest.fixture
def open_office(
    own_database: Urls, tmp_path: Path, sandbox: Sandbox, box: Box
) -> Iterator[Callable[..., Office]]:
    """Give a function that runs an archive with settings of one's own."""
    left = []

    def begin(**settings: object) -> Office:
        told: dict[str, Any] = {
            "smtp_host": "127.0.0.1",
            "smtp_port": box.port,
            "smtp_tls": "none",
            "smtp_from": SENDER,
            "url": "https://archive.example.com",
        } | settings
        running = opened(
            tmp_path,
            web_url=own_database.web,
            owner_url=own_database.owner,
            sandbox=sandbox,
            clock=SetClock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC)),
            **told,
        )
        house = running.__enter__()
        left.append(running)
        return Office(house=house, box=box, urls=own_database)

    yield begin
    for running in left:
        running.__exit__(None, None, None)


@pytest.fixture
def office(open_office: Open) -> Office:
    """Give an archive whose mail goes to `box`, unencrypted."""
    return open_office()


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of loopback that signs itself, for a server and for who trusts it."""

    path: Path

    def context(self) -> SSLContext:
        found = SSLContext(PROTOCOL_TLS_SERVER)
        found.load_cert_chain(self.path)
        return found


def certificate(folder: Path, name: str) -> Certificate:
    """Make a certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return Certificate(path)

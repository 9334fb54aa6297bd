"""Handing a letter to the mail server, and looking whether it would take one.

Source: RFC 5321, RFC 3207 (STARTTLS), RFC 8314 (TLS from the first byte). What was asked to be
encrypted is never sent in the clear: without the server's STARTTLS nothing is sent.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from email.utils import format_datetime, parseaddr
from uuid import UUID

from app.core.clock import Clock
from app.core.errors import Unavailable
from app.mail import letters
from app.mail.letters import Page
from app.settings import Settings

_TIMEOUT_SECONDS = 20.0
_TRANSIENT = 4  # The first digit of a reply that may be another the next time.


class MailServerAway(Unavailable):
    """The mail server does not take the letter now."""


class MailRefused(Exception):
    """The mail server will not take this letter, now or later; `fault` says at which step."""

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault


def message_of(
    page: Page, *, to: str, mail_id: UUID, settings: Settings, clock: Clock
) -> EmailMessage:
    """Return a letter with a text and an HTML part.

    Headers are built from parsed parts, and the library refuses one that holds a line break.
    """
    name, sender = parseaddr(settings.smtp_from or "")
    message = EmailMessage(policy=POLICY)
    message["From"] = Address(display_name=name, addr_spec=sender)
    message["To"] = Address(addr_spec=to)
    message["Subject"] = page.subject
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = f"<{mail_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # Source: RFC 3834; no robot answers it.
    message.set_content(letters.text_of(page), cte="base64")
    message.add_alternative(letters.html_of(page), subtype="html", cte="base64")
    if page.signed:
        message.add_attachment(
            page.signed.encode(),
            maintype="text",
            subtype="plain",
            filename=letters.CHECKPOINT_FILE,
            params={"charset": "utf-8"},
        )
    message["Content-Language"] = (
        page.language
    )  # Last: what there is before goes into the text part.
    return message


def deliver(settings: Settings, message: EmailMessage) -> None:
    """Hand a letter to the server.

    Raises:
        MailServerAway: it cannot be reached, or takes nothing now.
        MailRefused: it will not take this letter.
    """
    with _reached(settings) as server:
        try:
            server.send_message(message)
        except smtplib.SMTPRecipientsRefused as exc:
            ((code, _),) = exc.recipients.values()
            _refused("recipient", code, exc)
        except smtplib.SMTPSenderRefused as exc:
            _refused("sender", exc.smtp_code, exc)
        except smtplib.SMTPDataError as exc:
            _refused("letter", exc.smtp_code, exc)


def check(settings: Settings) -> str:
    """Greet the server and log in, sending nothing; return how it was reached.

    Raises:
        MailServerAway: the server cannot be reached, or does not let us in.
    """
    with _reached(settings) as server:
        server.noop()
    return f"{settings.smtp_host}:{settings.smtp_port}, {settings.smtp_tls}"


def _refused(step: str, code: int, exc: smtplib.SMTPException) -> None:
    fault = f"{step} {code}"
    if code // 100 == _TRANSIENT:
        raise MailServerAway(fault) from exc
    raise MailRefused(fault) from exc


@contextmanager
def _reached(settings: Settings) -> Iterator[smtplib.SMTP]:
    try:
        with _connected(settings) as server:
            if settings.smtp_user and settings.smtp_password:
                server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
            yield server
    except smtplib.SMTPAuthenticationError as exc:
        raise MailServerAway(f"log-in {exc.smtp_code}") from exc
    except smtplib.SMTPResponseException as exc:
        raise MailServerAway(f"{type(exc).__name__} {exc.smtp_code}") from exc
    except (smtplib.SMTPException, OSError) as exc:
        raise MailServerAway(type(exc).__name__) from exc


def _connected(settings: Settings) -> smtplib.SMTP:
    host, port = settings.smtp_host or "", settings.smtp_port
    if settings.smtp_tls == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_SECONDS, context=_context(settings))
    server = smtplib.SMTP(host, port, timeout=_TIMEOUT_SECONDS)
    try:
        if settings.smtp_tls == "starttls":
            server.starttls(context=_context(settings))
            server.ehlo()
    except BaseException:
        server.close()
        raise
    return server


def _context(settings: Settings) -> ssl.SSLContext:
    ca_file = str(settings.smtp_ca_file) if settings.smtp_ca_file else None
    return ssl.create_default_context(cafile=ca_file)

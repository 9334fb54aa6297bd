"""What differs between services: how a message is proved and read, and how media is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from app.providers import twilio
from app.providers.models import Kind
from app.providers.told import Asking, Came, Secrets, Told

Mapped = Mapping[str, Any]


class Verify(Protocol):
    """Refuses a message that the holder of `secrets` has not signed, or not now."""

    def __call__(self, came: Came, secrets: Secrets, *, now: datetime) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One kind of service. `hosts` are those of its media where an account names none.

    `kept_headers` are those without which a message could not be checked again.
    """

    secrets: frozenset[str]
    optional: frozenset[str]
    hosts: tuple[str, ...]
    kept_headers: tuple[str, ...]
    verify: Verify
    read: Callable[[Came, Mapped], Told]
    ask: Callable[[Mapping[str, str], Secrets], Asking]
    needs_mapping: bool = False


def _unmapped(read: Callable[[Came], Told]) -> Callable[[Came, Mapped], Told]:
    return lambda came, _: read(came)


SERVICES: Final[Mapping[Kind, Service]] = {
    Kind.TWILIO: Service(
        secrets=twilio.SECRETS,
        optional=twilio.OPTIONAL,
        hosts=twilio.HOSTS,
        kept_headers=twilio.HEADERS,
        verify=twilio.verify,
        read=_unmapped(twilio.read),
        ask=twilio.ask,
    ),
}

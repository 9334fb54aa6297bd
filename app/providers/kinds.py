"""What differs between services: how a message is proved and read, and how media is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from app.providers import bitrix, mango, mapping, standard, telnyx, template, twilio, zadarma
from app.providers.models import Kind
from app.providers.told import Asking, Came, Secrets, Told

Mapped = Mapping[str, Any]


Ask = Callable[[Mapping[str, str], Secrets, Mapped], Asking]


class Verify(Protocol):
    """Refuses a message that the holder of `secrets` has not signed, or not now."""

    def __call__(self, came: Came, secrets: Secrets, *, now: datetime) -> None: ...


class Module(Protocol):
    """What the module of a kind has."""

    @property
    def SECRETS(self) -> frozenset[str]: ...  # noqa: N802 - constants of a module.
    @property
    def OPTIONAL(self) -> frozenset[str]: ...  # noqa: N802
    @property
    def HOSTS(self) -> tuple[str, ...]: ...  # noqa: N802
    @property
    def HEADERS(self) -> tuple[str, ...]: ...  # noqa: N802
    @property
    def verify(self) -> Verify: ...
    @property
    def ask(self) -> Ask: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One kind of service. `hosts` are those of its media where an account names none.

    `kept_headers` are those without which a message could not be checked again. `check` says what
    is wrong with the mapping of an account, and with having one or none. `answer` is the
    body of our answer, if it has any; `is_repeatable` says whether the same message again means the
    same; `content` takes the recording out of a message that holds one.
    """

    secrets: frozenset[str]
    optional: frozenset[str]
    hosts: tuple[str, ...]
    kept_headers: tuple[str, ...]
    verify: Verify
    read: Callable[[Came, Mapped], Told]
    ask: Ask
    check: Callable[[Mapped | None], Sequence[str]]
    answer: Callable[[Came, UUID], Mapped | None] = lambda _came, _notice_id: None
    is_repeatable: Callable[[Came], bool] = lambda _came: True
    content: Callable[[Came], bytes] = lambda came: came.body


def _unmapped(
    module: Module, read: Callable[[Came], Told], *, options: frozenset[str] = frozenset()
) -> Service:
    """Return a service whose messages have one form; its mapping holds `options` at most."""

    def check(mapping: Mapped | None) -> list[str]:
        unknown = sorted(set(mapping or {}) - options)
        has_none = [] if options or mapping is None else ["the kind has no mapping"]
        return has_none or [f"{name}: there is no such option" for name in unknown]

    return Service(
        secrets=module.SECRETS,
        optional=module.OPTIONAL,
        hosts=module.HOSTS,
        kept_headers=module.HEADERS,
        verify=module.verify,
        read=lambda came, _: read(came),
        ask=module.ask,
        check=check,
    )


_API: Final = frozenset({"api_url"})
SERVICES: Final[Mapping[Kind, Service]] = {
    Kind.TWILIO: _unmapped(twilio, twilio.read),
    Kind.TELNYX: _unmapped(telnyx, telnyx.read),
    Kind.MANGO: _unmapped(mango, mango.read, options=_API),
    Kind.ZADARMA: Service(
        secrets=zadarma.SECRETS,
        optional=zadarma.OPTIONAL,
        hosts=zadarma.HOSTS,
        kept_headers=zadarma.HEADERS,
        verify=zadarma.verify,
        read=zadarma.read,
        ask=zadarma.ask,
        check=zadarma.check,
    ),
    Kind.STANDARD: Service(
        secrets=standard.SECRETS,
        optional=standard.OPTIONAL,
        hosts=(),
        kept_headers=standard.HEADERS,
        verify=standard.verify,
        read=mapping.read,
        ask=mapping.ask,
        check=mapping.check,
    ),
    Kind.TEMPLATE: Service(
        secrets=template.SECRETS,
        optional=template.OPTIONAL,
        hosts=(),
        kept_headers=template.HEADERS,
        verify=template.verify,
        read=mapping.read,
        ask=mapping.ask,
        check=mapping.check,
    ),
    Kind.BITRIX: Service(
        secrets=bitrix.SECRETS,
        optional=bitrix.OPTIONAL,
        hosts=(),
        kept_headers=bitrix.HEADERS,
        verify=bitrix.verify,
        read=bitrix.read,
        ask=bitrix.ask,
        check=bitrix.check,
        answer=bitrix.answer,
        is_repeatable=bitrix.is_repeatable,
        content=bitrix.content,
    ),
}

"""Speaking to an infobase: one request, within bounds, to the host of the source alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import httpx

from app.core import outbound
from app.core.errors import Unavailable
from app.core.outbound import (
    AddressRefused,
    AnswerTooLarge,
    AnswerTooSlow,
    HostUnknown,
    Policy,
    networks_of,
)
from app.onec import odata
from app.onec.models import Fault
from app.settings import Settings

SECONDS: Final = 60.0
MOST_BYTES: Final = 32 * 1024 * 1024
_MOST_RETRY_AFTER: Final = timedelta(days=1)
_LONGEST_PAUSE: Final = 6
_FAULTS: Final = {
    401: Fault.CREDENTIALS,
    403: Fault.FORBIDDEN,
    404: Fault.NOT_SWITCHED_ON,
    405: Fault.NOT_SWITCHED_ON,
    412: Fault.CHANGED,
    429: Fault.BUSY,
}
WHOLE: Final = frozenset(
    {
        *(Fault.ADDRESS, Fault.UNRESOLVED, Fault.UNREACHABLE, Fault.SLOW, Fault.CREDENTIALS),
        *(Fault.BUSY, Fault.BROKEN, Fault.REDIRECT),
    }
)
"""Faults of the infobase and not of one entity: nothing else of it is asked for now."""


class OnecFailed(Unavailable):
    """1C does not answer as it should; it is tried again later."""

    def __init__(self, fault: Fault, detail: str = "", *, pause: timedelta | None = None) -> None:
        super().__init__(detail, fault=str(fault))
        self.fault = fault
        self.pause = pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Infoline:
    """How an infobase is reached: its address, who asks, and where requests may go."""

    base: str
    policy: Policy
    user: str = field(repr=False)
    password: str = field(repr=False)

    def get(self, url: str) -> bytes:
        """Return what stands at an address.

        Raises:
            OnecFailed: it does not answer by 200; says why, and which pause is asked for.
        """
        return self._send("GET", url, None, {})

    def write(self, method: str, url: str, told: object, *, version: str | None = None) -> None:
        """Write a document, or post to a service.

        Raises:
            OnecFailed: it was not taken; `CHANGED` where `version` is not the present one.
        """
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if version is not None:
            headers["If-Match"] = version
        self._send(method, url, json.dumps(told, ensure_ascii=False).encode(), headers)

    def _send(self, method: str, url: str, body: bytes | None, more: Mapping[str, str]) -> bytes:
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")
        headers = {
            "Authorization": f"Basic {pair}",
            "Accept": "application/json",
            "User-Agent": "Audiatur",
            **more,
        }
        try:
            target = outbound.resolve(url, self.policy)
            with outbound.answering(
                target, method, headers=headers, body=body, seconds=SECONDS
            ) as response:
                taken = b"".join(outbound.pieces(response, max_bytes=MOST_BYTES))
                _must_be_good(response.status_code, taken, response.headers)
                return taken
        except AddressRefused as exc:
            raise OnecFailed(Fault.ADDRESS, str(exc)) from exc
        except HostUnknown as exc:
            raise OnecFailed(Fault.UNRESOLVED, exc.detail) from exc
        except AnswerTooSlow as exc:
            raise OnecFailed(Fault.SLOW) from exc
        except AnswerTooLarge as exc:
            raise OnecFailed(
                Fault.TOO_LARGE, "The answer is too large: ask for fewer rows."
            ) from exc
        except httpx.TransportError as exc:
            raise OnecFailed(Fault.UNREACHABLE) from exc


def _must_be_good(status: int, body: bytes, headers: Mapping[str, str]) -> None:
    if httpx.codes.is_success(status):
        return
    if httpx.codes.is_redirect(status):
        raise OnecFailed(Fault.REDIRECT, f"It answers {status}.")
    fault = _FAULTS.get(status, Fault.STATUS)
    if httpx.codes.is_server_error(status):
        fault = Fault.BROKEN
    said = odata.said_of_error(body)
    detail = f"It answers {status}" + (f": {said}" if said else ".")
    raise OnecFailed(fault, detail, pause=_asked_pause(headers.get("retry-after", "")))


def _asked_pause(text: str) -> timedelta | None:
    """Return the pause that an answer asks for in seconds. Source: RFC 9110, 10.2.3."""
    if not text.isdecimal() or len(text) > _LONGEST_PAUSE:
        return None
    return min(timedelta(seconds=int(text)), _MOST_RETRY_AFTER)


def policy_of(settings: Settings, base: str) -> Policy:
    """Return where requests of a source may go: to its own host, by the rules of the house.

    A 1C in the company's own network is spoken to where `AUDIATUR_OUTBOUND_NETWORKS` names it.

    Raises:
        AddressRefused: the address is none that may be spoken to.
    """
    allowed = Policy(
        allows_http=settings.outbound_http, networks=networks_of(settings.outbound_networks)
    )
    host = outbound.place_of(base, allowed).host
    return Policy(
        allows_http=allowed.allows_http, networks=allowed.networks, hosts=frozenset({host})
    )

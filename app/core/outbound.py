"""Requests to addresses that others have named: checked once, and then spoken to and to no other.

A name is resolved once, each of its addresses is looked at, and the connection goes to one of those
and to nothing that the name may mean later. Redirects are not followed, nothing of the environment
is used (no proxy, no `.netrc`), and an exchange has an end by the clock and by its size, however
slowly or long the other side talks. Source: OWASP, Server-Side Request Forgery Prevention.
"""

from __future__ import annotations

import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

import httpcore
import httpx

from app.core.errors import Invalid, TooLarge, Unavailable

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Lookup = Callable[[str, int], Iterable[str]]
"""Answers the addresses of a name and port; raises OSError where there are none."""

SECONDS: Final = 10.0
LOOKUP_SECONDS: Final = 5.0
_PORTS: Final = {"http": 80, "https": 443}
_LAST_PORT: Final = 65535
_LONGEST_URL: Final = 2048
_HOST: Final = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}")
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
# What the standard library holds to be global in some of its versions.
# Source: IANA, special-purpose address registries; RFC 7526; RFC 9637.
_SPECIAL: Final = (
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv6Network("2001::/23"),
    IPv6Network("3fff::/20"),
)


class Because(StrEnum):
    """Why an address is not spoken to."""

    MALFORMED = "malformed"
    SCHEME = "scheme"
    CREDENTIALS = "credentials"
    PORT = "port"
    HOST = "host"
    PRIVATE = "private"


class AddressRefused(Invalid):
    """The address is not one that the archive speaks to."""

    def __init__(self, because: Because, detail: str) -> None:
        super().__init__(detail, because=str(because))
        self.because = because


class HostUnknown(Unavailable):
    """The name of the host was not resolved; it may be later."""


class AnswerTooLarge(TooLarge):
    """The answer is larger than is taken."""


class AnswerTooSlow(Unavailable):
    """The exchange was not over within its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Where requests may go.

    `hosts` are the only names allowed, if any are given; one that begins with a dot stands for all
    names below it. `networks` are those that are not public and may be spoken to nevertheless.
    """

    allows_http: bool = False
    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] | None = None
    ports: frozenset[int] | None = None


def networks_of(names: str | None) -> tuple[Network, ...]:
    """Return the networks that `names`, parted by spaces, stand for.

    Raises:
        ValueError: one of them is none.
    """
    return tuple(ip_network(name) for name in (names or "").split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a URL names, before its name is resolved."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL whose addresses were looked at: all of them are allowed."""

    url: str
    place: Place
    addresses: tuple[str, ...]


def place_of(url: str, policy: Policy) -> Place:
    """Return what `url` names, if the policy allows it as far as can be said without resolving.

    Raises:
        AddressRefused: it is no URL that may be spoken to; says why.
    """
    if len(url) > _LONGEST_URL or not url.isprintable() or " " in url:
        raise AddressRefused(Because.MALFORMED, "It is no URL of one line.")
    try:
        parts = httpx.URL(url)  # The reader that also sends: two readers could differ.
    except httpx.InvalidURL as exc:
        raise AddressRefused(Because.MALFORMED, f"It is no URL: {exc}.") from exc
    if parts.scheme not in _PORTS or (parts.scheme == "http" and not policy.allows_http):
        raise AddressRefused(Because.SCHEME, "It has to begin with https://.")
    if parts.userinfo:
        raise AddressRefused(Because.CREDENTIALS, "It must not hold a user or a password.")
    host = parts.raw_host.decode("ascii")
    if not _HOST.fullmatch(host):
        raise AddressRefused(Because.MALFORMED, "It names no host.")
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    if not 0 < port <= _LAST_PORT:
        raise AddressRefused(Because.MALFORMED, f"There is no port {port}.")
    if policy.ports is not None and port not in policy.ports:
        raise AddressRefused(Because.PORT, f"Port {port} is not spoken to.")
    if _is_number(host) and not is_allowed(ip_address(host), policy):
        raise AddressRefused(Because.PRIVATE, f"{host} is an inner address.")
    if policy.hosts is not None and not _is_listed(host, policy.hosts):
        raise AddressRefused(Because.HOST, f"The host {host} is not on the list.")
    return Place(scheme=parts.scheme, host=host, port=port)


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_listed(host: str, names: frozenset[str]) -> bool:
    host = host.removesuffix(".")
    return host in names or any(name.startswith(".") and host.endswith(name) for name in names)


def is_allowed(address: Address, policy: Policy) -> bool:
    """Say whether `address` may be spoken to: it is public, or of a network that is named."""
    address = _meant(address)
    if any(address in network for network in policy.networks):
        return True
    if address.is_multicast or not address.is_global:
        return False
    if isinstance(address, IPv6Address) and address not in _GLOBAL_V6:
        return False
    return not any(address in network for network in _SPECIAL)


def _meant(address: Address) -> Address:
    """Return the address of IPv4 that one of IPv6 stands for, if it stands for one.

    Source: RFC 4291, 2.5.5.2; RFC 3056; RFC 4380; RFC 6052.
    """
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


def resolve(url: str, policy: Policy, *, lookup: Lookup | None = None) -> Target:
    """Return `url` with its addresses, all of which the policy allows.

    Raises:
        AddressRefused: the URL, or one of its addresses, is not allowed; says why.
        HostUnknown: its name was not resolved.
    """
    place = place_of(url, policy)
    try:
        names = dict.fromkeys((lookup or _lookup)(place.host, place.port))
        found = [ip_address(name) for name in names]
    except (OSError, UnicodeError) as exc:
        raise HostUnknown(f"The name {place.host} was not resolved.", host=place.host) from exc
    if not found:
        raise HostUnknown(f"The name {place.host} has no address.", host=place.host)
    if not all(is_allowed(address, policy) for address in found):
        # The address itself is not told: it would map the inner network for whoever asks.
        raise AddressRefused(Because.PRIVATE, f"The name {place.host} stands for an inner address.")
    return Target(url=url, place=place, addresses=tuple(str(address) for address in found))


def _lookup(host: str, port: int) -> list[str]:
    """Ask the machine's resolver, and wait for it no longer than `LOOKUP_SECONDS`."""
    answers: queue.SimpleQueue[list[str] | OSError | UnicodeError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:
            answers.put(exc)
        else:
            answers.put([str(entry[4][0]) for entry in found])

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=LOOKUP_SECONDS)
    except queue.Empty:
        raise TimeoutError(f"resolving {host} took too long") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


@dataclass(frozen=True, slots=True)
class _Deadline:
    """The moment, of the clock that is never set, at which an exchange must be over."""

    at: float

    def left(self, most: float | None) -> float:
        """Return the seconds that one step may take.

        Raises:
            httpcore.ReadTimeout: there are none left.
        """
        seconds = self.at - time.monotonic()
        if seconds <= 0:
            raise httpcore.ReadTimeout("the exchange was not over within its time")
        return seconds if most is None else min(seconds, most)


class _Stream(httpcore.NetworkStream):
    """A connection each step of which ends at the deadline of the whole."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _Stream(inner, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class _Pinned(httpcore.NetworkBackend):
    """Connects to the addresses of one target, whatever name is asked for."""

    def __init__(self, target: Target, deadline: _Deadline) -> None:
        self._target = target
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        if (host, port) != (self._target.place.host, self._target.place.port):
            raise httpcore.ConnectError("the connection is for another host")
        *others, last = self._target.addresses
        for address in others:
            try:
                return self._connect(address, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue  # As any client does: another of its addresses may answer.
        return self._connect(last, timeout, local_address, socket_options)

    def _connect(
        self,
        address: str,
        timeout: float | None,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.NetworkStream:
        inner = self._inner.connect_tcp(
            address,
            self._target.place.port,
            self._deadline.left(timeout),
            local_address,
            socket_options,
        )
        return _Stream(inner, self._deadline)


class PinnedTransport(httpx.HTTPTransport):
    """A transport that speaks to one checked target, once, and is over by its deadline.

    The name stays in the request, so that certificate and `Host` are those of the name.
    """

    def __init__(self, target: Target, *, seconds: float, context: ssl.SSLContext | None) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=context or ssl.create_default_context(),
            max_connections=1,
            max_keepalive_connections=0,
            network_backend=_Pinned(target, _Deadline(time.monotonic() + seconds)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the other side answered, as much of it as was asked for."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    is_whole: bool


@contextmanager
def answering(
    target: Target,
    method: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    seconds: float = SECONDS,
    context: ssl.SSLContext | None = None,
) -> Iterator[httpx.Response]:
    """Send one request to `target` and yield the answer, whose body is still on its way.

    The whole of it, what is read in the block included, ends after `seconds`. A redirect is an
    answer like any other. `pieces` reads the body within a bound.

    Raises:
        AnswerTooSlow: it was not over in time.
        httpx.TransportError: the other side is away, or broke off.
    """
    # Bytes are counted as they come, so none may be packed.
    asked = {"Accept-Encoding": "identity", "Connection": "close", **(headers or {})}
    transport = PinnedTransport(target, seconds=seconds, context=context)
    with httpx.Client(transport=transport, trust_env=False, timeout=seconds) as client:
        request = client.build_request(method, target.url, headers=asked, content=body)
        try:
            response = client.send(request, stream=True, follow_redirects=False)
            try:
                yield response
            finally:
                response.close()
        except httpx.TimeoutException as exc:
            raise AnswerTooSlow from exc


def pieces(response: httpx.Response, *, max_bytes: int) -> Iterator[bytes]:
    """Yield the body of `response` as it was sent.

    Raises:
        AnswerTooLarge: it is longer than `max_bytes`, or says that it will be.
        AnswerTooSlow: it was not over in time.
    """
    declared = response.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise AnswerTooLarge(max_bytes=max_bytes)
    taken = 0
    for piece in response.iter_raw():
        taken += len(piece)
        if taken > max_bytes:
            raise AnswerTooLarge(max_bytes=max_bytes)
        yield piece


def send(  # noqa: PLR0913 - a request has these parts; all but two are named.
    target: Target,
    method: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    seconds: float = SECONDS,
    first_bytes: int,
    context: ssl.SSLContext | None = None,
) -> Answer:
    """Send one request and return the answer with the first bytes of its body, never more.

    Raises:
        AnswerTooSlow: the head of the answer did not come in time.
        httpx.TransportError: the other side is away, or broke off before it had answered.
    """
    with answering(
        target, method, headers=headers, body=body, seconds=seconds, context=context
    ) as response:
        taken = bytearray()
        is_whole = True
        try:
            for piece in response.iter_raw():
                is_whole = len(taken) + len(piece) <= first_bytes
                taken += piece[: first_bytes - len(taken)]
                if not is_whole:
                    break
        except httpx.TransportError:
            is_whole = False  # It has answered; that its words broke off changes nothing.
        return Answer(
            status=response.status_code,
            headers=dict(response.headers),
            body=bytes(taken),
            is_whole=is_whole,
        )

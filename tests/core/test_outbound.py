"""Requests to addresses that others have named."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from app.core import outbound
from app.core.outbound import (
    AddressRefused,
    AnswerTooLarge,
    AnswerTooSlow,
    Because,
    HostUnknown,
    Policy,
    networks_of,
)

LOOPBACK = Policy(allows_http=True, networks=networks_of("127.0.0.0/8"))
INNER = [
    "0.0.0.0",  # noqa: S104 - it is refused.
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001:2::1",
    "2001:db8::1",
    "3fff::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", INNER)
def test_an_inner_address_is_not_spoken_to(address: str) -> None:
    assert not outbound.is_allowed(ip_address(address), Policy())


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_a_public_address_is_spoken_to(address: str) -> None:
    assert outbound.is_allowed(ip_address(address), Policy())


@given(st.ip_addresses(v=4))
def test_no_form_of_ipv6_hides_an_address_of_ipv4(address: ipaddress.IPv4Address) -> None:
    plain = outbound.is_allowed(address, Policy())
    hidden = [0xFFFF << 32 | int(address), 0x64FF9B << 96 | int(address)]
    hidden.append(0x2002 << 112 | int(address) << 80)
    assert {outbound.is_allowed(ipaddress.IPv6Address(value), Policy()) for value in hidden} == {
        plain
    }


def test_a_network_that_is_named_is_spoken_to_and_its_neighbour_is_not() -> None:
    policy = Policy(networks=networks_of("10.1.0.0/16 fd00::/64"))
    assert outbound.is_allowed(ip_address("10.1.9.9"), policy)
    assert outbound.is_allowed(ip_address("::ffff:10.1.9.9"), policy)
    assert outbound.is_allowed(ip_address("fd00::7"), policy)
    assert not outbound.is_allowed(ip_address("10.2.0.1"), policy)


@pytest.mark.parametrize(
    ("url", "because"),
    [
        ("http://example.com/", Because.SCHEME),
        ("ftp://example.com/", Because.SCHEME),
        ("file:///etc/passwd", Because.SCHEME),
        ("//example.com/", Because.SCHEME),
        ("https://user:secret@example.com/", Because.CREDENTIALS),
        ("https://example.com@evil.example/", Because.CREDENTIALS),
        ("https:///path", Because.MALFORMED),
        ("https://example.com:99999/", Because.MALFORMED),
        ("https://example.com:0/", Because.MALFORMED),
        ("https://exam ple.com/", Because.MALFORMED),
        ("https://example.com\\@evil.example/", Because.CREDENTIALS),
        ("https://example.com\\.evil.example/", Because.MALFORMED),
        ("https://example.com/\r\nX: 1", Because.MALFORMED),
        ("https://[fe80::1%25eth0]/", Because.MALFORMED),
        ("https://example.com/" + "a" * 2048, Because.MALFORMED),
    ],
)
def test_what_is_no_url_of_the_policy_is_refused(url: str, because: Because) -> None:
    with pytest.raises(AddressRefused) as refused:
        outbound.place_of(url, Policy())
    assert refused.value.because == because


def test_only_listed_hosts_and_ports_are_spoken_to() -> None:
    policy = Policy(hosts=frozenset({"api.example.com", ".media.example"}), ports=frozenset({443}))
    assert outbound.place_of("https://API.example.com./x", policy).port == 443
    assert outbound.place_of("https://a.b.media.example/x", policy).host == "a.b.media.example"
    for url, because in (
        ("https://media.example/", Because.HOST),
        ("https://evilmedia.example/", Because.HOST),
        ("https://example.com/", Because.HOST),
        ("https://api.example.com:8443/", Because.PORT),
    ):
        with pytest.raises(AddressRefused) as refused:
            outbound.place_of(url, policy)
        assert refused.value.because == because


def test_one_inner_address_among_public_ones_refuses_the_name() -> None:
    with pytest.raises(AddressRefused) as refused:
        outbound.resolve(
            "https://example.com/", Policy(), lookup=lambda *_: ["8.8.8.8", "10.0.0.1"]
        )
    assert refused.value.because == Because.PRIVATE
    assert "10.0.0.1" not in refused.value.detail


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "https://2130706433/", "https://0x7f.1/", "https://[::1]/"]
)
def test_no_way_of_writing_loopback_is_spoken_to(url: str) -> None:
    with pytest.raises((AddressRefused, HostUnknown)):
        outbound.resolve(url, Policy())


def test_a_name_that_is_not_resolved_is_told_so() -> None:
    def nobody(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, f"{host}:{port}")

    with pytest.raises(HostUnknown):
        outbound.resolve("https://example.com/", Policy(), lookup=nobody)
    with pytest.raises(HostUnknown):
        outbound.resolve("https://example.com/", Policy(), lookup=lambda *_: [])


def _until_head(connection: socket.socket) -> bytes:
    seen = b""
    while b"\r\n\r\n" not in seen and (piece := connection.recv(65536)):
        seen += piece
    return seen


@contextmanager
def _server(
    talk: Callable[[socket.socket, bytes], None], context: ssl.SSLContext | None = None
) -> Iterator[tuple[int, list[bytes]]]:
    """Serve on a port of loopback; yield it with the heads that were asked."""
    asked: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    wrapped = (
                        context.wrap_socket(connection, server_side=True) if context else connection
                    )
                    asked.append(_until_head(wrapped))
                    talk(wrapped, asked[-1])
                    wrapped.close()
                except OSError:
                    pass  # The other side hung up, which is what some tests look for.

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1], asked
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(timeout=10)


def _says(answer: bytes) -> Callable[[socket.socket, bytes], None]:
    return lambda connection, _head: connection.sendall(answer)


def test_the_checked_address_is_spoken_to_under_the_name() -> None:
    told = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    looked: list[str] = []

    def lookup(host: str, port: int) -> list[str]:
        looked.append(f"{host}:{port}")
        return ["127.0.0.1"]

    with _server(_says(told)) as (port, asked):
        url = f"http://no-such-name.invalid:{port}/in?a=1"
        target = outbound.resolve(url, LOOPBACK, lookup=lookup)
        answer = outbound.send(target, "POST", body=b"{}", first_bytes=100)
    assert (answer.status, answer.body, answer.is_whole) == (200, b"ok", True)
    assert looked == [f"no-such-name.invalid:{port}"]
    assert asked[0].startswith(b"POST /in?a=1 HTTP/1.1\r\n")
    assert f"host: no-such-name.invalid:{port}\r\n".encode() in asked[0].lower()
    assert b"accept-encoding: identity" in asked[0].lower()


def test_a_transport_speaks_to_no_other_host_than_its_own() -> None:
    with _server(_says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as (port, asked):
        target = outbound.resolve(
            f"http://one.invalid:{port}/", LOOPBACK, lookup=lambda *_: ["127.0.0.1"]
        )
        transport = outbound.PinnedTransport(target, seconds=5, context=None)
        with (
            httpx.Client(transport=transport, trust_env=False) as client,
            pytest.raises(httpx.ConnectError),
        ):
            client.get(f"http://127.0.0.1:{port}/")
    assert not asked


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with _server(_says(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")) as (inner, inner_asked):
        moved = (
            f"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:{inner}/\r\nContent-Length: 0\r\n\r\n"
        )
        with _server(_says(moved.encode())) as (port, _):
            target = outbound.resolve(f"http://127.0.0.1:{port}/", LOOPBACK)
            answer = outbound.send(target, "POST", body=b"x", first_bytes=10)
    assert answer.status == 307
    assert not inner_asked


def test_no_more_of_an_answer_is_read_than_was_asked_for() -> None:
    def endless(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with _server(endless) as (port, _):
        target = outbound.resolve(f"http://127.0.0.1:{port}/", LOOPBACK)
        answer = outbound.send(target, "GET", first_bytes=100)
        assert (answer.body, answer.is_whole) == (b"x" * 100, False)
        with (
            outbound.answering(target, "GET") as response,
            pytest.raises(AnswerTooLarge),
        ):
            for _ in outbound.pieces(response, max_bytes=200_000):
                pass


def test_an_answer_that_says_it_is_too_large_is_refused_before_its_body() -> None:
    with _server(_says(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")) as (port, _):
        target = outbound.resolve(f"http://127.0.0.1:{port}/", LOOPBACK)
        with outbound.answering(target, "GET") as response, pytest.raises(AnswerTooLarge):
            next(outbound.pieces(response, max_bytes=999))


@pytest.mark.parametrize("drips", ["head", "body"])
def test_an_answer_that_drips_ends_at_the_deadline_of_the_whole(drips: str) -> None:
    ended = threading.Event()

    def drip(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        connection.sendall(b"X: " if drips == "head" else b"\r\n")
        try:
            # Each piece comes well within the bound of one read.
            while not ended.wait(0.05):
                connection.sendall(b"x")
        except OSError:
            ended.set()

    with _server(drip) as (port, _):
        target = outbound.resolve(f"http://127.0.0.1:{port}/", LOOPBACK)
        began = time.monotonic()
        with (
            pytest.raises(AnswerTooSlow),
            outbound.answering(target, "GET", seconds=0.5) as response,
        ):
            for _ in outbound.pieces(response, max_bytes=1_000_000):
                pass
        assert time.monotonic() - began >= 0.5
        assert ended.wait(30)


def _certificate(folder: Path, name: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_the_certificate_has_to_be_of_the_name_and_not_of_the_address(tmp_path: Path) -> None:
    pem = _certificate(tmp_path, "right.invalid")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pem)
    trusting = ssl.create_default_context(cafile=str(pem))
    with _server(_says(b"HTTP/1.1 204 No\r\n\r\n"), serving) as (port, _):
        right, wrong = (
            outbound.resolve(
                f"https://{name}.invalid:{port}/", LOOPBACK, lookup=lambda *_: ["127.0.0.1"]
            )
            for name in ("right", "wrong")
        )
        assert outbound.send(right, "GET", first_bytes=1, context=trusting).status == 204
        with pytest.raises(httpx.ConnectError):
            outbound.send(wrong, "GET", first_bytes=1, context=trusting)
        with pytest.raises(httpx.ConnectError):
            outbound.send(right, "GET", first_bytes=1)  # The machine does not know its issuer.

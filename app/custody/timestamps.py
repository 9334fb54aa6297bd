"""Time stamps of RFC 3161: an authority outside says that bytes were there at a moment.

Only a digest leaves the house. What comes back is verified before it is kept: the digest, the
nonce, the authority's signature, and its certificate up to a root that the settings name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import requests
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from app.core.errors import Invalid

CONNECT_SECONDS = 5
ANSWER_SECONDS = 10
MOST_ANSWER_BYTES = 64 * 1024
_CHUNK_BYTES = 8192
_HTTP_OK = 200


class StampInvalid(Exception):
    """The answer is no time stamp of these bytes by a trusted authority; the message says why."""


class AuthorityAway(Exception):
    """The authority does not answer, or not with a time stamp; try again later."""


class RootsInvalid(Invalid):
    """The certificates of the time stamp authorities cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A verified answer, as it came, and the moment that it names."""

    response: bytes
    stamped_at: datetime


class Authorities:
    """The authorities that are asked, and the roots that their certificates must lead to."""

    def __init__(self, urls: Sequence[str], roots: Sequence[Certificate]) -> None:
        self.urls = tuple(urls)
        self._roots = tuple(roots)

    def roots_pem(self) -> bytes:
        """Return the certificates that stamps must hang from, for whoever verifies."""
        return b"".join(root.public_bytes(Encoding.PEM) for root in self._roots)

    @property
    def has_roots(self) -> bool:
        """Say whether anybody's stamps can be verified here."""
        return bool(self._roots)

    @classmethod
    def configured(cls, urls: str | None, roots_file: Path | None) -> Authorities:
        """Return what the settings name: addresses parted by spaces, and a file of PEM.

        Raises:
            RootsInvalid: the file is missing or holds no certificate.
        """
        if not urls and roots_file is None:
            return cls((), ())
        if roots_file is None:
            raise RootsInvalid("AUDIATUR_TSA_ROOTS_FILE must name the authorities' roots.")
        try:
            roots = load_pem_x509_certificates(roots_file.read_bytes())
        except (OSError, ValueError) as exc:
            raise RootsInvalid(f"{roots_file} holds no certificates: {exc}") from exc
        return cls((urls or "").split(), roots)

    def ask(self, url: str, message: bytes) -> Stamp:
        """Return a verified time stamp of `message` by the authority at `url`.

        Raises:
            AuthorityAway: no answer came in time, or none of an authority.
            StampInvalid: an answer came and is not to be trusted.
        """
        asked = (
            TimestampRequestBuilder()
            .data(message)
            .hash_algorithm(HashAlgorithm.SHA256)
            .nonce(nonce=True)
            .cert_request(cert_request=True)
            .build()
        )
        answer = _exchange(url, asked.as_bytes())
        return self._verified(answer, message, nonce=asked.nonce)

    def check(self, response: bytes, message: bytes) -> Stamp:
        """Verify an answer that was kept.

        Raises:
            StampInvalid: it is not to be trusted.
        """
        return self._verified(response, message, nonce=None)

    def _verified(self, response: bytes, message: bytes, *, nonce: int | None) -> Stamp:
        if not self._roots:
            raise StampInvalid("No root of an authority is trusted here.")
        builder = VerifierBuilder(roots=list(self._roots), nonce=nonce)
        try:
            decoded: TimeStampResponse = decode_timestamp_response(response)
            builder.build().verify_message(decoded, message)
            at = decoded.tst_info.gen_time
        except (VerificationError, ValueError) as exc:
            raise StampInvalid(str(exc) or "The answer is no time stamp.") from exc
        return Stamp(response=response, stamped_at=at.astimezone(UTC))


def _exchange(url: str, asked: bytes) -> bytes:
    """Send a question of RFC 3161 and return the bytes of the answer, within bounds."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise AuthorityAway("The address of the authority is neither http nor https.")
    try:
        with requests.post(
            url,
            data=asked,
            headers={"Content-Type": "application/timestamp-query"},
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            allow_redirects=False,
            stream=True,
        ) as answer:
            if answer.status_code != _HTTP_OK:
                raise AuthorityAway(f"The authority answered with status {answer.status_code}.")
            body = b""
            for piece in answer.iter_content(_CHUNK_BYTES):
                body += piece
                if len(body) > MOST_ANSWER_BYTES:
                    raise AuthorityAway("The answer of the authority is longer than any.")
    except requests.RequestException as exc:
        raise AuthorityAway(f"The authority does not answer ({type(exc).__name__}).") from exc
    return body

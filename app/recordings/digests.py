"""The digest that a sender may send along, and whether the bytes agree with it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping

from app.core.errors import Invalid

_MEMBER = re.compile(r"\s*([a-z0-9-]+)=:([A-Za-z0-9+/=]*):\s*")
_KNOWN = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}


class DigestInvalid(Invalid):
    """The digest field cannot be read.

    It looks like `sha-256=:BASE64:`, as of RFC 9530.
    """


class DigestMismatch(Invalid):
    """The bytes that arrived are not those the sender's digest is of; nothing was kept."""


def wanted(field: str) -> Mapping[str, bytes]:
    """Return the digests of a `Content-Digest` field that can be checked here, by algorithm.

    Raises:
        DigestInvalid: the field is not in the form of RFC 9530.
    """
    found: dict[str, bytes] = {}
    for member in field.split(","):
        match = _MEMBER.fullmatch(member)
        if match is None:
            raise DigestInvalid
        algorithm, value = match.groups()
        if algorithm not in _KNOWN:
            continue
        try:
            digest = base64.b64decode(value, validate=True)
        except binascii.Error as exc:
            raise DigestInvalid from exc
        if len(digest) != _KNOWN[algorithm]().digest_size:
            raise DigestInvalid(f"A {algorithm} digest has another length.")
        found[algorithm] = digest
    return found


class Compared:
    """Hashes the file and the whole body beside one another, for a sender's digest.

    RFC 9530 means the whole multipart body; a sender that knows only the file's digest means
    the file. Either is proof that the bytes arrived as they were, so either is taken.
    """

    def __init__(self, field: str) -> None:
        self.field = field
        self._wanted = wanted(field)
        self._file = {name: _KNOWN[name]() for name in self._wanted}
        self._body = {name: _KNOWN[name]() for name in self._wanted}

    def add_body(self, chunk: bytes) -> None:
        for one in self._body.values():
            one.update(chunk)

    def add_file(self, chunk: bytes | memoryview) -> None:
        for one in self._file.values():
            one.update(chunk)

    def check(self) -> None:
        """Refuse unless every digest sent fits the file or the body.

        Raises:
            DigestMismatch: one fits neither.
        """
        for name, digest in self._wanted.items():
            fits_file = hmac.compare_digest(digest, self._file[name].digest())
            if not fits_file and not hmac.compare_digest(digest, self._body[name].digest()):
                raise DigestMismatch(f"The {name} digest fits neither the file nor the body.")

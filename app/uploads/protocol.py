"""The fields of tus 1.0, read and written. Pure. Source: tus.io, protocol 1.0.0."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.core.errors import Garbled, Invalid, Malformed, PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION: Final = "1.0.0"
EXTENSIONS: Final = (
    "creation",
    "creation-with-upload",
    "termination",
    "checksum",
    "expiration",
    "concatenation",
)
BODY_TYPE: Final = "application/offset+octet-stream"
MAX_METADATA_CHARACTERS: Final = 32 * 1024
_ALGORITHMS: dict[str, Callable[[], hashlib._Hash]] = {
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "md5": lambda: hashlib.md5(usedforsecurity=False),
}
CHECKSUM_ALGORITHMS: Final = tuple(_ALGORITHMS)
_KEY = re.compile(r"[!-+\--~]{1,64}")
_UPLOAD = re.compile(r"(?:https?://[^/\s]+)?/\S*?/uploads/([0-9a-f-]{36})")
_MAX_PARTS = 64


class ProtocolUnsupported(PreconditionFailed):
    """Uploads are resumed as of tus 1.0.0: send `Tus-Resumable: 1.0.0`."""


class FieldInvalid(Malformed):
    """A field of tus cannot be read.

    `detail` names the field and what was expected.
    """


class ChecksumUnknown(Invalid):
    """The checksum is of a kind that is not checked here; see `Tus-Checksum-Algorithm`."""


class ChecksumMismatch(Garbled):
    """The bytes are not those that the checksum is of; they were thrown away, send them again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat:
    """What Upload-Concat asks for: a part of something, or something put together of `parts`."""

    field: str
    parts: tuple[UUID, ...] = ()

    @property
    def is_part(self) -> bool:
        return not self.parts


class Checksum:
    """The checksum of one body, and the bytes that came so far."""

    def __init__(self, field: str) -> None:
        """Read `Upload-Checksum: ALGORITHM BASE64`.

        Raises:
            FieldInvalid: it has another form.
            ChecksumUnknown: it is of another kind.
        """
        algorithm, _, value = field.strip().partition(" ")
        if algorithm not in _ALGORITHMS:
            raise ChecksumUnknown(f"{algorithm[:40]!r} is none of {', '.join(_ALGORITHMS)}.")
        self._hash = _ALGORITHMS[algorithm]()
        self._wanted = _decoded("Upload-Checksum", value.strip())
        if len(self._wanted) != self._hash.digest_size:
            raise FieldInvalid(f"Upload-Checksum: a {algorithm} has another length.")

    def add(self, chunk: bytes | memoryview) -> None:
        self._hash.update(chunk)

    def check(self) -> None:
        """Refuse unless the bytes are those meant.

        Raises:
            ChecksumMismatch: they are not.
        """
        if self._hash.digest() != self._wanted:
            raise ChecksumMismatch


def metadata(field: str | None) -> dict[str, str]:
    """Return what `Upload-Metadata: KEY BASE64, KEY BASE64` says; a key alone is an empty text.

    Raises:
        FieldInvalid: it has another form, is too long, or holds what is no UTF-8.
    """
    found: dict[str, str] = {}
    if field is None or not field.strip():
        return found
    if len(field) > MAX_METADATA_CHARACTERS:
        raise FieldInvalid(f"Upload-Metadata: more than {MAX_METADATA_CHARACTERS} characters.")
    for pair in field.split(","):
        key, _, value = pair.strip().partition(" ")
        if not _KEY.fullmatch(key) or key in found:
            raise FieldInvalid("Upload-Metadata: keys are of ASCII, and each stands once.")
        try:
            found[key] = _decoded("Upload-Metadata", value.strip()).decode()
        except UnicodeDecodeError as exc:
            raise FieldInvalid(f"Upload-Metadata: {key} is not UTF-8.") from exc
    return found


def concat(field: str | None) -> Concat | None:
    """Return what `Upload-Concat: partial`, or `final;URL URL`, asks for; None without one.

    Raises:
        FieldInvalid: it has another form, or names more than 64 parts, or one twice.
    """
    if field is None:
        return None
    word, _, urls = field.strip().partition(";")
    if word == "partial" and not urls:
        return Concat(field=field)
    matches = [_UPLOAD.fullmatch(url) for url in urls.split()]
    if word != "final" or not matches or len(matches) > _MAX_PARTS:
        raise FieldInvalid("Upload-Concat: `partial`, or `final;` and at most 64 uploads.")
    try:
        parts = tuple(UUID(match[1]) for match in matches if match)
    except ValueError as exc:
        raise FieldInvalid("Upload-Concat: a part is no upload.") from exc
    if len(set(parts)) != len(matches):
        raise FieldInvalid("Upload-Concat: a part is no upload, or stands twice.")
    return Concat(field=field, parts=parts)


def whole_number(name: str, field: str | None) -> int:
    """Return the number of bytes that a field says.

    Raises:
        FieldInvalid: it is missing, negative, or no number.
    """
    if field is None or not re.fullmatch(r"[0-9]{1,18}", field):
        raise FieldInvalid(f"{name}: a number of bytes is missing.")
    return int(field)


def _decoded(name: str, value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise FieldInvalid(f"{name}: no Base64.") from exc

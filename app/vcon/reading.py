"""Reading a vCon: its form, its version, what it demands of a reader, and its contents. Pure.

Source: draft-ietf-vcon-vcon-core; draft-miller-vcon-zip-bundle.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from app.core.errors import Invalid, Malformed, TooLarge

Json = dict[str, Any]

VERSIONS: Final = frozenset({"0.0.1", "0.0.2", "0.3.0", "0.4.0"})
EXTENSIONS: Final = frozenset({"CC", "lawful_basis"})
"""The extensions that are known here; a vCon may demand no other."""

_MOST: Final = {"parties": 100, "dialog": 200, "attachments": 200, "analysis": 1000}
_MOST_IN_BUNDLE: Final = 1000
_HASHES: Final = {"sha512": hashlib.sha512, "sha384": hashlib.sha384, "sha256": hashlib.sha256}
_OLD_HASHES: Final = {"SHA-512": "sha512", "SHA-256": "sha256"}
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"


class VconBroken(Malformed):
    """The vCon does not have the shape that is asked for."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where or 'vcon'}: {why}", where=where)


class VconVersionUnknown(Malformed):
    """The vCon is of a version that is not read here."""


class VconExtensionUnknown(Malformed):
    """The vCon demands an extension that is not known here; `extensions` names it."""


class VconEncrypted(Malformed):
    """The vCon is encrypted; send it signed or plain."""


class VconTooLarge(TooLarge):
    """The vCon, or what is packed in it, is larger than is taken."""


class ContentHashWrong(Invalid):
    """A content of the vCon is not what its hash says; `where` names it."""


class ContentMissing(Invalid):
    """A content of the vCon lies elsewhere and is not fetched from there; `where` names it."""


class Signature(StrEnum):
    """What is known of a vCon's signature."""

    NONE = "none"
    VERIFIED = "verified"
    NOT_CHECKED = "not_checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something odd that was tolerated, or something that was left out: what, and where."""

    code: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What came of looking at a signature, and why it was not checked."""

    signature: Signature
    why: str = ""


Checker = Callable[[Mapping[str, Any]], Checked]
"""Looks at a JWS of the general form; raises a refusal where it is wrong."""


@dataclass(slots=True, kw_only=True)
class Vcon:
    """One vCon as it was read. `files` has contents by hash, of the bundle that it came in."""

    uuid: str
    body: Json
    sha256: bytes
    version: str | None
    checked: Checked
    notes: list[Note] = field(default_factory=list)
    files: Callable[[str], bytes | None] = lambda _: None

    def note(self, code: str, where: str) -> None:
        self.notes.append(Note(code=code, where=where))

    def items(self, name: str) -> list[Json]:
        """Return a list of the vCon; removed items left empty places, which stay."""
        return list(self.body.get(name) or [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Bytes of a dialog or attachment, or where they lie, and what they must agree with."""

    data: bytes | None
    url: str | None
    hashes: tuple[str, ...]
    media_type: str | None
    file_name: str | None


_PACKED: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


def read(raw: bytes, check: Checker, *, max_bytes: int) -> list[Vcon]:
    """Return the vCons of `raw`: one that is plain, signed or packed, or those of a bundle.

    Raises:
        VconBroken, VconVersionUnknown, VconExtensionUnknown, VconEncrypted, VconTooLarge: as named.
        Whatever `check` refuses.
    """
    if raw.startswith(_ZIP):
        return _bundle(raw, check, max_bytes=max_bytes)
    if raw.startswith(_GZIP):
        raw = _unpacked(raw, max_bytes=max_bytes)
    return [_one(raw, check, hashlib.sha256(raw).digest())]


def _unpacked(raw: bytes, *, max_bytes: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        found = unpacker.decompress(raw, max_bytes + 1)
    except zlib.error as exc:
        raise VconBroken("", "it is no gzip") from exc
    if len(found) > max_bytes:
        raise VconTooLarge(max_bytes=max_bytes)
    if not unpacker.eof:
        raise VconBroken("", "the gzip ends too early")
    return found


def _bundle(raw: bytes, check: Checker, *, max_bytes: int) -> list[Vcon]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(raw))
        entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as exc:
        raise VconBroken("", "it is no ZIP") from exc
    _must_be_readable(entries, max_bytes=max_bytes)

    def unpacked(entry: zipfile.ZipInfo) -> bytes:
        try:
            with archive.open(entry) as opened:
                found = opened.read(entry.file_size + 1)
        # A directory that lies of a place or a name is told as a wrong value.
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as exc:
            raise VconBroken(entry.filename, "it cannot be unpacked") from exc
        if len(found) > entry.file_size:
            raise VconTooLarge(max_bytes=max_bytes)
        return found

    _must_be_bundle(entries, unpacked)
    files = {
        one.filename.removeprefix("files/").partition(".")[0]: one
        for one in entries
        if one.filename.startswith("files/") and not one.is_dir()
    }

    def of_bundle(content_hash: str) -> bytes | None:
        entry = files.get(content_hash)
        return unpacked(entry) if entry else None

    found = []
    for one in entries:
        if re.fullmatch(r"vcons/[^/]+\.(?:json|vcon)", one.filename):
            body = unpacked(one)
            vcon = _one(body, check, hashlib.sha256(body).digest())
            vcon.files = of_bundle
            found.append(vcon)
    if not found:
        raise VconBroken("vcons", "the bundle has no vCon")
    return found


def _must_be_readable(entries: Sequence[zipfile.ZipInfo], *, max_bytes: int) -> None:
    if any(one.compress_type not in _PACKED for one in entries):
        raise VconBroken("", "it is packed in a way that is not read here")
    if len(entries) > _MOST_IN_BUNDLE or sum(one.file_size for one in entries) > max_bytes:
        raise VconTooLarge(max_bytes=max_bytes)


def _must_be_bundle(
    entries: Sequence[zipfile.ZipInfo], unpacked: Callable[[zipfile.ZipInfo], bytes]
) -> None:
    manifest = next((one for one in entries if one.filename == "manifest.json"), None)
    told = _json(unpacked(manifest), "manifest.json") if manifest else {}
    if told.get("format") != "vcon-bundle" or told.get("version") != "1.0":
        raise VconBroken("manifest.json", "it is no vcon-bundle of version 1.0")


def _json(raw: bytes, where: str) -> Json:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    try:
        found = json.loads(raw, parse_constant=refuse)
    except (ValueError, RecursionError) as exc:
        raise VconBroken(where, "it is no JSON") from exc
    if not isinstance(found, dict):
        raise VconBroken(where, "it is no object")
    return found


def _one(raw: bytes, check: Checker, sha256: bytes) -> Vcon:
    body = _json(raw, "")
    if "ciphertext" in body and "recipients" in body:
        raise VconEncrypted
    checked = Checked(signature=Signature.NONE)
    if "payload" in body and "signatures" in body:
        checked = check(body)
        body = _json(decoded(body["payload"], "payload"), "payload")
    version = _must_be_read(body)
    for name, most in _MOST.items():
        _must_be_objects(body.get(name), name, most)
    try:
        uuid = str(UUID(body["uuid"]))
    except (KeyError, ValueError, AttributeError, TypeError) as exc:
        raise VconBroken("uuid", "it is no UUID") from exc
    vcon = Vcon(uuid=uuid, body=body, sha256=sha256, version=version, checked=checked)
    if body.get("created_at") is None:
        vcon.note("created_at.absent", "created_at")
    if checked.signature is Signature.NOT_CHECKED:
        vcon.note("signature.not_checked", checked.why)
    if body.get("redacted"):
        vcon.note("vcon.redacted", "redacted")
    return vcon


def _must_be_read(body: Json) -> str | None:
    """Return the version; refuse what is written otherwise than is read here."""
    version = body.get("vcon")
    if version is not None and (not isinstance(version, str) or version not in VERSIONS):
        raise VconVersionUnknown(f"Version {str(version)[:20]!r} is not read here.")
    unknown = sorted(set(_strings(body, "critical")) - EXTENSIONS)
    if unknown:
        raise VconExtensionUnknown(f"{', '.join(unknown)} is not known.", extensions=unknown)
    return version


def _strings(body: Json, name: str) -> list[str]:
    found = body.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise VconBroken(name, "it is no list of names")
    return found


def _must_be_objects(found: object, name: str, most: int) -> None:
    if found is None:
        return
    if not isinstance(found, list) or len(found) > most:
        raise VconBroken(name, f"it is no list of at most {most}")
    for place, one in enumerate(found):
        if not isinstance(one, dict):
            raise VconBroken(f"{name}/{place}", "it is no object")


def decoded(text: object, where: str) -> bytes:
    """Return the bytes of Base64url text. Source: RFC 4648, 5.

    Raises:
        VconBroken: it is none.
    """
    if not isinstance(text, str) or not _BASE64.fullmatch(text):
        raise VconBroken(where, "it is no Base64url")
    plain = text.rstrip("=").translate(str.maketrans("+/", "-_"))
    try:
        return base64.urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
    except binascii.Error as exc:
        raise VconBroken(where, "it is no Base64url") from exc


def content_of(vcon: Vcon, item: Json, where: str) -> Content | None:
    """Return the content of a dialog or attachment, decoded and agreeing with its hashes.

    What is packed beside the vCon is taken from there; what only has a URL has no data.

    Raises:
        VconBroken: its coding is unknown or broken, or a URL has no hash.
        ContentHashWrong: it is not what its hash says.
    """
    hashes = _hashes_of(vcon, item, where)
    url = _text(item, "url", where)
    data = _inline(vcon, item, where)
    if data is None and url is None:
        return None
    if data is None:
        data = next((found for one in hashes if (found := vcon.files(one)) is not None), None)
        if not hashes:
            raise VconBroken(f"{where}/content_hash", "it has to be there beside a URL")
    media_type = _text(item, "mediatype", where)
    if media_type is None and (media_type := _text(item, "mimetype", where)) is not None:
        vcon.note("mimetype.old", where)
    if data is not None:
        must_agree(data, hashes, where)
    return Content(
        data=data,
        url=url,
        hashes=hashes,
        media_type=media_type,
        file_name=_text(item, "filename", where),
    )


def must_agree(data: bytes, hashes: Sequence[str], where: str) -> None:
    """Refuse bytes that are not what the hashes say; each that can be computed has to agree.

    Raises:
        ContentHashWrong: one does not, or none can be computed.
    """
    looked = False
    for one in hashes:
        name, _, value = one.partition("-")
        if name in _HASHES:
            looked = True
            if _HASHES[name](data).digest() != decoded(value, f"{where}/content_hash"):
                raise ContentHashWrong(f"{where} is not what its hash says.", where=where)
    if hashes and not looked:
        raise ContentHashWrong(f"No hash of {where} can be computed here.", where=where)


def _hashes_of(vcon: Vcon, item: Json, where: str) -> tuple[str, ...]:
    found = item.get("content_hash")
    if found is None and item.get("signature") and item.get("alg") in _OLD_HASHES:
        vcon.note("content_hash.old", where)
        found = f"{_OLD_HASHES[item['alg']]}-{item['signature']}"
    if found is None:
        return ()
    listed = found if isinstance(found, list) else [found]
    if not all(isinstance(one, str) for one in listed):
        raise VconBroken(f"{where}/content_hash", "it is no text")
    return tuple(listed)


def _inline(vcon: Vcon, item: Json, where: str) -> bytes | None:
    body = item.get("body")
    if body is None:
        return None
    encoding = item.get("encoding")
    if encoding == "json":
        return json.dumps(body, ensure_ascii=False).encode()
    if not isinstance(body, str):
        raise VconBroken(f"{where}/body", "it is no text")
    if encoding == "none":
        return body.encode()
    if encoding == "base64":
        vcon.note("encoding.base64", where)
        return decoded(re.sub(r"\s", "", body), f"{where}/body")
    if encoding == "base64url":
        if re.search(r"[+/=]", body):
            vcon.note("encoding.alphabet", where)
        return decoded(body, f"{where}/body")
    raise VconBroken(f"{where}/encoding", "it is none of base64url, json, none")


def _text(item: Json, name: str, where: str) -> str | None:
    found = item.get(name)
    if found is not None and not isinstance(found, str):
        raise VconBroken(f"{where}/{name}", "it is no text")
    return found or None

"""Looking at the signature of a vCon: a JWS whose certificates stand in its header.

Source: RFC 7515; draft-ietf-vcon-vcon-core, 5.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from app.core.errors import Invalid
from app.vcon.reading import Checked, Signature, VconBroken, decoded

_ALGORITHMS: Final = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
]
_MOST_CERTIFICATES: Final = 10
_MOST_SIGNATURES: Final = 10


class VconSignatureWrong(Invalid):
    """The vCon was changed after it was signed, or was signed by another key than it says."""


def roots_of(path: Path | None) -> list[x509.Certificate]:
    """Return the root certificates of a file, none where there is no file.

    Raises:
        OSError, ValueError: they cannot be read.
    """
    return [] if path is None else x509.load_pem_x509_certificates(path.read_bytes())


def check(signed: Mapping[str, Any], roots: Sequence[x509.Certificate], *, at: datetime) -> Checked:
    """Look at each signature of a JWS; one that is wrong refuses all.

    It is verified if one of them is right and its certificate leads to one of `roots`.

    Raises:
        VconBroken: it has not the shape of a JWS.
        VconSignatureWrong: a signature is wrong.
    """
    found = signed.get("signatures")
    if not isinstance(found, list) or not 0 < len(found) <= _MOST_SIGNATURES:
        raise VconBroken("signatures", f"there are 1 to {_MOST_SIGNATURES}")
    looked = [
        _look(signed, one, f"signatures/{place}", roots, at=at) for place, one in enumerate(found)
    ]
    return next((one for one in looked if one.signature is Signature.VERIFIED), looked[0])


def _look(
    signed: Mapping[str, Any],
    one: object,
    where: str,
    roots: Sequence[x509.Certificate],
    *,
    at: datetime,
) -> Checked:
    if not isinstance(one, dict):
        raise VconBroken(where, "it is no object")
    try:
        protected = json.loads(decoded(one.get("protected") or "e30", f"{where}/protected"))
    except ValueError as exc:
        raise VconBroken(f"{where}/protected", "it is no JSON") from exc
    unprotected = one.get("header") or {}
    if not isinstance(protected, dict) or not isinstance(unprotected, dict):
        raise VconBroken(where, "its header is no object")
    header = unprotected | protected
    algorithm = header.get("alg")
    if algorithm not in _ALGORITHMS or header.get("crit"):
        return _unknown(f"{where}: algorithm {str(algorithm)[:20]}")
    if not header.get("x5c"):
        return _unknown(f"{where}: no certificate in the header")
    chain = _chain(header["x5c"], f"{where}/x5c")
    _must_be_signed(signed, one, algorithm, chain[0])
    if not roots:
        return _unknown(f"{where}: no root certificates are configured")
    if not _is_trusted(chain, roots, at=at):
        return _unknown(f"{where}: its certificate leads to none of the root certificates")
    return Checked(signature=Signature.VERIFIED)


def _unknown(why: str) -> Checked:
    return Checked(signature=Signature.NOT_CHECKED, why=why)


def _chain(texts: object, where: str) -> list[x509.Certificate]:
    if not isinstance(texts, list) or not 0 < len(texts) <= _MOST_CERTIFICATES:
        raise VconBroken(where, f"there are 1 to {_MOST_CERTIFICATES} certificates")
    try:
        return [x509.load_der_x509_certificate(base64.b64decode(text)) for text in texts]
    except (ValueError, TypeError, binascii.Error) as exc:
        raise VconBroken(where, "it is no certificate") from exc


def _must_be_signed(
    signed: Mapping[str, Any], one: Mapping[str, Any], algorithm: str, leaf: x509.Certificate
) -> None:
    try:
        pem = leaf.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        key = ECKey.import_key(pem) if algorithm.startswith("ES") else RSAKey.import_key(pem)
        flat = {"payload": signed.get("payload"), **{name: one[name] for name in one}}
        # The draft puts a member of its own into the header.
        registry = _Registry(algorithms=_ALGORITHMS, strict_check_header=False)
        jws.deserialize_json(cast("Any", flat), key, registry=registry)
    except (JoseError, ValueError, TypeError, KeyError) as exc:
        raise VconSignatureWrong from exc


class _Registry(JWSRegistry):
    """Takes headers with whole chains of certificates, and payloads with sound."""

    max_header_length = 256 * 1024
    max_payload_length = 1024 * 1024 * 1024
    max_signature_length = 16 * 1024


def _is_trusted(
    chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], *, at: datetime
) -> bool:
    """Say whether each certificate was issued by the next, and the last by a root, in its time."""
    for place, one in enumerate(chain):
        if not one.not_valid_before_utc <= at <= one.not_valid_after_utc:
            return False
        if place and not _may_issue(one):
            return False
        if one in roots or any(
            _may_issue(root)
            and root.not_valid_before_utc <= at <= root.not_valid_after_utc
            and _is_issued(one, root)
            for root in roots
        ):
            return True
        if place + 1 == len(chain) or not _is_issued(one, chain[place + 1]):
            return False
    return False


def _may_issue(one: x509.Certificate) -> bool:
    try:
        return one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _is_issued(one: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        one.verify_directly_issued_by(by)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True

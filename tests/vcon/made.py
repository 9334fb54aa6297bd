"""vCons as others write them, and who signs them."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

START = "2026-11-20T10:00:00.000+03:00"
UUID = "019f15a6-a752-826f-b9a2-279e0d16bc46"


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def content_hash(data: bytes) -> str:
    return "sha512-" + text(hashlib.sha512(data).digest())


def sound(data: bytes, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON.
    return {
        "type": "recording",
        "start": START,
        "duration": 0.2,
        "parties": [0, 1],
        "mediatype": "audio/x-wav",
        "filename": "call.wav",
        "encoding": "base64url",
        "body": text(data),
    } | more


def vcon(*dialogs: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON.
    """Return a vCon of a client who calls our agent 106."""
    return {
        "vcon": "0.4.0",
        "uuid": UUID,
        "created_at": "2026-11-20T07:05:00Z",
        "extensions": ["CC"],
        "parties": [
            {"tel": "tel:+74950008414", "name": "Client", "role": "customer"},
            {"sip": "sip:106@pbx.example", "name": "Agent", "role": "agent"},
            {"tel": "107", "name": "Specialist", "role": "sme"},
        ],
        "dialog": list(dialogs),
        "analysis": [],
        "attachments": [],
    } | more


def packed(found: dict[str, Any]) -> bytes:
    return json.dumps(found).encode()


@dataclass(frozen=True)
class Signer:
    """A leaf under an intermediate under a root."""

    key: rsa.RSAPrivateKey
    chain: tuple[x509.Certificate, ...]
    root: x509.Certificate

    def sign(self, found: dict[str, Any], *, x5c: bool = True) -> dict[str, Any]:
        """Return the signed form."""
        header: dict[str, Any] = {"alg": "RS256", "uuid": found["uuid"]}
        if x5c:
            header["x5c"] = [
                base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in self.chain
            ]
        protected, payload = text(json.dumps(header).encode()), text(packed(found))
        signature = self.key.sign(
            f"{protected}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256()
        )
        return {
            "payload": payload,
            "signatures": [{"protected": protected, "signature": text(signature)}],
        }


def signer(*, may_issue: bool = True, days: int = 30) -> Signer:
    root_key, middle_key, leaf_key = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3)
    )
    root = _certificate("root", root_key, "root", root_key, is_ca=True, days=365)
    middle = _certificate("middle", middle_key, "root", root_key, is_ca=may_issue, days=365)
    leaf = _certificate("leaf", leaf_key, "middle", middle_key, is_ca=False, days=days)
    return Signer(leaf_key, (leaf, middle), root)


def _certificate(
    name: str,
    key: rsa.RSAPrivateKey,
    by_name: str,
    by: rsa.RSAPrivateKey,
    *,
    is_ca: bool,
    days: int,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    subject, issuer = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, by_name)
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=400))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .sign(by, hashes.SHA256())
    )

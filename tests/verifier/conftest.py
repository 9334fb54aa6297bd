"""A bundle, and a local authority for time stamps."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.verifier.forge import Forge


@pytest.fixture(scope="session")
def forge() -> Forge:
    return Forge()


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority for time stamps, made by OpenSSL in a folder of its own."""

    folder: Path

    def stamp(self, content: bytes) -> bytes:
        """Return its response to a request for `content`."""
        (self.folder / "content").write_bytes(content)
        self.openssl("ts", "-query", "-data", "content", "-sha256", "-cert", "-out", "query")
        self.openssl(
            *("ts", "-reply", "-config", "ts.cnf", "-section", "tsa"),
            *("-queryfile", "query", "-out", "reply"),
        )
        return (self.folder / "reply").read_bytes()

    @property
    def root_pem(self) -> bytes:
        return (self.folder / "root.pem").read_bytes()

    def openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)  # noqa: S603, S607 - the system's OpenSSL, no shell.


_CONFIG = """
[tsa]
serial = ./serial
crypto_device = builtin
signer_cert = ./signer.pem
certs = ./root.pem
signer_key = ./signer.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[signer]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, {usage}
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
"""


def make_authority(
    folder: Path, *, usage: str = "timeStamping", key: str = "rsa:2048"
) -> Authority:
    """Make a root and the certificate of a signer that hangs from it."""
    folder.mkdir(parents=True)
    (folder / "ts.cnf").write_text(_CONFIG.format(usage=usage), encoding="utf-8")
    (folder / "serial").write_text("01\n", encoding="utf-8")
    made = Authority(folder)
    made.openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "root.key"),
        *("-out", "root.pem", "-days", "30", "-subj", "/CN=Test root"),
        *("-config", "ts.cnf", "-extensions", "root"),
    )
    curve = ["-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else []
    made.openssl(
        *("req", "-newkey", key, *curve, "-nodes", "-keyout", "signer.key", "-out", "signer.csr"),
        *("-subj", "/CN=Test authority", "-config", "ts.cnf"),
    )
    made.openssl(
        *("x509", "-req", "-in", "signer.csr", "-CA", "root.pem", "-CAkey", "root.key"),
        *("-CAcreateserial", "-days", "20", "-out", "signer.pem"),
        *("-extfile", "ts.cnf", "-extensions", "signer"),
    )
    return made


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("tsa") / "one")

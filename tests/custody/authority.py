"""A time stamp authority of the test's own: OpenSSL behind a real HTTP server on loopback."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_CONFIG = """
[ req ]
distinguished_name = dn
[ dn ]
[ ca ]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[ tsa ]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[ tsa_config ]
serial = ./serial
crypto_device = builtin
signer_cert = ./tsa.pem
signer_key = ./tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class Authority:
    """Answers as RFC 3161 has it. What it does wrong is set by the test.

    `mode` is `right`, `away` (status 503), `garbage`, `replay` (its first answer again and again),
    `endless` (more bytes than any answer has) or `other` (a stamp of other bytes).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mode = "right"
        self.asked = 0
        self.url = ""
        self._first: bytes | None = None
        folder.mkdir()
        (folder / "openssl.cnf").write_text(_CONFIG)
        (folder / "serial").write_text("01\n")
        self._certificates()

    @property
    def roots(self) -> Path:
        return self.folder / "root.pem"

    def _certificates(self) -> None:
        new = ("-newkey", "rsa:2048", "-nodes", "-config", "openssl.cnf")
        self._run("req", "-x509", *new, "-subj", "/CN=Test root", "-days", "3650",
                  "-extensions", "ca", "-keyout", "root.key", "-out", "root.pem")  # fmt: skip
        self._run("req", *new, "-subj", "/CN=Test authority",
                  "-keyout", "tsa.key", "-out", "tsa.csr")  # fmt: skip
        self._run("x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key",
                  "-set_serial", "7", "-days", "3650", "-extfile", "openssl.cnf",
                  "-extensions", "tsa", "-out", "tsa.pem")  # fmt: skip

    def answer(self, question: bytes) -> tuple[int, bytes]:
        self.asked += 1
        if self.mode == "away":
            return 503, b""
        if self.mode == "garbage":
            return 200, b"<html>welcome</html>"
        if self.mode == "endless":
            return 200, bytes(1 << 20)
        if self.mode == "replay" and self._first is not None:
            return 200, self._first
        (self.folder / "query").write_bytes(question)
        if self.mode == "other":
            (self.folder / "other").write_bytes(b"other")
            self._run("ts", "-query", "-data", "other", "-sha256", "-cert", "-out", "query")
        self._run("ts", "-reply", "-queryfile", "query", "-config", "openssl.cnf",
                  "-section", "tsa_config", "-out", "reply")  # fmt: skip
        reply = (self.folder / "reply").read_bytes()
        self._first = self._first or reply
        return 200, reply

    def verify(self, response: bytes, message: bytes) -> bool:
        """Say whether OpenSSL takes `response` as a stamp of `message`."""
        (self.folder / "tsr").write_bytes(response)
        (self.folder / "data").write_bytes(message)
        done = subprocess.run(
            ["openssl", "ts", "-verify", "-data", "data", "-in", "tsr", "-CAfile", "root.pem"],  # noqa: S607 - whichever there is.
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def _run(self, *arguments: str) -> None:
        subprocess.run(  # noqa: S603 - openssl and constants.
            ["openssl", *arguments],  # noqa: S607 - whichever there is.
            cwd=self.folder,
            check=True,
            capture_output=True,
        )


@contextmanager
def serving(folder: Path) -> Iterator[Authority]:
    """Give an authority that answers on loopback."""
    authority = Authority(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/timestamp-query"
            status, body = authority.answer(question)
            self.send_response(status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    authority.url = f"http://127.0.0.1:{server.server_address[1]}/tsa"
    try:
        yield authority
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

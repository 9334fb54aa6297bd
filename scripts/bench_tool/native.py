"""The two C programs: compiled when needed, and the load run as one call."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path

_SOURCES = Path(__file__).parent
_FLAGS = ("-O2", "-std=c17", "-Wall", "-Wextra", "-Werror", "-pthread")
_COMPILE_WITHIN_S = 120
_LOAD_WITHIN_S = 900


class BenchmarkFailed(Exception):
    """The benchmark cannot go on; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The compiled programs."""

    reference: Path
    load: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where recordings are sent on the loopback, by which key, and whether by tus."""

    port: int
    path: str
    key: str = field(repr=False)
    is_tus: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Volley:
    """Each of `connections` sends `requests` recordings of `size` bytes, one after the other."""

    connections: int
    requests: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the load saw. `requests` were answered rightly; an error ends its connection."""

    wall_s: float
    requests: int
    bytes: int
    errors: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    first_error: str


def compile_programs(directory: Path) -> Programs:
    """Compile both programs into `directory`, which is made.

    Raises:
        BenchmarkFailed: there is no compiler or no OpenSSL to compile against.
    """
    compiler = _compiler()
    directory.mkdir()
    for name in ("reference", "load"):
        _compile(compiler, _SOURCES / f"{name}.c", directory / name)
    return Programs(reference=directory / "reference", load=directory / "load")


def compile_one(name: str, program: Path) -> Path:
    """Compile one more program of this folder.

    Raises:
        BenchmarkFailed: there is no compiler or no OpenSSL to compile against.
    """
    _compile(_compiler(), _SOURCES / f"{name}.c", program)
    return program


def _compiler() -> str:
    compiler = shutil.which("gcc")
    if compiler is None:
        raise BenchmarkFailed("there is no gcc: apt-get install gcc libc6-dev libssl-dev")
    return compiler


def _compile(compiler: str, source: Path, program: Path) -> None:
    argv = [compiler, *_FLAGS, "-o", str(program), str(source), "-lcrypto"]
    made = subprocess.run(  # noqa: S603  # The compiler that the path names.
        argv, capture_output=True, text=True, check=False, timeout=_COMPILE_WITHIN_S
    )
    if made.returncode == 0:
        return
    if "openssl/evp.h" in made.stderr or "-lcrypto" in made.stderr:
        raise BenchmarkFailed("OpenSSL's headers are missing: apt-get install libssl-dev")
    raise BenchmarkFailed(f"{source.name} does not compile:\n{made.stderr}")


def run_load(program: Path, address: Address, volley: Volley) -> Load:
    """Send a volley and check every answer.

    Raises:
        BenchmarkFailed: the load itself failed; a wrong answer is an error in what is returned.
    """
    way = ["tus"] if address.is_tus else []
    numbers = [str(number) for number in (volley.connections, volley.requests, volley.size)]
    done = subprocess.run(  # noqa: S603  # Compiled from the source beside this file.
        [program, str(address.port), address.path, *numbers, uuid.uuid4().hex, *way],
        env={**os.environ, "BENCH_KEY": address.key},
        capture_output=True,
        text=True,
        check=False,
        timeout=_LOAD_WITHIN_S,
    )
    if done.returncode != 0:
        raise BenchmarkFailed(f"the load ended with {done.returncode}: {done.stderr.strip()}")
    return Load(**json.loads(done.stdout))

"""Hosts as network namespaces on one bridge; a cable is a pair of ends, and one end is pulled."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


class NoNamespaces(Exception):
    """Network namespaces may not be made on this machine, or by this account."""


def ip(*words: str) -> str:
    """Run `ip` and return what it printed."""
    done = subprocess.run(  # noqa: S603 - words of our own.
        ["ip", *words],  # noqa: S607 - found where it is installed.
        env=os.environ | {"PATH": _PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NoNamespaces(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host: its namespace, its address, and our end of its cable."""

    name: str
    namespace: str
    cable: str
    address: str

    def run(
        self, argv: Sequence[str | Path], env: dict[str, str], log: Path, *, cwd: Path
    ) -> subprocess.Popen[bytes]:
        """Start `argv` on this host; the number of the process is that of `argv` itself."""
        with log.open("ab") as out:
            return subprocess.Popen(  # noqa: S603 - our own programs.
                ["ip", "netns", "exec", self.namespace, *map(str, argv)],  # noqa: S607 - the same.
                env={"PATH": _PATH, "LC_ALL": "C.UTF-8", **env},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def pull(self) -> None:
        """Pull the cable: nothing comes or goes, and nobody is told."""
        ip("link", "set", self.cable, "down")

    def plug(self) -> None:
        ip("link", "set", self.cable, "up")

    def end_all(self) -> None:
        """Kill whatever runs on this host."""
        for pid in ip("netns", "pids", self.namespace).split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


@contextmanager
def network(names: Sequence[str]) -> Iterator[dict[str, Host]]:
    """Give a host for each name, all on one bridge, which this process is on too."""
    mark = secrets.token_hex(3)
    net = f"10.213.{secrets.randbelow(250)}"
    bridge = f"au{mark}"
    hosts: dict[str, Host] = {}
    try:
        ip("link", "add", bridge, "type", "bridge")
        ip("addr", "add", f"{net}.1/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        for number, name in enumerate(names, start=2):
            host = Host(
                name=name,
                namespace=f"au-{mark}-{name}",
                cable=f"au{mark}{number}",
                address=f"{net}.{number}",
            )
            ip("netns", "add", host.namespace)
            hosts[name] = host
            inside = ("-n", host.namespace)
            ip("link", "add", host.cable, "type", "veth", "peer", "eth0", "netns", host.namespace)
            ip("link", "set", host.cable, "master", bridge, "up")
            ip(*inside, "link", "set", "lo", "up")
            ip(*inside, "addr", "add", f"{host.address}/24", "dev", "eth0")
            ip(*inside, "link", "set", "eth0", "up")
        yield hosts
    finally:
        for host in hosts.values():
            with suppress(NoNamespaces):
                host.end_all()
            with suppress(NoNamespaces):
                ip("netns", "del", host.namespace)
        with suppress(NoNamespaces):
            ip("link", "del", bridge)

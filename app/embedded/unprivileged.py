"""Run the server's programs as somebody who is not root, because Postgres refuses root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.embedded.errors import EmbeddedPostgresFailed

ACCOUNT = "audiatur-pg"
_OVERFLOW_UID = 65534  # What the kernel shows for every owner that a namespace does not know.


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a program of the server is run, and who owns the server's files then."""

    prefix: tuple[str, ...] = ()
    uid: int
    gid: int
    switches_account: bool = False

    def run(
        self, argv: Sequence[str | Path], *, cwd: Path, keep_fds: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` in a session of its own, with an environment that holds no secret of ours."""
        command = [*self.prefix, *map(str, argv)]
        environment = {"PATH": os.defpath, "HOME": "/", "LC_ALL": "C", "TZ": "UTC"}
        return subprocess.run(  # noqa: S603 - the launcher's own programs, no shell.
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
            start_new_session=True,
            pass_fds=tuple(keep_fds),
            user=self.uid if self.switches_account else None,
            group=self.gid if self.switches_account else None,
            extra_groups=[] if self.switches_account else None,
        )


def choose() -> Way:
    """Return the way for this process: as it is, by a user namespace, or by an account.

    The namespace comes before the account because no account need be made for it and a private
    parent directory of root's is no obstacle.

    Raises:
        EmbeddedPostgresFailed: root, and neither a namespace nor an account is to be had.
    """
    if os.geteuid() != 0:
        return Way(uid=os.geteuid(), gid=os.getegid())
    return user_namespace() or account()


def user_namespace() -> Way | None:
    """Return the way by a user namespace in which root is an ordinary user.

    None where it is not to be had: no `unshare`, or a kernel or container that forbids it.
    """
    unshare = shutil.which("unshare")
    # initdb looks its own user up by number, so the number must be one of an existing account.
    ordinary = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    if unshare is None or not ordinary:
        return None
    # The overflow number would make the files of strangers look like our own; it comes last.
    one = min(ordinary, key=lambda entry: (entry.pw_uid == _OVERFLOW_UID, entry.pw_uid))
    way = Way(
        prefix=(
            unshare,
            "--user",
            f"--map-user={one.pw_uid}",
            f"--map-group={one.pw_gid}",
            "--",
        ),
        uid=os.geteuid(),
        gid=os.getegid(),
    )
    return way if way.run(["true"], cwd=Path("/")).returncode == 0 else None


def account() -> Way:
    """Return the way by the account of the server, which is made when missing.

    Raises:
        EmbeddedPostgresFailed: the account is missing and cannot be made.
    """
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        _make_account()
        entry = pwd.getpwnam(ACCOUNT)
    return Way(uid=entry.pw_uid, gid=entry.pw_gid, switches_account=True)


def _make_account() -> None:
    argv = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:" + os.defpath)
    made = None
    if useradd is not None:
        made = subprocess.run(  # noqa: S603 - fixed arguments, no shell.
            [useradd, *argv, "--shell", "/usr/sbin/nologin", ACCOUNT],
            capture_output=True,
            text=True,
            check=False,
        )
    if made is None or made.returncode != 0:
        reason = made.stderr.strip() if made else "there is no useradd"
        raise EmbeddedPostgresFailed(
            f"Postgres does not run as root and the account {ACCOUNT} cannot be made ({reason}): "
            "start as an ordinary user, or name a server with AUDIATUR_DATABASE_URL"
        )


def require_reach(way: Way, directory: Path, program: Path) -> None:
    """Refuse a directory or a program that the server's account cannot reach.

    Folders above them are never opened for the account: whoever closed them had a reason.
    """
    if not way.switches_account:
        return
    for test, path in (("-w", directory), ("-x", program)):
        if way.run(["test", test, path], cwd=Path("/")).returncode != 0:
            raise EmbeddedPostgresFailed(
                f"the account {ACCOUNT} cannot reach {path}: choose a place whose parent folders "
                "it may enter (AUDIATUR_DATA), or start as an ordinary user"
            )


def give(tree: Path, way: Way) -> None:
    """Make `tree` belong to the server's user, as after an earlier start in another way.

    The top comes last, so that a tree given in part is seen as not given yet.
    """
    if not tree.exists() or tree.stat().st_uid == way.uid:
        return
    for path in [*tree.rglob("*"), tree]:
        os.chown(path, way.uid, way.gid, follow_symlinks=False)

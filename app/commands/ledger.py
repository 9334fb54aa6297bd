"""Commands around the ledger: what it signs, who signs, and whether all of it is as it was."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from app.commands.shared import ACTOR, open_archive
from app.core.errors import Invalid
from app.core.ids import new_id
from app.custody import checkpoints, receipts, signing, verification
from app.custody import ledger as entries
from app.custody.checkpoints import end_keys, register_keys
from app.custody.ledger import Act
from app.custody.notes import NoteInvalid, PublicKey, parse_vkey
from app.custody.signing import Purpose
from app.custody.verification import Report
from app.tools import Tools

_purposes = click.Choice([str(purpose) for purpose in Purpose])


class FileNotTrusted(Invalid):
    """The file is not what it should be, or nobody who is trusted has signed it."""


@click.group()
def ledger() -> None:
    """Check the ledger, sign it, and change the keys that sign."""


@ledger.command("verify")
@click.option("--json", "as_json", is_flag=True)
@click.option(
    "--since",
    "held",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="A checkpoint that was kept elsewhere.",
)
@click.option("--key", "keys", multiple=True, help="Trust this key of the log too.")
def verify(held: tuple[Path, ...], keys: tuple[str, ...], *, as_json: bool) -> None:
    """Recount the whole ledger and say what was changed; exit code 1 if anything was."""
    with _trusting("a checkpoint or a key"), open_archive() as tools, _progress() as told:
        report = verification.verify(
            tools.log,
            tools.cipher,
            held=[path.read_text(encoding="utf-8") for path in held],
            also_trusted=[parse_vkey(key) for key in keys],
            told=told,
        )
    click.echo(json.dumps(report.as_dict()) if as_json else _in_words(report))
    sys.exit(0 if report.is_whole else 1)


@ledger.command("checkpoint")
@click.option("--stamp", is_flag=True, help="Ask the time stamp authorities too.")
def checkpoint(*, stamp: bool) -> None:
    """Sign the ledger as it is now and print the checkpoint, for others to keep."""
    with open_archive() as tools:
        made = checkpoints.checkpoint_now(tools.log, wants_stamp=stamp)
    click.echo(made.note, nl=False)


@ledger.command("keys")
def keys() -> None:
    """Print the keys that sign, newest first, in the form that verifiers take."""
    with open_archive() as tools:
        for key in tools.log.ring.keys.keys:
            state = "signs" if key.seed else "ended"
            click.echo(f"{key.purpose} {state} {key.public.fingerprint}\n  {key.public.vkey()}")


@ledger.command("rotate-key")
@click.option("--purpose", type=_purposes, default=str(Purpose.LOG), show_default=True)
@click.option("--finish", is_flag=True, help="Let the newest key alone sign from now on.")
def rotate_key(purpose: str, *, finish: bool) -> None:
    """Let a new key sign beside the old one; later, with --finish, instead of it."""
    wanted = Purpose(purpose)
    with open_archive() as tools:
        path, marker = tools.settings.ledger_key_path, tools.settings.ledger_key_marker
        if finish:
            ended = signing.end_old(path, wanted)
            _tell(tools, wanted, ended=ended)
            click.echo(f"{len(ended)} older {purpose} keys sign no more.")
        else:
            new = signing.rotate(path, marker, wanted)
            _tell(tools, wanted, ended=())
            click.echo(f"Copy {path} to the backup of the master keys.", err=True)
            click.echo(new.vkey())


def _tell(tools: Tools, purpose: Purpose, *, ended: tuple[PublicKey, ...]) -> None:
    """Note the change of keys where everybody reads it, and in the ledger."""
    at = tools.clock.now()
    with tools.database.transaction() as session:
        register_keys(session, tools.log.ring.keys, at=at)
        end_keys(session, purpose, ended, at=at)
        entries.append(
            session,
            ACTOR,
            Act.KEY_ROTATED,
            ("ledger_key", new_id()),
            at=at,
            facts={
                "purpose": str(purpose),
                "signs": tools.log.ring.keys.public(purpose)[0].fingerprint,
                "ended": len(ended),
            },
        )


@click.group()
def receipt() -> None:
    """Check receipts of what the archive has taken."""


@receipt.command("verify")
@click.argument(
    "path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--key", "keys", multiple=True, required=True, help="The archive's key, or its file.")
@click.option(
    "--recording",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The file that was sent, to be compared.",
)
def receipt_verify(path: Path, keys: tuple[str, ...], recording: Path | None) -> None:
    """Check a receipt without the archive: the note itself, or the whole answer to an upload."""
    with _trusting(str(path)):
        text = path.read_text(encoding="utf-8")
        note = json.loads(text)["receipt"] if text.lstrip().startswith("{") else text
        accepted = receipts.check(note, [_key(key) for key in keys])
    if recording is not None and _digest(recording) != (accepted.sha256, accepted.size_bytes):
        raise FileNotTrusted(f"{recording} is not the file that the receipt is for.")
    leg = f", leg {accepted.leg}" if accepted.leg else ""
    click.echo(
        f"VALID: {accepted.object_kind} {accepted.object_id}{leg}, {accepted.size_bytes} bytes, "
        f"SHA-256 {accepted.sha256.hex()}, received {accepted.received_at.isoformat()}, "
        f"entry {accepted.entry_id}"
    )


def _key(given: str) -> PublicKey:
    path = Path(given)
    return parse_vkey(path.read_text(encoding="utf-8") if path.is_file() else given)


def _digest(path: Path) -> tuple[bytes, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest(), file.tell()


@contextmanager
def _trusting(what: str) -> Iterator[None]:
    """Refuse what is not signed as it should be.

    Raises:
        FileNotTrusted: says why.
    """
    try:
        yield
    except NoteInvalid as exc:
        raise FileNotTrusted(f"{what}: {exc}") from exc
    except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as exc:
        raise FileNotTrusted(f"{what} holds neither a note nor an answer with one.") from exc


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Show how far the verification is, to a person and not to a program."""
    if not sys.stderr.isatty():
        yield lambda _done, _whole: None
        return
    with click.progressbar(length=1, label="leaves", file=sys.stderr) as bar:

        def told(done: int, whole: int) -> None:
            bar.length = max(whole, 1)
            bar.update(done - bar.pos)

        yield told


def _in_words(report: Report) -> str:
    counted = ", ".join(f"{count} {what}" for what, count in sorted(report.counts.items()))
    lines = [f"checked: {counted}"]
    for finding in report.findings:
        place = "" if finding.seq is None else f" leaf {finding.seq}"
        entry = "" if finding.entry is None else f" entry {finding.entry}"
        lines.append(f"{finding.check}:{place}{entry} {finding.what}")
    lines.append("VALID" if report.is_whole else f"INVALID: {report.found.total()} findings")
    return "\n".join(lines)

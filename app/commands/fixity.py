"""Commands around whether what is kept is what came in."""

from __future__ import annotations

import sys
from pathlib import Path
from uuid import UUID

import click

from app.commands.shared import ACTOR, open_archive, say
from app.fixity import checks, rebuilding
from app.fixity.repair import repair as repair_recording
from app.retention import tombstones


@click.command()
@click.argument("recording", type=click.UUID)
@click.option(
    "--from",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A copy of the recording, bit for bit; without it the store is only looked at again.",
)
@click.option("--json", "as_json", is_flag=True)
def repair(recording: UUID, file: Path | None, *, as_json: bool) -> None:
    """Put a damaged recording right, from a copy with the same digest and from nothing else."""
    with open_archive() as tools:
        done = repair_recording(tools, ACTOR, recording, file=file)
    facts: dict[str, object] = {"mended": done.mended, "made_anew": done.made_anew}
    said = f"{recording} is whole; put back: {', '.join(done.mended) or 'nothing'}"
    say(as_json, facts, f"{said}; made anew: {', '.join(done.made_anew) or 'nothing'}.")


@click.command("check-fixity")
def check_fixity() -> None:
    """Read everything that is kept and compare it with its digests, as after a restore."""
    with open_archive() as tools:
        looked, failed = checks.check_all(tools)
    click.echo(f"{looked} objects were read, {failed} are damaged or missing.")
    sys.exit(1 if failed else 0)


@click.command("rebuild-index")
@click.option(
    "--erased",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The journal of erasures, or ids, a line for each; nothing of them comes back.",
)
def rebuild_index(erased: Path | None) -> None:
    """Restore an empty database's recordings from the notes in the store and the master key."""
    ids = tombstones.ids_in(erased) if erased else set()
    with open_archive() as tools:
        done = rebuilding.rebuild(tools, ACTOR, erased=ids)
    click.echo(
        f"{done.recordings} recordings and {done.screenshots} screenshots are back; "
        f"{done.erased} notes of erased ones were passed over, {len(done.unreadable)} unreadable."
    )
    for object_id in done.unreadable:
        click.echo(f"unreadable: {object_id}", err=True)
    sys.exit(1 if done.unreadable else 0)

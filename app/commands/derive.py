"""Making a clip or a redacted screenshot again, as its recipe says."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from app.inspection.sandbox import Sandbox
from app.releases import derive


@click.command("derive")
@click.argument("derivation", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument(
    "originals",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "-o", "--output", "out", required=True, type=click.Path(path_type=Path), help="What to write."
)
def derive_file(derivation: Path, originals: tuple[Path, ...], out: Path) -> None:
    """Make a clip or a redacted screenshot again from its ORIGINALS, as its DERIVATION says.

    Neither a database nor a network is needed. Ends with 1 where other bytes come out.
    """
    made = derive.rederive(derivation, originals, Sandbox.detect(), out=out)
    for difference in made.differences:
        click.echo(f"note: {difference}")
    click.echo(f"sha256 {made.sha256}")
    if not made.is_same:
        click.echo(f"DIFFERENT: the derivation says {made.stated_sha256}")
        sys.exit(1)
    click.echo("SAME")

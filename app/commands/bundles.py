"""Commands around evidence bundles, on the side of who makes them."""

from __future__ import annotations

import click

from app.commands.shared import settings_of_archive
from app.custody.signing import Purpose
from app.wiring import signing_keys


@click.group()
def bundle() -> None:
    """Evidence bundles."""


@bundle.command("key")
@click.option("--pem", "as_pem", is_flag=True, help="Print the public key itself.")
def bundle_key(*, as_pem: bool) -> None:
    """Print the fingerprint of the key that signs bundles, for contracts and letters."""
    key = signing_keys(settings_of_archive()).keys.public(Purpose.BUNDLE)[0]
    click.echo(key.pem if as_pem else key.fingerprint, nl=not as_pem)

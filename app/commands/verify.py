"""Verifying a bundle: what experts run is what we run."""

from __future__ import annotations

import sys

import click

from app.verifier import verify as verifier


@click.command(
    "verify",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
    short_help="Verify an evidence bundle; neither a database nor a network is needed.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def verify_bundle(arguments: tuple[str, ...]) -> None:
    """Hand everything to the single-file verifier: what experts run is what we run."""
    sys.exit(verifier.main(arguments, program="audiatur verify"))

"""The background jobs of checks, locks and notes."""

from __future__ import annotations

from app.fixity import checks, locks, notes
from app.fixity.checks import CheckTools
from app.fixity.locks import LockTools
from app.fixity.notes import NoteTools


def handle_check_due(tools: CheckTools) -> None:
    """Look at the objects that are due: read back, after a day, every ninety days."""
    checks.check_due(tools)


def handle_sample(tools: CheckTools) -> None:
    """Look at a random part of all objects."""
    checks.check_sample(tools)


def handle_reconcile(tools: LockTools) -> None:
    """Compare the locks and holds of the store with those that it had."""
    locks.reconcile(tools)


def handle_apply_lock(tools: LockTools, object_id: str) -> None:
    """Let the store have the lock and the hold of an object."""
    locks.apply(tools, object_id)


def handle_notes(tools: NoteTools) -> None:
    """Write the notes of originals that have none, or whose link or parties were changed."""
    notes.write_missing(tools)

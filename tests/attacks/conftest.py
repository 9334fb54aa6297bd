"""The attacks on share links need the site of public links that its own tests have."""

from __future__ import annotations

from tests.public.conftest import browser, clock, public_database, release_store

__all__ = ["browser", "clock", "public_database", "release_store"]

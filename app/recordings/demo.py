"""What is demo data, which is never mixed with what is real.

A recording is demo data if its device is; a client says it of itself. Both say it from the moment
when they are made, and the database lets nobody change it.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.clients.models import Client
from app.core.errors import Conflict
from app.identity.models import Device
from app.recordings.models import Recording, Screenshot


class DemoNotMixed(Conflict):
    """Demo data is not tied to what is real, nor the other way round."""


def is_recording(session: Session, recording_id: UUID) -> bool:
    """Say whether a recording is demo data."""
    return _is_of(session, select(Recording.device_id).where(Recording.id == recording_id))


def is_screenshot(session: Session, screenshot_id: UUID) -> bool:
    """Say whether a screenshot is demo data."""
    return _is_of(session, select(Screenshot.device_id).where(Screenshot.id == screenshot_id))


def is_client(session: Session, client_id: UUID) -> bool:
    """Say whether a client is made up."""
    return session.scalar(select(Client.is_demo).where(Client.id == client_id)) is True


def must_match(session: Session, recording_id: UUID, client_id: UUID | None) -> None:
    """Refuse to bring a recording and a client together of which one alone is demo data.

    Raises:
        DemoNotMixed: it is so.
    """
    if client_id is not None and is_client(session, client_id) != is_recording(
        session, recording_id
    ):
        raise DemoNotMixed


def _is_of(session: Session, device: Select[UUID]) -> bool:
    found = select(Device.is_demo).where(Device.id == device.scalar_subquery())
    return session.scalar(found) is True

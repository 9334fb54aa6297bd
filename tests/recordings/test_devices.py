"""What is asked about devices by their newest recording."""

from __future__ import annotations

from app.core.ids import new_id
from app.identity.models import Device
from app.recordings import queries
from tests.factories import DAY, Make


def test_the_newest_recording_of_each_device_is_told_and_of_an_idle_one_nothing(make: Make) -> None:
    make.recording()
    make.clock.advance(DAY)
    other = make.recording()
    idle = Device(id=new_id(), name="idle", created_at=make.clock.now())
    make.session.add(idle)
    make.session.flush()
    found = queries.last_received(make.session)
    assert found[other.device_id] == other.received_at
    assert idle.id not in found

"""The two directions of a call in one sound: in step, each on its side, behind the same rules."""

from __future__ import annotations

import math
import struct
import subprocess
from uuid import UUID

import numpy as np
import numpy.typing as npt
import psycopg
import pytest
from sqlalchemy import select

from app.custody.models import CustodyEntry
from app.inspection.joining import join
from app.inspection.models import JoinedSound
from app.recordings.models import SealedRow
from tests.conftest import Urls
from tests.factories import set_erased, wav
from tests.live import Live, metadata

RATE_HZ = 8000


def _tone(hertz: int, seconds: float) -> bytes:
    """Return a WAV with a loud tone."""
    body = bytearray(wav(seconds))
    for place in range(int(seconds * RATE_HZ)):
        value = round(20_000 * math.sin(2 * math.pi * hertz * place / RATE_HZ))
        struct.pack_into("<h", body, 44 + 2 * place, value)
    return bytes(body)


def _sent(live: Live, *legs: tuple[str, bytes]) -> str:
    made = [live.send(metadata("c1", leg=leg), body) for leg, body in legs]
    assert {one.status_code for one in made} == {201}, [one.text for one in made]
    _work(live)
    return str(made[0].json()["id"])


def _work(live: Live) -> None:
    live.work()
    live.work()  # What the first jobs asked for while the worker was about to end.


def _both(
    live: Live, recording_id: str, query: str = "", who: str = "reviewer"
) -> tuple[int, bytes]:
    path = f"/v1/recordings/{recording_id}/audio?leg=both{query}"
    answer = live.call("GET", path, who=who)
    return answer.status_code, answer.content


def _heard(mp3: bytes) -> npt.NDArray[np.int16]:
    """Return the samples, a row for each moment and a column for each ear."""
    command = ["ffmpeg", "-v", "error", "-i", "pipe:0", "-ar", str(RATE_HZ), "-ac", "2"]
    done = subprocess.run(  # noqa: S603 - a list, no shell; what we made ourselves.
        [*command, "-f", "s16le", "pipe:1"], input=mp3, capture_output=True, check=True
    )
    return np.frombuffer(done.stdout, dtype="<i2").reshape(-1, 2)


def _pitch(samples: npt.NDArray[np.int16]) -> float:
    power = np.abs(np.fft.rfft(samples.astype(float)))
    return float(np.argmax(power) * RATE_HZ / len(samples))


def _joined(live: Live) -> list[JoinedSound]:
    with live.tools.database.transaction() as session:
        return list(session.scalars(select(JoinedSound).order_by(JoinedSound.at)))


def test_each_direction_is_heard_on_its_side_from_the_same_moment(live: Live) -> None:
    recording = _sent(live, ("received", _tone(1500, 1.0)), ("sent", _tone(500, 3.0)))
    status, mp3 = _both(live, recording)
    assert status == 200
    heard = _heard(mp3)
    assert len(heard) == pytest.approx(3 * RATE_HZ, abs=RATE_HZ // 5)
    assert _pitch(heard[1000:7000, 0]) == pytest.approx(500, abs=5)
    assert _pitch(heard[1000:7000, 1]) == pytest.approx(1500, abs=5)
    rest = heard[12_000:20_000]
    assert np.abs(rest[:, 0]).max() > 10_000
    assert np.abs(rest[:, 1].astype(int)).max() < 200
    path = f"/v1/recordings/{recording}/waveform?leg=both&points=150"
    picture = live.call("GET", path, who="reviewer").json()
    assert (picture["channels"], picture["length"]) == (2, 150)
    highest = np.array(picture["data"]).reshape(150, 2, 2)[:, :, 1]
    assert highest[:, 0].min() > 50
    assert highest[60:, 1].max() == 0
    assert highest[:40, 1].min() > 50


def test_a_joined_sound_stands_behind_the_same_decision_and_is_told_of(live: Live) -> None:
    recording = _sent(live, ("sent", wav(1)), ("received", wav(1)))
    assert _both(live, recording, who="manager")[0] == 403
    assert _both(live, recording, "&form=original")[0] == 409
    assert _both(live, recording)[0] == 200
    with live.tools.database.transaction() as session:
        played = session.scalars(
            select(CustodyEntry).where(
                CustodyEntry.act == "media.played", CustodyEntry.object_id == UUID(recording)
            )
        ).one()
        assert (played.facts["leg"], played.facts["form"]) == ("both", "playable")


def test_what_has_one_file_alone_has_no_joined_sound(live: Live) -> None:
    recording = _sent(live, ("sent", wav(1)))
    assert _both(live, recording)[0] == 404
    waveform = f"/v1/recordings/{recording}/waveform?leg=both"
    assert live.call("GET", waveform, who="reviewer").status_code == 404
    live.send(metadata("c1", leg="received"), wav(1))
    assert _both(live, recording)[0] == 409  # It came, and was not looked into yet.
    _work(live)
    assert _both(live, recording)[0] == 200
    assert len(_joined(live)) == 1


def test_two_files_without_a_sample_are_not_joined(live: Live) -> None:
    recording = _sent(live, ("sent", wav(0)), ("received", wav(0)))
    assert _both(live, recording)[0] == 409
    assert _joined(live) == []


def test_joining_twice_makes_one_and_a_leg_looked_into_again_needs_another(
    live: Live, own_database: Urls
) -> None:
    recording = _sent(live, ("sent", wav(1)), ("received", wav(1)))
    join(live.tools, recording)
    assert len(_joined(live)) == 1
    with psycopg.connect(own_database.owner, autocommit=True) as owner:
        owner.execute(
            "UPDATE sealed_objects SET stored_at = stored_at + interval '1 day' WHERE object_id ="
            " (SELECT peaks_object_id FROM legs WHERE leg = 'sent')"
        )
    assert _both(live, recording)[0] == 409


def test_an_erasure_destroys_the_key_of_the_joined_sound(live: Live, own_database: Urls) -> None:
    recording = _sent(live, ("sent", wav(1)), ("received", wav(1)))
    (made,) = _joined(live)
    with psycopg.connect(own_database.owner, autocommit=True) as owner:
        found = owner.execute("SELECT object_id FROM erasable_objects(%s)", [recording]).fetchall()
        assert (made.object_id,) in found
        for change in ("UPDATE joined_sounds SET duration_ms = 1", "DELETE FROM joined_sounds"):
            with pytest.raises(psycopg.errors.RestrictViolation):
                owner.execute(change)
        set_erased(own_database.owner, recording)
        owner.execute("SELECT destroy_recording(%s, now())", [recording])
    with live.tools.database.transaction() as session:
        assert session.get_one(SealedRow, made.object_id).wrapped_key is None
    assert _both(live, recording)[0] in {403, 404, 410}

"""The passport of a recording: who recorded, when, how, under what conditions. Pure.

No field is empty: what nobody knows is said as `{"unknown": reason}`, the reason in both languages
of the product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.clients.models import Event
from app.recordings.models import Leg, Recording, Screenshot, SealedRow
from app.recordings.schemas import NoticesRead

Json = dict[str, Any]

NOT_TOLD: Final = "the sender did not tell / отправитель не сообщил"
NOT_KEPT: Final = "not kept by the archive / архив этого не хранит"
NOT_MEASURED: Final = "not measured / не измерялось"
NOT_RECEIVED: Final = "nothing of the kind was received / таких сведений не поступало"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Somebody heard: `name` where he is known, and how he came to be known."""

    label: str
    side: str
    name: str | None
    number: str | None
    how_identified: str
    from_ms: int
    to_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A file of the recording as it was received, and its SHA-512 where it goes out whole."""

    leg: Leg
    row: SealedRow
    sha512: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a passport is made of. `transformations` are the recipes of what goes out."""

    recording: Recording
    taken: Sequence[Taken]
    device: str
    agent_name: str | None
    event: Event
    client_name: str | None
    heard: Sequence[Heard]
    notices: NoticesRead
    transformations: Sequence[str]
    checked_at: datetime
    zone: ZoneInfo


def unknown(why: str) -> Json:
    """Return how it is said that something is not known."""
    return {"unknown": why}


def told(value: object, why: str = NOT_TOLD) -> object:
    """Return `value`, or that it is not known."""
    return unknown(why) if value in {None, ""} else value


def moment(at: datetime) -> str:
    """Return a moment in UTC."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def passport(facts: Facts) -> Json:
    """Return the passport of one recording."""
    recording = facts.recording
    return {
        "recording": str(recording.id),
        "time": _time(facts),
        "recorded_by": {
            "employee": told(facts.agent_name),
            "employee_code": told(recording.agent),
            "post": unknown(NOT_KEPT),
            "workplace": unknown(NOT_KEPT),
            "device": facts.device,
            "device_id": str(recording.device_id),
            "software": unknown(NOT_TOLD),
        },
        "how": _how(facts),
        "how_it_came": _how_it_came(facts),
        "files": [_file(one) for one in facts.taken],
        "transformations": list(facts.transformations) or "none",
        "kept": {
            "where": "in the archive's own store, encrypted under a key of its own",
            "lock": unknown(NOT_MEASURED),
            "until": unknown("no term is set / срок не назначен"),
            "region": unknown(NOT_KEPT),
        },
        "fixity": [
            {"at": moment(facts.taken[0].leg.received_at), "check": "digest at receipt"},
            {
                "at": moment(facts.checked_at),
                "check": "read again for this bundle",
                "result": "success",
            },
        ],
        "event": _event(facts),
        "participants": [_heard(one) for one in facts.heard],
        "not_known": _not_known(facts),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictured:
    """All that a screenshot's passport is made of; `recipe` says how it was drawn anew."""

    screenshot: Screenshot
    row: SealedRow
    device: str
    agent_name: str | None
    event: Event
    client_name: str | None
    recipe: str
    checked_at: datetime
    zone: ZoneInfo


def picture_passport(facts: Pictured) -> Json:
    """Return the passport of one screenshot."""
    shot, zone = facts.screenshot, facts.zone
    return {
        "screenshot": str(shot.id),
        "time": {
            "captured_at": moment(shot.captured_at),
            "captured_at_local": shot.captured_at.astimezone(zone).isoformat(timespec="seconds"),
            "zone": zone.key,
            "clock": "of the sending device",
            "clock_error": unknown(NOT_MEASURED),
        },
        "recorded_by": {
            "employee": told(facts.agent_name),
            "employee_code": told(shot.agent),
            "post": unknown(NOT_KEPT),
            "workplace": unknown(NOT_KEPT),
            "device": facts.device,
            "device_id": str(shot.device_id),
            "software": unknown(NOT_TOLD),
        },
        "how": {
            "capture": "a picture of a screen, as the device sent it",
            "started": unknown(NOT_TOLD),
            "shown_program": unknown(NOT_TOLD),
            "whose_screen": unknown(NOT_TOLD),
        },
        "how_it_came": {
            "received_at": moment(shot.received_at),
            "delay_seconds": max(0, round((shot.received_at - shot.captured_at).total_seconds())),
            "digest_computed": "by the archive, while the bytes came in",
        },
        "files": [
            {
                "original_name": told(shot.file_name),
                "size_bytes": facts.row.size_bytes,
                "sha256": facts.row.sha256.hex(),
                "media_type": shot.media_type,
                "width": shot.width,
                "height": shot.height,
            }
        ],
        "transformations": [facts.recipe],
        "kept": {
            "where": "in the archive's own store, encrypted under a key of its own",
            "lock": unknown(NOT_MEASURED),
            "until": unknown("no term is set / срок не назначен"),
            "region": unknown(NOT_KEPT),
        },
        "fixity": [
            {"at": moment(shot.received_at), "check": "digest at receipt"},
            {
                "at": moment(facts.checked_at),
                "check": "what was drawn was read again for this bundle",
                "result": "success",
            },
        ],
        "event": _event_of(facts.event, facts.client_name, linked_by=shot.linked_by),
        "not_known": [{"ru": ru, "en": en} for ru, en in _NOT_KNOWN_OF_PICTURES],
    }


_NOT_KNOWN_OF_PICTURES: Final = (
    (
        "Ошибка часов устройства не измерялась.",
        "The error of the device's clock was not measured.",
    ),
    (
        (
            "Что показывал экран до и после снимка и было ли изображение изменено до первого "
            "отпечатка, архиву неизвестно."
        ),
        (
            "What the screen showed before and after, and whether the picture was altered before "
            "the first digest, is not known to the archive."
        ),
    ),
    (
        "Чей это экран и какая программа на нём, архив не проверял.",
        "Whose screen it is and which program it shows was not checked by the archive.",
    ),
    (
        "Снимок нарисован заново: сведения из исходного файла (метаданные) не передаются.",
        "The picture was drawn anew: what the received file holds beside it (metadata) stays.",
    ),
)


def _time(facts: Facts) -> Json:
    recording, zone = facts.recording, facts.zone
    ended = recording.ended_at
    return {
        "started_at": moment(recording.started_at),
        "started_at_local": recording.started_at.astimezone(zone).isoformat(timespec="seconds"),
        "ended_at": told(moment(ended) if ended else None),
        "ended_at_local": told(
            ended.astimezone(zone).isoformat(timespec="seconds") if ended else None
        ),
        "zone": zone.key,
        "duration_ms": told(recording.duration_ms, NOT_MEASURED),
        "clock": "of the sending device",
        "clock_error": unknown(NOT_MEASURED),
    }


def _how(facts: Facts) -> Json:
    recording = facts.recording
    is_inbound = recording.direction == "inbound"
    own = recording.to_party if is_inbound else recording.from_party
    return {
        "capture": recording.capture,
        "started": unknown(NOT_TOLD),
        "direction": recording.direction,
        "own_number": told(own),
        "other_number": told(recording.outside_number),
        "line": told(recording.line),
        "pauses": unknown(NOT_TOLD),
        "notice": [_notice(one) for one in facts.notices.found]
        or unknown("no announcement was found in the sound / в звуке объявление не найдено"),
        "notice_told_by_sender": told(recording.claimed_notice),
    }


def _notice(found: Any) -> Json:  # noqa: ANN401 - a schema of the wire.
    """Return a notice that was found in the sound; a share is told in thousandths."""
    return {
        "text": found.text_id,
        "version": found.version,
        "start_ms": found.start_ms,
        "end_ms": found.end_ms,
        "complete": found.complete,
        "heard_per_mille": round(found.share * 1000),
    }


def _how_it_came(facts: Facts) -> Json:
    recording, first = facts.recording, facts.taken[0].leg
    delay = first.received_at - (recording.ended_at or recording.started_at)
    return {
        "received_at": moment(first.received_at),
        "delay_seconds": max(0, round(delay.total_seconds())),
        "digest_computed": "by the archive, while the bytes came in",
        "client_digest": first.client_digest or "absent",
        "source_call_id": recording.source_call_id,
    }


def _file(one: Taken) -> Json:
    leg = one.leg
    return {
        "leg": leg.leg,
        "original_name": told(leg.file_name),
        "size_bytes": one.row.size_bytes,
        "sha256": one.row.sha256.hex(),
        "sha512": told(one.sha512, "computed of what goes out whole only / только для целых"),
        "container": leg.container,
        "codec": told(leg.codec, NOT_MEASURED),
        "sample_rate_hz": told(leg.sample_rate_hz, NOT_MEASURED),
        "channels": told(leg.channels, NOT_MEASURED),
        "damaged": told(leg.damaged, NOT_MEASURED),
    }


def _event(facts: Facts) -> Json:
    return _event_of(facts.event, facts.client_name, linked_by=facts.recording.linked_by)


def _event_of(event: Event, client_name: str | None, *, linked_by: str) -> Json:
    return {
        "id": str(event.id),
        "external_id": told(event.external_id, NOT_RECEIVED),
        "kind": event.kind,
        "occurred_at": moment(event.occurred_at),
        "client": told(client_name, NOT_RECEIVED),
        "linked_by": linked_by,
    }


def _heard(one: Heard) -> Json:
    return {
        "label": one.label,
        "side": one.side,
        "name": told(one.name, "nobody has named him / не назван"),
        "number": told(one.number),
        "known_by": one.how_identified,
        "from_ms": one.from_ms,
        "to_ms": told(one.to_ms, "until the end / до конца"),
    }


def _not_known(facts: Facts) -> list[Mapping[str, str]]:
    """Return what this passport cannot say, in words."""
    said = [
        (
            "Ошибка часов устройства не измерялась.",
            "The error of the device's clock was not measured.",
        ),
        (
            "Что происходило со звуком до первого отпечатка, архиву неизвестно.",
            "What happened to the sound before the first digest is not known to the archive.",
        ),
        (
            "Голоса не опознавались: участники известны по номерам и указаниям людей.",
            "Voices were not recognised: participants are known by numbers and by people's word.",
        ),
    ]
    if any(one.leg.damaged for one in facts.taken):
        said.append(("Часть файла повреждена.", "A part of the file is damaged."))
    return [{"ru": ru, "en": en} for ru, en in said]

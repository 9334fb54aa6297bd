"""What the cover tells for people: the client's events around the exhibits, and what is hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clients.models import Event, EventKind
from app.releases.papers import Happened

AROUND: Final = timedelta(days=7)
_KINDS: Final = {
    EventKind.VISIT: {"ru": "выезд", "en": "visit"},
    EventKind.UPDATE: {"ru": "обновление", "en": "update"},
    EventKind.COMPLAINT: {"ru": "обращение с претензией", "en": "complaint"},
    EventKind.ACT: {"ru": "акт", "en": "act of work done"},
    EventKind.TICKET: {"ru": "заявка", "en": "ticket"},
}
_WHY: Final = {
    "ru": {
        "card_number": "номер банковской карты",
        "third_person": "касается третьего лица",
        "personal_data": "персональные данные",
        "confidential": "конфиденциальные сведения",
        "other": "другая причина",
    },
    "en": {
        "card_number": "the number of a payment card",
        "third_person": "it concerns a third person",
        "personal_data": "personal data",
        "confidential": "confidential information",
        "other": "another reason",
    },
}
_HOW: Final = {
    "ru": {"silence": "тишина", "beep": "тональный сигнал"},
    "en": {"silence": "silence", "beep": "a tone"},
}
_BLACK: Final = {
    "ru": "закрашено {w}x{h} пикселей, {x} слева и {y} сверху",
    "en": "{w}x{h} pixels are black, {x} from the left and {y} from the top",
}
_CHANNEL: Final = {"ru": "канал", "en": "channel"}


def around(
    session: Session, client_id: UUID, moments: Sequence[datetime], *, zone: ZoneInfo, at: datetime
) -> list[Happened]:
    """Return the client's own events from a week before the exhibits until a week after.

    Calls are not among them: those that are inside stand there by themselves, and of the others
    completeness tells. Nobody's words are told, the kind and the number of an event alone.
    """
    rows = session.scalars(
        select(Event)
        .where(
            Event.client_id == client_id,
            Event.kind != EventKind.CALL,
            Event.occurred_at >= min(moments) - AROUND,
            Event.occurred_at <= min(max(moments) + AROUND, at),
        )
        .order_by(Event.occurred_at, Event.id)
    )
    return [
        Happened(
            at=row.occurred_at.astimezone(zone).isoformat(timespec="seconds"),
            what=_KINDS[EventKind(row.kind)],
            number=row.external_id or "",
        )
        for row in rows
    ]


def taken_out(
    redactions: Sequence[Mapping[str, Any]],
    areas: Sequence[Mapping[str, Any]],
    first_ms: int,
    language: str,
) -> list[str]:
    """Return what of an exhibit is not heard or seen: where (from its beginning), how and why."""
    why = _WHY[language]
    lines = []
    for one in redactions:
        where = f"{_clock(one['from_ms'] - first_ms)} - {_clock(one['to_ms'] - first_ms)}"
        channel = one["channel"]
        whose = "" if channel is None else f" ({_CHANNEL[language]} {channel + 1})"
        lines.append(f"{where}: {_HOW[language][one['how']]}{whose}, {why[one['reason']]}")
    black = _BLACK[language]
    lines += [f"{black.format_map(area)}: {why[area['reason']]}" for area in areas]
    return lines


def _clock(milliseconds: int) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes}:{rest / 1000:06.3f}"

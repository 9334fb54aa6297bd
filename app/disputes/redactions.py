"""What of an exhibit must not be heard or seen: stretches of sound, areas of a picture. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class How(StrEnum):
    """What is heard in place of a stretch."""

    SILENCE = "silence"
    BEEP = "beep"


class Why(StrEnum):
    """Why a stretch or an area is taken out."""

    CARD_NUMBER = "card_number"
    THIRD_PERSON = "third_person"
    PERSONAL_DATA = "personal_data"
    CONFIDENTIAL = "confidential"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """A stretch of a recording, from its first sample on; without `channel`, of all channels."""

    from_ms: int
    to_ms: int
    how: How
    reason: Why
    channel: int | None = None

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Redaction:
        return cls(
            from_ms=kept["from_ms"],
            to_ms=kept["to_ms"],
            how=How(kept["how"]),
            reason=Why(kept["reason"]),
            channel=kept["channel"],
        )

    def kept(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {
            "from_ms": self.from_ms,
            "to_ms": self.to_ms,
            "how": str(self.how),
            "reason": str(self.reason),
            "channel": self.channel,
        }

    def shares_sound(self, other: Redaction) -> bool:
        """Say whether a sample belongs to both."""
        same = self.channel is None or other.channel is None or self.channel == other.channel
        return same and self.from_ms < other.to_ms and other.from_ms < self.to_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A rectangle of a picture as it is shown, in pixels from its upper left corner."""

    x: int
    y: int
    w: int
    h: int
    reason: Why

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Area:
        return cls(x=kept["x"], y=kept["y"], w=kept["w"], h=kept["h"], reason=Why(kept["reason"]))

    def kept(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {"x": self.x, "y": self.y, "w": self.w, "h": self.h, "reason": str(self.reason)}

    def fits(self, width: int, height: int) -> bool:
        return self.x + self.w <= width and self.y + self.h <= height


def in_order(redactions: Iterable[Redaction]) -> tuple[Redaction, ...]:
    """Return them by their beginning; those that overlap or touch and are alike become one.

    Raises:
        ValueError: two that are not alike overlap: nobody could say what is heard there.
    """
    merged: list[Redaction] = []
    for one in sorted(redactions, key=_place):
        like = next((known for known in merged if _joins(known, one)), None)
        if like is None:
            merged.append(one)
        else:
            merged[merged.index(like)] = replace(like, to_ms=max(like.to_ms, one.to_ms))
    for number, one in enumerate(merged):
        if any(one.shares_sound(other) for other in merged[number + 1 :]):
            raise ValueError("redactions of different kinds overlap")
    return tuple(sorted(merged, key=_place))


def areas_in_order(areas: Iterable[Area]) -> tuple[Area, ...]:
    """Return them from the top, each once; black over black is black, so they may overlap."""
    return tuple(sorted(set(areas), key=lambda a: (a.y, a.x, a.h, a.w, a.reason)))


def read_all(kept: Sequence[Mapping[str, Any]]) -> tuple[Redaction, ...]:
    """Return what a row holds."""
    return tuple(map(Redaction.read, kept))


def _place(one: Redaction) -> tuple[int, int, int, str, str]:
    channel = -1 if one.channel is None else one.channel
    return one.from_ms, one.to_ms, channel, one.how, one.reason


def _joins(known: Redaction, one: Redaction) -> bool:
    alike = (known.how, known.reason, known.channel) == (one.how, one.reason, one.channel)
    return alike and one.from_ms <= known.to_ms

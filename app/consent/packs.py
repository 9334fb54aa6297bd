"""Policy packs: what a place asks for, as data, and the strictest of several. Pure.

A pack is JSON: each field a value and a mark that says how sure it is. The packs shipped beside
this module are configuration, not legal advice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

import rfc8785

from app.consent.purposes import Ground, Strength

DEFAULT = "DEFAULT"
"""The pack of a place that nobody knows."""


class PackInvalid(ValueError):
    """A pack lacks a field, has one too many, or a value that is not of its list."""


class Mark(StrEnum):
    """How sure a value is."""

    NORM = "norm"
    PRACTICE = "practice"
    FIRM = "firm"
    UNCERTAIN = "uncertain"
    CHOICE = "choice"  # A choice of the product, no rule of the place.


class Training(StrEnum):
    """What listening for training asks for, from least to most."""

    FREE = "free"
    ANNOUNCED = "announced"
    EXPRESS = "express"

    @property
    def rank(self) -> int:
        return list(Training).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What is asked for, of one pack or of the strictest of several.

    Null: no limit is known. Zero days: without undue delay.
    """

    record_outside_min: Strength
    record_own_min: Strength
    stay_counts_as: Strength
    beep_counts_as: Strength
    min_stay_ms: int
    notice_must_name_purposes: bool
    disclosure_grounds: frozenset[Ground]
    training_listening: Training
    withdrawal_days: int | None
    subject_access_days: int | None
    subject_access_in_working_days: bool
    counsel_people: int
    unlawful_counsel: bool
    storage_regions: frozenset[str]
    retention_max_days: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """The pack of one place in one version; `sha256` is of its canonical JSON (RFC 8785)."""

    jurisdiction: str
    version: int
    sha256: str
    effective_from: date
    mark: Mark
    marks: Mapping[str, Mark]
    demands: Demands


def _number(value: Any) -> int:  # noqa: ANN401 - JSON, checked here.
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise PackInvalid(f"{value!r} is no whole number.")
    return value


def _number_or_none(value: Any) -> int | None:  # noqa: ANN401 - JSON, checked here.
    return None if value is None else _number(value)


def _truth(value: Any) -> bool:  # noqa: ANN401 - JSON, checked here.
    if not isinstance(value, bool):
        raise PackInvalid(f"{value!r} is neither true nor false.")
    return value


def _words(value: Any) -> frozenset[str]:  # noqa: ANN401 - JSON, checked here.
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise PackInvalid(f"{value!r} is no list of words.")
    return frozenset(value)


_READ: dict[str, Callable[[Any], Any]] = {
    "record_outside_min": Strength,
    "record_own_min": Strength,
    "stay_counts_as": Strength,
    "beep_counts_as": Strength,
    "min_stay_ms": _number,
    "notice_must_name_purposes": _truth,
    "disclosure_grounds": lambda value: frozenset(map(Ground, _words(value))),
    "training_listening": Training,
    "withdrawal_days": _number_or_none,
    "subject_access_days": _number_or_none,
    "subject_access_in_working_days": _truth,
    "counsel_people": _number,
    "unlawful_counsel": _truth,
    "storage_regions": _words,
    "retention_max_days": _number_or_none,
}


def parse(body: Mapping[str, Any]) -> Pack:
    """Return the pack that the JSON object `body` describes.

    Raises:
        PackInvalid: a field is missing, unknown, unmarked or has a value outside its list.
    """
    try:
        fields = body["fields"]
        if set(fields) != set(_READ):
            raise PackInvalid(f"Fields differ: {sorted(set(fields) ^ set(_READ))}.")
        return Pack(
            jurisdiction=body["jurisdiction"],
            version=_number(body["version"]),
            sha256=hashlib.sha256(rfc8785.dumps(dict(body))).hexdigest(),
            effective_from=date.fromisoformat(body["effective_from"]),
            mark=Mark(body["mark"]),
            marks={name: Mark(field["mark"]) for name, field in fields.items()},
            demands=Demands(**{name: _READ[name](fields[name]["value"]) for name in fields}),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise PackInvalid(str(exc)) from exc


@cache
def shipped() -> Mapping[str, Mapping[str, Any]]:
    """Return the packs that come with the product, as JSON objects by jurisdiction."""
    folder = resources.files("app.consent") / "packs"
    bodies = [
        json.loads(file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".json")
    ]
    return {body["jurisdiction"]: body for body in bodies}


def _least(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return min(known) if known else None


def _weakest(values: Iterable[Strength]) -> Strength:
    return min(values, key=lambda strength: strength.rank)


def _strongest(values: Iterable[Strength]) -> Strength:
    return max(values, key=lambda strength: strength.rank)


def strictest(several: Iterable[Demands]) -> Demands:
    """Return the strictest of each field: grounds that all allow, the shortest of the clocks.

    Of two clocks of the same length the one in calendar days is the shorter.
    """
    all_of = list(several)
    days = _least(d.subject_access_days for d in all_of)
    # Storage in one region satisfies all only if all name it; naming none means no demand.
    regions = [d.storage_regions for d in all_of if d.storage_regions]
    return Demands(
        record_outside_min=_strongest(d.record_outside_min for d in all_of),
        record_own_min=_strongest(d.record_own_min for d in all_of),
        stay_counts_as=_weakest(d.stay_counts_as for d in all_of),
        beep_counts_as=_weakest(d.beep_counts_as for d in all_of),
        min_stay_ms=max(d.min_stay_ms for d in all_of),
        notice_must_name_purposes=any(d.notice_must_name_purposes for d in all_of),
        disclosure_grounds=frozenset.intersection(*(d.disclosure_grounds for d in all_of)),
        training_listening=max((d.training_listening for d in all_of), key=lambda t: t.rank),
        withdrawal_days=_least(d.withdrawal_days for d in all_of),
        subject_access_days=days,
        subject_access_in_working_days=days is not None
        and all(d.subject_access_in_working_days for d in all_of if d.subject_access_days == days),
        counsel_people=max(d.counsel_people for d in all_of),
        unlawful_counsel=any(d.unlawful_counsel for d in all_of),
        storage_regions=frozenset().union(*regions),
        retention_max_days=_least(d.retention_max_days for d in all_of),
    )

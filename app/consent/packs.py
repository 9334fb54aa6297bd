"""Policy packs: what a place asks for, as data, and the strictest of several. Pure.

A pack is JSON: each field a value and a mark that says how sure it is, with a note where that
needs words. The packs shipped beside this module are configuration, not legal advice.

A pack is of the place that it is named after and of those in its list `places`: the pack
`US-all-party` of the state `US-CA`. An overlay is of no place; its name at the end of a place adds
it, as in `DE-HEALTH` or `RU-MINOR`, and it can only make that stricter.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import rfc8785

from app.consent.purposes import Ground, ProofClass, Purpose, Ranked, Strength

DEFAULT = "DEFAULT"
"""The pack of a place that nobody knows."""

PROVING = frozenset(ProofClass) - {ProofClass.NONE}
"""Every class that proves anything."""

MAX_PACK_BYTES = 64 * 1024
_PLACE = re.compile(r"[A-Z]{2}(-[A-Za-z]+){0,4}", re.ASCII)
_OVERLAY = re.compile(r"[A-Z]{3,20}(-[A-Z]{2,20})?", re.ASCII)
_MEMBERS = frozenset({"jurisdiction", "version", "title", "effective_from", "mark", "fields"})
_MORE_MEMBERS = frozenset({"places", "overlay"})
_LANGUAGES = frozenset({"ru", "en"})


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a pack, and where: a JSON pointer (RFC 6901), empty for the whole."""

    where: str
    what: str


class PackInvalid(ValueError):
    """A pack lacks a field, has one too many, or a value that is not of its list."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.where or '/'}: {fault.what}" for fault in self.faults))


class Mark(StrEnum):
    """How sure a value is."""

    NORM = "norm"
    PRACTICE = "practice"
    FIRM = "firm"
    UNCERTAIN = "uncertain"
    CHOICE = "choice"  # A choice of the product, no rule of the place.


class Training(Ranked):
    """What listening for training asks for, from least to most."""

    FREE = "free"
    ANNOUNCED = "announced"
    EXPRESS = "express"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What is asked for, of one pack or of the strictest of several.

    Null: no limit is known. Zero days: without undue delay. The last four need not be said: the
    least consent that can carry a disclosure, a review by a person whatever else is true, how
    long recordings must be kept, and by purpose which classes of proof suffice.
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
    disclosure_consent_min: Strength = Strength.NONE
    always_review: bool = False
    retention_min_days: int | None = None
    proof: tuple[tuple[Purpose, frozenset[ProofClass]], ...] = ()

    def proof_for(self, purpose: Purpose) -> frozenset[ProofClass]:
        """Return the classes of proof that suffice; where nothing is said, all that prove."""
        return dict(self.proof).get(purpose, PROVING)


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
    places: frozenset[str] = frozenset()
    is_overlay: bool = False


def _number(value: Any) -> int:  # noqa: ANN401 - JSON, checked here.
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 31:
        raise ValueError(f"{value!r} is no whole number from 0 to 2147483647.")
    return value


def _number_or_none(value: Any) -> int | None:  # noqa: ANN401 - JSON, checked here.
    return None if value is None else _number(value)


def _truth(value: Any) -> bool:  # noqa: ANN401 - JSON, checked here.
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false.")  # noqa: TRY004 - one kind of fault.
    return value


def _word(value: Any) -> str:  # noqa: ANN401 - JSON, checked here.
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is no text.")
    return value


def _words(value: Any) -> frozenset[str]:  # noqa: ANN401 - JSON, checked here.
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValueError(f"{value!r} is no list of words.")
    if len(set(value)) != len(value):
        raise ValueError(f"{value!r} names something twice.")
    return frozenset(value)


def _of(known: type[StrEnum]) -> Callable[[Any], StrEnum]:
    def read(value: Any) -> StrEnum:  # noqa: ANN401 - JSON, checked here.
        if value not in list(known):
            raise ValueError(f"{value!r} is none of {', '.join(known)}.")
        return known(value)

    return read


def _proof(value: Any) -> tuple[tuple[Purpose, frozenset[ProofClass]], ...]:  # noqa: ANN401 - JSON, checked here.
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no object of purposes.")  # noqa: TRY004 - one kind of fault.
    read = {
        Purpose(_of(Purpose)(purpose)): frozenset(
            ProofClass(_of(ProofClass)(word)) for word in _words(classes)
        )
        for purpose, classes in value.items()
    }
    if any(ProofClass.NONE in classes for classes in read.values()):
        raise ValueError("F is no proof.")
    return tuple(sorted(read.items()))


_READ: dict[str, Callable[[Any], Any]] = {
    "record_outside_min": _of(Strength),
    "record_own_min": _of(Strength),
    "stay_counts_as": _of(Strength),
    "beep_counts_as": _of(Strength),
    "min_stay_ms": _number,
    "notice_must_name_purposes": _truth,
    "disclosure_grounds": lambda value: frozenset(map(_of(Ground), sorted(_words(value)))),
    "training_listening": _of(Training),
    "withdrawal_days": _number_or_none,
    "subject_access_days": _number_or_none,
    "subject_access_in_working_days": _truth,
    "counsel_people": _number,
    "unlawful_counsel": _truth,
    "storage_regions": _words,
    "retention_max_days": _number_or_none,
}
_READ_MORE: dict[str, Callable[[Any], Any]] = {
    "disclosure_consent_min": _of(Strength),
    "always_review": _truth,
    "retention_min_days": _number_or_none,
    "proof": _proof,
}
_READ_ALL = _READ | _READ_MORE


def is_code(text: str, *, overlay: bool) -> bool:
    """Say whether a pack may be named `text`: a place, DEFAULT, or an overlay."""
    if overlay:
        return text != DEFAULT and _OVERLAY.fullmatch(text) is not None
    return text == DEFAULT or _PLACE.fullmatch(text) is not None


def _pointer(*steps: str) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


class _Reader:
    """Reads what a pack says and gathers every fault with its place."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def fault(self, what: str, *where: str) -> None:
        self.faults.append(Fault(_pointer(*where), what))

    def value(self, read: Callable[[Any], Any], value: Any, *where: str) -> Any:  # noqa: ANN401 - JSON, checked here.
        """Return what `read` makes of `value`; null, and a fault, where it cannot."""
        try:
            return read(value)
        except (ValueError, TypeError) as exc:
            self.fault(str(exc), *where)
            return None

    def members(
        self,
        value: Any,  # noqa: ANN401 - JSON, checked here.
        must: Iterable[str],
        *where: str,
        may: Iterable[str] = (),
    ) -> Mapping[str, Any]:
        """Return the object `value`, with a fault for each member missing or unknown."""
        if not isinstance(value, Mapping):
            self.fault("This is no object.", *where)
            return {}
        for name in sorted(set(must) - set(value)):
            self.fault("This is missing.", *where, name)
        for name in sorted(set(value) - set(must) - set(may)):
            self.fault("This is not known.", *where, name)
        return value

    def member(self, told: Mapping[str, Any], name: str, read: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - JSON, checked here.
        """Return what `read` makes of a member; null where it is missing, which is told before."""
        return self.value(read, told[name], name) if name in told else None

    def words(self, value: Any, *where: str) -> None:  # noqa: ANN401 - JSON, checked here.
        """Look for faults in a text in both languages."""
        for lang, text in self.members(value, _LANGUAGES, *where).items():
            self.value(_word, text, *where, lang)

    def field(self, name: str, value: Any) -> tuple[Any, Mark | None]:  # noqa: ANN401 - JSON, checked here.
        """Return the value and the mark of a field."""
        told = self.members(value, {"value", "mark"}, "fields", name, may={"note"})
        read, mark = None, None
        if "value" in told and name in _READ_ALL:
            read = self.value(_READ_ALL[name], told["value"], "fields", name, "value")
        if "mark" in told:
            mark = self.value(_of(Mark), told["mark"], "fields", name, "mark")
        if "note" in told:
            self.words(told["note"], "fields", name, "note")
        return read, mark

    def places(self, value: Any) -> frozenset[str]:  # noqa: ANN401 - JSON, checked here.
        """Return the places beside its own that a pack is of."""
        told = self.members(value, {"value", "mark"}, "places", may={"note"})
        if "mark" in told:
            self.value(_of(Mark), told["mark"], "places", "mark")
        if "note" in told:
            self.words(told["note"], "places", "note")
        if "value" not in told:
            return frozenset()
        found: frozenset[str] = self.value(_words, told["value"], "places", "value") or frozenset()
        for place in sorted(found):
            if _PLACE.fullmatch(place) is None:
                self.fault(f"{place!r} is no place.", "places", "value")
        return found


def _code(reader: _Reader, told: Mapping[str, Any]) -> None:
    """Look for faults in what the pack is called and of."""
    code, overlay = told.get("jurisdiction"), told.get("overlay", False)
    reader.value(_truth, overlay, "overlay")
    if "jurisdiction" in told and not (
        isinstance(code, str) and is_code(code, overlay=overlay is True)
    ):
        reader.fault(
            f"{code!r} is no {'overlay, as HEALTH' if overlay else 'place, as DE or US-CA'}.",
            "jurisdiction",
        )
    if "places" in told and (overlay is True or code == DEFAULT):
        reader.fault("Only the pack of a place is of further places.", "places")


def _digest(reader: _Reader, body: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON. Source: RFC 8785."""
    try:
        canonical = rfc8785.dumps(dict(body))
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError) as exc:
        reader.fault(f"This has no canonical form: {exc}")
        return ""
    if len(canonical) > MAX_PACK_BYTES or b"\\u0000" in canonical:
        reader.fault(f"At most {MAX_PACK_BYTES} bytes, and no zero characters.")
    return hashlib.sha256(canonical).hexdigest()


def parse(body: Mapping[str, Any]) -> Pack:
    """Return the pack that the JSON object `body` describes.

    Raises:
        PackInvalid: a field is missing, unknown, unmarked or has a value outside its list;
            `faults` names every one with its place.
    """
    reader = _Reader()
    told = reader.members(body, _MEMBERS, may=_MORE_MEMBERS)
    sha256 = _digest(reader, told)
    _code(reader, told)
    version = reader.member(told, "version", _number)
    if version == 0:
        reader.fault("Versions begin with 1.", "version")
    since = reader.member(told, "effective_from", date.fromisoformat)
    mark = reader.member(told, "mark", _of(Mark))
    if "title" in told:
        reader.words(told["title"], "title")
    fields = reader.members(told.get("fields", {}), _READ, "fields", may=_READ_MORE)
    read = {name: reader.field(name, field) for name, field in fields.items()}
    places = reader.places(told["places"]) if "places" in told else frozenset()
    if reader.faults:
        raise PackInvalid(dict.fromkeys(reader.faults))
    return Pack(
        jurisdiction=told["jurisdiction"],
        version=version,
        sha256=sha256,
        effective_from=since,
        mark=mark,
        marks={name: sure for name, (_, sure) in read.items() if sure is not None},
        demands=Demands(**{name: value for name, (value, _) in read.items()}),
        places=places,
        is_overlay=told.get("overlay", False),
    )


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


@cache
def shipped_packs() -> Mapping[str, Pack]:
    """Return the packs that come with the product, by jurisdiction."""
    return {code: parse(body) for code, body in shipped().items()}


def of_place(in_force: Mapping[str, Pack], place: str) -> list[Pack]:
    """Return every pack that is of `place`, overlays included; none where nobody knows it."""
    overlays: list[Pack] = []
    names = {place}
    while named := [
        p for p in in_force.values() if p.is_overlay and place.endswith(f"-{p.jurisdiction}")
    ]:
        for pack in named:
            place = place.removesuffix(f"-{pack.jurisdiction}")
        names.add(place)
        overlays += named
    found = [
        pack
        for pack in in_force.values()
        if not pack.is_overlay and names & {pack.jurisdiction, *pack.places}
    ]
    if overlays and not found:
        found = [pack for code, pack in in_force.items() if code == DEFAULT]
    return [*found, *overlays] if found else []


def together(place: str, several: Iterable[Pack]) -> Pack:
    """Return the strictest of `several` packs as the one pack of `place`.

    Its digest is that of the sorted digests of its parts; a mark is the least sure of theirs.
    """
    all_of = sorted(several, key=lambda pack: pack.sha256)
    if len(all_of) == 1:
        return all_of[0]
    digests = rfc8785.dumps([pack.sha256 for pack in all_of])
    uncertain = {
        name
        for pack in all_of
        for name, mark in pack.marks.items()
        if Mark.UNCERTAIN in {mark, pack.mark}
    }
    return Pack(
        jurisdiction=place,
        version=max(pack.version for pack in all_of),
        sha256=hashlib.sha256(digests).hexdigest(),
        effective_from=max(pack.effective_from for pack in all_of),
        mark=Mark.UNCERTAIN if uncertain else Mark.CHOICE,
        marks=dict.fromkeys(sorted(uncertain), Mark.UNCERTAIN),
        demands=strictest(pack.demands for pack in all_of),
    )


def for_places(in_force: Mapping[str, Pack], places: Iterable[str]) -> dict[str, Pack]:
    """Return the pack of each of `places` that is known, and DEFAULT.

    Of several packs that are of one place the strictest of each field holds. Packs of other places
    are left out, so that nothing decided changes with what does not concern it.
    """
    found = {code: pack for code, pack in in_force.items() if code == DEFAULT}
    for place in places:
        several = of_place(in_force, place)
        if several:
            found[place] = together(place, several)
    return found


def _least(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return min(known) if known else None


def _most(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return max(known) if known else None


def _weakest(values: Iterable[Strength]) -> Strength:
    return min(values, key=lambda strength: strength.rank)


def _strongest(values: Iterable[Strength]) -> Strength:
    return max(values, key=lambda strength: strength.rank)


def _common_proof(all_of: Sequence[Demands]) -> tuple[tuple[Purpose, frozenset[ProofClass]], ...]:
    """Return for each purpose that one of them names the classes that suffice for all."""
    named = {purpose for d in all_of for purpose, _ in d.proof}
    return tuple(
        (purpose, frozenset.intersection(*(d.proof_for(purpose) for d in all_of)))
        for purpose in sorted(named)
    )


def strictest(several: Iterable[Demands]) -> Demands:
    """Return the strictest of each field: grounds that all allow, the shortest of the clocks.

    Of two clocks of the same length the one in calendar days is the shorter.
    """
    return _strictest(tuple(several))


@lru_cache(maxsize=256)  # Every gate asks for it, and nearly always of the same few packs.
def _strictest(all_of: tuple[Demands, ...]) -> Demands:
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
        disclosure_consent_min=_strongest(d.disclosure_consent_min for d in all_of),
        always_review=any(d.always_review for d in all_of),
        retention_min_days=_most(d.retention_min_days for d in all_of),
        proof=_common_proof(all_of),
    )

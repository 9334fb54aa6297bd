"""Which entities of an infobase are read, and what their fields mean: a file that a person wrote.

Configurations of 1C differ in the names of everything, so no name of one stands in the code.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Self
from zoneinfo import available_timezones

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from app.clients import tables
from app.onec.models import Kind

ZERO_REF: Final = "00000000-0000-0000-0000-000000000000"
EMPTY_DATE: Final = "0001-01-01"
_MOST_PAGE: Final = 1000
_ENTITY: Final = re.compile(r"[A-Za-zА-Яа-яЁё]+_[A-Za-zА-Яа-яЁё0-9_]{1,200}")
_FIELD: Final = re.compile(r"[A-Za-zА-Яа-яЁё_][A-Za-zА-Яа-яЁё0-9_]{0,200}")
TABLES: Final[Mapping[Kind, tables.Kind]] = {
    Kind.CLIENT: tables.Kind.CLIENTS,
    Kind.CONTACT: tables.Kind.CONTACTS,
    Kind.CONTRACT: tables.Kind.CONTRACTS,
    Kind.EVENT: tables.Kind.EVENTS,
}
"""What tables call a kind; its fields are the columns that a table of it has."""

_OF_CLAUSE: Final = frozenset({"clause_ref", "quote", "scope", "purposes", "recipients"})
FIELDS: Final[Mapping[Kind, frozenset[str]]] = {
    kind: frozenset(column.names[0] for column in tables.COLUMNS[table].values()) - _OF_CLAUSE
    for kind, table in TABLES.items()
}


class MappingInvalid(ValueError):
    """The file cannot be used; the message says where and why."""


class As(StrEnum):
    """What is made of a value that is not taken as it is."""

    SHA256 = "sha256"  # The digest of a file that comes as Base64.


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _name(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"{text!r} is no name of 1C")
    return text


FieldName = Annotated[str, BeforeValidator(lambda text: _name(_FIELD, str(text)))]
EntityName = Annotated[str, BeforeValidator(lambda text: _name(_ENTITY, str(text)))]
Words = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class Rule(_Part):
    """Where a value stands: a `field`, or one of the first of `fields` that is not empty.

    `table` and `where` name lines of a part of the document. `of_type` is the type that a composite
    field must have, as `Catalog_Контрагенты`; of another, it is empty. `values` replaces what is
    found; what it does not name is empty, unless `otherwise` says what it is.
    """

    field: FieldName | None = None
    fields: Annotated[tuple[FieldName, ...], Field(max_length=10)] = ()
    constant: Words | None = None
    table: FieldName | None = None
    where: dict[FieldName, Words] = {}
    of_type: EntityName | None = None
    values: dict[str, str] | None = None
    otherwise: str | None = None
    form: Annotated[As | None, Field(alias="as")] = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum((self.field is not None, bool(self.fields), self.constant is not None)) != 1:
            raise ValueError("name one of field, fields and constant")
        if self.where and self.table is None:
            raise ValueError("where narrows the lines of a table")
        return self

    def names(self) -> Iterator[str]:
        """Yield what 1C must be asked for."""
        if self.table is not None:
            yield self.table
            return
        for name in (*((self.field,) if self.field else ()), *self.fields):
            yield name
            if self.of_type is not None:
                yield f"{name}_Type"


def _short_form(told: object) -> object:
    return {"field": told} if isinstance(told, str) else told


class Entity(_Part):
    """An entity that is read, and what its fields are here.

    `changed` is a field with the moment of the last change: with it only what changed is asked for,
    and everything once in `full_hours`.
    """

    kind: Kind
    entity: EntityName
    filter: Words | None = None
    changed: FieldName | None = None
    fields: dict[str, Annotated[Rule, BeforeValidator(_short_form)]]

    @field_validator("fields")
    @classmethod
    def _some(cls, fields: dict[str, Rule]) -> dict[str, Rule]:
        if not fields:
            raise ValueError("name at least one field")
        return fields

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in self.fields:
            if name not in FIELDS[self.kind]:
                known = ", ".join(sorted(FIELDS[self.kind]))
                raise ValueError(f"{name}: a {self.kind} has none, but {known}")
        return self

    def selected(self) -> list[str]:
        """Return the fields that are asked for, each once."""
        found = ["Ref_Key", "DataVersion", "DeletionMark"]
        for rule in self.fields.values():
            found += rule.names()
        return list(dict.fromkeys([*found, *([self.changed] if self.changed else [])]))


class Return(_Part):
    """How an event's document is told of its recordings.

    By `field` its addresses are written into the document; by `service` they are posted to an HTTP
    service of the infobase, as `audiatur/recordings`.
    """

    field: FieldName | None = None
    service: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_/-]{1,200}$")] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.field is None) == (self.service is None):
            raise ValueError("name either field or service")
        return self


class Infobase(_Part):
    """How an infobase is read and told. Its dates have no zone, so the zone is said here."""

    zone: str | None = None
    page: Annotated[int, Field(ge=2, le=_MOST_PAGE)] = 200
    every_minutes: Annotated[int, Field(ge=1, le=1440)] = 10
    full_hours: Annotated[int, Field(ge=1, le=24 * 31)] = 24
    entities: Annotated[tuple[Entity, ...], Field(max_length=50)] = ()
    back: Return | None = None

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        if name is not None and name not in available_timezones():
            raise ValueError(f"{name} is no time zone, as Europe/Moscow is one")
        return name

    @model_validator(mode="after")
    def _once(self) -> Self:
        seen = [(one.entity, one.kind) for one in self.entities]
        if len(set(seen)) != len(seen):
            raise ValueError("an entity stands twice with one kind")
        return self


def parse(text: str) -> Infobase:
    """Return what a TOML file says.

    Raises:
        MappingInvalid: it cannot be used; says where and why.
    """
    try:
        return Infobase.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as exc:
        raise MappingInvalid(f"no TOML: {exc}") from exc
    except ValidationError as exc:
        one = exc.errors(include_url=False, include_input=False)[0]
        where = "/".join(map(str, one["loc"])) or "file"
        raise MappingInvalid(f"{where}: {one['msg']}") from exc


def kept(infobase: Infobase) -> dict[str, Any]:
    """Return the form that is kept of it."""
    return infobase.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def loaded(told: Mapping[str, Any]) -> Infobase:
    """Return what `kept` has made."""
    return Infobase.model_validate(told)


def plain(value: object) -> object:
    """Return a value of 1C without its ways to say nothing: an empty date, an empty reference."""
    if isinstance(value, str):
        text = value.strip()
        return None if text in {"", ZERO_REF} or text.startswith(EMPTY_DATE) else text
    if isinstance(value, list):
        return [one for one in map(plain, value) if one is not None] or None
    return value


def values_of(row: Mapping[str, object], entity: Entity) -> dict[str, object]:
    """Return what an entity's row tells, by our names."""
    return {name: _value(rule, row) for name, rule in entity.fields.items()}


def _value(rule: Rule, row: Mapping[str, object]) -> object:
    if rule.constant is not None:
        return rule.constant
    if rule.table is not None:
        lines = row.get(rule.table)
        found = [
            one
            for line in (lines if isinstance(lines, list) else [])
            if isinstance(line, dict) and _is_wanted(line, rule.where)
            if (one := _made(rule, _first(rule, line))) is not None
        ]
        return found[0] if len(found) == 1 else found or None
    return _made(rule, _first(rule, row))


def _is_wanted(line: Mapping[str, object], where: Mapping[str, str]) -> bool:
    return all(str(line.get(name, "")) == wanted for name, wanted in where.items())


def _first(rule: Rule, row: Mapping[str, object]) -> object:
    for name in (rule.field, *rule.fields):
        if name is None:
            continue
        kind = row.get(f"{name}_Type")
        if rule.of_type is not None and str(kind).rpartition(".")[2] != rule.of_type:
            continue
        found = plain(row.get(name))
        if found is not None:
            return found
    return None


def _made(rule: Rule, value: object) -> object:
    if value is None:
        return (rule.values or {}).get("", rule.otherwise)
    if rule.values is not None:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return rule.values.get(text, rule.otherwise)
    if rule.form is As.SHA256:
        try:
            return hashlib.sha256(base64.b64decode(str(value), validate=False)).hexdigest()
        except binascii.Error:
            return None
    return value

"""Looking whether an infobase answers, and what of the mapping it does not publish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.core.db import Database
from app.onec import mapping, odata, service
from app.onec.asking import Infoline, OnecFailed
from app.onec.mapping import Entity
from app.onec.models import Fault
from app.settings import Settings

_OURS = frozenset({"Ref_Key", "DataVersion", "DeletionMark"})
_PRESENTATION = "____Presentation"


class CheckingTools(Protocol):
    """What a check needs."""

    @property
    def settings(self) -> Settings: ...
    @property
    def database(self) -> Database: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """How an entity answers: `missing` are fields of the mapping that it does not have."""

    entity: str
    kind: str
    fault: Fault | None = None
    detail: str = ""
    rows: int | None = None
    missing: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        return self.fault is None and not self.missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How an infobase answers; `published` is how many entities it publishes in all."""

    source: str
    fault: Fault | None
    detail: str
    published: int | None
    entities: tuple[Checked, ...]

    @property
    def is_good(self) -> bool:
        return self.fault is None and all(one.is_good for one in self.entities)


def check(tools: CheckingTools, name: str) -> Check:
    """Ask for the description of everything published, and for one row of each entity.

    Raises:
        OnecSourceNotFound: there is none.
        OnecNotAsked: it has no address.
        AddressRefused: the address is none that may be spoken to.
    """
    with tools.database.transaction() as session:
        source = service.named(session, name)
        infobase = mapping.loaded(source.mapping)
        line = service.line_of(session, source, tools.settings)
    published: dict[str, frozenset[str]] | None = None
    fault, detail = None, ""
    try:
        published = odata.read_metadata(line.get(odata.metadata_address(line.base)))
    except OnecFailed as exc:
        fault, detail = exc.fault, exc.detail
    except odata.AnswerUnreadable as exc:
        fault, detail = Fault.UNREADABLE, str(exc)
    checked = tuple(_entity(line, one, published) for one in infobase.entities)
    return Check(
        source=name,
        fault=fault,
        detail=detail,
        published=len(published) if published is not None else None,
        entities=checked,
    )


def _entity(line: Infoline, entity: Entity, published: dict[str, frozenset[str]] | None) -> Checked:
    name, kind = entity.entity, str(entity.kind)
    if published is not None and name not in published:
        return Checked(entity=name, kind=kind, fault=Fault.NOT_SWITCHED_ON)
    has = (published or {}).get(name, frozenset())
    missing = tuple(
        one
        for one in entity.selected()
        if has and one not in has | _OURS and one.removesuffix(_PRESENTATION) not in has
        if not (one.endswith("_Key") and one.removesuffix("_Key") in has)
    )
    if missing:
        return Checked(entity=name, kind=kind, missing=missing)
    url = odata.page_address(
        line.base,
        name,
        select=entity.selected(),
        where=entity.filter,
        order=["Ref_Key"],
        top=1,
        skip=0,
    )
    try:
        page = odata.read_page(line.get(url))
    except OnecFailed as exc:
        return Checked(entity=name, kind=kind, fault=exc.fault, detail=exc.detail)
    except odata.AnswerUnreadable as exc:
        return Checked(entity=name, kind=kind, fault=Fault.UNREADABLE, detail=str(exc))
    return Checked(entity=name, kind=kind, rows=page.count)

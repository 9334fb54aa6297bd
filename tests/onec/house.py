"""An archive with a source of 1C, and what it has taken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.clients.models import Client, Contact, Contract, Event
from app.clients.table_import import Ways
from app.core.clock import SetClock
from app.core.db import Database
from app.identity.actor import Actor
from app.onec import mapping, pulling, service, taking
from app.onec.models import OnecCursor, OnecReturn, OnecSource, OnecThing
from app.onec.pulling import Pulled
from app.onec.service import Login
from app.onec.taking import Said, Taking
from app.settings import Settings
from tests.onec.standin import PASSWORD, USER, OnecStandIn

ACTOR = Actor.system("tests")
CLIENTS, PEOPLE = "Catalog_Контрагенты", "Catalog_КонтактныеЛица"
CONTRACTS, CALLS = "Catalog_ДоговорыКонтрагентов", "Document_ТелефонныйЗвонок"
MAPPING = """
zone = "Asia/Yekaterinburg"
page = 3

[[entities]]
kind = "client"
entity = "Catalog_Контрагенты"
filter = "IsFolder eq false"
fields.name = "Description"
fields.tax_id = "ИНН"

[[entities]]
kind = "contact"
entity = "Catalog_КонтактныеЛица"
fields.name = "Description"
fields.client = { field = "Владелец", of_type = "Catalog_Контрагенты" }
fields.position = "Должность"
fields.phones.table = "КонтактнаяИнформация"
fields.phones.field = "Представление"
fields.phones.where = { "Тип" = "Телефон" }

[[entities]]
kind = "contract"
entity = "Catalog_ДоговорыКонтрагентов"
fields.client = "Owner_Key"
fields.number = "Номер"
fields.signed_on = "Дата"
fields.valid_from = "Дата"
fields.valid_through = "СрокДействия"
fields.our_entity = "Организация____Presentation"
fields.document_sha256 = { field = "Файл_Base64Data", as = "sha256" }
fields.signature_kind = { constant = "скан" }

[[entities]]
kind = "event"
entity = "Document_ТелефонныйЗвонок"
changed = "ДатаИзменения"
fields.client = "Абонент_Key"
fields.kind = { field = "ВидОбращения", values = { "Жалоба" = "жалоба" }, otherwise = "звонок" }
fields.occurred_at = "Date"
fields.subject = { fields = ["Тема", "Описание"] }
fields.agents = "Ответственный____Presentation"
fields.closed_at = "ДатаЗакрытия"

[back]
field = "СсылкиНаЗаписи"
"""


@dataclass(frozen=True, kw_only=True)
class Part:
    """The tools that pulling and returning need."""

    settings: Settings
    database: Database
    clock: SetClock


@dataclass(frozen=True, kw_only=True)
class OnecHouse:
    """An archive that may speak to loopback."""

    tools: Part
    onec: OnecStandIn
    owner: str

    def add(
        self, text: str = MAPPING, *, name: str = "base", password: str = PASSWORD, url: str = ""
    ) -> None:
        with self.tools.database.transaction() as session:
            service.add(
                session,
                ACTOR,
                name,
                base_url=url or self.onec.base,
                infobase=mapping.parse(text),
                login=Login(user=USER, password=password),
                settings=self.tools.settings,
                at=self.tools.clock.now(),
            )

    def pull(self, **more: Any) -> Pulled:  # noqa: ANN401 - the service's own.
        return pulling.pull(self.tools, "base", **more)

    def push(self, *items: object, actor: Actor = ACTOR) -> list[Said]:
        with self.tools.database.transaction() as session:
            ways = Ways(
                actor=actor,
                at=self.tools.clock.now(),
                region="RU",
                zone=self.tools.settings.zone,
            )
            source = service.named(session, "base")
            return taking.take(Taking(session=session, ways=ways, source=source), items)

    def source(self) -> OnecSource:
        with self.tools.database.transaction() as session:
            return session.scalars(select(OnecSource)).one()

    def cursor(self, entity: str) -> OnecCursor:
        with self.tools.database.transaction() as session:
            return session.scalars(select(OnecCursor).where(OnecCursor.entity == entity)).one()

    def things(self) -> list[OnecThing]:
        with self.tools.database.transaction() as session:
            return list(session.scalars(select(OnecThing).order_by(OnecThing.id)))

    def returns(self) -> list[OnecReturn]:
        with self.tools.database.transaction() as session:
            return list(session.scalars(select(OnecReturn)))

    def clients(self) -> dict[str, Client]:
        with self.tools.database.transaction() as session:
            return {row.external_id: row for row in session.scalars(select(Client))}

    def contacts(self) -> dict[str, Contact]:
        with self.tools.database.transaction() as session:
            rows = session.scalars(select(Contact).options(selectinload(Contact.phones)))
            return {str(row.external_id): row for row in rows}

    def contracts(self) -> dict[str, Contract]:
        with self.tools.database.transaction() as session:
            rows = session.scalars(select(Contract).options(selectinload(Contract.clauses)))
            return {row.number: row for row in rows}

    def events(self) -> dict[str, Event]:
        with self.tools.database.transaction() as session:
            return {str(row.external_id): row for row in session.scalars(select(Event))}


def counts(done: Pulled, entity: str) -> dict[str, int]:
    """Return what became of an entity's rows."""
    return next(one.counts for one in done.entities if one.entity == entity)


def settings_of(folder: Path) -> Settings:
    return Settings(
        data=folder,
        outbound_http=True,
        outbound_networks="127.0.0.1/32",
        url="https://rec.example.com",
        _env_file=None,
    )

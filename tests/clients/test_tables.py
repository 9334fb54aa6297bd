"""Tables of clients, contacts, contracts and events."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.clients import queries, table_import, tables
from app.clients.models import Client, Contact
from app.clients.table_import import Done, Ways
from app.clients.tables import COLUMNS, MAX_ROWS, Fault, Kind
from app.core.clock import SetClock
from app.core.ids import new_id
from app.custody.models import CustodyEntry
from app.identity.actor import Actor, PermissionMissing
from app.identity.permissions import Role

MOSCOW = ZoneInfo("Europe/Moscow")
SHA = hashlib.sha256(b"contract").hexdigest()
CLIENTS = "Код;Наименование;ИНН;Комментарий\nacme;ООО «Заря»;7701234567;x\nbeta;Бета;;\n"
CONTACTS = (
    "client,ФИО,Должность,Телефоны,Руководство\nacme,Иванов И.И.,директор,8 (916) 123-45-67,да\n"
)
CONTRACTS = (
    "Клиент;Номер договора;Дата подписания;Организация;SHA256;Вид подписи;Действует с;Действует по;"
    "Цена в месяц;Валюта;Пункт;Текст пункта;Разрешает\n"
    f'acme;7/26;01.02.2026;ООО "Мы";{SHA};УКЭП;01.03.2026;31.12.2026;"15 000,50";rub;5.1;'
    '"Разговоры записываются; о записи сообщается";notice\n'
    f'acme;7/26;01.02.2026;ООО "Мы";{SHA};УКЭП;01.03.2026;31.12.2026;"15 000,50";rub;5.2;'
    "Передаются руководству;disclose_to_management\n"
)
EVENTS = (
    "id;client;Вид;Дата и время;Тема;Сотрудники\n"
    "T-1;acme;Заявка;05.03.2026 12:00;Не печатает;101, 102\n"
)


class Desk:
    """Somebody who brings tables."""

    def __init__(self, session: Session, clock: SetClock, actor: Actor) -> None:
        self.session = session
        self.ways = Ways(actor=actor, at=clock.now(), region="RU", zone=MOSCOW)

    def bring(self, kind: Kind, text: str | bytes, *, is_try: bool = False) -> Done:
        raw = text if isinstance(text, bytes) else text.encode()
        return table_import.carry_out(self.session, self.ways, kind, raw, is_try=is_try)

    def count(self, model: type) -> int:
        return self.session.scalar(select(func.count()).select_from(model)) or 0

    def wrong(self, kind: Kind, text: str) -> list[tuple[int, Fault, str, str]]:
        done = self.bring(kind, text, is_try=True)
        return [(one.line, one.fault, one.column, one.what) for one in done.wrong]


@pytest.fixture
def desk(session: Session, clock: SetClock) -> Desk:
    return Desk(session, clock, Actor.system("tests"))


def test_a_whole_company_comes_in_and_a_second_time_changes_nothing(desk: Desk) -> None:
    files = {
        Kind.CLIENTS: CLIENTS,
        Kind.CONTACTS: CONTACTS,
        Kind.CONTRACTS: CONTRACTS,
        Kind.EVENTS: EVENTS,
    }
    made = {kind: desk.bring(kind, text) for kind, text in files.items()}
    assert all(done.is_kept and not done.wrong for done in made.values()), made
    assert [(done.things, done.new) for done in made.values()] == [(2, 2), (1, 1), (1, 1), (1, 1)]
    assert made[Kind.CLIENTS].unknown == ("Комментарий",)
    client = queries.client_by_external_id(desk.session, "acme")
    assert client is not None
    assert (client.name, client.tax_id) == ("ООО «Заря»", "7701234567")
    (contact,) = queries.contacts_of(desk.session, client.id)
    assert (contact.position, contact.is_management) == ("директор", True)
    assert [phone.number for phone in contact.phones] == ["+79161234567"]
    (contract,) = queries.contracts_of(desk.session, client.id)
    assert (contract.signed_on, contract.signature_kind) == (date(2026, 2, 1), "ukep")
    assert contract.valid_from == datetime(2026, 2, 28, 21, tzinfo=UTC)
    assert contract.valid_to == datetime(2026, 12, 31, 21, tzinfo=UTC)
    assert (contract.monthly_price_minor, contract.currency) == (1_500_050, "RUB")
    assert {clause.clause_ref: clause.scope for clause in contract.clauses} == {
        "5.1": ["notice"],
        "5.2": ["disclose_to_management"],
    }
    event = queries.event_by_external_id(desk.session, "T-1")
    assert event is not None
    assert (event.kind, event.agents) == ("ticket", ["101", "102"])
    assert event.occurred_at == datetime(2026, 3, 5, 9, tzinfo=UTC)
    before = desk.count(CustodyEntry)
    again = {kind: desk.bring(kind, text) for kind, text in files.items()}
    assert [(done.things, done.new) for done in again.values()] == [(2, 0), (1, 0), (1, 0), (1, 0)]
    assert desk.count(CustodyEntry) == before


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_files_come_as_spreadsheets_write_them(encoding: str, delimiter: str) -> None:
    text = CLIENTS.replace(";", delimiter).replace("\n", "\r\n")
    table = tables.read(text.encode(encoding), Kind.CLIENTS, zone=MOSCOW)
    assert table.wrong == []
    assert table.rows[0].values == {
        "external_id": "acme",
        "name": "ООО «Заря»",
        "tax_id": "7701234567",
    }
    assert [row.line for row in table.rows] == [2, 3]


def test_every_error_is_told_with_its_line_and_nothing_is_kept(desk: Desk) -> None:
    desk.bring(Kind.CLIENTS, CLIENTS)
    text = (
        "client;external_id;name;email;phones;is_management\n"
        "acme;c1;Иванов;нет почты;;\n"
        "nobody;c2;Петров;;;\n"
        'acme;c3;"Сидоров\nИ.И.";;123;\n'
        "acme;c4;;;;\n"
        "acme;c5;Козлов;;;может быть\n"
        "acme;c6;Волков;;;;;лишнее\n"
        "acme;c7;Хорошев;;;\n"
        "acme;c7;Хорошев;;;\n"
    )
    found = desk.wrong(Kind.CONTACTS, text)
    assert [(line, fault) for line, fault, _, _ in found] == [
        (2, Fault.VALUE),
        (3, Fault.CLIENT),
        (4, Fault.PHONE),
        (6, Fault.CELL_MISSING),
        (7, Fault.YES_OR_NO),
        (8, Fault.CELLS),
        (10, Fault.TWICE),
    ]
    assert found[0][2] == "email"
    assert found[1][3] == "nobody"
    assert found[2][3] == "123"
    done = desk.bring(Kind.CONTACTS, text)
    assert not done.is_kept
    assert desk.count(Contact) == 0


@pytest.mark.parametrize(
    ("kind", "text", "fault"),
    [
        (Kind.CLIENTS, "", Fault.EMPTY),
        (Kind.CLIENTS, "Код;Наименование\n", Fault.EMPTY),
        (Kind.CLIENTS, "Код\na\n", Fault.COLUMN_MISSING),
        (Kind.CLIENTS, "Код;ИД;Наименование\na;b;c\n", Fault.COLUMN_TWICE),
        (Kind.CLIENTS, 'Код;Наименование\na;"b\n', Fault.QUOTES),
        (Kind.CLIENTS, "Код;Наименование;Офис\na;b;Луна\n", Fault.OFFICE),
        (Kind.CLIENTS, "Код;Наименование\n\x00;b\n", Fault.ENCODING),
        (Kind.EVENTS, EVENTS.replace("05.03.2026", "31.02.2026"), Fault.DATE),
        (Kind.EVENTS, EVENTS.replace("05.03.2026 12:00", "03/05/2026"), Fault.DATE),
        (Kind.EVENTS, EVENTS.replace("Заявка", "Праздник"), Fault.WORD),
        (Kind.EVENTS, EVENTS.replace("acme", "nobody"), Fault.CLIENT),
        (Kind.CONTRACTS, CONTRACTS.replace("15 000,50", "много"), Fault.NUMBER),
        (Kind.CONTRACTS, CONTRACTS.replace("15 000,50", "-1"), Fault.NUMBER),
        (Kind.CONTRACTS, CONTRACTS.replace("31.12.2026", "01.01.2026"), Fault.PERIOD),
        (Kind.CONTRACTS, CONTRACTS.replace("УКЭП", "скан", 1), Fault.DIFFERS),
        (Kind.CONTRACTS, CONTRACTS.replace(SHA, "abc"), Fault.VALUE),
        (Kind.CONTRACTS, CONTRACTS.replace("disclose_to_management", "everything"), Fault.VALUE),
    ],
)
def test_each_fault_is_told(desk: Desk, kind: Kind, text: str, fault: Fault) -> None:
    desk.bring(Kind.CLIENTS, CLIENTS)
    assert fault in {one[1] for one in desk.wrong(kind, text)}


def test_an_event_of_another_client_is_refused(desk: Desk) -> None:
    desk.bring(Kind.CLIENTS, CLIENTS)
    desk.bring(Kind.EVENTS, EVENTS)
    assert desk.wrong(Kind.EVENTS, EVENTS.replace("acme", "beta"))[0][1] == Fault.OTHER_CLIENT


def test_too_many_lines_are_told_and_not_read() -> None:
    text = "Код;Наименование\n" + "".join(f"c{n};n\n" for n in range(MAX_ROWS + 5))
    table = tables.read(text.encode(), Kind.CLIENTS, zone=MOSCOW)
    assert [(one.line, one.fault) for one in table.wrong] == [(MAX_ROWS + 2, Fault.TOO_MANY)]


def test_a_try_keeps_nothing_and_says_what_would_be_new(desk: Desk) -> None:
    done = desk.bring(Kind.CLIENTS, CLIENTS, is_try=True)
    assert (done.things, done.new, done.wrong, done.is_kept) == (2, 2, (), False)
    assert desk.count(Client) == desk.count(CustodyEntry) == 0


def test_what_a_file_has_no_column_for_stays_as_it_is(desk: Desk) -> None:
    desk.bring(Kind.CLIENTS, CLIENTS)
    desk.bring(Kind.CONTACTS, CONTACTS)
    desk.bring(Kind.CONTRACTS, CONTRACTS)
    desk.bring(Kind.CLIENTS, "Код;Наименование\nacme;Заря\n")
    client = queries.client_by_external_id(desk.session, "acme")
    assert client is not None
    assert (client.name, client.tax_id) == ("Заря", "7701234567")
    desk.bring(Kind.CLIENTS, "Код;Наименование;ИНН\nacme;Заря;\n")
    assert client.tax_id is None
    desk.bring(Kind.CONTACTS, "client,ФИО\nacme,Иванов И.И.\nacme,Новый\n")
    first, _ = sorted(queries.contacts_of(desk.session, client.id), key=lambda one: one.name)
    assert (first.position, first.left_at, len(first.phones)) == ("директор", None, 1)
    short = CONTRACTS.splitlines()
    without = "\n".join(";".join(line.split(";")[:8]) for line in short[:2])
    assert desk.bring(Kind.CONTRACTS, without).is_kept
    (contract,) = queries.contracts_of(desk.session, client.id)
    assert (len(contract.clauses), contract.monthly_price_minor) == (2, 1_500_050)


def test_who_may_not_write_clients_brings_none(session: Session, clock: SetClock) -> None:
    auditor = Actor.user(new_id(), Role.AUDITOR, "auditor")
    with pytest.raises(PermissionMissing):
        Desk(session, clock, auditor).bring(Kind.CLIENTS, CLIENTS, is_try=True)


def test_a_client_of_another_office_is_not_seen(session: Session, clock: SetClock) -> None:
    Desk(session, clock, Actor.system("tests")).bring(Kind.CLIENTS, CLIENTS)
    manager = Actor.user(new_id(), Role.MANAGER, "m", offices=frozenset({new_id()}))
    found = Desk(session, clock, manager).wrong(Kind.CONTACTS, CONTACTS)
    assert [(line, fault) for line, fault, _, _ in found] == [(2, Fault.CLIENT)]


def test_every_name_of_a_column_is_of_one_only() -> None:
    for kind, columns in COLUMNS.items():
        names = [name for column in columns.values() for name in column.names]
        assert len(names) == len(set(names)), kind
        assert all(name == name.lower().replace("ё", "е") for name in names)


@given(st.binary(max_size=300), st.sampled_from(Kind))
def test_no_file_breaks_the_reader(raw: bytes, kind: Kind) -> None:
    table = tables.read(raw, kind, zone=MOSCOW)
    assert table.rows == [] or not any(one.fault is Fault.ENCODING for one in table.wrong)


@given(st.text(alphabet='abc01.;,"\n\tдн-:/ ', max_size=200), st.sampled_from(Kind))
def test_no_cell_breaks_the_reader(cells: str, kind: Kind) -> None:
    head = ";".join(COLUMNS[kind])
    tables.read(f"{head}\n{cells}".encode(), kind, zone=MOSCOW)

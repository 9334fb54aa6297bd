"""Clients, contacts, contracts and events as tables: what a file says, line by line. Pure.

Files come from spreadsheets and from 1C: UTF-8 with or without a byte order mark, UTF-16, or
Windows-1251; with semicolons, commas or tabs; with Russian or English names of columns, in any
order.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

MAX_ROWS: Final = 5_000
MAX_BYTES: Final = 20 * 1024 * 1024
_MOST_FIELD: Final = 1 << 16


class Kind(StrEnum):
    """What the lines of a table are."""

    CLIENTS = "clients"
    CONTACTS = "contacts"
    CONTRACTS = "contracts"
    EVENTS = "events"


class Fault(StrEnum):
    """What can be wrong with a file or a line; pages have words for each."""

    ENCODING = "encoding"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    QUOTES = "quotes"
    COLUMN_MISSING = "column_missing"
    COLUMN_TWICE = "column_twice"
    CELLS = "cells"
    CELL_MISSING = "cell_missing"
    DATE = "date"
    NUMBER = "number"
    YES_OR_NO = "yes_or_no"
    WORD = "word"
    VALUE = "value"
    TWICE = "twice"
    DIFFERS = "differs"
    PHONE = "phone"
    CLIENT = "client"
    OFFICE = "office"
    PERIOD = "period"
    OTHER_CLIENT = "other_client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """What is wrong, in which line and column; `what` is the value or the words that say it."""

    line: int
    fault: Fault
    column: str = ""
    what: str = ""


class CellInvalid(ValueError):
    """A cell cannot be read."""

    def __init__(self, fault: Fault, what: str) -> None:
        super().__init__(what)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line: the values of the columns that the file has. An empty cell is None."""

    line: int
    values: Mapping[str, Any]


@dataclass(slots=True)
class Table:
    """A file that was read: its good lines, what is wrong, and the columns that nobody knows."""

    kind: Kind
    rows: list[Row] = field(default_factory=list)
    wrong: list[Wrong] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    lines: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """How a column is called, how its cells are read, and whether it must be there."""

    names: tuple[str, ...]
    read: Callable[[str, ZoneInfo], Any]
    is_needed: bool = False


def _text(cell: str, _: ZoneInfo) -> str:
    return cell


def _listed(cell: str, _: ZoneInfo) -> list[str]:
    return [part.strip() for part in re.split(r"[;,|\n]", cell) if part.strip()]


def _hex(cell: str, _: ZoneInfo) -> str:
    return cell.lower()


def _upper(cell: str, _: ZoneInfo) -> str:
    return cell.upper()


_DAY = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ ,T]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")


def _local(cell: str, zone: ZoneInfo) -> datetime:
    """Read a moment as people and as ISO 8601 write it; without a zone it is the office's."""
    match = _DAY.fullmatch(cell)
    try:
        if match is not None:
            day, month, year, hour, minute, second = (int(part or 0) for part in match.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=zone)
        at = datetime.fromisoformat(cell)
    except ValueError as exc:
        raise CellInvalid(Fault.DATE, cell) from exc
    return at if at.tzinfo is not None else at.replace(tzinfo=zone)


def _moment(cell: str, zone: ZoneInfo) -> datetime:
    try:
        return _local(cell, zone).astimezone(UTC)
    except OverflowError as exc:
        raise CellInvalid(Fault.DATE, cell) from exc


def _day(cell: str, zone: ZoneInfo) -> date:
    return _local(cell, zone).date()


def _after(cell: str, zone: ZoneInfo) -> datetime:
    """Read a last day as the moment when it is over."""
    try:
        next_day = _local(cell, zone).date() + timedelta(days=1)
        return datetime.combine(next_day, time.min, tzinfo=zone).astimezone(UTC)
    except OverflowError as exc:
        raise CellInvalid(Fault.DATE, cell) from exc


_YES = frozenset({"да", "yes", "true", "истина", "1", "+", "y", "x"})
_NO = frozenset({"нет", "no", "false", "ложь", "0", "-", "n"})


def _truth(cell: str, _: ZoneInfo) -> bool:
    word = cell.lower()
    if word not in _YES | _NO:
        raise CellInvalid(Fault.YES_OR_NO, cell)
    return word in _YES


_MINOR = 100


def _money(cell: str, _: ZoneInfo) -> int:
    """Read a sum as people write it, in minor units."""
    plain = re.sub(r"[\s  ]", "", cell).replace(",", ".")
    try:
        amount = Decimal(plain) * _MINOR
        whole = int(amount)
    except (InvalidOperation, ValueError, OverflowError) as exc:
        raise CellInvalid(Fault.NUMBER, cell) from exc
    if amount != whole or whole < 0:
        raise CellInvalid(Fault.NUMBER, cell)
    return whole


def _one_of(words: Mapping[str, Sequence[str]]) -> Callable[[str, ZoneInfo], str]:
    known = {word: code for code, said in words.items() for word in (code, *said)}

    def read(cell: str, _: ZoneInfo) -> str:
        code = known.get(cell.lower())
        if code is None:
            raise CellInvalid(Fault.WORD, cell)
        return code

    return read


_KINDS: Final = {
    "call": ("звонок", "разговор"),
    "visit": ("выезд", "визит"),
    "update": ("обновление",),
    "complaint": ("жалоба", "претензия"),
    "act": ("акт",),
    "ticket": ("заявка", "обращение"),
}
_SIGNED: Final = {
    "ukep": ("укэп", "эп", "электронная подпись"),
    "wet_scan": ("скан", "бумага", "подпись от руки"),
    "offer_accepted": ("оферта", "акцепт оферты"),
}
_CLIENT: Final = Column(
    ("client", "клиент", "код клиента", "контрагент", "ид клиента"), _text, is_needed=True
)

COLUMNS: Final[Mapping[Kind, Mapping[str, Column]]] = {
    Kind.CLIENTS: {
        "external_id": Column(
            ("external_id", "id", "код", "внешний код", "ид", "идентификатор"),
            _text,
            is_needed=True,
        ),
        "name": Column(("name", "наименование", "название", "имя"), _text, is_needed=True),
        "tax_id": Column(("tax_id", "инн"), _text),
        "jurisdiction": Column(("jurisdiction", "страна", "место"), _text),
        "office": Column(("office", "офис", "подразделение"), _text),
    },
    Kind.CONTACTS: {
        "client": _CLIENT,
        "external_id": Column(("external_id", "id", "код", "внешний код", "ид"), _text),
        "name": Column(("name", "фио", "имя", "контактное лицо"), _text, is_needed=True),
        "position": Column(("position", "должность"), _text),
        "email": Column(("email", "e-mail", "почта", "эл. почта", "электронная почта"), _text),
        "phones": Column(("phones", "phone", "телефон", "телефоны"), _listed),
        "is_management": Column(("is_management", "руководство", "руководитель"), _truth),
    },
    Kind.CONTRACTS: {
        "client": _CLIENT,
        "number": Column(("number", "номер", "номер договора", "договор"), _text, is_needed=True),
        "signed_on": Column(("signed_on", "дата подписания", "дата"), _day, is_needed=True),
        "our_entity": Column(
            ("our_entity", "организация", "наша организация", "исполнитель"), _text, is_needed=True
        ),
        "document_sha256": Column(
            ("document_sha256", "sha256", "sha-256", "хеш документа"), _hex, is_needed=True
        ),
        "signature_kind": Column(
            ("signature_kind", "вид подписи", "подпись"), _one_of(_SIGNED), is_needed=True
        ),
        "valid_from": Column(
            ("valid_from", "действует с", "дата начала", "начало"), _moment, is_needed=True
        ),
        "valid_to": Column(("valid_to", "действует до"), _moment),
        "valid_through": Column(("valid_through", "действует по", "дата окончания"), _after),
        "terminated_at": Column(("terminated_at", "расторгнут", "дата расторжения"), _moment),
        "jurisdiction": Column(("jurisdiction", "страна", "место"), _text),
        "monthly_price_minor": Column(
            ("monthly_price", "цена в месяц", "абонентская плата", "стоимость в месяц"), _money
        ),
        "currency": Column(("currency", "валюта"), _upper),
        "clause_ref": Column(("clause_ref", "пункт", "номер пункта"), _text),
        "quote": Column(("quote", "текст пункта", "цитата"), _text),
        "scope": Column(("scope", "разрешает"), _listed),
        "purposes": Column(("purposes", "цели"), _listed),
        "recipients": Column(("recipients", "получатели"), _listed),
    },
    Kind.EVENTS: {
        "external_id": Column(
            ("external_id", "id", "код", "внешний код", "ид", "номер"), _text, is_needed=True
        ),
        "client": _CLIENT,
        "kind": Column(("kind", "вид", "тип", "вид события"), _one_of(_KINDS), is_needed=True),
        "occurred_at": Column(
            ("occurred_at", "дата", "когда", "дата и время", "время"), _moment, is_needed=True
        ),
        "subject": Column(("subject", "тема", "содержание", "описание"), _text, is_needed=True),
        "agents": Column(("agents", "сотрудники", "ответственный", "исполнители"), _listed),
        "closed_at": Column(("closed_at", "закрыто", "дата закрытия"), _moment),
    },
}


def read(raw: bytes, kind: Kind, *, zone: ZoneInfo, max_rows: int = MAX_ROWS) -> Table:
    """Read a table; what is wrong with it is told in it, all of it."""
    table = Table(kind)
    text = _decoded(raw)
    if len(raw) > MAX_BYTES or text is None:
        fault = Fault.TOO_LARGE if text is not None else Fault.ENCODING
        table.wrong.append(Wrong(line=1, fault=fault))
        return table
    lines = _cells(text, table)
    head = next(lines, None)
    if head is None:
        if not table.wrong:
            table.wrong.append(Wrong(line=1, fault=Fault.EMPTY))
        return table
    columns = _columns(head[1], head[0], table)
    if columns is None:
        return table
    for line, cells in lines:
        table.lines += 1
        if table.lines > max_rows:
            table.wrong.append(Wrong(line=line, fault=Fault.TOO_MANY, what=str(max_rows)))
            break
        row = _row(line, cells, columns, table, zone)
        if row is not None:
            table.rows.append(row)
    if table.lines == 0 and not table.wrong:
        table.wrong.append(Wrong(line=head[0], fault=Fault.EMPTY))
    _refuse_twice(table)
    return table


def _decoded(raw: bytes) -> str | None:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "cp1251")
    for encoding in encodings:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        # What is no text at all is most likely read by Windows-1251, which knows nearly every byte.
        return None if "\x00" in text else text
    return None


def _cells(text: str, table: Table) -> Iterator[tuple[int, list[str]]]:
    """Give each line that is not empty, with the number of its first line in the file."""
    csv.field_size_limit(_MOST_FIELD)
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(";\t,", key=_outside_quotes(first).count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            table.wrong.append(Wrong(line=line, fault=Fault.QUOTES, what=str(exc)))
            return
        if any(cell.strip() for cell in cells):
            yield line, [cell.strip() for cell in cells]
        line = reader.line_num + 1


def _outside_quotes(line: str) -> str:
    return re.sub(r'"[^"]*"', "", line)


def _columns(head: Sequence[str], line: int, table: Table) -> list[str | None] | None:
    """Return what each place of a line is; None where the file cannot be used."""
    known = {name: key for key, column in COLUMNS[table.kind].items() for name in column.names}
    found: list[str | None] = []
    unknown = []
    for name in head:
        key = known.get(re.sub(r"\s+", " ", name.lower().replace("ё", "е")).strip())
        if key is None and name:
            unknown.append(name)
        if key is not None and key in found:
            table.wrong.append(Wrong(line=line, fault=Fault.COLUMN_TWICE, column=name))
        found.append(key)
    table.unknown = tuple(unknown)
    table.columns = tuple(key for key in found if key is not None)
    for key, column in COLUMNS[table.kind].items():
        if column.is_needed and key not in found:
            wrong = Wrong(line=line, fault=Fault.COLUMN_MISSING, column=key)
            table.wrong.append(wrong)
    return None if table.wrong else found


def _row(
    line: int, cells: Sequence[str], columns: Sequence[str | None], table: Table, zone: ZoneInfo
) -> Row | None:
    # A spreadsheet may leave out empty cells at the end, and never a full one.
    if len(cells) < len(columns):
        cells = [*cells, *[""] * (len(columns) - len(cells))]
    if any(cells[len(columns) :]):
        what = f"{len(cells)} / {len(columns)}"
        table.wrong.append(Wrong(line=line, fault=Fault.CELLS, what=what))
        return None
    values: dict[str, Any] = {}
    is_good = True
    for key, cell in zip(columns, cells, strict=False):
        if key is None:
            continue
        column = COLUMNS[table.kind][key]
        if not cell:
            if column.is_needed:
                table.wrong.append(Wrong(line=line, fault=Fault.CELL_MISSING, column=key))
                is_good = False
            values[key] = None
            continue
        try:
            values[key] = column.read(cell, zone)
        except CellInvalid as exc:
            wrong = Wrong(line=line, fault=exc.fault, column=key, what=str(exc))
            table.wrong.append(wrong)
            is_good = False
    return Row(line=line, values=values) if is_good else None


def read_one(told: Mapping[str, object], kind: Kind, *, zone: ZoneInfo, line: int = 1) -> Table:
    """Read one thing told as fields, by the names and in the forms that columns of a table have.

    A list is taken as the parts of a cell; what is neither text, number, truth nor list is wrong.
    """
    table = Table(kind)
    columns = _columns(list(told), line, table)
    if columns is None:
        return table
    cells = []
    for name, value in told.items():
        cell = _cell(value)
        if cell is None:
            table.wrong.append(Wrong(line=line, fault=Fault.VALUE, column=name))
        cells.append((cell or "").strip())
    table.lines = 1
    row = _row(line, cells, columns, table, zone) if not table.wrong else None
    if row is not None:
        table.rows.append(row)
    return table


def _cell(value: object) -> str | None:
    """Return a value as a cell has it, or None where no cell can have it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return None if "\x00" in value else value
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        parts = [_cell(part) for part in value]
        whole = [part for part in parts if part is not None]
        has_lists = any(isinstance(part, list | dict) for part in value)
        return None if has_lists or len(whole) != len(parts) else "\n".join(whole)
    return None


_NAMED_BY: Final = {
    Kind.CLIENTS: ("external_id",),
    Kind.CONTACTS: ("client", "external_id", "name"),
    Kind.CONTRACTS: ("client", "number", "clause_ref"),
    Kind.EVENTS: ("external_id",),
}


def _refuse_twice(table: Table) -> None:
    """Tell of things that stand in the file twice: which of the two is true cannot be said."""
    seen: dict[tuple[Any, ...], int] = {}
    for row in table.rows:
        parts = [row.values.get(key) for key in _NAMED_BY[table.kind]]
        if table.kind is Kind.CONTACTS and parts[1] is not None:
            parts = parts[:2]
        before = seen.setdefault(tuple(parts), row.line)
        if before != row.line:
            said = " ".join(str(part) for part in parts if part is not None)
            table.wrong.append(Wrong(line=row.line, fault=Fault.TWICE, what=f"{said} ({before})"))

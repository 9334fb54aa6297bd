"""What is asked of 1C's standard OData and what it answers: addresses and bodies. Pure.

Source: 1C:Enterprise 8.3, developer's guide, standard OData interface; OData 3.0, URI conventions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID
from xml.etree.ElementTree import ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

ROOT: Final = "odata/standard.odata"
_SAFE: Final = "'(),:-_.~$"


class AnswerUnreadable(ValueError):
    """The answer is not what OData is documented to answer; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row: its reference, its version, whether it is marked for deletion, and its fields."""

    ref: UUID
    version: str | None
    is_marked: bool
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows in the order of the answer, and how many there are in all, if that was told."""

    rows: tuple[Row, ...]
    count: int | None


def address(base: str, *parts: str, query: Mapping[str, str] | None = None) -> str:
    """Return an address below the infobase's, every name and value percent-encoded."""
    path = "/".join(quote(part, safe=_SAFE) for part in parts)
    asked = "&".join(f"{name}={quote(value, safe=_SAFE)}" for name, value in (query or {}).items())
    return f"{base.rstrip('/')}/{path}" + (f"?{asked}" if asked else "")


def page_address(  # noqa: PLR0913 - a page has these parts; all but two are named.
    base: str,
    entity: str,
    *,
    select: Sequence[str],
    where: str | None,
    order: Sequence[str],
    top: int,
    skip: int,
) -> str:
    """Return the address of a page of an entity; what the log-in may not see is left out of it."""
    query = {
        "$format": "json",
        "allowedOnly": "true",
        "$inlinecount": "allpages",
        "$select": ",".join(select),
        "$orderby": ",".join(f"{name} asc" for name in order),
        "$top": str(top),
        "$skip": str(skip),
    }
    if where:
        query["$filter"] = where
    return address(base, *ROOT.split("/"), entity, query=query)


def row_address(base: str, entity: str, ref: UUID, *, select: Sequence[str] = ()) -> str:
    """Return the address of one row by its key."""
    query = {"$format": "json"} | ({"$select": ",".join(select)} if select else {})
    return address(base, *ROOT.split("/"), f"{entity}(guid'{ref}')", query=query)


def metadata_address(base: str) -> str:
    """Return the address of the description of everything that is published."""
    return address(base, *ROOT.split("/"), "$metadata")


def moment(local: str) -> str:
    """Return a literal of a moment as 1C has it, without a zone."""
    return f"datetime'{local}'"


def read_page(body: bytes) -> Page:
    """Return the rows of an answer.

    Raises:
        AnswerUnreadable: it is no answer of OData.
    """
    told = _object(body)
    rows = told.get("value")
    if not isinstance(rows, list):
        raise AnswerUnreadable("the answer has no list of rows")
    count = told.get("odata.count")
    return Page(
        rows=tuple(map(_row, rows)),
        count=int(count) if isinstance(count, str | int) and str(count).isdigit() else None,
    )


def read_row(body: bytes) -> Row:
    """Return the row of an answer to a key.

    Raises:
        AnswerUnreadable: it is no answer of OData.
    """
    return _row(_object(body))


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as exc:
        raise AnswerUnreadable("the answer is no JSON") from exc
    if not isinstance(told, dict):
        raise AnswerUnreadable("the answer is no object")
    return told


def _row(told: object) -> Row:
    if not isinstance(told, dict):
        raise AnswerUnreadable("a row is no object")
    try:
        ref = UUID(str(told.get("Ref_Key")))
    except ValueError as exc:
        raise AnswerUnreadable("a row has no Ref_Key") from exc
    version = told.get("DataVersion")
    return Row(
        ref=ref,
        version=version if isinstance(version, str) and version else None,
        is_marked=told.get("DeletionMark") is True,
        fields=told,
    )


def read_metadata(body: bytes) -> dict[str, frozenset[str]]:
    """Return the published entities, each with its fields and tables.

    Raises:
        AnswerUnreadable: it is no description in EDMX.
    """
    try:
        root = ElementTree.fromstring(body)
    except (ParseError, DefusedXmlException, ValueError) as exc:
        raise AnswerUnreadable("the description is no XML") from exc
    fields: dict[str, frozenset[str]] = {}
    sets: set[str] = set()
    for element in root.iter():
        tag = element.tag.rpartition("}")[2]
        if tag == "EntityType":
            fields[element.get("Name", "")] = frozenset(
                child.get("Name", "")
                for child in element
                if child.tag.rpartition("}")[2] in {"Property", "NavigationProperty"}
            )
        elif tag == "EntitySet":
            sets.add(element.get("Name", ""))
    if not sets:
        raise AnswerUnreadable("the description names no entities")
    return {name: fields.get(name, frozenset()) for name in sets}


def said_of_error(body: bytes) -> str:
    """Return the words of an error as 1C tells it, shortened, or nothing."""
    try:
        told = _object(body)
    except AnswerUnreadable:
        return ""
    error = told.get("odata.error")
    message = error.get("message") if isinstance(error, dict) else None
    value = message.get("value") if isinstance(message, dict) else None
    return str(value)[:300] if value else ""

"""A stand-in for 1C, and what speaks to it.

There is no 1C here. The stand-in is an HTTP server on loopback that was written from what is
documented of the standard OData interface (3.0, JSON) and of HTTP services; nothing of ours is
replaced by it, and nothing here shows how a real infobase behaves where it differs from that.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

USER, PASSWORD = "обмен", "пароль"
ZERO = "00000000-0000-0000-0000-000000000000"
EMPTY = "0001-01-01T00:00:00"
Row = dict[str, Any]


def ref(number: int) -> str:
    """Return a reference; greater numbers come later in the order of references."""
    return f"b7569bcd-f670-11ea-8591-{number:012x}"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request as it came: the path with every percent sign, and as it reads."""

    method: str
    raw: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class OnecStandIn:
    """An infobase: rows of each published entity; `hidden` are those the log-in may not see.

    `laid` are answered first, one for each request; `before` is called with each request.
    """

    base: str = ""
    entities: dict[str, list[Row]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    laid: list[tuple[int, dict[str, str], bytes] | None] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    served: list[Any] = field(default_factory=list)
    before: Callable[[Asked], None] = lambda _: None
    versions: int = 0

    def put(self, entity: str, key: str, **fields: object) -> Row:
        """Write a row as 1C does: with another version."""
        rows = self.entities.setdefault(entity, [])
        row = next((one for one in rows if one["Ref_Key"] == key), None)
        if row is None:
            row = {"Ref_Key": key, "DeletionMark": False}
            rows.append(row)
        row.update(fields)
        self.versions += 1
        row["DataVersion"] = base64.b64encode(self.versions.to_bytes(8, "big")).decode()
        return row

    def pages(self, entity: str) -> list[Asked]:
        return [one for one in self.asked if one.path.endswith(f"/{entity}")]

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {pair}":
            return 401, {"WWW-Authenticate": "Basic"}, b""
        if "/hs/" in asked.path:
            self.served.append((asked.path.partition("/hs/")[2], json.loads(asked.body)))
            return _json({"ok": True})
        name = asked.path.partition("/odata/standard.odata/")[2]
        if name == "$metadata":
            return 200, {"Content-Type": "application/xml"}, self._metadata()
        keyed = re.fullmatch(r"(\w+)\(guid'([0-9a-f-]{36})'\)", name)
        rows = self.entities.get(keyed[1] if keyed else name)
        if rows is None:
            return _error(404, f"Сущность '{name}' не найдена")
        if keyed:
            return self._one(asked, rows, keyed[2])
        return self._page(asked, rows)

    def _page(self, asked: Asked, rows: list[Row]) -> tuple[int, dict[str, str], bytes]:
        if asked.query.get("$format") != "json":
            return 200, {"Content-Type": "application/atom+xml"}, b"<feed/>"
        found = [row for row in rows if _is(row, asked.query.get("$filter", ""))]
        if any(row["Ref_Key"] in self.hidden for row in found):
            if asked.query.get("allowedOnly") != "true":
                return _error(403, "Недостаточно прав")
            found = [row for row in found if row["Ref_Key"] not in self.hidden]
        names = [part.split()[0] for part in asked.query["$orderby"].split(",")]
        found.sort(key=lambda row: [str(row[name]) for name in names])
        skip, top = int(asked.query.get("$skip", 0)), int(asked.query.get("$top", 10**6))
        told: dict[str, Any] = {"odata.metadata": f"{self.base}/$metadata"}
        if asked.query.get("$inlinecount") == "allpages":
            told["odata.count"] = str(len(found))
        told["value"] = [_selected(row, asked) for row in found[skip : skip + top]]
        return _json(told)

    def _one(self, asked: Asked, rows: list[Row], key: str) -> tuple[int, dict[str, str], bytes]:
        row = next((one for one in rows if one["Ref_Key"] == key), None)
        if row is None:
            return _error(404, "Объект не найден")
        if asked.method == "PATCH":
            if asked.headers.get("if-match") != row["DataVersion"]:
                return _error(412, "Версия данных изменилась")
            entity = next(name for name, of in self.entities.items() if of is rows)
            self.put(entity, key, **json.loads(asked.body))
        return _json(_selected(row, asked))

    def _metadata(self) -> bytes:
        types = "".join(
            f'<EntityType Name="{name}">'
            + "".join(f'<Property Name="{one}"/>' for row in rows[:1] for one in row)
            + "</EntityType>"
            for name, rows in self.entities.items()
        )
        sets = "".join(f'<EntitySet Name="{name}"/>' for name in self.entities)
        return (
            '<edmx:Edmx xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"><Schema '
            f'xmlns="http://schemas.microsoft.com/ado/2009/11/edm">{types}{sets}</Schema>'
            "</edmx:Edmx>"
        ).encode()


def _json(told: object) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(told, ensure_ascii=False).encode()


def _error(status: int, words: str) -> tuple[int, dict[str, str], bytes]:
    told = {"odata.error": {"code": "9", "message": {"lang": "ru", "value": words}}}
    return status, {"Content-Type": "application/json"}, json.dumps(told).encode()


def _selected(row: Row, asked: Asked) -> Row:
    names = asked.query.get("$select")
    return row if not names else {name: row[name] for name in names.split(",") if name in row}


def _is(row: Row, condition: str) -> bool:
    """Say whether a row fulfils a `$filter` of comparisons that are all to hold."""
    for part in filter(None, condition.split(" and ")):
        name, how, literal = part.strip("()").split(" ", 2)
        value = re.sub(r"^(datetime|guid)?'(.*)'$", r"\2", literal)
        has = str(row.get(name)).lower() if isinstance(row.get(name), bool) else str(row.get(name))
        if not {"eq": has == value, "ge": has >= value, "gt": has > value}[how]:
            return False
    return True


@contextmanager
def standing_in() -> Iterator[OnecStandIn]:
    """Run a stand-in for 1C."""
    onec = OnecStandIn()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            parts = urlsplit(self.path)
            asked = Asked(
                method=self.command,
                raw=self.path,
                path=unquote(parts.path),
                query=dict(parse_qsl(parts.query)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(int(self.headers.get("content-length", "0"))),
            )
            onec.asked.append(asked)
            onec.before(asked)
            laid = onec.laid.pop(0) if onec.laid else None
            status, headers, body = laid or onec.answer(asked)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - the server's own names.

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    onec.base = f"http://127.0.0.1:{server.server_port}/base"
    try:
        yield onec
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)

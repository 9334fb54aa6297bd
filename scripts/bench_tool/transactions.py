"""The statements of the way in as a script of pgbench, from what the archive itself has sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Final
from uuid import UUID

import psycopg
from psycopg import sql

_PARAMETER = re.compile(r"%\((\w+)\)s")
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CALL: Final = "source_call_id"


def script(
    statements: Mapping[str, Mapping[str, object]],
    *,
    kept: UUID,
    connection: psycopg.Connection | None,
) -> str:
    """Return a script that sends `statements` with the values that they came with.

    Every id but `kept`, and the name of the call, must differ each time: pgbench counts them out,
    and one id has one place wherever it stands. It is to be run with n=0 and a `run` of its own.
    """
    ids = [one for values in statements.values() for one in _ids(values) if one != str(kept)]
    expressions = {one: counted_id(number) for number, one in enumerate(dict.fromkeys(ids))}
    lines = ["\\set n :n + 1"]
    for statement, values in statements.items():
        literals = {
            name: _literal(name, value, expressions, connection) for name, value in values.items()
        }
        filled = _PARAMETER.sub(partial(_filled, literals), statement)
        lines.append(f"{filled.strip()};")
    return "\n".join(lines) + "\n"


def _ids(values: Mapping[str, object]) -> list[str]:
    """Return the ids in some values, those within a text too, as of JSON."""
    told = [str(value) for value in values.values() if isinstance(value, (UUID, str))]
    return [one for value in told for one in _ID.findall(value)]


def _filled(literals: Mapping[str, str], found: re.Match[str]) -> str:
    return literals[found[1]]


def counted_id(number: int) -> str:
    """Return an id that grows with the run and the transaction, as the archive's do with time."""
    parts = ((":run", 8), (":n", 12), (":client_id", 8), (str(number), 4))
    hexadecimal = " || ".join(
        f"lpad(to_hex({part}::bigint), {width}, '0')" for part, width in parts
    )
    return f"({hexadecimal})::uuid"


def _literal(
    name: str, value: object, expressions: Mapping[str, str], connection: psycopg.Connection | None
) -> str:
    if isinstance(value, UUID):
        return expressions.get(str(value), f"'{value}'::uuid")
    if name == _CALL:
        return "(:run::text || '-' || :client_id::text || '-' || :n::text)"
    literal = sql.Literal(value).as_string(connection)
    if isinstance(value, str):
        for one, expression in expressions.items():
            if one in value:
                literal = f"replace({literal}, '{one}', {expression}::text)"
    return f"({literal})"

"""Every route has a guard, and the guard says no to whoever has no permission."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute

from app.identity.guard import PUBLIC, Requires
from app.identity.permissions import PERMISSIONS, Permission, Role
from app.main import ROUTERS
from tests.live import Live

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
_ANY_ID = "00000000-0000-7000-8000-000000000000"


def _guards(route: APIRoute) -> Iterator[Requires]:
    waiting = list(route.dependant.dependencies)
    while waiting:
        found = waiting.pop()
        if isinstance(found.call, Requires):
            yield found.call
        waiting.extend(found.dependencies)


def _permission(route: APIRoute) -> Permission | None:
    guards = list(_guards(route))
    return guards[0].permission if guards else None


def _named(route: APIRoute) -> str:
    return f"{'/'.join(sorted(route.methods or ()))} {route.path}"


def test_the_routers_hold_the_product() -> None:
    assert len(ROUTES) > 25


@pytest.mark.parametrize("route", ROUTES, ids=_named)
def test_a_route_names_one_permission_or_is_public(route: APIRoute) -> None:
    guards = list(_guards(route))
    assert len(guards) == (0 if route.path in PUBLIC and not guards else 1), _named(route)


def test_every_permission_belongs_to_a_route_or_a_rule() -> None:
    used = {_permission(route) for route in ROUTES} - {None}
    assert len(used) > 12
    granted = {p for permissions in PERMISSIONS.values() for p in permissions}
    assert used <= granted | {Permission.RECORDING_SEND}


def _call(live: Live, route: APIRoute, who: str | None) -> int:
    path = re.sub(r"\{[^}]+\}", _ANY_ID, route.path)
    method = min(route.methods or ())
    body: dict[str, Any] = {"json": {}} if method in {"POST", "PUT", "PATCH"} else {}
    return live.call(method, path, who=who, **body).status_code


def test_every_route_against_every_role(live: Live) -> None:
    """Nobody: 401. A role without the permission: 403. A role with it: neither."""
    asked = refused = 0
    for route in ROUTES:
        permission = _permission(route)
        if permission is None:
            continue
        assert _call(live, route, None) == 401, _named(route)
        for role in Role:
            status = _call(live, route, role)
            asked += 1
            if permission in PERMISSIONS[role]:
                assert status not in {401, 500}, (_named(route), role, status)
            else:
                refused += 1
                assert status == 403, (_named(route), role, status)
        device = _call(live, route, "phone")
        assert (device == 403) == (permission != Permission.RECORDING_SEND), _named(route)
    assert asked > 100
    assert refused > 50


def test_the_openapi_document_tells_of_every_route(live: Live) -> None:
    document = live.call("GET", "/openapi.json", who=None).json()
    told = set(document["paths"])
    for route in ROUTES:
        if route.include_in_schema:
            assert route.path_format in told, route.path
    assert document["components"]["schemas"]["Problem"]
    assert document["components"]["schemas"]["RecordingTold"]["required"]

"""Who may make connections, what is refused, and that no secret comes out again."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from app.core.ids import new_id
from app.custody.models import CustodyEntry
from app.providers.models import ProviderAccount
from tests.providers.house import ProviderHouse
from tests.providers.test_twilio import COMPLETED, post

SAID: dict[str, Any] = {
    "name": "line",
    "kind": "twilio",
    "public_url": "https://calls.example.com/in/",
    "secrets": {"token": "very-secret"},
}


def ask(house: ProviderHouse, method: str, path: str = "", who: str = "admin", **more: Any) -> Any:  # noqa: ANN401
    return house.live.call(method, f"/v1/providers{path}", who=who, **more)


def test_a_connection_is_made_listed_and_removed(house: ProviderHouse) -> None:
    made = ask(house, "POST", json=SAID)
    assert made.status_code == 201, made.text
    found = made.json()
    assert found["address"] == f"https://calls.example.com/in/hooks/{found['id']}"
    assert found["media_hosts"] == ["api.twilio.com"]
    listed = ask(house, "GET")
    assert [one["id"] for one in listed.json()["items"]] == [found["id"]]
    assert "very-secret" not in made.text + listed.text
    with house.live.tools.database.transaction() as session:
        (account,) = session.scalars(select(ProviderAccount))
        changes = [facts.get("change") for facts in session.scalars(select(CustodyEntry.facts))]
    assert b"very-secret" not in account.secrets
    assert "provider.added" in changes
    assert ask(house, "GET", f"/{found['id']}/media").json() == {"items": []}
    assert ask(house, "DELETE", f"/{found['id']}").status_code == 204
    house.addresses["twilio"] = f"/hooks/{found['id']}"
    assert post(house, COMPLETED).status_code == 404
    gone = ask(house, "DELETE", f"/{found['id']}")
    assert (gone.status_code, gone.json()["type"]) == (409, "/problems/provider-removed")


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"secrets": {}}, "secrets-wrong"),
        ({"secrets": {"token": "x", "other": "y"}}, "secrets-wrong"),
        ({"mapping": {}}, "mapping-wrong"),
        ({"public_url": "https://a@b/"}, "malformed"),
        ({"public_url": "https://b/?x=1"}, "malformed"),
        ({"kind": "carrier-pigeon"}, "malformed"),
        ({"media_hosts": ["https://a"]}, "malformed"),
        ({"media_hosts": ["*"]}, "malformed"),
    ],
)
def test_what_cannot_be_used_is_refused(
    house: ProviderHouse, wrong: dict[str, Any], problem: str
) -> None:
    answer = ask(house, "POST", json=SAID | wrong)
    assert (answer.status_code, answer.json()["type"]) == (422, f"/problems/{problem}")
    assert ask(house, "GET").json() == {"items": []}


def test_a_name_is_taken_once(house: ProviderHouse) -> None:
    assert ask(house, "POST", json=SAID).status_code == 201
    again = ask(house, "POST", json=SAID)
    assert (again.status_code, again.json()["type"]) == (409, "/problems/name-taken")


def test_what_is_not_there_is_not_found(house: ProviderHouse) -> None:
    unknown = f"/{new_id()}"
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("DELETE", unknown, {}),
        ("PUT", f"{unknown}/secrets", {"json": {"secrets": {"token": "x"}}}),
        ("GET", f"{unknown}/media", {}),
    ]
    for method, path, more in asked:
        answer = ask(house, method, path, **more)
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/provider-not-found")


@pytest.mark.parametrize("who", ["manager", "auditor", "approver", "phone"])
def test_only_administrators_make_connections(house: ProviderHouse, who: str) -> None:
    assert ask(house, "POST", who=who, json=SAID).status_code == 403
    assert ask(house, "GET", who=who).status_code == 403

"""Taking an exhibit out of its dispute: with a reason, kept in the ledger, and never twice."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.review.conftest import house
from tests.review.house import House

__all__ = ["house"]


def _shown(house: House) -> tuple[str, str, str]:
    """Return a dispute, an exhibit of it, and its recording."""
    with house.making() as make:
        client = make.client()
        recording = str(make.recording(client=client).id)
        external = client.external_id
    body = {"client": external, "subject": "Спор"}
    dispute = house.call("manager", "POST", "/v1/disputes", json=body).json()["id"]
    added = house.call(
        "manager", "POST", f"/v1/disputes/{dispute}/exhibits", json={"recording_id": recording}
    )
    assert added.status_code == 201, added.text
    return dispute, added.json()["id"], recording


def _exhibits(house: House, dispute: str) -> list[Any]:
    found: list[Any] = house.call("manager", "GET", f"/v1/disputes/{dispute}").json()["exhibits"]
    return [one["id"] for one in found]


def _remove(house: House, exhibit: str, who: str = "manager", reason: str = "Не о том") -> int:
    path = f"/v1/exhibits/{exhibit}/remove"
    return house.call(who, "POST", path, json={"reason": reason}).status_code


def test_an_exhibit_is_taken_out_and_the_ledger_knows_why(house: House) -> None:
    dispute, exhibit, recording = _shown(house)
    assert _exhibits(house, dispute) == [exhibit]
    assert _remove(house, exhibit, reason="  ") == 422
    assert _remove(house, exhibit, "reviewer") == 403
    assert _remove(house, exhibit) == 204
    assert _exhibits(house, dispute) == []
    assert house.acts(recording) == ["exhibit.added", "exhibit.removed"]
    assert _remove(house, exhibit) == 409
    revised = house.call("manager", "POST", f"/v1/exhibits/{exhibit}/revise", json={"from_ms": 0})
    assert revised.status_code == 409
    again = {"recording_id": recording}
    added = house.call("manager", "POST", f"/v1/disputes/{dispute}/exhibits", json=again)
    assert added.status_code == 201
    assert _exhibits(house, dispute) == [added.json()["id"]]


def test_nobody_takes_out_what_is_not_there(house: House) -> None:
    assert _remove(house, "00000000-0000-7000-8000-000000000000") == 404


def test_a_removal_is_never_changed(house: House) -> None:
    _, exhibit, _ = _shown(house)
    assert _remove(house, exhibit) == 204
    with psycopg.connect(house.owner_url, autocommit=True) as owner:
        for change in ("UPDATE exhibit_removals SET reason = 'x'", "DELETE FROM exhibit_removals"):
            with pytest.raises(psycopg.errors.RestrictViolation):
                owner.execute(change)

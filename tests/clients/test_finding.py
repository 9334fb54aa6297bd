"""Clients are found in the order of their names, within what somebody may see."""

from __future__ import annotations

import dataclasses

import pytest

from app.clients import queries
from app.core.paging import CursorInvalid, NameCursor
from tests.factories import Make


def test_a_list_is_paged_by_name_and_of_one_name_by_id(make: Make) -> None:
    for name in ("Бета", "Альфа", "Альфа", "Гамма", "Альфа"):
        make.client(name=f"Страница {name}")
    found: list[str] = []
    after = None
    for _ in range(9):
        part = queries.page(
            make.session, make.manager, "страница", region="RU", after=after, limit=2
        )
        found += [f"{client.name} {client.id}" for client in part]
        if not part:
            break
        after = NameCursor.decode(NameCursor(name=part[-1].name, id=part[-1].id).encode())
    assert len(found) == 5
    assert found == sorted(found)


def test_only_clients_of_the_own_offices_are_found(make: Make) -> None:
    client = make.client(name="Чужой офис")
    stranger = dataclasses.replace(make.manager, offices=frozenset())
    for actor, expected in ((make.manager, [client]), (stranger, [])):
        found = queries.page(make.session, actor, "чужой", region="RU", after=None, limit=5)
        assert list(found) == expected
        assert (queries.client(make.session, actor, client.id) is not None) == bool(expected)


@pytest.mark.parametrize("text", ["", "nonsense", "AAAA", "a" * 200])
def test_a_cursor_that_was_not_given_out_is_refused(text: str) -> None:
    with pytest.raises(CursorInvalid):
        NameCursor.decode(text)

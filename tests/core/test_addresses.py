"""Addresses of databases: one server, or a primary and its standbys."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine

from app.core.db import libpq_parameters, psycopg_url

STANDBY = "postgresql://audiatur_web:p%40ss%2Cword@db-a:5433,db-b:5434/audiatur?target_session_attrs=read-write&sslmode=verify-full"


def _driven(url: str) -> dict[str, str]:
    """Return what the driver is given."""
    made = psycopg_url(url)
    _, named = create_engine(made).dialect.create_connect_args(made)
    return {name: str(value) for name, value in named.items() if name != "context"}


def test_a_list_of_hosts_is_given_to_the_driver_as_it_stands() -> None:
    assert _driven(STANDBY) == {
        "host": "db-a,db-b",
        "port": "5433,5434",
        "user": "audiatur_web",
        "password": "p@ss,word",
        "dbname": "audiatur",
        "target_session_attrs": "read-write",
        "sslmode": "verify-full",
    }
    assert libpq_parameters(STANDBY) == _driven(STANDBY)


@pytest.mark.parametrize("ports", [("", ""), (":5432", ":5432"), ("", ":5432")])
def test_a_port_that_is_not_told_is_the_usual_one(ports: tuple[str, str]) -> None:
    found = _driven(f"postgresql://web@a{ports[0]},b{ports[1]}/audiatur")
    assert (found["host"], found["port"]) == ("a,b", "5432,5432")


@pytest.mark.parametrize("dialect", ["postgres", "postgresql", "postgresql+psycopg"])
def test_one_host_is_one_whatever_its_dialect_is_called(dialect: str) -> None:
    found = _driven(f"{dialect}://web:a%2Cb@db:5433/audiatur?sslmode=require")
    assert (found["host"], found["port"], found["password"]) == ("db", "5433", "a,b")
    assert libpq_parameters(f"{dialect}://web@db:5433/audiatur")["host"] == "db"

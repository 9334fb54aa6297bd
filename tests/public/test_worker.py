"""What a function of the database asks for is done by a worker, from the queue."""

from __future__ import annotations

from pathlib import Path

import httpx
from sqlalchemy import select

from app.core.clock import SetClock
from app.core.db import Database
from app.custody.ledger import DetailCipher
from app.disputes.models import DisputeStatement
from app.inspection.references import Shelf
from app.inspection.sandbox import Sandbox
from app.settings import Settings
from app.tools import Tools
from app.worker import loop
from storage.sealed import SealedStore
from tests.conftest import DETAIL_KEY, Urls
from tests.logs import log_tools
from tests.public.conftest import Opened
from tests.public.requesting import Asked, png
from tests.public.test_answers import ANSWER, listen, say


def test_uploads_and_answers_go_through_the_queue(  # noqa: PLR0917 - both doors and both stores.
    asked: Asked,
    browser: httpx.Client,
    opened: Opened,
    own_db: Database,
    own_database: Urls,
    clock: SetClock,
    store: SealedStore,
    release_store: SealedStore,
    sandbox: Sandbox,
    tmp_path: Path,
) -> None:
    tools = Tools(
        settings=Settings(data=tmp_path / "data", _env_file=None),
        clock=clock,
        database=own_db,
        cipher=DetailCipher(DETAIL_KEY),
        log=log_tools(tmp_path, own_db, clock),
        archive=store,
        release=release_store,
        sandbox=sandbox,
        shelf=Shelf(archive=store, sandbox=sandbox, spool=tmp_path / "spool"),
    )
    asked.send(("a.png", png()), steps="Шаг")
    world = opened(with_dispute=True)
    say(browser, world, form=listen(browser, world), **ANSWER)
    loop.drain(tools, own_database.web)
    assert [one.state for one in asked.uploads()] == ["kept", "kept"]
    assert asked.request().state == "received"
    with own_db.transaction() as session:
        (row,) = session.scalars(select(DisputeStatement)).all()
        assert (row.kind, row.release_id) == ("answer", world.release_id)

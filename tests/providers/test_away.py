"""A message that could not be kept is not acknowledged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core.db import Database, DatabaseAway
from app.core.problems import status_of
from app.providers import door
from app.providers.door import Knock
from tests.providers.house import FORM, PUBLIC, ProviderHouse, form, twilio_signature
from tests.providers.test_twilio import COMPLETED, TOKEN


def test_while_the_database_is_away_the_provider_is_told_to_come_again(
    house: ProviderHouse,
) -> None:
    account = house.add("twilio", {"token": TOKEN})
    target = house.addresses["twilio"]
    signature = twilio_signature(PUBLIC + target, COMPLETED, TOKEN)
    knock = Knock(
        account_id=account,
        method="POST",
        target=target,
        path="",
        query="",
        headers={"content-type": FORM["Content-Type"], "x-twilio-signature": signature},
        body=form(COMPLETED),
    )
    nowhere = Database("postgresql://nobody@127.0.0.1:1/none", role=None)
    try:
        with pytest.raises(DatabaseAway):
            door.take(replace(house.live.tools, database=nowhere), knock)
    finally:
        nowhere.close()
    assert status_of(DatabaseAway) == 503
    assert house.notices() == []
    door.take(house.live.tools, knock)
    assert len(house.notices()) == 1

"""What the pages of the ledger tell, and that an altered entry is seen on them."""

from __future__ import annotations

from uuid import UUID, uuid4

import psycopg
import pytest

from app.custody import checkpoints, history, ledger
from app.custody.history import Proof
from app.custody.ledger import Act
from app.identity.permissions import Role
from app.web import acts
from tests.web.conftest import Site


@pytest.fixture
def told(site: Site) -> UUID:
    """Return an object that a manager did three things to."""
    about = uuid4()
    with site.house.database.transaction() as session:
        for act in (Act.DISPUTE_OPENED, Act.DISPUTE_MOVED, Act.DISPUTE_STATED):
            ledger.append(
                session,
                site.house.people["manager"],
                act,
                ("dispute", about),
                at=site.house.clock.now(),
                facts={"step": str(act)},
            )
    return about


def _proofs(site: Site, about: UUID) -> list[Proof]:
    with site.house.database.transaction() as session:
        found = history.of_object(session, "dispute", about, before=None, limit=10)
        return [one.proof for one in found]


def test_every_act_has_its_words() -> None:
    assert set(Act) == acts.ACTS.keys()


def test_entries_are_told_in_words_with_number_and_proof(site: Site, told: UUID) -> None:
    assert _proofs(site, told) == [Proof.WAITING] * 3
    assert "has no number yet" in site.get(f"/ledger/dispute/{told}?lang=en", Role.LEGAL).text
    site.house.tools.log.sequencer().catch_up()
    assert _proofs(site, told) == [Proof.NUMBERED] * 3
    checkpoints.checkpoint_now(site.house.tools.log, wants_stamp=False)
    page = site.get(f"/ledger/dispute/{told}?lang=en", Role.AUDITOR).text
    assert page.count("proved") >= 3
    assert page.index("dispute.stated") < page.index("dispute.opened")
    assert "a dispute was opened" in page
    assert "открыт спор" in site.get(f"/ledger/dispute/{told}?lang=ru", Role.AUDITOR).text


def test_an_altered_entry_is_told_to_be_so(site: Site, told: UUID) -> None:
    checkpoints.checkpoint_now(site.house.tools.log, wants_stamp=False)
    change = "UPDATE custody_entries SET actor_role = {} WHERE object_id = %s AND act = %s"
    with psycopg.connect(site.house.owner_url, autocommit=True) as owner:
        owner.execute("ALTER TABLE custody_entries DISABLE TRIGGER USER")
        owner.execute(change.format("'admin'"), (told, "dispute.moved"))
        assert sorted(_proofs(site, told)) == [Proof.BROKEN, Proof.PROVED, Proof.PROVED]
        page = site.get(f"/ledger/dispute/{told}?lang=en", Role.AUDITOR).text
        assert "does not match the signed tree" in page
        owner.execute(change.format("'manager'"), (told, "dispute.moved"))
        owner.execute("ALTER TABLE custody_entries ENABLE TRIGGER USER")
    assert _proofs(site, told) == [Proof.PROVED] * 3


def test_entries_are_paged(site: Site, told: UUID) -> None:
    with site.house.database.transaction() as session:
        first = history.of_object(session, "dispute", told, before=None, limit=2)
        rest = history.of_object(session, "dispute", told, before=first[-1].entry.position, limit=2)
        assert [one.entry.act for one in (*first, *rest)] == [
            "dispute.stated",
            "dispute.moved",
            "dispute.opened",
        ]
    path = f"/ledger/dispute/{told}"
    assert site.get(f"{path}?before=1", Role.LEGAL).status_code == 200


def test_what_the_ledger_does_not_know_is_not_here(site: Site) -> None:
    assert site.get(f"/ledger/dispute/{uuid4()}", Role.LEGAL).status_code == 404
    assert site.get(f"/ledger/recording/{uuid4()}", Role.LEGAL).status_code == 404
    assert site.get("/ledger/dispute/7", Role.LEGAL).status_code == 404
    recording = site.parameters["recording_id"]
    page = site.get(f"/ledger/recording/{recording}?lang=en", Role.LEGAL)
    assert page.status_code == 200
    assert f'href="/recordings/{recording}"' in page.text

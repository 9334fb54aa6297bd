"""What a client sent and answered by a link is held, announced, restricted and erased as well."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.core.clock import SetClock
from app.releases import answers
from app.retention import jobs, purge
from tests.factories import Make
from tests.releases.world import World
from tests.retention.conftest import Keeping
from tests.retention.test_papers import erased, erasure_of, slug, standing

WORDS = "Выключили коммутатор, потом включили."
ANSWER = "Коммутатор заменили сами."


def sent(keeping: Keeping, words: str = WORDS) -> tuple[str, str]:
    """Let a client send words by a link; return their id and that of the dispute."""
    keeping.live.put_client("C-1", "+74950008414")
    opened = keeping.post("manager", "/disputes", client="C-1", subject="Сеть")
    assert opened.status_code == 201, opened.text
    dispute = str(opened.json()["id"])
    asked = keeping.post("manager", f"/disputes/{dispute}/requests", asked="Точные шаги")
    assert asked.status_code == 201, asked.text
    request = asked.json()["id"]
    keeping.post("manager", f"/disputes/{dispute}/requests/{request}/link", days=7)
    keeping.as_owner(
        "SELECT ask_take((SELECT token_digest FROM dispute_requests WHERE id = %s),"
        " jsonb_build_object('words', %s::text, 'files', '[]'::jsonb))",
        request,
        words,
    )
    keeping.live.work()
    ((upload, state),) = keeping.rows(
        "SELECT id, state FROM dispute_uploads WHERE words = :words", words=words
    )
    assert state == "kept"
    return str(upload), dispute


def upload_told(keeping: Keeping, dispute: str, who: str) -> dict[str, Any]:
    found: dict[str, Any] = keeping.get(f"/disputes/{dispute}", who).json()["requests"][0]
    told: dict[str, Any] = found["uploads"][0]
    return told


@pytest.fixture
def answered(keeping: Keeping) -> tuple[str, World]:
    """Give an answer on the page of a link, which stands in the dispute of its release."""
    clock = SetClock(datetime.now(UTC))
    tools = keeping.live.tools
    with tools.database.transaction() as session:
        world = World.new(session, Make(session, clock, tools.archive), clock, tools.release)
        world.dispute()
        world.open()
    answer = uuid4()
    keeping.as_owner(
        "INSERT INTO link_answers (id, link_id, release_id, kind, words, name, at)"
        " SELECT %s, id, release_id, 'took_measures', %s, 'П. Директор', now() FROM share_links",
        answer,
        ANSWER,
    )
    answers.handle_note_answer(tools, str(answer))
    return str(answer), world


def statement(keeping: Keeping, world: World, who: str) -> dict[str, Any]:
    found = keeping.get(f"/disputes/{world.dispute_id}", who).json()["statements"]
    (told,) = [one for one in found if one["kind"] == "answer"]
    return dict(told)


def private_words(keeping: Keeping, dispute: str | UUID | None) -> int:
    ((count,),) = keeping.rows(
        "SELECT count(*) FROM custody_private p JOIN custody_entries e ON e.id = p.entry_id"
        " WHERE e.object_id = :id AND (e.facts ? 'upload_id' OR e.facts ? 'answer_id')",
        id=dispute,
    )
    return int(count)


def test_words_of_a_client_are_erased_with_what_the_ledger_kept(keeping: Keeping) -> None:
    upload, dispute = sent(keeping)
    assert private_words(keeping, dispute) == 2, "content and detail"
    done = erased(keeping, f"client-uploads/{upload}")
    assert (done["state"], done["upload_id"], done["objects"]) == ("executed", upload, [])
    told = upload_told(keeping, dispute, "legal")
    assert (told["words"], bool(told["erased_at"])) == ("", True)
    assert private_words(keeping, dispute) == 0
    purge.check(keeping.live.tools, UUID(done["id"]))
    assert keeping.get(f"/erasures/{done['id']}").json()["state"] == "verified"
    act = keeping.get(f"/erasures/{done['id']}/act.html").text
    assert f"присланный текст {upload}" in act
    again = keeping.post(
        "reviewer", f"/client-uploads/{upload}/erasures", ground="duty", reason="r"
    )
    assert slug(again) == (410, "already-erased")


def test_the_check_finds_words_that_are_left(keeping: Keeping) -> None:
    upload, _ = sent(keeping)
    done = erased(keeping, f"client-uploads/{upload}")
    keeping.as_owner("ALTER TABLE dispute_uploads DISABLE TRIGGER USER")
    keeping.as_owner("UPDATE dispute_uploads SET words = 'x'")
    purge.check(keeping.live.tools, UUID(done["id"]))
    assert keeping.get(f"/erasures/{done['id']}").json()["alarm"] == "person"


def test_a_hold_of_the_dispute_keeps_words_and_a_release_frees_them(keeping: Keeping) -> None:
    upload, dispute = sent(keeping)
    hold = keeping.hold(dispute_id=dispute)
    keeping.live.work()
    assert standing(keeping, f"client-uploads/{upload}")["because"] == "hold"
    assert keeping.get("/holds").json()[0]["upload_ids"] == [upload]
    assert erasure_of(keeping, f"client-uploads/{upload}")["state"] == "denied"
    keeping.post("approver", f"/holds/{hold['id']}/release", reason="Мир.")
    assert erased(keeping, f"client-uploads/{upload}")["state"] == "executed"


def test_a_rule_of_words_goes_by_the_end_of_their_dispute(keeping: Keeping) -> None:
    upload, dispute = sent(keeping)
    place = f"client-uploads/{upload}"
    keeping.rule(kinds=["upload", "answer"], trigger="dispute_closed", maximum={"days": 0})
    assert standing(keeping, place)["latest"] is None
    keeping.as_owner("ALTER TABLE disputes DISABLE TRIGGER USER")
    keeping.as_owner(
        "UPDATE disputes SET state = 'closed', closed_at = now() - interval '3 days' WHERE id = %s",
        dispute,
    )
    jobs.handle_daily(keeping.live.tools)
    (notice,) = keeping.get("/retention/due").json()
    assert notice["upload_id"] == upload
    keeping.let_pass()
    jobs.handle_daily(keeping.live.tools)
    keeping.live.work()
    (done,) = keeping.get("/erasures").json()
    assert (done["state"], done["upload_id"]) == ("executed", upload)


def test_words_that_are_only_kept_are_read_by_who_binds_the_house(keeping: Keeping) -> None:
    upload, dispute = sent(keeping)
    assert upload_told(keeping, dispute, "manager")["words"] == WORDS
    keeping.post("reviewer", f"/client-uploads/{upload}/restriction", reason="Спорно.")
    for who in ("manager", "reviewer"):
        told = upload_told(keeping, dispute, who)
        assert (told["words"], told["withheld"]) == ("", True), who
    assert upload_told(keeping, dispute, "legal")["words"] == WORDS
    keeping.post("legal", f"/client-uploads/{upload}/restriction/lift", reason="Решено.")
    assert upload_told(keeping, dispute, "manager")["words"] == WORDS


def test_an_erased_answer_goes_from_the_dispute_too(
    keeping: Keeping, answered: tuple[str, World]
) -> None:
    answer, world = answered
    assert statement(keeping, world, "manager")["words"] == ANSWER
    assert statement(keeping, world, "manager")["answer_id"] == answer
    assert private_words(keeping, world.dispute_id) == 1
    done = erased(keeping, f"link-answers/{answer}")
    assert (done["state"], done["answer_id"]) == ("executed", answer)
    told = statement(keeping, world, "legal")
    assert (told["words"], told["said_by"], told["contact_id"]) == ("-", "-", None)
    assert keeping.rows("SELECT words, name FROM link_answers") == [("", "")]
    assert private_words(keeping, world.dispute_id) == 0
    purge.check(keeping.live.tools, UUID(done["id"]))
    assert keeping.get(f"/erasures/{done['id']}").json()["state"] == "verified"


def test_an_answer_that_is_noted_late_brings_no_erased_words(
    keeping: Keeping, answered: tuple[str, World]
) -> None:
    answer, world = answered
    keeping.as_owner("ALTER TABLE dispute_statements DISABLE TRIGGER USER")
    keeping.as_owner("DELETE FROM dispute_statements")
    keeping.as_owner("ALTER TABLE dispute_statements ENABLE TRIGGER USER")
    erased(keeping, f"link-answers/{answer}")
    answers.handle_note_answer(keeping.live.tools, answer)
    assert keeping.get(f"/disputes/{world.dispute_id}").json()["statements"] == []


def test_a_restricted_answer_is_hidden_and_a_held_one_stays(
    keeping: Keeping, answered: tuple[str, World]
) -> None:
    answer, world = answered
    keeping.post("reviewer", f"/link-answers/{answer}/restriction", reason="Спорно.")
    told = statement(keeping, world, "manager")
    assert (told["words"], told["said_by"], told["withheld"]) == ("", None, True)
    assert statement(keeping, world, "legal")["words"] == ANSWER
    keeping.hold(client_id=str(world.client.id))
    keeping.live.work()
    assert erasure_of(keeping, f"link-answers/{answer}")["state"] == "denied"


def test_an_answer_goes_with_the_last_thing_of_its_release(
    keeping: Keeping, answered: tuple[str, World]
) -> None:
    answer, world = answered
    first = keeping.erased(str(world.recording.id))
    assert first["state"] == "executed", first
    keeping.live.work()
    found = {one["answer_id"]: one for one in keeping.get("/erasures").json()}
    assert found[answer]["state"] == "executed"
    assert found[answer]["with_id"] == first["id"]


def test_who_only_heard_it_left_no_words_to_keep(
    keeping: Keeping, answered: tuple[str, World]
) -> None:
    heard = uuid4()
    keeping.as_owner(
        "INSERT INTO link_answers (id, link_id, release_id, kind, at)"
        " SELECT %s, id, release_id, 'heard', now() FROM share_links",
        heard,
    )
    assert slug(keeping.get(f"/link-answers/{heard}/retention")) == (
        404,
        "retention-answer-unknown",
    )
    assert standing(keeping, f"link-answers/{answered[0]}")["answer_id"] == answered[0]

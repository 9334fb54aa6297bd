"""The timeline, the printed report, and figures, over HTTP and as they are read."""

from __future__ import annotations

import subprocess
import threading
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.clients.models import Client, EventKind
from app.core import printing
from app.core.ids import DisputeId, new_id
from app.disputes import papers, report, rules, wording
from app.disputes.report import Reader
from app.disputes.timeline import Happened, Line, Target
from app.identity.actor import Actor
from app.identity.permissions import Role
from app.releases.models import ReleaseState
from tests.disputes.conftest import ANSWER, COMPLAINT, OUTCOME, VERDICT, Desk, kind_of
from tests.factories import DAY

ALL_OF_IT = "since=2026-01-01T00:00:00Z&limit=200"


def _happen(desk: Desk) -> dict[str, str]:
    """Let something of each kind have happened with the client; return ids by kind."""
    clock = desk.house.clock
    with desk.house.making() as make:
        client = make.session.get_one(Client, UUID(desk.client_id))
        visit = make.event(client, at=clock.now() - 3 * DAY, kind=EventKind.VISIT)
        visit.agents = ["101", "pavel"]
        recording = make.recording(client=client, duration_ms=180_000, agent="101")
        shot = make.screenshot(b"\x89PNG", client=client, media_type="image/png", size=(4, 4))
        document = make.document(client=client)
        make.recording(client=make.client())
        make.document(b"%PDF-1.7 of another client")
        found = {
            "visit": str(visit.id),
            "recording": str(recording.id),
            "screenshot": str(shot.id),
            "document": str(document.id),
        }
    found["dispute"] = desk.open(subject="Прежний спор")
    desk.close()
    clock.advance(timedelta(hours=1))
    desk.open(complaint=COMPLAINT)
    return found


def _timeline(desk: Desk, query: str = ALL_OF_IT, who: str = "manager") -> httpx.Response:
    return desk.call("GET", f"/disputes/{desk.dispute_id}/timeline?{query}", who=who)


def test_the_timeline_tells_everything_of_the_client_in_order(desk: Desk) -> None:
    ids = _happen(desk)
    items = _timeline(desk).json()["items"]
    assert [one["at"] for one in items] == sorted(one["at"] for one in items)
    told = {one["kind"]: one for one in items}
    for kind, wanted in ids.items():
        assert told[kind]["id"] == wanted, kind
        assert told[kind]["target"] == ("event" if kind == "visit" else kind)
    assert sum(one["kind"] == "recording" for one in items) == 1
    assert sum(one["kind"] == "document" for one in items) == 1
    assert told["recording"]["duration_ms"] == 180_000
    assert told["statement"]["title"] == COMPLAINT["words"]
    assert told["visit"]["who"] == [told["recording"]["who"][0], "pavel"]
    assert told["recording"]["who"] != ["101"]
    assert desk.dispute_id not in {one["id"] for one in items}


def test_the_timeline_is_paged_without_gaps_and_narrowed(desk: Desk) -> None:
    _happen(desk)
    whole = _timeline(desk).json()["items"]
    found, cursor = [], ""
    while True:
        query = f"since=2026-01-01T00:00:00Z&limit=2{cursor}"
        page = _timeline(desk, query).json()
        found += page["items"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == whole
    assert len(whole) > 6
    some = _timeline(desk, f"{ALL_OF_IT}&kind=visit&kind=document").json()["items"]
    assert {one["kind"] for one in some} == {"visit", "document"}
    none = _timeline(desk, "since=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z").json()
    assert none["items"] == []
    assert _timeline(desk, "limit=50").json()["items"] == whole


def test_the_timeline_tells_no_erased_recording_and_nothing_to_strangers(desk: Desk) -> None:
    ids = _happen(desk)
    assert _timeline(desk, who="agent").status_code == 403
    assert kind_of(_timeline(desk, "cursor=x")) == (400, "cursor-invalid")
    assert _timeline(desk, "kind=gossip").status_code == 422
    desk.dispute_id = str(new_id())
    assert kind_of(_timeline(desk)) == (404, "dispute-not-found")
    assert ids


def test_a_manager_who_telephones_himself_sees_the_screenshots_of_others(desk: Desk) -> None:
    _happen(desk)
    desk.house.person("second", Role.MANAGER, agent_ref="205")
    kinds = {one["kind"] for one in _timeline(desk, who="second").json()["items"]}
    assert {"screenshot", "recording"} <= kinds


def _text(pdf: bytes, folder: Path) -> str:
    path = folder / "report.pdf"
    path.write_bytes(pdf)
    said = subprocess.run(  # noqa: S603 - a program of poppler-utils, no shell.
        ["pdftotext", "-layout", str(path), "-"],  # noqa: S607 - wherever the system has it.
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout


def _worked(desk: Desk) -> None:
    _happen(desk)
    rate = {
        "role": "engineer",
        "hour_minor": 150_050,
        "currency": "RUB",
        "valid_from": "2026-01-01",
    }
    desk.call("POST", "/work-rates", json=rate).raise_for_status()
    desk.must("/hours", role="engineer", minutes=120, worked_on="2026-11-20")
    with desk.house.making() as make:
        client = make.session.get_one(Client, UUID(desk.client_id))
        recording = str(make.recording(client=client, duration_ms=60_000).id)
    desk.must("/exhibits", recording_id=recording, from_ms=5000, to_ms=65_000 - 6000, note="Вот")
    desk.must("/requests", asked="Снимок экрана <b>журнала</b>")
    desk.must("/findings", words="Порт коммутатора отключён.")
    desk.must("/verdicts", **VERDICT)
    basis = {"contract": desk.contract, "clause_ref": "7.2", "words": "Сверх абонемента."}
    desk.must("/bases", **basis, amount_minor=300_100, currency="RUB")
    desk.must("/answers", **ANSWER)
    desk.must("/outcomes", **OUTCOME)
    desk.must("/lessons", words="Спрашивать о своём оборудовании.")
    desk.must("/lessons", kind="praise", words="Терпеливо объяснил.", agent="101")


@pytest.mark.parametrize(
    ("lang", "expected"),
    [
        (
            "ru",
            (
                "Отчёт по спору",
                "на стороне клиента",
                "Работа над ошибками",
                "запись разговора",
                "1:00",
                "меры приняты клиентом",
                "2:00 ч",
                "3 001,00",
                "принял меры",
                "Благодарность",
                "Кто добавил",
            ),
        ),
        (
            "en",
            (
                "Report on a dispute",
                "on the client's side",
                "Work on errors",
                "recording",
                "measures of the client",
                "2:00 h",
                "3,001.00",
                "took measures",
                "Praise",
                "Added by",
            ),
        ),
    ],
)
def test_the_report_says_everything_of_the_dispute(
    desk: Desk, tmp_path: Path, lang: str, expected: tuple[str, ...]
) -> None:
    _worked(desk)
    answer = desk.call("GET", f"/disputes/{desk.dispute_id}/report?lang={lang}", "auditor")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    text = " ".join(_text(answer.content, tmp_path).split()).replace("\u00a0", " ")
    for words in (
        *expected,
        "ООО «Василёк»",
        COMPLAINT["words"],
        "Порт коммутатора отключён.",
        VERDICT["words"],
        "С. Орлов",
        "Сверх абонемента.",
        "Спрашивать о своём оборудовании.",
        "<b>журнала</b>",
        "0:05–0:59",
        "Прежний спор",
        desk.contract,
    ):
        assert str(words) in text, words
    assert desk.house.acts(desk.dispute_id)[-1] == "dispute.reported"


def test_the_report_is_refused_to_whom_disputes_are(desk: Desk) -> None:
    desk.open()
    path = f"/disputes/{desk.dispute_id}/report"
    assert desk.call("GET", path, "agent").status_code == 403
    assert desk.call("GET", f"{path}?lang=de").status_code == 422
    gone = desk.call("GET", f"/disputes/{new_id()}/report")
    assert kind_of(gone) == (404, "dispute-not-found")


def test_the_report_says_no_more_than_its_reader_may_see(desk: Desk) -> None:
    """Whoever reads no documents is told of none: the report asks what its reader asks."""
    _happen(desk)
    reader = Reader(language="ru", zone=ZoneInfo("Europe/Moscow"))
    person = desk.house.people["manager"]
    assert person.id is not None
    weak = Actor(
        kind="user",
        id=person.id,
        role=Role.MANAGER,
        name="weak",
        permissions=frozenset(p for p in person.permissions if str(p) != "document:read"),
    )
    pages = []
    for actor in (person, weak):
        with desk.house.database.transaction() as session:
            told = report.gather(
                session,
                actor,
                DisputeId(UUID(desk.dispute_id)),
                reader,
                at=desk.house.clock.now(),
            )
        pages.append(papers.report_page(told))
    assert ">документ<" in pages[0]
    assert ">документ<" not in pages[1]


class _Listener(BaseHTTPRequestHandler):
    """Notes whoever asks for anything."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


def test_the_printer_fetches_nothing(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    Image.new("RGB", (4, 4), "red").save(picture)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        page = (
            f'<link rel="stylesheet" href="{address}/a.css"><img src="{address}/b.png">'
            f'<img src="{picture.as_uri()}">'
            f'<p style="background: url({address}/c.png)">x</p>'
        )
        made = printing.pdf([page])
        server.shutdown()
    assert _Listener.asked == []
    assert made.startswith(b"%PDF")
    assert b"/Image" not in made


@pytest.mark.parametrize("state", ReleaseState)
def test_a_release_is_told_in_words(state: ReleaseState) -> None:
    line = Line(
        at=datetime(2026, 11, 20, tzinfo=UTC),
        kind=Happened.RELEASE,
        target=Target.RELEASE,
        id=new_id(),
        title=state,
        who=("Мария Иванова",),
    )
    told = report.happening(line, Reader(language="ru", zone=ZoneInfo("Europe/Moscow")))
    assert told.cells[1] == "передача материалов"
    assert told.cells[2] not in {"", str(state)}


def test_every_word_is_there_in_both_languages() -> None:
    for enumeration in wording.enumerations():
        for word in enumeration:
            said = {wording.say(word, language) for language in wording.LANGUAGES}
            assert len(said) == 2, word
    assert {len(one) for one in wording.PAGE.values()} == {2}


def test_figures_name_what_is_behind_them(desk: Desk) -> None:
    ids = _happen(desk)
    with desk.house.making() as make:
        client = make.session.get_one(Client, UUID(desk.client_id))
        make.recording(client=client, duration_ms=60_000)
        make.event(client, at=desk.house.clock.now(), kind=EventKind.COMPLAINT)
    desk.must("/hours", role="legal", minutes=90, worked_on="2026-11-20")
    span = "since=2026-11-01T00:00:00Z&until=2026-12-01T00:00:00Z"
    told = desk.call("GET", f"/client-figures/{desk.client}?{span}", "auditor").json()
    numbers = told["numbers"]
    assert numbers["calls"]["value"] == 2
    assert ids["recording"] in numbers["calls"]["behind"][0]["ids"]
    assert numbers["minutes_per_call"]["value"] == 2.0
    assert numbers["complaints"]["value"] == 1
    assert numbers["disputes"]["value"] == 2
    assert numbers["dispute_hours"]["value"] == 1.5
    tickets = numbers["calls_per_ticket"]["behind"][1]
    assert (tickets["filter"]["kind"], tickets["count"]) == ("ticket", 3)
    assert numbers["calls_per_ticket"]["value"] == round(2 / 3, 4)
    assert told["dispute_cost"] == told["dispute_cost"] | {"minor": {}, "is_known": False}
    assert told["contracts_bring"]["is_known"] is False
    empty = "since=2020-01-01T00:00:00Z&until=2020-02-01T00:00:00Z"
    none = desk.call("GET", f"/client-figures/{desk.client}?{empty}").json()["numbers"]
    assert none["minutes_per_call"]["value"] is None
    unknown = desk.call("GET", "/client-figures/nobody")
    assert kind_of(unknown) == (404, "dispute-client-unknown")
    assert desk.call("GET", f"/client-figures/{desk.client}", "agent").status_code == 403


def test_a_contract_brings_its_price_by_days(desk: Desk) -> None:
    with desk.house.making() as make:
        client = make.client()
        contract = make.contract(client)
        contract.monthly_price_minor, contract.currency = 3_000_000, "RUB"
        external_id = client.external_id
    span = "since=2026-10-31T21:00:00Z&until=2026-11-15T21:00:00Z"
    told = desk.call("GET", f"/client-figures/{external_id}?{span}").json()["contracts_bring"]
    assert (told["minor"], told["is_known"]) == ({"RUB": 1_500_000}, True)


def test_complaints_are_counted_by_quarter_against_clients(desk: Desk) -> None:
    with desk.house.making() as make:
        client = make.session.get_one(Client, UUID(desk.client_id))
        make.event(client, at=desk.house.clock.now(), kind=EventKind.COMPLAINT)
        make.event(client, at=desk.house.clock.now() - 100 * DAY, kind=EventKind.COMPLAINT)
        make.client()
    told = desk.call("GET", "/complaint-trend?quarters=3", "auditor").json()
    assert [(one["name"], one["complaints"]["value"]) for one in told] == [
        ("2026-Q2", 0),
        ("2026-Q3", 1),
        ("2026-Q4", 1),
    ]
    assert told[-1]["clients"]["value"] == 1
    assert told[-1]["complaints_per_client"]["value"] == 1
    assert told[-1]["since"] == "2026-09-30T21:00:00Z"
    assert desk.call("GET", "/complaint-trend", "agent").status_code == 403


DAYS = st.dates(date(2020, 1, 1), date(2030, 1, 1))


@given(st.integers(0, 10**12), DAYS, DAYS, DAYS)
def test_shares_of_a_price_add_up(price: int, one: date, two: date, three: date) -> None:
    first, middle, last = sorted((one, two, three))
    parts = rules.month_share(price, first, middle) + rules.month_share(price, middle, last)
    assert abs(parts - rules.month_share(price, first, last)) <= 1


@given(st.integers(0, 10**12), st.integers(2020, 2030), st.integers(1, 12))
def test_a_whole_month_brings_the_whole_price(price: int, year: int, month: int) -> None:
    following = date(year + month // 12, month % 12 + 1, 1)
    assert rules.month_share(price, date(year, month, 1), following) == price

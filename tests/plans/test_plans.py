"""No query that somebody waits for reads the whole of a large table, or sorts it.

Each is asked as the service asks it, and the server tells the plans of all that was run, with how
many rows each step looked at. Over 100,000 recordings a scan of all is told from one that stops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients.models import EventKind
from app.clients.queries import WantedEvents
from app.core.paging import Cursor
from app.custody import history
from app.custody.sequencer import Sequencer
from app.feeds import queries as feeds
from app.feeds import reconciling
from app.feeds.reconciling import Look
from app.identity.permissions import Role
from app.recordings import finding, queries, suggesting
from app.recordings.finding import Sought
from app.recordings.models import Recording
from app.retention import facts
from app.retention import queries as retention
from app.review import service as review
from app.review.rules import Queue
from tests.plans.conftest import NOW, RECORDINGS, Archive
from tests.plans.watched import Step

PAGE: Final = 51
LARGE: Final = frozenset(
    {
        "events",
        "recordings",
        "parties",
        "legs",
        "sealed_objects",
        "link_changes",
        "assertions",
        "known_calls",
        "custody_entries",
        "ledger_leaves",
        "procrastinate_jobs",
    }
)
MOST_SORTED: Final = 2_000
MIDDLE: Final = Cursor(at=NOW - timedelta(days=500), id=UUID(int=0))
Ask = Callable[[Archive, Session], object]
_LOOKED_AT_EACH: Final = r"""
SELECT id FROM (
    SELECT r.id, r.started_at, concat_ws(' ', e.subject, c.name,
        (SELECT string_agg(regexp_replace(l.file_name, '\.[^.]*$', ''), ' ')
            FROM legs l WHERE l.recording_id = r.id),
        (SELECT string_agg(m.note, ' ')
            FROM marks m WHERE m.recording_id = r.id AND m.removed_at IS NULL)) AS told
    FROM recordings r JOIN events e ON e.id = r.event_id LEFT JOIN clients c ON c.id = e.client_id
    WHERE r.erased_at IS NULL
) AS each_of_them
WHERE told ~* ALL (CAST(%s AS text[]))
ORDER BY started_at DESC, id DESC LIMIT 600
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hot:
    """A query that somebody waits for, what it goes by, and how many rows a step may look at."""

    name: str
    ask: Ask
    by: tuple[str, ...]
    most: int = 2 * PAGE


def _list(archive: Archive, session: Session, sought: Sought, after: Cursor | None) -> object:
    who = archive.person(Role.MANAGER)
    found = finding.page(session, who, sought, after=after, limit=PAGE)
    assert len(found) == PAGE
    return found


def _listed(sought: Callable[[Archive], Sought], after: Cursor | None) -> Ask:
    return lambda archive, session: _list(archive, session, sought(archive), after)


def _queue(queue: Queue) -> Ask:
    return lambda archive, session: review.page(
        session, archive.person(Role.REVIEWER), queue, after=None, limit=50, at=NOW
    )


def _lists() -> Iterable[Hot]:
    kinds: dict[str, tuple[Callable[[Archive], Sought], str]] = {
        "time": (lambda _: Sought(), "ix_recordings_started"),
        "client": (lambda archive: Sought(client_id=archive.client), "ix_recordings_client"),
        "a client's name": (lambda _: Sought(client="bench-7"), "ix_recordings_client"),
        "agent": (lambda _: Sought(agent="b3"), "ix_recordings_agent"),
        "flag": (lambda _: Sought(flag="refused"), "ix_recordings_flag"),
        "proof": (lambda _: Sought(proof="B"), "ix_recordings_proof"),
    }
    for name, (sought, index) in kinds.items():
        for place, after in (("first page", None), ("half way down", MIDDLE)):
            yield Hot(
                name=f"recordings by {name}, {place}",
                ask=_listed(sought, after),
                # A page among frequent ones may as well be had by time, if it stops early.
                by=(index,) if after is None else (),
                most=2 * PAGE if after is None else 20 * PAGE,
            )


def _words(words: str) -> Ask:
    return lambda archive, session: finding.page(
        session, archive.person(Role.MANAGER), Sought(words=words), after=None, limit=PAGE
    )


def _events(wanted: WantedEvents) -> Ask:
    return lambda archive, session: clients.events(
        session, archive.person(Role.MANAGER), wanted, after=None, limit=PAGE
    )


def _reconciled(archive: Archive, session: Session) -> object:
    tools = archive.house.tools
    look = Look.of(tools.settings, tools.log.ring)
    return reconciling.reconcile(session, MIDDLE.at.date(), look, at=NOW)


def _sequenced(archive: Archive, session: Session) -> object:
    del session
    with archive.database.transaction() as other:
        other.execute(
            text(
                "UPDATE ledger_progress"
                " SET position = (SELECT max(position) - 40 FROM custody_entries)"
            )
        )
    archive.plans.clear()
    return Sequencer(archive.database, archive.house.tools.log.ring.origin).catch_up()


def _kept(archive: Archive, session: Session) -> object:
    del archive
    rows = retention.unerased(session, after=UUID(int=0x80 << 120), limit=200)
    return facts.of(session, rows, at=NOW)


HOT: Final = (
    *_lists(),
    Hot(name="a frequent word", ask=_words("сеть"), by=("ix_recordings_started",), most=1_100),
    Hot(
        name="a rare word",
        ask=_words("факс"),
        by=("ix_recordings_started", "ix_events_words", "ix_legs_words", "ix_recordings_event"),
        most=1_100,
    ),
    Hot(
        name="a rare word among frequent ones",
        ask=_words("сеть факс"),
        by=("ix_recordings_started", "ix_events_words"),
        most=1_100,
    ),
    Hot(
        name="two frequent words that never meet",
        ask=_words("принтер сверка"),
        by=("ix_recordings_started", "ix_events_words", "ix_legs_words"),
        most=11_000,  # As many events say one of the two, and no recording of theirs is looked at.
    ),
    Hot(
        name="the number of a call and of its event",
        ask=_words("1011 2020"),
        # Which index leads from the one event that has both to its recordings is not told ahead.
        by=("ix_recordings_started", "ix_events_words", "ix_legs_words"),
        most=1_100,
    ),
    Hot(
        name="events by time",
        ask=_events(WantedEvents()),
        by=("ix_events_time",),
    ),
    Hot(
        name="events by kind",
        ask=_events(WantedEvents(kind=EventKind.COMPLAINT)),
        by=("ix_events_kind",),
    ),
    Hot(
        name="events of a client",
        ask=_events(WantedEvents(client="bench-7")),
        by=("ix_events_client_time",),
        most=500,
    ),
    Hot(
        name="triage",
        ask=lambda archive, session: queries.untied(
            session, archive.person(Role.MANAGER), is_made=False, after=None, limit=PAGE
        ),
        by=("ix_recordings_untied",),
    ),
    Hot(
        name="triage, half way down",
        ask=lambda archive, session: queries.untied(
            session, archive.person(Role.MANAGER), is_made=False, after=MIDDLE, limit=PAGE
        ),
        by=("ix_recordings_untied",),
    ),
    Hot(
        name="events near a call",
        ask=lambda archive, session: suggesting.suggestions(
            session,
            archive.person(Role.MANAGER),
            session.get_one(Recording, archive.recording),
            client_id=None,
        ),
        by=("ix_events_time",),
        most=2_000,
    ),
    Hot(
        name="the newest of each device",
        ask=lambda _, session: queries.last_received(session),
        by=("ix_recordings_received",),
    ),
    Hot(
        name="the job of a worker",
        ask=lambda _, session: session.execute(
            text("SELECT id FROM procrastinate_fetch_job_v2(ARRAY['audiatur'], NULL)")
        ).all(),
        by=("procrastinate_jobs",),
        most=2_000,
    ),
    Hot(
        name="the ledger of a recording",
        ask=lambda archive, session: history.of_object(
            session, "recording", archive.recording, before=None, limit=PAGE
        ),
        by=("ix_custody_entries_object",),
    ),
    Hot(
        name="what the sequencer takes next",
        ask=_sequenced,
        by=("uq_custody_entries_position", "ix_ledger_leaves_object"),
        most=300,
    ),
    Hot(name="the look at what is kept", ask=_kept, by=("pk_recordings",), most=2_500),
    Hot(
        name="a day's calls and recordings",
        ask=_reconciled,
        by=("ix_known_calls_started", "ix_recordings_started"),
        most=2_000,
    ),
    Hot(
        name="gaps of calls",
        ask=lambda archive, session: feeds.gaps(
            session,
            archive.person(Role.MANAGER),
            feeds.WantedGaps(is_open=True),
            after=None,
            limit=PAGE,
        ),
        by=("ix_call_gaps",),
        most=1_000,
    ),
    *(
        Hot(
            name=f"the queue of review: {queue}",
            ask=_queue(queue),
            by=(),
            most=RECORDINGS // 4,
        )
        for queue in Queue
    ),
)


@pytest.mark.parametrize("hot", HOT, ids=lambda hot: hot.name)
def test_it_reads_what_it_shows(archive: Archive, hot: Hot) -> None:
    with archive.database.transaction() as session:
        session.execute(text("SELECT 1"))
        archive.plans.clear()
        hot.ask(archive, session)
        # A plan is told when its statement is put away, which the next one does.
        session.execute(text("SELECT 1"))
        steps = list(archive.plans.steps)
        session.rollback()
    assert steps
    assert not _wide(steps, most=hot.most)
    gone_by = {step.index for step in steps if step.index}
    for index in hot.by:
        assert any(one.startswith(index) for one in gone_by), (index, " ".join(sorted(gone_by)))


def test_no_count_of_the_inbox_reads_a_large_table(archive: Archive) -> None:
    wide: dict[str, list[Step]] = {}
    for role in (Role.MANAGER, Role.REVIEWER, Role.LEGAL, Role.ADMIN):
        who = archive.person(role)
        for section in archive.house.app.state.web.sections:
            if section.waiting is None or section.permission not in who.permissions:
                continue
            with archive.database.transaction() as session:
                archive.plans.clear()
                section.waiting(session, who, NOW)
                session.execute(text("SELECT 1"))
                found = _wide(archive.plans.steps, most=RECORDINGS // 4)
            if found:
                wide[f"{role} {section.path}"] = found
    assert not wide


@pytest.mark.parametrize(
    "words",
    [
        "сеть",
        "касса",
        "модем",
        "факс",
        "сеть модем",
        "клиент 7",
        "модем клиент",
        "модем call",
        "call клиент факс",
        "модем 1",
    ],
)
def test_words_are_found_wherever_they_are(archive: Archive, words: str) -> None:
    """Windows and indexes together find what a look at each recording finds, in its order."""
    expected = _looked_at_each(archive, words)
    with archive.database.transaction() as session:
        who = archive.person(Role.REVIEWER)
        found = finding.ids(session, who, Sought(words=words), most=600)
        assert list(found) == expected
        # A page after another is what follows, wherever the first one ended.
        first = finding.page(session, who, Sought(words=words), after=None, limit=7)
        last = first[-1].recording
        after = Cursor(at=last.started_at, id=last.id)
        next_ones = finding.page(session, who, Sought(words=words), after=after, limit=7)
    assert [one.recording.id for one in (*first, *next_ones)] == expected[:14]


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("принтер сверка", 0),
        ("дирижабль принтер", 0),
        ("1011 2020", 1),  # The number of an event, then that of a file.
        ("2020 1011", 1),
        ("1011 2020 модем call", 1),
        ("1011 2020 факс", 0),
        ("клиент 105 модем", None),
        ("105 модем", None),
    ],
)
def test_words_meet_wherever_each_of_them_is(
    archive: Archive, words: str, number: int | None
) -> None:
    expected = _looked_at_each(archive, words)
    assert number is None or len(expected) == number
    with archive.database.transaction() as session:
        who = archive.person(Role.REVIEWER)
        assert list(finding.ids(session, who, Sought(words=words), most=51)) == expected[:51]


def _looked_at_each(archive: Archive, words: str) -> list[UUID]:
    """Return what a look at each recording finds, the newest 600."""
    each = [rf"(^|\W){word}" for word in words.split()]
    with psycopg.connect(archive.house.owner_url) as owner:
        return [row[0] for row in owner.execute(_LOOKED_AT_EACH, [each])]


def _wide(steps: Iterable[Step], *, most: int) -> list[Step]:
    return [
        step
        for step in steps
        if (step.table in LARGE and (step.kind == "Seq Scan" or step.read > most))
        or (step.kind in {"Sort", "Incremental Sort"} and step.read > MOST_SORTED)
    ]

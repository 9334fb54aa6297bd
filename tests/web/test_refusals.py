"""What refusals tell people beside their titles: facts in their words, none for programs."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from app.consent.review import PartyUnknown
from app.consent.rules import ConsentRefused
from app.core.outbound import AddressRefused, Because
from app.disputes.refusals import MoveNotAllowed
from app.identity.passwords import PasswordTooShort
from app.recordings import media
from app.recordings.media import AudioCodingUnknown, NotAudio
from app.recordings.multipart import FileTooLarge
from app.releases.refusals import ReleaseNotRequested
from app.retention.erasures import ErasureHindered
from app.review.service import ClaimTaken
from app.web import refusal_words, words
from app.web.refusal_sentences import SENTENCES
from tests.web import messages
from tests.web.messages import ROOM

APP = ROOM.parent
OF_STATES = {"allowed", "how", "state", "status"}
TOLD_BY_THEIR_TITLE = {"BundleGone", "ChangeSettled", "JobNotGivenUp", "MailNotDead"}
"""What of these would be added says nothing that the title does not."""
FOR_PROGRAMS = {
    # What is raised in these is answered to programs or stands in a log: no page calls them.
    "custody/signing.py": "keys are read by commands and when a process begins",
    "custody/timestamps.py": "roots are read by commands and when a process begins",
    "documents/ingest.py": "papers are sent by programs",
    "documents/recognise.py": "papers are sent by programs",
    "embedded/supervisor.py": "a command that listens",
    "mail/smtp.py": "letters are sent by a job",
    "onec/asking.py": "1C is asked by a job; `Fault` is told by the pages",
    "onec/pulling.py": "1C is asked by a job",
    "onec/returning.py": "1C is told by a job",
    "providers/bitrix.py": "an exchange sends it",
    "providers/mango.py": "an exchange sends it",
    "providers/mapping.py": "an exchange sends it",
    "providers/told.py": "an exchange sends it",
    "providers/twilio.py": "an exchange sends it",
    "providers/zadarma.py": "an exchange sends it",
    "public/server.py": "settings are read when a process begins",
    "recordings/digests.py": "digests are told by programs",
    "recordings/ingest.py": "recordings are sent by programs",
    "recordings/media_images.py": "pictures are sent by programs",
    "recordings/multipart.py": "bodies with metadata are sent by programs",
    "settings.py": "settings are read when a process begins",
    "uploads/draft.py": "the protocol of uploads in pieces",
    "uploads/pieces.py": "the protocol of uploads in pieces",
    "uploads/protocol.py": "the protocol of uploads in pieces",
    "uploads/routes.py": "the protocol of uploads in pieces",
    "uploads/service.py": "the protocol of uploads in pieces",
    "uploads/straight.py": "the protocol of uploads in pieces",
    "vcon/mapping.py": "vCons are sent by programs",
    "vcon/reading.py": "vCons are sent by programs",
    "vcon/signing.py": "vCons are sent by programs",
    "vcon/taking.py": "vCons are sent by programs",
    "verifier/verify.py": "its `Broken` is another class than that of a refusal",
    "wiring.py": "keys are read when a process begins",
}
TOLD_OTHERWISE = {
    "AddressRefused": "each has its `Because`, and the test of these goes through all",
    "CodeAsked": "the log-in asks for the code; what it carries is a secret",
    "DemoHindered": "the page of the demo data says what keeps it",
    "MappingWrong": "where a mapping is wrong is said in its own terms, to who writes JSON",
    "PackRefused": "the page of the packs shows each fault at its place",
    "PermissionMissing": "names of permissions are for programs; the page says who gives a role",
    "ReferenceDamaged": "a job alone reads a kept reference",
}
BY_TABLE = {
    "NotAudio": {*dict(media.OTHER_KINDS).values(), *media.OTHER_RIFFS.values(), media.OTHER_RIFF}
}
"""What is raised with a sentence that stands in a table where it is raised."""
LATIN = re.compile(r"[A-Za-z]{3}")
NAMES = re.compile(
    r"\b(AIFF|AMR|AVI|FLAC|GIF|GSM|ID3|JPEG|JSON|MP3|Matroska|Ogg|Opus|PDF|PNG|RIFF|RIFX|"
    r"STREAMINFO|Speex|Vorbis|WAVE|WMA|WebM|WebP|Windows Media|ZIP|gzip|https|moov|pcap|pcapng)\b"
)
_NAMES = """
import json
import app.main
from app.core.errors import Refusal
found, waiting = set(), [Refusal]
while waiting:
    kind = waiting.pop()
    waiting += kind.__subclasses__()
    found.add(kind.__name__)
print(json.dumps(sorted(found)))
"""


@cache
def facts() -> dict[str, set[str]]:
    """Return the facts that refusals are raised with, by the name of the class."""
    asked = [sys.executable, "-c", _NAMES]
    told = subprocess.run(  # noqa: S603 - this very Python.
        asked, cwd=APP.parent, capture_output=True, check=True, timeout=120
    )
    refusals = set(json.loads(told.stdout))
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in APP.rglob("*.py"):
        for name, call in _calls(path):
            if name in refusals:
                found[name] |= {one.arg for one in call.keywords if one.arg}
    return dict(found)


def _calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    yield name, node


def _details() -> Iterator[tuple[str, str, ast.expr, set[str]]]:
    """Give each detail that a refusal is raised with: where, of what class, it, beside which facts.

    What says no more than the title does is not given.
    """
    titles = {
        name.rpartition(".")[2]: title for name, title in messages.titles_of_refusals().items()
    }
    for path in APP.rglob("*.py"):
        for name, call in _calls(path):
            if name not in titles or not call.args:
                continue
            detail = call.args[0]
            if isinstance(detail, ast.Constant) and detail.value in {"", f"{titles[name]}."}:
                continue
            facts = {one.arg for one in call.keywords if one.arg}
            yield path.relative_to(APP).as_posix(), name, detail, facts


@pytest.fixture(scope="module")
def said() -> dict[str, words.Words]:
    return words.load(ZoneInfo("Europe/Moscow"), "RU")


def test_each_fact_of_a_refusal_is_told_or_left_to_programs() -> None:
    raised = set().union(*facts().values())
    assert len(raised) > 60
    assert not raised - refusal_words.TOLD.keys() - refusal_words.UNTOLD
    assert not refusal_words.TOLD.keys() & refusal_words.UNTOLD
    assert not (refusal_words.TOLD.keys() | refusal_words.UNTOLD) - raised


def test_what_a_refusal_says_is_told_in_both_languages_or_left_to_programs() -> None:
    used: set[str] = set()
    left: set[str] = set()
    seen = 0
    for place, name, detail, told in _details():
        seen += 1
        excused = {place} & FOR_PROGRAMS.keys() or {name} & TOLD_OTHERWISE.keys()
        left |= excused
        if excused:
            continue
        if isinstance(detail, ast.Constant):
            assert detail.value in SENTENCES, f"{place}:{detail.lineno} has no words for people."
            used.add(str(detail.value))
        elif name in BY_TABLE and isinstance(detail, ast.Name | ast.Call):
            assert BY_TABLE[name] <= SENTENCES
            used |= BY_TABLE[name]
        else:
            facts = told & refusal_words.TOLD.keys()
            assert facts, f"{place}:{detail.lineno} tells people nothing of {ast.unparse(detail)}."
    assert seen > 200
    assert SENTENCES - used == set(), "Nothing is raised with these any more."
    assert {*FOR_PROGRAMS, *TOLD_OTHERWISE} - left == set(), "These need no excuse any more."


def test_the_sentences_of_refusals_have_their_russian(said: dict[str, words.Words]) -> None:
    for sentence in SENTENCES:
        russian = said["ru"].gettext(sentence)
        assert not LATIN.search(NAMES.sub("", russian)), sentence
        assert russian.endswith("."), sentence
        assert said["en"].gettext(sentence) == sentence


def test_why_an_address_is_refused_is_told_in_the_readers_words(
    said: dict[str, words.Words],
) -> None:
    for code in Because:
        refusal = AddressRefused(code, "For programs.")
        told = refusal_words.details(refusal, said["ru"])
        assert told.startswith("причина: ")
        assert not LATIN.search(NAMES.sub("", told)), code
        assert refusal_words.details(refusal, said["en"]).startswith("reason: ")


def test_the_states_of_each_refusal_have_their_words() -> None:
    telling = {name for name, told in facts().items() if told & OF_STATES}
    assert telling - TOLD_BY_THEIR_TITLE == set(refusal_words.GROUPS)


def test_the_name_of_each_fact_has_its_russian(said: dict[str, words.Words]) -> None:
    for label, _ in refusal_words.TOLD.values():
        assert not LATIN.search(said["ru"].gettext(label)), label


def test_what_a_refusal_depends_on_is_told_in_the_readers_words(
    said: dict[str, words.Words],
) -> None:
    ru, en = said["ru"], said["en"]
    moved = MoveNotAllowed(state="with_specialist", allowed=["checking", "decided"])
    told = refusal_words.said(moved, ru)
    assert "состояние: у специалиста; сейчас возможно: проверяем, есть заключение" in told
    assert not LATIN.search(told)
    assert "its state: with a specialist; possible now: checking, decided" in (
        refusal_words.said(moved, en)
    )
    assert refusal_words.details(PasswordTooShort("At least 15.", shortest=15), ru) == (
        "не меньше знаков: 15"
    )
    assert refusal_words.details(FileTooLarge(max_bytes=1024**2), ru) == "не больше: 1\u00a0МБ"
    until = "2026-11-21T12:00:00+00:00"
    assert refusal_words.details(ClaimTaken(owner="Вера", until=until), ru) == (
        "взял(а): Вера; до: 21.11.2026 15:00"
    )


def test_a_code_without_words_is_not_shown(said: dict[str, words.Words]) -> None:
    refusal = ReleaseNotRequested("For programs.", state="some_new_state")
    assert refusal_words.said(refusal, said["ru"]) == said["ru"].gettext(refusal.title())


def test_a_sentence_is_told_in_both_languages_beside_the_title_and_the_facts(
    said: dict[str, words.Words],
) -> None:
    refusal = PartyUnknown("Say of whom this is true.")
    assert refusal_words.details(refusal, said["ru"]) == "Укажите, к кому это относится."
    assert refusal_words.details(refusal, said["en"]) == "Say of whom this is true."
    assert refusal_words.said(refusal, said["en"]) == (
        f"{PartyUnknown.title()}. Say of whom this is true."
    )
    assert refusal_words.details(NotAudio("Something new."), said["ru"]) == ""
    kept = ErasureHindered("For programs.", because="hold", matters=["Дело 7"])
    assert refusal_words.said(kept, said["ru"]).endswith(
        "(причина: действует запрет удаления; запреты удаления: Дело 7)"
    )


def test_why_the_consent_rules_refuse_is_told_by_the_titles_of_their_reasons(
    said: dict[str, words.Words],
) -> None:
    refusal = ConsentRefused(
        "DENY: R_ERASED, R_INTEGRITY:x.", reasons=["R_ERASED", "R_INTEGRITY:x", "R_INTEGRITY:y"]
    )
    assert refusal_words.details(refusal, said["ru"]) == (
        "причины: Запись уничтожена, Целостность нарушена"
    )
    assert refusal_words.details(refusal, said["en"]) == (
        "reasons: The recording is erased, Integrity failed"
    )


def test_a_coding_is_told_without_what_cannot_be_printed(said: dict[str, words.Words]) -> None:
    odd = AudioCodingUnknown("For programs.", coding="ac\x00\x1b3")
    assert refusal_words.details(odd, said["ru"]) == "кодек: ac??3"
    wave = AudioCodingUnknown("For programs.", wave_tag=0x22)
    assert refusal_words.details(wave, said["ru"]) == "номер кодека: 0x0022"

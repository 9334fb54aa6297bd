"""What a bundle says of its exhibits for people to read: pages, the printed cover, the steps.

Pages are made of templates alone. The printed cover fetches nothing: not from a network, nor from
a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.core import printing

LANGUAGES: Final = ("ru", "en")
_FOLDER: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """A recording or screenshot as the cover shows it; `taken_out` are lines by language."""

    path: str
    what: Mapping[str, str]
    when: str
    part: str
    sha256: str
    taken_out: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Something that happened with the client; `number` is that of other systems."""

    at: str
    what: Mapping[str, str]
    number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that happened, for the timeline: when, and the act of the ledger."""

    at: str
    act: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """What stands on the cover."""

    release: str
    created_at: str
    sender: str
    sender_person: str
    client: str
    purpose: str
    fingerprint: str
    manifest_sha256: str
    origin: str
    exhibits: Sequence[Exhibit]
    documents: Sequence[str]
    around: Sequence[Happened]
    timeline: Sequence[Step]
    included: int
    withheld: int
    lost: int


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def cover_page(cover: Cover, language: str) -> bytes:
    """Return the cover as a page."""
    return _page("cover.html", language, cover=cover, acts=_ACTS[language])


def certificate_902(cover: Cover, passports: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the template of a certification, with blanks. Source: FRE 902(13), 902(14)."""
    return _page("certificate-902.html", "en", cover=cover, passports=passports)


def spravka_77(cover: Cover, passports: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the template of a note to a court. Source: ГПК РФ, 77; АПК РФ, 89."""
    return _page("spravka-77gpk.html", "ru", cover=cover, passports=passports)


def passport_page(passports: Sequence[Mapping[str, Any]], language: str) -> bytes:
    """Return the passports as a page."""
    return _page("passport.html", language, passports=passports, titles=_TITLES[language])


def cover_pdf(cover: Cover) -> bytes:
    """Return the cover in both languages, to be printed."""
    return printing.pdf([cover_page(cover, language).decode() for language in LANGUAGES])


def steps(language: str, *, release: str) -> bytes:
    """Return how anybody verifies the bundle with OpenSSL and coreutils."""
    text = (_FOLDER / f"VERIFY.{language}.md").read_text(encoding="utf-8")
    return text.replace("RELEASE_ID", release).encode()


def _page(template: str, language: str, **values: object) -> bytes:
    found = _templates().get_template(template)
    return found.render(lang=language, words=_WORDS[language], **values).encode()


_WORDS: Final[dict[str, dict[str, str]]] = {
    "ru": {
        "cover": "Пакет доказательств",
        "passports": "Паспорта записей и снимков экрана",
        "recording": "Запись",
        "screenshot": "Снимок экрана",
        "from": "Передаёт",
        "to": "Кому",
        "purpose": "Для чего",
        "made": "Составлен",
        "release": "Передача",
        "log": "Журнал",
        "exhibits": "Что внутри",
        "timeline": "Что записано в журнале",
        "around": "Что происходило",
        "around_note": "События этого клиента за неделю до и после переданных материалов, как они "
        "известны архиву, и сами материалы. О других разговорах сказано выше.",
        "documents": "Документы",
        "taken_out": "не слышно или закрашено",
        "completeness": "Разговоры с клиентом за этот период",
        "included": "передано",
        "withheld": "не передано (причины - в completeness.json)",
        "lost": "утрачено или не читается",
        "verify": "Как проверить",
        "key": "Отпечаток ключа",
        "manifest": "Отпечаток описи (manifest-sha256.txt)",
        "outside": "Сверьте отпечаток ключа с тем, что вы получили другим путём: в приложении к "
        "договору, в письме, в более раннем пакете. Отпечаток внутри пакета сам по себе ничего не "
        "доказывает.",
        "how": "Затем выполните: python3 verify.py ПАКЕТ --key ОТПЕЧАТОК. Без наших программ - по "
        "шагам файла VERIFY.ru.md. Ответ VALID значит, что это именно те файлы, которые "
        "перечислил владелец ключа, и что события есть в его журнале. Он не значит, что сказанное "
        "в разговорах - правда.",
        "unknown": "не известно",
        "part": "часть",
        "page": "Стр.",
    },
    "en": {
        "cover": "Evidence bundle",
        "passports": "Passports of the recordings and screenshots",
        "recording": "Recording",
        "screenshot": "Screenshot",
        "from": "From",
        "to": "To",
        "purpose": "Purpose",
        "made": "Made",
        "release": "Release",
        "log": "Log",
        "exhibits": "What is inside",
        "timeline": "What the log tells",
        "around": "What happened",
        "around_note": "The client's events from a week before until a week after what is handed "
        "over, as the archive knows them, and the exhibits themselves. Of other calls it is told "
        "above.",
        "documents": "Documents",
        "taken_out": "not heard or black",
        "completeness": "Calls with the client in this period",
        "included": "handed over",
        "withheld": "withheld (reasons in completeness.json)",
        "lost": "lost or unreadable",
        "verify": "How to verify",
        "key": "Fingerprint of the key",
        "manifest": "Digest of the list (manifest-sha256.txt)",
        "outside": "Compare the key's fingerprint with the one that you got by another way: in the "
        "contract's annex, in a letter, in an older bundle. A fingerprint inside the bundle proves "
        "nothing by itself.",
        "how": "Then run: python3 verify.py BUNDLE --key FINGERPRINT. Without our programs follow "
        "the steps of VERIFY.en.md. VALID says that these are exactly the files that the holder of "
        "the key listed, and that the events are in his log. It does not say that what was spoken "
        "is true.",
        "unknown": "not known",
        "part": "part",
        "page": "Page",
    },
}

_ACTS: Final[dict[str, dict[str, str]]] = {
    "ru": {
        "recording.ingested": "запись получена",
        "recording.leg_added": "получена ещё одна дорожка",
        "screenshot.ingested": "снимок экрана получен",
        "derived.created": "изготовлена копия для прослушивания",
        "fixity.checked": "целостность проверена",
        "link.changed": "привязано к другому событию",
        "media.played": "прослушано или просмотрено",
        "screening.recorded": "проверено на посторонние сведения",
        "decision.made": "решение о передаче",
        "exhibit.added": "включено в материалы спора",
        "exhibit.removed": "исключено из материалов спора",
        "release.requested": "передача запрошена",
        "release.approved": "передача одобрена",
        "release.granted": "передача разрешена, ссылка открыта",
        "release.accessed": "получатель открыл переданное",
        "bundle.created": "пакет составлен",
    },
    "en": {
        "recording.ingested": "recording received",
        "recording.leg_added": "a further leg received",
        "screenshot.ingested": "screenshot received",
        "derived.created": "a copy for listening was made",
        "fixity.checked": "integrity checked",
        "link.changed": "tied to another event",
        "media.played": "heard or seen",
        "screening.recorded": "looked through for what must not leave",
        "decision.made": "decision on handing it over",
        "exhibit.added": "added to a dispute",
        "exhibit.removed": "taken out of a dispute",
        "release.requested": "release asked for",
        "release.approved": "release approved",
        "release.granted": "release granted, link opened",
        "release.accessed": "the recipient opened it",
        "bundle.created": "bundle made",
    },
}

_TITLES: Final[dict[str, dict[str, str]]] = {
    "ru": {
        "time": "Когда",
        "recorded_by": "Кто записал",
        "how": "Как записано",
        "how_it_came": "Как поступило",
        "files": "Файлы, как они были получены",
        "transformations": "Преобразования",
        "kept": "Где хранится",
        "fixity": "Проверки целостности",
        "event": "Событие клиента",
        "participants": "Участники",
        "documents": "Документы: вложенные и только названные",
        "not_known": "Чего архив не знает",
    },
    "en": {
        "time": "When",
        "recorded_by": "Who recorded",
        "how": "How it was recorded",
        "how_it_came": "How it came",
        "files": "Files as they were received",
        "transformations": "Transformations",
        "kept": "Where it is kept",
        "fixity": "Checks of integrity",
        "event": "The client's event",
        "participants": "Participants",
        "documents": "Documents: inside, and only named",
        "not_known": "What the archive does not know",
    },
}

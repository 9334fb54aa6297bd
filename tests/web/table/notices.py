"""Notice texts."""

from __future__ import annotations

from app.consent import notices
from app.consent.notices import NoticeWords, ReferenceAudio
from app.identity.permissions import Permission
from app.inspection import searches
from app.inspection.searches import Scope
from tests.factories import wav
from tests.review.house import House
from tests.web.table import those_with

_READ = those_with(Permission.NOTICE_READ)
_WRITE = those_with(Permission.NOTICE_WRITE)
_APPROVE = those_with(Permission.NOTICE_APPROVE)
_ONE = "/notices/{notice_id}"
_VERSION = f"{_ONE}/{{notice_version}}"
PAGES = {"/notices": _READ, _ONE: _READ, "/notices/new": _WRITE}
FILES = {f"{_VERSION}/audio": _READ}
FORMS = {
    "/notices/new": _WRITE,
    "/notices/templates/{template_key}/take-over": _WRITE,
    "/notices/searches": _WRITE,
    "/notices/searches/{search_run}/cancel": _WRITE,
    f"{_VERSION}/withdraw": _WRITE,
    f"{_VERSION}/approve": _APPROVE,
    f"{_VERSION}/reject": _APPROVE,
}


def fill(house: House) -> dict[str, str]:
    """Make an approved text with a further draft, and a run."""
    approved = house.notice()
    at = house.clock.now()
    with house.making() as make:
        words = NoticeWords(
            id=approved.id,
            language="ru",
            text="Разговор записывается, чтобы разобрать спор.",
            purposes=("dispute_client", "internal_quality"),
            recipients=("client_same_entity",),
            lines=("101",),
            valid_from=at,
        )
        audio = ReferenceAudio(
            object_id=make.sealed(wav(1.0)), media_type="audio/wav", sha256=bytes(range(32))
        )
        draft = notices.add(make.session, house.people["admin"], words, audio, at=at)
        run = searches.begin_asked(make.session, house.people["admin"], Scope(), at=at)
        make.session.flush()
    return {
        "notice_id": str(draft.id),
        "notice_version": str(draft.version),
        "template_key": "ivr-ru",
        "search_run": str(run.id),
    }

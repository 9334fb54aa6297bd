"""The page of a document request in words: what is asked, by when, what came of it so far."""

from __future__ import annotations

from dataclasses import dataclass

from app.public.form import MAX_FILE_BYTES, MAX_FILES
from app.public.requests import OpenRequest, SentBefore
from app.public.wording import Wording
from app.releases.tokens import ShareToken

_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """Something that was sent before: what and when, how far it has come, or why it was refused.

    `receipt` is where its receipt is taken.
    """

    what: str
    when: str
    state: str
    sha256: str
    receipt: str | None
    is_refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPage:
    """The page with the form, the same with a fault above it, or the one that thanks."""

    language: str
    other_language: str
    switch_to: str
    title: str
    sender: str
    lead: str
    asked: str
    again: str | None
    due: str | None
    action: str
    back: str
    limits: str
    can_send: bool
    came: tuple[Came, ...]
    ends: str
    questions: str
    fault: str | None


def request_page(
    found: OpenRequest, token: ShareToken, words: Wording, *, fault: str | None
) -> RequestPage:
    """Return the page of an open request; `fault` is the slug of what was wrong with a sending."""
    say = words.say
    other = "en" if words.language == "ru" else "ru"
    base = f"/r/{token.secret}"
    return RequestPage(
        language=words.language,
        other_language=other,
        switch_to="English" if other == "en" else "Русский",
        title=say("Please send us documents"),
        sender=found.asked_by,
        lead=say("It is about a question of %(client)s that we are looking into.")
        % {"client": found.client_name},
        asked=found.asked,
        again=found.again,
        due=words.moment(found.due_at) if found.due_at else None,
        action=f"{base}?lang={words.language}",
        back=f"{base}?lang={words.language}",
        limits=say("PNG, JPEG, WebP or PDF; up to %(files)d files at once, up to %(size)d MB each.")
        % {"files": min(MAX_FILES, found.files_left), "size": MAX_FILE_BYTES // _MEGABYTE},
        can_send=found.files_left > 0 and found.bytes_left > 0,
        came=tuple(_came(one, base, words) for one in found.sent),
        ends=say("The link works until %(moment)s.") % {"moment": words.moment(found.expires_at)},
        questions=say("Answer the message that brought you this link. Sent by: %(person)s.")
        % {"person": found.asked_by},
        fault=None if fault is None else fault_of(fault, words),
    )


def fault_of(slug: str, words: Wording) -> str:
    """Return what was wrong with a sending, and what helps."""
    say = words.say
    known = {
        "wrong-kind": say(
            "One of the files is neither a picture (PNG, JPEG, WebP) nor a PDF. "
            "Nothing was sent. Take that file out and send the others again."
        ),
        "file-too-large": say(
            "A file, or all of them together, is too large. Nothing was sent. "
            "Send fewer files at once, or a smaller picture."
        ),
        "too-many-files": say("Too many files at once. Nothing was sent. Send them in parts."),
        "words-too-long": say("The text is too long. Nothing was sent. Please shorten it."),
        "too-much-sent": say(
            "As much as this link takes within a day has been sent. Please go on tomorrow, "
            "or call us."
        ),
        "nothing-sent": say("Nothing was chosen. Choose a file or write the steps."),
        "sender-slow": say("The files came too slowly, and nothing was sent. Please try again."),
    }
    return known.get(slug, say("The files did not come whole. Nothing was sent. Please try again."))


def _came(one: SentBefore, base: str, words: Wording) -> Came:
    say = words.say
    states = {
        "waiting": say("received, is being checked; the receipt follows"),
        "kept": say("received"),
    }
    return Came(
        what=say("Your text") if one.is_text else (one.file_name or say("A file")),
        when=words.moment(one.at),
        state=states.get(one.state) or _why_refused(one.reason, words),
        sha256=one.sha256,
        receipt=f"{base}/receipt/{one.id}" if one.receipt else None,
        is_refused=one.state == "refused",
    )


def _why_refused(reason: str | None, words: Wording) -> str:
    say = words.say
    known = {
        "active-content": say(
            "not taken: the PDF would run something by itself; please print it into a new PDF"
        ),
        "too-many-pixels": say(
            "not taken: the picture has too many pixels; please make it smaller"
        ),
        "empty-file": say("not taken: the file is empty"),
    }
    return known.get(
        reason or "", say("not taken: it is no whole picture or PDF; please send it again")
    )

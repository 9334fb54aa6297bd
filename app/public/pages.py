"""What each page shows, put into words; a template sees one of these values and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.public.answering import AnswerForm, AnswerPart, part
from app.public.links import BundleFacts, Item, OpenLink, TakenOut
from app.public.passphrase import PassphrasePage, asking
from app.public.request_page import RequestPage, request_page
from app.public.requests import OpenRequest
from app.public.wording import Wording, clock_time
from app.releases.tokens import ShareToken

_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One recording or screenshot in words. `source` is the address of its sound or picture.

    `taken_out` says what is not heard or seen of it, a line each; `taken_out_title` how many.
    """

    what: str
    is_picture: bool
    when: str
    length: str | None
    part: str | None
    source: str
    media_type: str
    sha256: str
    taken_out_title: str | None
    taken_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundlePart:
    """The bundle on the page: where it is taken, how large it is, by whose key it is signed."""

    source: str
    size: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPage:
    """The page of an open link, before and after the button is pressed."""

    language: str
    other_language: str
    switch_to: str
    title: str
    sender: str
    lead: str
    calls: tuple[Call, ...]
    why: str
    ends: str
    views_left: str | None
    questions: str
    action: str
    button: str
    written: str
    is_begun: bool = False
    bundle: BundlePart | None = None
    answer: AnswerPart | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePage:
    """A page that says one thing: the link has ended, or the archive is away."""

    language: str
    title: str
    lead: str


class Pages:
    """Renders the pages; escaping is on for all of them."""

    def __init__(self, wording: dict[str, Wording]) -> None:
        self._wording = wording
        self._environments: dict[str, Environment] = {}
        for language, words in wording.items():
            environment = Environment(
                loader=FileSystemLoader(Path(__file__).parent / "templates"),
                autoescape=True,
                undefined=StrictUndefined,
                extensions=["jinja2.ext.i18n"],
                trim_blocks=True,
                lstrip_blocks=True,
            )
            environment.install_gettext_translations(  # type: ignore[attr-defined]  # the extension adds it
                words.translations, newstyle=True
            )
            self._environments[language] = environment

    def link(  # noqa: PLR0913 - what a page is made of.
        self,
        found: OpenLink,
        token: ShareToken,
        *,
        language: str,
        at: datetime,
        bundle: BundleFacts | None,
        form: AnswerForm,
        is_heard: bool,
        is_begun: bool = False,
    ) -> str:
        """Return the page of an open link; with `is_heard` the one that plays."""
        words = self._wording[language]
        page = _link_page(found, token, words, at=at)
        page = replace(page, answer=part(form, f"/s/{token.secret}", words), is_begun=is_begun)
        if bundle is not None:
            page = replace(page, bundle=_bundle(bundle, token, words))
        return self._render("listen.html" if is_heard else "link.html", language, page)

    def request(
        self,
        found: OpenRequest,
        token: ShareToken,
        *,
        language: str,
        fault: str | None,
        is_sent: bool,
    ) -> str:
        """Return the page of an open document request; with `is_sent` the one that thanks."""
        page = request_page(found, token, self._wording[language], fault=fault)
        return self._render("sent.html" if is_sent else "request.html", language, page)

    def request_ended(self, language: str) -> str:
        """Return the page for a request's link that takes nothing, or never was."""
        say = self._wording[language].say
        page = NoticePage(
            language=language,
            title=say("This link does not work any more"),
            lead=say(
                "Either its time is over, or the address was not copied completely. "
                "If you still have something to send, ask the person who sent you the link."
            ),
        )
        return self._render("notice.html", language, page)

    def passphrase(self, token: ShareToken, language: str, *, fault: str | None) -> str:
        """Return the page that asks for the passphrase of a link."""
        page = asking(token, self._wording[language], fault=fault)
        return self._render("passphrase.html", language, page)

    def ended(self, language: str) -> str:
        """Return the page for a link that has ended or never was."""
        say = self._wording[language].say
        page = NoticePage(
            language=language,
            title=say("This link does not work any more"),
            lead=say(
                "Either its time is over, or the address was not copied completely. "
                "If you need the recording, ask the person who sent you the link."
            ),
        )
        return self._render("notice.html", language, page)

    def away(self, language: str) -> str:
        """Return the page for a moment when nobody can say whether a link is open."""
        say = self._wording[language].say
        page = NoticePage(
            language=language,
            title=say("The recording cannot be shown right now"),
            lead=say("Please try again in a few minutes. Your link stays as it is."),
        )
        return self._render("notice.html", language, page)

    def _render(
        self,
        template: str,
        language: str,
        page: LinkPage | RequestPage | NoticePage | PassphrasePage,
    ) -> str:
        return self._environments[language].get_template(template).render(page=page)


def _link_page(found: OpenLink, token: ShareToken, words: Wording, *, at: datetime) -> LinkPage:
    other = "en" if words.language == "ru" else "ru"
    sender = found.sender_name or found.sender_person
    title, lead, button, written = _what_it_is(found, words)
    base = f"/s/{token.secret}"
    return LinkPage(
        language=words.language,
        other_language=other,
        switch_to="English" if other == "en" else "Русский",
        title=title,
        sender=sender,
        lead=lead % {"sender": sender},
        calls=tuple(_call(item, found, base, words) for item in found.items),
        why=_why(found, words),
        ends=words.say("The link works until %(moment)s, %(left)s.")
        % {"moment": words.moment(found.expires_at), "left": _left(found.expires_at - at, words)},
        views_left=None
        if found.views_left is None
        else words.counted(
            "It can be opened %(num)d more time.",
            "It can be opened %(num)d more times.",
            max(0, found.views_left),
        ),
        questions=words.say("Answer the message that brought you this link. Sent by: %(person)s.")
        % {"person": found.sender_person},
        action=f"{base}/open?lang={words.language}",
        button=button,
        written=written,
    )


def _what_it_is(found: OpenLink, words: Wording) -> tuple[str, str, str, str]:
    """Return the title, what the sender asks for, the button, and what pressing it means."""
    say = words.say
    pictures = sum(item.is_picture for item in found.items)
    calls = len(found.items) - pictures
    if pictures:
        written = say("By pressing the button you agree that the opening is written down.")
        if calls:
            lead = say("%(sender)s asks you to listen to them and to look at them.")
            return (
                say("Recordings of your telephone calls, and screenshots"),
                lead,
                say("Open"),
                (written),
            )
        title = words.counted("%(num)d screenshot", "%(num)d screenshots", pictures)
        return title, say("%(sender)s asks you to look at what is shown."), say("Open"), written
    title = (
        say("A recording of your telephone call")
        if calls == 1
        else words.counted(
            "%(num)d recording of your telephone calls",
            "%(num)d recordings of your telephone calls",
            calls,
        )
    )
    lead = (
        say("%(sender)s asks you to listen to it.")
        if calls == 1
        else say("%(sender)s asks you to listen to them.")
    )
    written = say("By pressing the button you agree that the listening is written down.")
    return title, lead, say("Listen"), written


def _bundle(found: BundleFacts, token: ShareToken, words: Wording) -> BundlePart:
    megabytes = max(1, ceil(found.size_bytes / 1_000_000))
    return BundlePart(
        source=f"/s/{token.secret}/bundle",
        size=words.counted("%(num)d megabyte", "%(num)d megabytes", megabytes),
        fingerprint=found.key_fingerprint,
    )


def _call(item: Item, found: OpenLink, base: str, words: Wording) -> Call:
    what = {
        "inbound": words.say("Call from %(client)s"),
        "outbound": words.say("Call to %(client)s"),
    }.get(item.direction or "", words.say("Call with %(client)s"))
    if item.is_picture:
        what = words.say("Screenshot")
    return Call(
        what=what if item.is_picture else what % {"client": found.client_name},
        is_picture=item.is_picture,
        when=words.moment(item.started_at),
        length=None if item.duration_ms is None else words.duration(item.duration_ms),
        part=_part(item, words),
        source=f"{base}/{'picture' if item.is_picture else 'audio'}/{item.id}",
        media_type=item.media_type,
        sha256=item.sha256,
        taken_out_title=_taken_out_title(item, words),
        taken_out=tuple(_taken_out(one, words) for one in item.taken_out),
    )


def _taken_out_title(item: Item, words: Wording) -> str | None:
    count = len(item.taken_out)
    if not count:
        return None
    if item.is_picture:
        return words.counted(
            "%(num)d part of the picture is blacked out:",
            "%(num)d parts of the picture are blacked out:",
            count,
        )
    return words.counted("%(num)d place is not heard:", "%(num)d places are not heard:", count)


def _taken_out(one: TakenOut, words: Wording) -> str:
    """Return where something is not heard, what is heard in its place, and why."""
    say = words.say
    why = {
        "card_number": say("the number of a payment card"),
        "third_person": say("it concerns a third person"),
        "personal_data": say("personal data"),
        "confidential": say("confidential information"),
    }.get(one.reason, say("another reason"))
    if one.from_ms is None or one.to_ms is None:
        return why
    how = say("a tone") if one.how == "beep" else say("silence")
    # A part of a second at the end is in it too.
    where = f"{clock_time(one.from_ms)}\u2013{clock_time(one.to_ms + 999)}"
    whose = {
        0: say("on one side of the call"),
        1: say("on the other side of the call"),
    }
    how = how if one.channel is None else f"{how} {whose[one.channel]}"
    return f"{where}, {how}: {why}"


def _part(item: Item, words: Wording) -> str | None:
    if item.from_ms == 0 and item.to_ms is None:
        return None
    if item.to_ms is None:
        return words.say("A part of the call, from %(start)s to the end.") % {
            "start": clock_time(item.from_ms)
        }
    return words.say("A part of the call, from %(start)s to %(end)s.") % {
        "start": clock_time(item.from_ms),
        "end": clock_time(item.to_ms),
    }


def _why(found: OpenLink, words: Wording) -> str:
    if found.purpose == "dispute_client" and any(item.is_picture for item in found.items):
        text = words.say(
            "You represent the management of %(client)s. What is shown here helps to settle a "
            "disputed question. Please do not pass it on."
        )
    elif found.purpose == "dispute_client":
        text = words.say(
            "You represent the management of %(client)s. The recording helps to settle a disputed "
            "question: you hear for yourself who said what. Please do not pass it on."
        )
    elif found.purpose == "subject_access":
        text = words.say("You asked for the recordings in which you are heard.")
    else:
        text = words.say(
            "It was given to you for a matter of %(client)s. Please do not pass it on."
        )
    return text % {"client": found.client_name}


def _left(rest: timedelta, words: Wording) -> str:
    if rest >= _DAY:
        return words.counted("%(num)d more day", "%(num)d more days", rest // _DAY)
    return words.counted("%(num)d more hour", "%(num)d more hours", max(1, ceil(rest / _HOUR)))

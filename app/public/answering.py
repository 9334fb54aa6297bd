"""The form by which a recipient answers: read, checked, and put into words again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from app.core.errors import TooLarge, Unavailable
from app.public.forms import Bounds, fields_of
from app.public.links import Answer
from app.public.wording import Wording

KINDS: Final = ("acknowledged", "disputes", "took_measures")
HEARD: Final = "heard"
MAX_WORDS: Final = 10_000
MAX_NAME: Final = 200


class AnswerTooLarge(TooLarge):
    """The form is larger than any answer."""


class AnswerSlow(Unavailable):
    """The form stopped coming."""


_BOUNDS: Final = Bounds(
    most_bytes=256 * 1024,
    most_fields=20,
    seconds=30.0,
    too_large=AnswerTooLarge,
    too_slow=AnswerSlow,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The form as it was sent."""

    form: str
    kind: str
    words: str
    name: str
    is_heard: bool = False
    """He says that he has heard it, whatever else he has begun to write."""

    @property
    def is_begun(self) -> bool:
        """Say whether something of an answer is written already."""
        return bool(self.words or self.name or self.kind in KINDS)

    def told(self) -> Mapping[str, str]:
        """Return what is written down; that something was heard says nothing else."""
        if self.is_heard:
            return {"kind": HEARD}
        return {"kind": self.kind, "words": self.words, "name": self.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerForm:
    """What the page shows of answers: what was said, or the form, with what was wrong with it."""

    token: str
    answers: tuple[Answer, ...]
    fault: str | None
    said: Fields | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPart:
    """The same in words."""

    action: str
    token: str
    heard: str | None
    answer: str | None
    answer_words: str | None
    answer_by: str | None
    choices: tuple[tuple[str, str, bool], ...]
    words: str
    name: str
    fault: str | None


async def read(call: Request) -> Fields:
    """Return the fields of a form that a browser sent.

    Raises:
        AnswerTooLarge, AnswerSlow: it is cut off.
    """
    sent = await fields_of(call, _BOUNDS)
    return Fields(
        form=_one(sent, "form").encode("ascii", "replace").decode(),
        kind=_one(sent, "kind"),
        words=_one(sent, "words"),
        name=_one(sent, "name"),
        is_heard=HEARD in {_one(sent, "kind"), _one(sent, "also")},
    )


def fault_of(fields: Fields) -> str | None:
    """Return the name of what is missing or too much."""
    if fields.is_heard:
        return None
    if fields.kind not in KINDS:
        return "kind"
    if not fields.words or not fields.name:
        return "missing"
    if len(fields.words) > MAX_WORDS or len(fields.name) > MAX_NAME:
        return "long"
    return None


def part(form: AnswerForm, base: str, words: Wording) -> AnswerPart:
    """Return what the page shows."""
    say = words.say
    kinds = {
        "acknowledged": say("I acknowledge it"),
        "disputes": say("I dispute it"),
        "took_measures": say("Measures were taken"),
    }
    faults = {
        "kind": say("Please choose one of the three answers."),
        "missing": say("Please write a few words and your name."),
        "long": say("The text or the name is too long. Please shorten it."),
    }
    heard = next((one for one in form.answers if one.kind == HEARD), None)
    answer = next((one for one in form.answers if one.kind != HEARD), None)
    said = form.said
    return AnswerPart(
        action=f"{base}/answer?lang={words.language}",
        token=form.token,
        heard=None
        if heard is None
        else say("You said on %(moment)s that you have heard it.")
        % {"moment": words.moment(heard.at)},
        answer=None if answer is None else kinds[answer.kind],
        answer_words=answer.words if answer else None,
        answer_by=None if answer is None else f"{answer.name}, {words.moment(answer.at)}",
        choices=tuple(
            (kind, label, said is not None and said.kind == kind) for kind, label in kinds.items()
        ),
        words=said.words if said else "",
        name=said.name if said else "",
        fault=faults.get(form.fault) if form.fault else None,
    )


def _one(sent: Mapping[str, list[str]], name: str) -> str:
    text = sent.get(name, [""])[0].replace("\r\n", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.encode("utf-8", "replace").decode().strip()

"""Help: what every reason of a decision means, what would help, and which rules it hangs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response

from app.consent import policy
from app.consent.policy import Kept, PackState
from app.consent.reasons import FIELDS, REASONS, REMEDIES, remedies_of
from app.core.deps import SessionDep
from app.core.errors import NotFound
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.review import wording
from app.web import edge, pack_words
from app.web.sections import Place, Section
from app.web.words import N_, Words

SECTION = Section(
    place=Place.HELP,
    path="/help/reasons",
    label=N_("Help"),
    permission=Permission.SESSION_SELF,
)
router = edge.page_router()

AnyPerson = Annotated[Actor, Depends(Requires(Permission.SESSION_SELF))]


class ReasonUnknown(NotFound):
    """No reason has this code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason code, what it means and what would help."""

    code: str
    title: str
    text: str
    helps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonsPage:
    """Every reason: of decisions, then why something waits in a queue."""

    title: str
    reasons: tuple[Reason, ...]
    waiting: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """What one place's rules say in a field that a reason hangs on, and how sure that is."""

    place: str
    code: str
    value: str
    mark: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPart:
    """A field of the rules, in all places."""

    name: str
    label: str
    rows: tuple[RuleRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonPage:
    """One reason in full."""

    title: str
    reason: Reason
    is_of_queue: bool
    fields: tuple[FieldPart, ...]


@router.get("/help/reasons")
def show_reasons(call: Request, actor: AnyPerson, session: SessionDep) -> Response:
    """Explain every reason, of the rules and of the queues."""
    words = edge.words_of(call, actor, session)
    page = ReasonsPage(
        title=words.gettext("Reasons and what helps"),
        reasons=tuple(_reason(code, words) for code in sorted(REASONS)),
        waiting=tuple(_reason(code, words) for code in sorted(wording.WHY)),
    )
    return edge.render(call, actor, session, "help/reasons.html", page, words=words)


@router.get("/help/reasons/{code}")
def show_reason(call: Request, code: str, actor: AnyPerson, session: SessionDep) -> Response:
    """Explain one reason, with what the rules in force say in the fields it hangs on."""
    if code not in REASONS and code not in wording.WHY:
        raise ReasonUnknown
    words = edge.words_of(call, actor, session)
    reason = _reason(code, words)
    names = FIELDS.get(code, ())
    kept = policy.catalogue(session) if names else []
    in_force = [one for one in kept if one.state == PackState.ACTIVE]
    page = ReasonPage(
        title=reason.title,
        reason=reason,
        is_of_queue=code not in REASONS,
        fields=tuple(_field(name, in_force, words) for name in names),
    )
    return edge.render(call, actor, session, "help/reason.html", page, words=words)


def _reason(code: str, words: Words) -> Reason:
    lang = words.language
    if code not in REASONS:
        return Reason(code=code, title=wording.WHY[code].of(lang), text="", helps=())
    said = REASONS[code]
    return Reason(
        code=code,
        title=said.title.of(lang),
        text=said.meaning.of(lang),
        helps=tuple(REMEDIES[remedy].of(lang) for remedy in remedies_of(code)),
    )


def _field(name: str, packs: list[Kept], words: Words) -> FieldPart:
    rows = [
        RuleRow(
            place=pack_words.title(words, kept.body),
            code=kept.pack.jurisdiction,
            value=pack_words.value(words, name, told["value"]),
            mark=told["mark"],
            note=told.get("note", {}).get(words.language, ""),
        )
        for kept in packs
        if (told := kept.body["fields"].get(name)) is not None
    ]
    return FieldPart(name=name, label=words.gettext(pack_words.FIELDS[name]), rows=tuple(rows))

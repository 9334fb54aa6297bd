"""The act of destruction and the export of the log, as Russian rules ask for them.

Source: Roskomnadzor's order 179 of 28 October 2022, points 3 to 5.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from jinja2 import Environment
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.clients.models import Contract
from app.core.errors import Conflict
from app.custody.models import CustodyEntry
from app.identity.permissions import Role
from app.retention import facts, queries, subjects
from app.retention.erasures import ErasureNotFound
from app.retention.models import Erasure, ErasureObject, Ground, RetentionNotice, RetentionRule
from app.retention.rules import Kind
from app.retention.subjects import Subject

CATEGORIES = (
    "запись голоса и содержание телефонного разговора",
    "номера телефонов, имена и обозначения участников разговора",
    "производные записи: копия для воспроизведения, график громкости, интервалы речи",
    "тексты, приведённые из разговора как доказательства",
    "выданные копии и ссылки на них",
)
PICTURE_CATEGORIES = (
    "снимок экрана и сведения, которые на нём видны",
    "имя файла, примечание и обозначение сотрудника, сделавшего снимок",
    "выданные копии и ссылки на них",
)
PAPER_CATEGORIES = (
    "документ и сведения, которые в нём содержатся",
    "название, имя файла и обозначение сотрудника, к которому документ относится",
    "пакеты доказательств, в которые документ был вложен",
)
WORD_CATEGORIES = (
    "текст, который прислал представитель контрагента, и имя файла",
    "имя представителя и запись его слов в споре",
)
CATEGORIES_OF = {
    Kind.RECORDING: CATEGORIES,
    Kind.SCREENSHOT: PICTURE_CATEGORIES,
    Kind.DOCUMENT: PAPER_CATEGORIES,
    Kind.UPLOAD: WORD_CATEGORIES,
    Kind.ANSWER: WORD_CATEGORIES,
}
NAMES = {
    Kind.RECORDING: "запись",
    Kind.SCREENSHOT: "снимок экрана",
    Kind.DOCUMENT: "документ",
    Kind.UPLOAD: "присланный текст",
    Kind.ANSWER: "ответ по ссылке",
}
METHOD = (
    "уничтожены криптографические ключи, без которых зашифрованные данные не восстанавливаются, "
    "затем удалены сами зашифрованные объекты и их версии; персональные поля базы данных очищены"
)
SYSTEM = "информационная система «Audiatur», архив записей разговоров, снимков экрана и документов"
POSTS = {Role.APPROVER: "ответственный за выдачу записей", Role.LEGAL: "юрист"}
REASONS = {
    Ground.REQUEST: "требование субъекта персональных данных",
    Ground.WITHDRAWAL: "отзыв согласия на обработку персональных данных",
    Ground.DUTY: "отсутствие основания для дальнейшей обработки",
    Ground.RETENTION: "истечение срока хранения",
    Ground.DEMO: "выгрузка демонстрационных данных, ни о ком не говорящих",
}


class NotErasedYet(Conflict):
    """There is an act once the erasure was executed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroyer:
    """Who answers for the destruction, with his post; he signs the printed act."""

    name: str
    post: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DestructionAct:
    """Everything that the act tells. None is what was forgotten, or never known."""

    erasure_id: UUID
    of: Subject
    operator: str | None
    operator_address: str | None
    subject: str | None
    destroyers: tuple[Destroyer, ...]
    categories: tuple[str, ...]
    system: str
    method: str
    reason: str
    reason_text: str | None
    executed_at: datetime
    verified_at: datetime | None
    objects: int
    objects_kept: int


def of(
    session: Session, erasure_id: UUID, *, operator: str | None, address: str | None
) -> DestructionAct:
    """Return the act of an erasure; the operator, unless named, is the party of the contract.

    Raises:
        ErasureNotFound: there is none.
        NotErasedYet: it was not executed.
    """
    row = _executed(session, erasure_id)
    if row.executed_at is None:
        raise NotErasedYet
    objects = queries.objects_of(session, erasure_id)
    subject = subjects.of(row)
    return DestructionAct(
        erasure_id=row.id,
        of=subject,
        operator=operator or _operator(session, row),
        operator_address=address,
        subject=row.subject,
        destroyers=_destroyers(session, row),
        categories=CATEGORIES_OF[subject.kind],
        system=SYSTEM,
        method=METHOD,
        reason=REASONS[Ground(row.ground)],
        reason_text=row.reason,
        executed_at=row.executed_at,
        verified_at=row.verified_at,
        objects=len(objects),
        objects_kept=sum(one.deleted_at is None for one in objects),
    )


def log(session: Session, erasure_id: UUID) -> str:
    """Return what the ledger and the stores tell of an erasure, as a table.

    Raises:
        ErasureNotFound: there is none.
        NotErasedYet: it was not executed.
    """
    row = _executed(session, erasure_id)
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(("at", "event", "object", "actor", "role", "outcome", "entry_id"))
    for entry in _entries(session, row):
        actor = str(entry.actor_id or entry.actor_kind)
        about = f"{entry.object_kind} {entry.object_id}"
        told = (entry.at.isoformat(), entry.act, about, actor, entry.actor_role or "")
        table.writerow((*told, entry.outcome, entry.id))
    for one in queries.objects_of(session, erasure_id):
        table.writerow(_object_line(one))
    return out.getvalue()


def page(act: DestructionAct, *, at_local: datetime) -> str:
    """Return the act as a page to print and sign."""
    named = f"{NAMES[act.of.kind]} {act.of.id}"
    return _PAGE.render(act=act, named=named, at=at_local.strftime("%d.%m.%Y %H:%M (%Z)"))


def _executed(session: Session, erasure_id: UUID) -> Erasure:
    row = queries.erasure(session, erasure_id)
    if row is None:
        raise ErasureNotFound
    if row.executed_at is None:
        raise NotErasedYet
    return row


def _operator(session: Session, row: Erasure) -> str | None:
    found = queries.kept(session, subjects.of(row))
    client_id = None if found is None else facts.client_of(session, found)
    return session.scalar(
        select(Contract.our_entity)
        .where(Contract.client_id == client_id)
        .order_by(Contract.valid_from.desc())
        .limit(1)
    )


def _destroyers(session: Session, row: Erasure) -> tuple[Destroyer, ...]:
    """Return who agreed to it, to the erasure it goes with, or to the rules it follows from."""
    if row.with_id is not None:
        return _destroyers(session, session.get_one(Erasure, row.with_id))
    people = [one.approver_id for one in queries.approvals(session, row.id)]
    if row.notice_id is not None:
        notice = session.get_one(RetentionNotice, row.notice_id)
        rules = session.scalars(
            select(RetentionRule).where(RetentionRule.id.in_(notice.rule_ids))
        ).all()
        people = [who for rule in rules for who in (rule.proposed_by, rule.approved_by) if who]
    known = queries.names(session, people)
    return tuple(
        Destroyer(name=known[who].full_name, post=POSTS.get(Role(known[who].role), ""))
        for who in dict.fromkeys(people)
        if who in known
    )


def _entries(session: Session, row: Erasure) -> Sequence[CustodyEntry]:
    kind, subject_id = subjects.of(row).about
    return session.scalars(
        select(CustodyEntry)
        .where(
            or_(
                (CustodyEntry.object_kind == "erasure") & (CustodyEntry.object_id == row.id),
                (CustodyEntry.object_kind == kind) & (CustodyEntry.object_id == subject_id),
            )
        )
        .order_by(CustodyEntry.position)
    ).all()


def _object_line(one: ErasureObject) -> tuple[str, ...]:
    gone = one.deleted_at.isoformat() if one.deleted_at else ""
    event = "object.deleted" if gone else "object.key_destroyed"
    about = f"{one.store} object {one.object_id}"
    return (gone, event, about, "system", "", one.note or "success", "")


_PAGE = Environment(autoescape=True).from_string(
    """<!doctype html>
<html lang="ru"><head><meta charset="utf-8"><title>Акт об уничтожении персональных данных</title>
<style>body{font:12pt serif;max-width:18cm;margin:2cm auto}th{text-align:left;vertical-align:top;
width:38%;font-weight:normal;padding:.3em 1em .3em 0}td{padding:.3em 0}h1{font-size:14pt}</style>
</head><body><h1>Акт об уничтожении персональных данных № {{ act.erasure_id }}</h1><table>
<tr><th>Оператор</th><td>{{ act.operator or "________________________" }}</td></tr>
<tr><th>Адрес оператора</th><td>{{ act.operator_address or "________________________" }}</td></tr>
<tr><th>Обработка по поручению</th><td>не велась</td></tr>
<tr><th>Субъект</th><td>{{ act.subject or "личность не установлена" }};
{{ named }}</td></tr>
<tr><th>Категории уничтоженных данных</th><td>
{% for one in act.categories %}{{ one }}{{ ";" if not loop.last else "." }}<br>{% endfor %}
</td></tr>
<tr><th>Система</th><td>{{ act.system }}</td></tr>
<tr><th>Способ</th><td>{{ act.method }}. Объектов: {{ act.objects }}
{%- if act.objects_kept %}, из них с уничтоженным ключом, но ещё хранимых
из-за блокировки хранилища: {{ act.objects_kept }}{% endif %}.
</td></tr>
<tr><th>Причина</th><td>{{ act.reason }}{% if act.reason_text %}: {{ act.reason_text }}{% endif %}
</td></tr>
<tr><th>Дата уничтожения</th><td>{{ at }}</td></tr>
<tr><th>Проверка</th><td>{{ "независимая проверка следов не нашла" if act.verified_at
else "независимая проверка ещё не завершена" }}</td></tr></table>
<p>Лица, уничтожившие персональные данные:</p>
{% for one in act.destroyers %}<p>{{ one.post }} {{ one.name }} ____________________ (подпись)</p>
{% endfor %}<p>К акту прилагается выгрузка из журнала регистрации событий.</p></body></html>
"""
)

"""The words of disputes in Russian and English: for the printed report, and for pages."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from app.disputes.rules import (
    AnswerKind,
    Channel,
    Outcome,
    RequestState,
    Side,
    State,
    StepKind,
    StepState,
    WorkRole,
)
from app.disputes.timeline import Happened

LANGUAGES: Final = ("ru", "en")
_Words = dict[StrEnum, tuple[str, str]]

_WORDS: Final[dict[type[StrEnum], _Words]] = {
    State: {
        State.OPEN: ("открыт", "open"),
        State.CALLING_BACK: ("обещали перезвонить", "calling back"),
        State.CHECKING: ("проверяем", "checking"),
        State.WAITING_FOR_CLIENT: ("ждём клиента", "waiting for the client"),
        State.WITH_SPECIALIST: ("у специалиста", "with a specialist"),
        State.DECIDED: ("есть заключение", "decided"),
        State.HANDED_OVER: ("материалы переданы", "handed over"),
        State.ANSWERED: ("клиент ответил", "answered"),
        State.CLOSED: ("закрыт", "closed"),
        State.REOPENED: ("открыт снова", "reopened"),
    },
    StepKind: {
        StepKind.CALL_BACK: ("Пауза и обратный звонок", "Pause and call back"),
        StepKind.WHOSE_SIDE: ("На чьей стороне может быть", "Whose side it can be on"),
        StepKind.OUR_CHECK: ("Наша проверка", "Our check"),
        StepKind.INSTRUCTIONS: ("Список проверок отправлен клиенту", "Instructions sent"),
        StepKind.DOCUMENTS: ("Запрошены материалы", "Documents requested"),
        StepKind.FIRST_VALIDITY: ("Первая проверка на пригодность", "First validity"),
        StepKind.SPECIALIST: ("Специалист", "Specialist"),
        StepKind.VERDICT: ("Заключение", "Verdict"),
        StepKind.LESSONS: ("Работа над ошибками", "Work on errors"),
        StepKind.OTHER: ("Другое", "Other"),
    },
    StepState: {
        StepState.TODO: ("предстоит", "to do"),
        StepState.DONE: ("сделано", "done"),
        StepState.SKIPPED: ("пропущено", "skipped"),
    },
    RequestState: {
        RequestState.ASKED: ("запрошено", "asked"),
        RequestState.RECEIVED: ("получено", "received"),
        RequestState.VALID: ("пригодно", "valid"),
        RequestState.ASKED_AGAIN: ("запрошено снова", "asked again"),
        RequestState.GIVEN_UP: ("больше не ждём", "given up"),
    },
    Side: {
        Side.OURS: ("на нашей стороне", "on our side"),
        Side.CLIENT: ("на стороне клиента", "on the client's side"),
        Side.THIRD: ("на стороне третьих лиц", "on a third side"),
        Side.NO_PROBLEM: ("проблемы не было", "there was no problem"),
    },
    AnswerKind: {
        AnswerKind.ACKNOWLEDGED: ("признал", "acknowledged"),
        AnswerKind.DISPUTES: ("не согласен", "disputes it"),
        AnswerKind.TOOK_MEASURES: ("принял меры", "took measures"),
    },
    Outcome: {
        Outcome.NO_PROBLEM: ("проблемы не было", "no problem"),
        Outcome.PRAISE: ("благодарность", "praise"),
        Outcome.PUT_RIGHT: ("исправлено нами", "put right by us"),
        Outcome.CLIENT_MEASURES: ("меры приняты клиентом", "measures of the client"),
        Outcome.THIRD_SIDE: ("передано третьей стороне", "a third side's matter"),
        Outcome.AGREED: ("договорились", "agreed"),
        Outcome.WITHDRAWN: ("претензия отозвана", "withdrawn"),
        Outcome.PARTED: ("расстались с клиентом", "parted with the client"),
    },
    Channel: {
        Channel.PHONE: ("по телефону", "by telephone"),
        Channel.EMAIL: ("по почте", "by mail"),
        Channel.MESSENGER: ("в мессенджере", "by messenger"),
        Channel.LETTER: ("письмом", "by letter"),
        Channel.IN_PERSON: ("лично", "in person"),
        Channel.PORTAL: ("через портал", "by the portal"),
    },
    WorkRole: {
        WorkRole.MANAGER: ("руководитель", "manager"),
        WorkRole.ADMINISTRATOR: ("администратор", "administrator"),
        WorkRole.ENGINEER: ("инженер", "engineer"),
        WorkRole.CONSULTANT: ("консультант", "consultant"),
        WorkRole.SPECIALIST: ("специалист", "specialist"),
        WorkRole.LEGAL: ("юрист", "legal"),
    },
    Happened: {
        Happened.CALL: ("звонок", "call"),
        Happened.VISIT: ("выезд", "visit"),
        Happened.UPDATE: ("обновление", "update"),
        Happened.COMPLAINT: ("жалоба", "complaint"),
        Happened.ACT: ("акт", "act"),
        Happened.TICKET: ("заявка", "ticket"),
        Happened.RECORDING: ("запись разговора", "recording"),
        Happened.SCREENSHOT: ("снимок экрана", "screenshot"),
        Happened.DOCUMENT: ("документ", "document"),
        Happened.RELEASE: ("передача материалов", "release"),
        Happened.DISPUTE: ("другой спор", "another dispute"),
        Happened.STATEMENT: ("сказано клиентом", "said by the client"),
    },
}

PAGE: Final[dict[str, tuple[str, str]]] = {
    "report": ("Отчёт по спору", "Report on a dispute"),
    "client": ("Контрагент", "Client"),
    "state": ("Состояние", "State"),
    "owner": ("Ведёт", "Owner"),
    "opened": ("Открыт", "Opened"),
    "closed": ("Закрыт", "Closed"),
    "period": ("Период", "Period"),
    "made": ("Составлен", "Made"),
    "made_for": ("получает:", "for"),
    "due": ("Обещано к", "Promised by"),
    "complaint": ("Претензия", "Complaint"),
    "steps": ("Шаги", "Steps"),
    "timeline": ("Что происходило", "What happened"),
    "axis": ("Ось времени", "Time axis"),
    "left_out": ("Не поместилось строк", "Lines left out"),
    "exhibits": ("Материалы", "Exhibits"),
    "findings": ("Что установлено", "Findings"),
    "requests": ("Запросы клиенту", "Requests to the client"),
    "verdict": ("Заключение специалиста", "Specialist's verdict"),
    "cost": ("Затраченное время", "Hours and cost"),
    "basis": ("Основание в договоре", "Basis in the contract"),
    "contract": ("договор", "contract"),
    "clause": ("пункт", "clause"),
    "answer": ("Ответ клиента", "The client's answer"),
    "outcome": ("Итог", "Outcome"),
    "lessons": ("Выводы", "Lessons"),
    "praise": ("Благодарность", "Praise"),
    "none": ("нет", "none"),
    "total": ("Всего", "Total"),
    "hours": ("ч", "h"),
    "no_rate": ("ставка не задана", "no rate is set"),
    "erased": ("уничтожено", "erased"),
    "withheld": (
        "только хранится: читает ответственный за выдачу или юрист",
        "only kept: an approver or legal reads it",
    ),
    "part": ("часть", "part"),
    "whole": ("целиком", "whole"),
    "redacted": ("скрыто мест", "parts taken out"),
    "step": ("Шаг", "Step"),
    "result": ("Результат или причина", "Result or reason"),
    "when": ("Когда", "When"),
    "what": ("Что", "What"),
    "about": ("О чём", "About"),
    "who": ("Кто", "Who"),
    "note": ("Пометка", "Note"),
    "added_by": ("Кто добавил", "Added by"),
    "asked": ("Что запрошено", "What was asked"),
    "judged": ("Наша оценка", "Our judgement"),
    "described": ("Как описал клиент", "As the client described it"),
    "role": ("Роль", "Role"),
    "time": ("Время", "Time"),
    "money": ("Стоимость", "Cost"),
    "page": ("Стр.", "Page"),
    "release_requested": ("запрошена", "requested"),
    "release_granted": ("материалы переданы", "handed over"),
    "release_revoked": ("закончена", "ended"),
    "release_denied": ("отклонена", "denied"),
}


def say(word: StrEnum | str, language: str) -> str:
    """Return a word of an enumeration, or of the page, in a language."""
    place = LANGUAGES.index(language)
    if isinstance(word, StrEnum):
        return _WORDS[type(word)][word][place]
    return PAGE[word][place]


def page(language: str) -> dict[str, str]:
    """Return all words of the page in a language."""
    return {name: say(name, language) for name in PAGE}


def enumerations() -> tuple[type[StrEnum], ...]:
    """Return the enumerations that have words."""
    return tuple(_WORDS)

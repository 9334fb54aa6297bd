"""What queues and reasons say, in Russian and English. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from babel.dates import format_date

from app.consent.reasons import REASONS, Words
from app.review.rules import Queue

TITLES: dict[Queue, Words] = {
    Queue.UNKNOWN: Words("Неизвестно, был ли уведомлён", "Not known to have been told"),
    Queue.PROPOSED: Words("Подтверждения на проверку", "Evidence to review"),
    Queue.BLOCKS: Words("Отказы и отзывы согласия", "Refusals and withdrawals"),
    Queue.RELEASES: Words("Передача материалов: одобрение", "Releases to approve"),
    Queue.POLICY: Words("Правила изменились", "Policy changed"),
    Queue.SAMPLE: Words("Выборка автоматических проверок", "Sample of automatic verdicts"),
    Queue.MOBILE: Words("Старые записи с мобильных", "Old recordings from mobiles"),
    Queue.DIFFERS: Words("Поиск расходится с решением", "A search differs from a verdict"),
    Queue.ASKED: Words("Попросили проверить", "Asked to be reviewed"),
}
WHY: dict[str, Words] = {
    "W_ASKED": Words("Попросили проверить", "Somebody asked that it be reviewed"),
    "W_MOBILE_OLD": Words(
        "Записано телефоном автоматически, и основания всё ещё нет.",
        "Recorded automatically by a telephone, and still without a ground.",
    ),
    "W_NOT_INSPECTED": Words(
        "Программа не смогла прочитать звук, поэтому уведомление не искалось.",
        "The program could not read the sound, so no notice was searched for.",
    ),
    "W_SAMPLED": Words(
        "Проверено программой и попало в выборку; в скобках её оценка сходства.",
        "Verified by the program and drawn into the sample; its score in brackets.",
    ),
    "W_SECOND_NEEDED": Words(
        "Один сотрудник уже решил; нужен второй.",
        "One person has decided already; a second is needed.",
    ),
    "W_TWO_NEEDED": Words(
        "Договор применяется впервые или основание особое: решают двое.",
        "The first use of a contract, or a special ground: two people decide.",
    ),
    "W_HEARD_NOTHING": Words(
        "Сотрудник прослушал и ничего не нашёл.", "Somebody has listened and found nothing."
    ),
    "W_PACK_PROPOSED": Words(
        "Предложены другие правила; пока ничего не изменилось.",
        "Other rules are proposed; nothing has changed yet.",
    ),
    "W_PACK_IN_FORCE": Words("Новые правила вступили в силу.", "New rules have come into force."),
    "W_APPROVAL_ASKED": Words("Запрошена передача.", "A release was asked for."),
    "W_NOT_DECIDED": Words("Предложено программой, ещё не решено.", "Proposed, not decided yet."),
    "W_VERIFIED_BY_RULE": Words(
        "Подтверждено программой по правилу.", "Verified by the program, by its rule."
    ),
    "W_VERIFIED": Words("Подтверждено сотрудником.", "Verified by a person."),
    "W_REJECTED": Words("Отклонено сотрудником.", "Rejected by a person."),
    "W_INVALIDATED": Words("Признано неверным двумя сотрудниками.", "Taken back by two people."),
    "W_HEARD_NOW": Words(
        "Новый поиск услышал уведомление полностью; в скобках метод.",
        "A later search heard the whole notice; its method in brackets.",
    ),
    "W_NOT_HEARD_NOW": Words(
        "Новый поиск здесь полного уведомления не находит; в скобках метод.",
        "A later search finds no whole notice here; its method in brackets.",
    ),
}
STEPS: dict[str, Words] = {
    "N_LISTEN_AND_PROPOSE": Words(
        "Прослушайте начало; если слышно уведомление, предложите подтверждение.",
        "Listen to the beginning; if you hear a notice, propose it as evidence.",
    ),
    "N_LISTEN_AND_NOTE": Words(
        "Прослушайте, запишите найденное в карточке записи и отметьте, что сделано.",
        "Listen, write down on the recording what you find, and note it as done.",
    ),
    "N_CLEAR_OR_ERASE": Words(
        "Предложите подтверждение или передайте запись на уничтожение.",
        "Propose evidence, or have the recording erased.",
    ),
    "N_VERIFY_OR_REJECT": Words("Подтвердите или отклоните.", "Verify or reject."),
    "N_SECOND_PERSON": Words(
        "Нужно решение второго сотрудника.", "A second person's verdict is needed."
    ),
    "N_CONFIRM_OR_REJECT": Words(
        "Подтвердите; отклоняют двое, один из них одобряющий.",
        "Confirm; to reject it takes two, one of them an approver.",
    ),
    "N_ERASE_OR_GROUND": Words(
        "Уничтожьте записи или внесите основание до срока.",
        "Erase the recordings or record a ground before it is due.",
    ),
    "N_LOOK_FIRST": Words(
        "Сначала восполните недостающее, затем решает одобряющий.",
        "First supply what is missing; then an approver decides.",
    ),
    "N_AGREE_OR_REJECT": Words(
        "Посмотрите, что изменится, и согласитесь или отклоните: согласие дают двое.",
        "Look at what would change, then agree or reject; it takes two to agree.",
    ),
    "N_READ_FLIPS": Words(
        "Посмотрите, что изменилось, сообщите кому нужно и отметьте.",
        "Look at what has changed, tell whom it concerns, and note it.",
    ),
    "N_APPROVE_OR_DENY": Words("Одобрите или откажите.", "Approve or deny."),
    "N_TELL_RECIPIENT": Words(
        "Сообщите получателю, что доступ закрыт, и отметьте это.",
        "Tell the recipient that access has ended, and note it.",
    ),
    "N_LOOK_AGAIN": Words(
        "Разберитесь, почему проверка не удалась, и отметьте это.",
        "Find out why it could not be decided, and note it.",
    ),
    "N_STANDS_OR_UNDO": Words(
        "Оставьте решение в силе или верните его на проверку.",
        "Let the verdict stand, or take it back.",
    ),
    "N_CHECK": Words(
        "Верно, если текст уведомления слышен полностью.",
        "Right, if the words of the notice are heard completely.",
    ),
}
HINDRANCES: dict[str, Words] = {
    "PROPOSED_IT": Words(
        "Вы сами это предложили: решает другой сотрудник.",
        "You proposed it yourself: another person decides.",
    ),
    "REQUESTED_IT": Words(
        "Вы сами это запросили: одобряет другой сотрудник.",
        "You asked for it yourself: another person approves.",
    ),
    "GIVEN": Words(
        "Ваше решение записано: теперь нужен другой сотрудник.",
        "Your verdict is written down: now another person is needed.",
    ),
    "ROLE": Words("Это решает другая роль.", "Another role decides this."),
    "READS_ONLY": Words("Вы можете только смотреть.", "You can only look."),
    "SETTLED": Words("Решение уже принято.", "It is settled already."),
}
ROLES: dict[str, Words] = {
    "any": Words("любой проверяющий", "any reviewer"),
    "approver": Words("утверждающий", "an approver"),
    "legal": Words("юрист", "legal"),
    "approver|legal": Words("утверждающий или юрист", "an approver or legal"),
}
TOLD: dict[str, Words] = {
    "notice": Words("Какой текст должен звучать", "Text that must be heard"),
    "contract": Words("Договор", "Contract"),
    "client": Words("Контрагент", "Client"),
    "reaction": Words("Собеседник", "The other side"),
    "question": Words("Вопрос", "Question"),
    "identity_basis": Words("Как узнали, кто говорит", "How it is known who speaks"),
    "employee": Words("Сотрудник", "Employee"),
    "act_number": Words("Локальный акт", "Local act"),
    "act_version": Words("Редакция", "Version"),
    "signed_on": Words("Подписано", "Signed on"),
    "clause": Words("Пункт", "Clause"),
    "wording": Words("Текст пункта", "Wording"),
    "person": Words("Кто согласился", "Who agreed"),
    "operator": Words("Кому дано", "Given to"),
    "data": Words("Какие данные", "Which data"),
    "actions": Words("Что разрешено", "What is allowed"),
    "term": Words("Срок согласия", "Term"),
    "how_to_withdraw": Words("Как отозвать", "How to withdraw"),
    "matter": Words("По какому делу", "Matter"),
    "author": Words("Составил", "Author"),
    "expires_on": Words("Действует до", "Expires on"),
    "authority": Words("Орган", "Authority"),
    "number": Words("Номер", "Number"),
    "date": Words("Дата", "Date"),
    "article": Words("Статья", "Article"),
    "deadline": Words("Исполнить до", "Deadline"),
    "channel": Words("Как сообщено", "Channel"),
}
"""What evidence says of itself."""
_DAYS = frozenset({"signed_on", "expires_on", "date", "deadline"})
_VALUES: dict[str, Words] = {
    "acknowledged": Words("подтвердил, что услышал", "acknowledged it"),
    "continued": Words("продолжил разговор", "went on talking"),
}
KINDS: dict[str, Words] = {
    "ivr_notice": Words("Уведомление о записи автоответчиком", "Notice played on the line"),
    "beep": Words("Звуковой сигнал", "Beep tone"),
    "dtmf_consent": Words("Согласие нажатием клавиши", "Consent by a key"),
    "verbal_notice": Words("Уведомление голосом", "Notice said aloud"),
    "verbal_consent": Words("Согласие голосом", "Consent said aloud"),
    "contract_clause": Words("Условие договора", "Contract clause"),
    "written_consent": Words("Письменное согласие", "Written consent"),
    "employee_ack": Words("Ознакомление сотрудника", "Employee's acknowledgement"),
    "other_ground": Words("Иное основание", "Another ground"),
    "legal_demand": Words("Требование органа", "Authority's demand"),
    "refusal": Words("Отказ", "Refusal"),
    "withdrawal": Words("Отзыв согласия", "Withdrawal"),
}
PURPOSES: dict[str, Words] = {
    "internal_quality": Words("контроль качества", "quality control"),
    "internal_training": Words("обучение сотрудников", "training of staff"),
    "dispute_client": Words("спор с клиентом", "dispute with the client"),
    "claim_defence": Words("защита от претензии", "defence against a claim"),
    "legal_demand": Words("требование органа", "authority's demand"),
    "subject_access": Words("копия своих данных", "copy of one's own data"),
    "consent_review": Words("проверка согласия", "review of consent"),
    "integrity_forensics": Words("проверка подлинности", "check of integrity"),
    "transcription": Words("расшифровка", "transcription"),
}


def why(code: str, lang: str) -> tuple[str, str]:
    """Return the title and the meaning of a reason to be in a queue."""
    if code in WHY:
        return "", WHY[code].of(lang)
    said = REASONS.get(code)
    return (said.title.of(lang), said.meaning.of(lang)) if said else (code, "")


def words(table: Mapping[str, Words], lang: str) -> dict[str, str]:
    """Return one language of a table."""
    return {code: said.of(lang) for code, said in table.items()}


def value(name: str, told: str, lang: str) -> str:
    """Return what evidence says as people write it: a known word, a day, or itself."""
    if name in _DAYS:
        try:
            return format_date(date.fromisoformat(told), "long", locale=lang)
        except ValueError:
            return told
    return _VALUES[told].of(lang) if name == "reaction" and told in _VALUES else told

"""What each reason and remedy says to people, in Russian and English. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from app.consent.remedies import BY_REASON


@dataclass(frozen=True, slots=True)
class Words:
    """The same in Russian and in English."""

    ru: str
    en: str

    def of(self, lang: str) -> str:
        """Return the Russian words for `ru`, else the English ones."""
        return self.ru if lang == "ru" else self.en


TO_BE_APPROVED = Words("должен быть утверждён вашим юристом", "to be approved by your lawyer")
"""The mark of every text that comes with the product."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A reason: its title, and what it means."""

    title: Words
    meaning: Words


REASONS: dict[str, Explained] = {
    "R_ERASED": Explained(
        Words("Запись уничтожена", "The recording is erased"),
        Words(
            "Ключ записи уничтожен, восстановить её нельзя.",
            "Its key was destroyed; it cannot be brought back.",
        ),
    ),
    "R_INTEGRITY": Explained(
        Words("Целостность нарушена", "Integrity failed"),
        Words(
            "Проверка показала, что файл отличается от принятого.",
            "A check found that the file differs from what was received.",
        ),
    ),
    "R_RESTRICTED": Explained(
        Words("Обработка ограничена", "Processing is restricted"),
        Words(
            "Использование записи приостановлено по возражению или требованию.",
            "Use of the recording is suspended after an objection or demand.",
        ),
    ),
    "R_HELD_ONLY": Explained(
        Words("Хранится только из-за запрета удаления", "Kept only by a legal hold"),
        Words(
            "Срок хранения истёк; запись хранится лишь ради запрета удаления.",
            "Its retention has ended; only a legal hold keeps it.",
        ),
    ),
    "P_FORBIDDEN": Explained(
        Words("Такая цель запрещена", "Never allowed"),
        Words(
            "Публикация и обучение моделей не допускаются никогда.",
            "Publishing and the training of models are never allowed.",
        ),
    ),
    "P_RECIPIENT": Explained(
        Words("Цель и получатель не сочетаются", "Purpose and recipient do not go together"),
        Words(
            "Для этой цели запись такому получателю не передаётся.",
            "Recordings do not go to such a recipient for this purpose.",
        ),
    ),
    "RCPT_UNVERIFIED": Explained(
        Words("Получатель не проверен", "The recipient is not verified"),
        Words(
            "Никто не подтвердил личность и полномочия получателя.",
            "Nobody has confirmed who the recipient is and for whom he speaks.",
        ),
    ),
    "RCPT_LEFT": Explained(
        Words("Получатель больше не представляет организацию", "The recipient has left"),
        Words(
            "Контакт отмечен как покинувший организацию клиента.",
            "The contact is marked as having left the client.",
        ),
    ),
    "RCPT_WRONG_ENTITY": Explained(
        Words("Другая организация", "Another firm"),
        Words(
            "Получатель представляет не ту организацию, с которой связан разговор.",
            "The recipient speaks for another firm than that of the call's event.",
        ),
    ),
    "RCPT_NOT_HEARD": Explained(
        Words("Получатель не участвовал в разговоре", "The recipient is not heard"),
        Words(
            "Копию своих данных получает только тот, кто слышен в записи.",
            "Only who is heard in a recording is given it as his own data.",
        ),
    ),
    "L_DEMAND_MISSING": Explained(
        Words("Нет проверенного требования", "No verified demand"),
        Words(
            "Нет проверенного требования органа, охватывающего этот фрагмент.",
            "No verified demand of an authority covers this part.",
        ),
    ),
    "C_NOBODY_KNOWN": Explained(
        Words("Собеседник неизвестен", "Nobody is known"),
        Words(
            "Внешние участники не указаны: где никто не известен, никого не спрашивали.",
            "No outside party is named; where nobody is known, nobody was asked.",
        ),
    ),
    "C_UNKNOWN": Explained(
        Words("Неизвестно, был ли уведомлён", "Not known to have been told"),
        Words(
            "Нет проверенного подтверждения, что участника предупредили о записи.",
            "There is no verified evidence that the party was told of the recording.",
        ),
    ),
    "C_PENDING": Explained(
        Words("Подтверждение ждёт проверки", "Evidence awaits review"),
        Words(
            "Подтверждение предложено, но ещё не проверено другим сотрудником.",
            "Evidence was proposed and not yet checked by another person.",
        ),
    ),
    "C_EXPIRED": Explained(
        Words("Согласие истекло", "The consent has expired"),
        Words(
            "Срок согласия участника закончился.",
            "The party's consent is no longer valid.",
        ),
    ),
    "C_EXPIRED_AT_CALL": Explained(
        Words("На момент звонка срок истёк", "Expired at the time of the call"),
        Words(
            "Договор или ознакомление уже не действовали, когда начался разговор.",
            "Contract or acknowledgement was no longer valid when the call began.",
        ),
    ),
    "C_RETROACTIVE_ONLY": Explained(
        Words("Только условие с обратной силой", "A retroactive clause only"),
        Words(
            "Условие подписано позже разговора и само по себе никого не уведомило.",
            "The clause was signed after the call and by itself told nobody.",
        ),
    ),
    "C_INVALIDATED": Explained(
        Words("Подтверждение признано неверным", "The evidence proved wrong"),
        Words(
            "Единственное подтверждение было проверено, а затем признано ошибочным.",
            "The only evidence was verified and later found to be wrong.",
        ),
    ),
    "C_REFUSAL_PROPOSED": Explained(
        Words("Сообщено об отказе", "A refusal was reported"),
        Words(
            "Кто-то сообщил, что участник отказался; до проверки всё остановлено.",
            "Somebody reported that the party refused; all stops until it is reviewed.",
        ),
    ),
    "C_REFUSED": Explained(
        Words("Участник отказался", "The party refused"),
        Words(
            "Отказ участника подтверждён.",
            "The party's refusal is confirmed.",
        ),
    ),
    "C_WITHDRAWAL_PROPOSED": Explained(
        Words("Сообщено об отзыве согласия", "A withdrawal was reported"),
        Words(
            "Получен отзыв согласия; до проверки всё остановлено.",
            "A withdrawal came in; all stops until it is reviewed.",
        ),
    ),
    "C_WITHDRAWN": Explained(
        Words("Согласие отозвано", "Consent was withdrawn"),
        Words(
            "Отзыв согласия участника подтверждён.",
            "The party's withdrawal is confirmed.",
        ),
    ),
    "C_SEGMENT_UNCOVERED": Explained(
        Words("Фрагмент шире уведомления", "The part reaches beyond the notice"),
        Words(
            "Часть фрагмента звучит до окончания уведомления или вне его действия.",
            "Some of the part lies before the end of the notice or outside of it.",
        ),
    ),
    "C_TOO_WEAK": Explained(
        Words("Подтверждения недостаточно", "The evidence is too weak"),
        Words(
            "По правилам места участника нужно более сильное согласие.",
            "The rules of the party's place ask for a stronger consent.",
        ),
    ),
    "C_PROOF_TOO_WEAK": Explained(
        Words("Доказательство слишком слабое", "The proof is too weak"),
        Words(
            "Участник уведомлён, но для этой цели место требует доказательства другого класса.",
            "The party was told, but for this purpose his place asks for a better class of proof.",
        ),
    ),
    "C_PURPOSE_NOT_ANNOUNCED": Explained(
        Words("Цель не была названа", "The purpose was not announced"),
        Words(
            "Участнику назвали другие цели записи.",
            "The party was told of other purposes of the recording.",
        ),
    ),
    "C_STAFF_UNACKNOWLEDGED": Explained(
        Words("Сотрудник не ознакомлен", "The employee has not acknowledged"),
        Words(
            "Нет проверенного ознакомления сотрудника с правилом записи до разговора.",
            "No verified acknowledgement of the recording rule is dated before the call.",
        ),
    ),
    "J_DEFAULT_STRICT": Explained(
        Words("Место неизвестно: строгие правила", "Place unknown: strict rules"),
        Words(
            "Место участника неизвестно, применены самые строгие правила.",
            "The party's place is not known, so the strictest rules apply.",
        ),
    ),
    "J_ALWAYS_REVIEW": Explained(
        Words("Решает человек в каждом случае", "A person decides each case"),
        Words(
            "Правила для участника (например, ребёнка) оставляют каждый случай человеку.",
            "The rules for the party (a minor, for one) leave every case to a person.",
        ),
    ),
    "G_NONE": Explained(
        Words("Нет основания для передачи", "No ground for disclosure"),
        Words(
            "Ни уведомление, ни договор, ни согласие не разрешают эту передачу этому получателю.",
            "Neither notice nor contract nor consent permits to give this to this recipient.",
        ),
    ),
    "S_SCREEN_REQUIRED": Explained(
        Words("Фрагмент не прослушан", "The part was not screened"),
        Words(
            "Никто не проверил фрагмент на личное и чужие тайны.",
            "Nobody has listened for private matters and others' secrets.",
        ),
    ),
    "S_PRIVATE": Explained(
        Words("Личное содержание", "Private content"),
        Words(
            "Во фрагменте говорится о частной жизни.",
            "The part speaks of private life.",
        ),
    ),
    "S_THIRD_PARTY_SECRET": Explained(
        Words("Чужая тайна", "Another client's secret"),
        Words(
            "Во фрагменте сведения другого клиента.",
            "The part holds what belongs to another client.",
        ),
    ),
    "A_COMPLIANCE_1": Explained(
        Words("Нужно одобрение", "An approval is missing"),
        Words(
            "Передачу должен одобрить другой сотрудник.",
            "Another person must approve.",
        ),
    ),
    "A_COMPLIANCE_2": Explained(
        Words("Нужны два одобрения", "Two approvals are needed"),
        Words(
            "Основание требует одобрения двух сотрудников.",
            "The ground needs the approval of two persons.",
        ),
    ),
    "A_COUNSEL": Explained(
        Words("Нужны одобрения для юриста", "Counsel approvals are missing"),
        Words(
            "Запись без уведомления передаётся юристу с одобрения нескольких сотрудников.",
            "What was recorded without notice goes to counsel with several approvals.",
        ),
    ),
    "A_LEGAL": Explained(
        Words("Нужно одобрение юриста", "Legal approval is missing"),
        Words(
            "Ответ на требование одобряет юрист.",
            "The answer to a demand is approved by the role legal.",
        ),
    ),
    "A_STALE": Explained(
        Words("Одобрение устарело", "The approval is out of date"),
        Words(
            "После одобрения изменились данные или правила.",
            "Facts or rules changed after the approval.",
        ),
    ),
    "A_SAME_PERSON": Explained(
        Words("Запросивший не одобряет", "Who asks does not approve"),
        Words(
            "Одобрение дал тот, кто запросил передачу.",
            "The approval came from the one who asked.",
        ),
    ),
    "A_INVOLVED": Explained(
        Words("Участник разговора не одобряет", "Who is heard does not approve"),
        Words(
            "Одобрение дал сотрудник, чей разговор записан.",
            "The approval came from an employee who is heard.",
        ),
    ),
    "E_INTERNAL": Explained(
        Words("Проверить не удалось", "It could not be checked"),
        Words(
            "Не хватает данных или правил, либо произошла ошибка; поэтому отказ.",
            "Facts or rules are missing or something broke, and so the answer is no.",
        ),
    ),
}

REMEDIES: dict[str, Words] = {
    "CHECK_INTEGRITY": Words(
        "Проверьте хранилище и восстановите файл из копии.",
        "Check the store and restore the file from a backup.",
    ),
    "LIFT_RESTRICTION": Words(
        "Снимите ограничение, если возражение рассмотрено.",
        "Lift the restriction once the objection is settled.",
    ),
    "CHOOSE_RECIPIENT": Words(
        "Выберите другого получателя.",
        "Choose another recipient.",
    ),
    "VERIFY_RECIPIENT": Words(
        "Подтвердите личность и полномочия получателя.",
        "Verify who the recipient is and for whom he speaks.",
    ),
    "CORRECT_EVENT": Words(
        "Исправьте событие, с которым связана запись.",
        "Correct the event that the recording belongs to.",
    ),
    "RECORD_DEMAND": Words(
        "Внесите требование органа и проверьте его обратным звонком.",
        "Record the authority's demand and verify it by calling back.",
    ),
    "NAME_PARTIES": Words(
        "Укажите, кто слышен в записи.",
        "Name who is heard.",
    ),
    "REVIEW_EVIDENCE": Words(
        "Предложите и проверьте подтверждение уведомления.",
        "Propose and review evidence of the notice.",
    ),
    "ASK_CONSENT": Words(
        "Попросите у участника явное согласие, где названы цель и получатель.",
        "Ask the party for an express consent that names purpose and recipient.",
    ),
    "REVIEW_REFUSAL": Words(
        "Рассмотрите сообщение об отказе или отзыве.",
        "Review the reported refusal or withdrawal.",
    ),
    "ASK_EMPLOYEE_ACK": Words(
        "Ознакомьте сотрудника с правилом записи.",
        "Have the employee acknowledge the recording rule.",
    ),
    "SCREEN_SEGMENT": Words(
        "Прослушайте фрагмент и отметьте результат.",
        "Listen to the part and record the result.",
    ),
    "ASK_APPROVAL": Words(
        "Попросите одобрения у другого сотрудника.",
        "Ask another person to approve.",
    ),
    "ASK_SECOND_APPROVAL": Words(
        "Попросите второго одобрения.",
        "Ask a second person to approve.",
    ),
    "ASK_COUNSEL_APPROVAL": Words(
        "Попросите недостающие одобрения передачи юристу.",
        "Ask for the missing approvals of giving it to counsel.",
    ),
    "ASK_LEGAL_APPROVAL": Words(
        "Попросите одобрения у юриста.",
        "Ask the role legal to approve.",
    ),
    "CALL_ADMINISTRATOR": Words(
        "Обратитесь к администратору.",
        "Call an administrator.",
    ),
    "ASK_CLAUSE_DISCLOSE": Words(
        "Договоритесь с клиентом об условии передачи записей его руководству.",
        "Agree with the client on a clause that permits giving recordings to its management.",
    ),
    "CUT_SEGMENT": Words(
        "Запросите только указанный фрагмент.",
        "Ask only for the part named.",
    ),
}


def remedies_of(code: str) -> tuple[str, ...]:
    """Return the codes of what would make it possible despite the reason `code`."""
    if code == "C_SEGMENT_UNCOVERED":
        return ("CUT_SEGMENT",)
    clause = ("ASK_CLAUSE_DISCLOSE",) if code in {"G_NONE", "C_PURPOSE_NOT_ANNOUNCED"} else ()
    return (*BY_REASON.get(code, ()), *clause)


FIELDS: dict[str, tuple[str, ...]] = {
    "C_TOO_WEAK": (
        "record_outside_min",
        "record_own_min",
        "stay_counts_as",
        "beep_counts_as",
        "min_stay_ms",
        "training_listening",
    ),
    "C_PROOF_TOO_WEAK": ("proof",),
    "C_PURPOSE_NOT_ANNOUNCED": ("notice_must_name_purposes", "training_listening"),
    "G_NONE": ("disclosure_grounds", "disclosure_consent_min"),
    "J_ALWAYS_REVIEW": ("always_review",),
    "A_COUNSEL": ("counsel_people", "unlawful_counsel"),
}
"""The fields of the packs that a reason hangs on; the other reasons are the same everywhere."""

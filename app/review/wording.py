"""What queues, reasons and pages say, in Russian and English. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from app.consent.reasons import REASONS, Words
from app.review.rules import Queue

LANGUAGES: Final = ("ru", "en")
_HOUR_S: Final = 3600
_DAY_S: Final = 24 * _HOUR_S
_MINUTE_S: Final = 60

TITLES: dict[Queue, Words] = {
    Queue.UNKNOWN: Words("Неизвестно, был ли уведомлён", "Not known to have been told"),
    Queue.PROPOSED: Words("Подтверждения на проверку", "Evidence to review"),
    Queue.BLOCKS: Words("Отказы и отзывы согласия", "Refusals and withdrawals"),
    Queue.RELEASES: Words("Передача материалов: одобрение", "Releases to approve"),
    Queue.POLICY: Words("Правила изменились", "Policy changed"),
    Queue.SAMPLE: Words("Выборка автоматических проверок", "Sample of automatic verdicts"),
    Queue.MOBILE: Words("Старые записи с мобильных", "Old recordings from mobiles"),
    Queue.DIFFERS: Words("Поиск расходится с решением", "A search differs from a verdict"),
}
HELP: dict[Queue, Words] = {
    Queue.UNKNOWN: Words(
        "Записи, где никто не подтвердил уведомление о записи. Прослушайте начало и предложите "
        "подтверждение: его проверит другой сотрудник.",
        "Recordings in which nobody has confirmed a notice. Listen to the beginning and propose "
        "evidence; another person will verify it.",
    ),
    Queue.PROPOSED: Words(
        "Кто-то или программа предложили подтверждение. Прослушайте отмеченное место и решите.",
        "Somebody, or the program, proposed evidence. Listen to the marked part and decide.",
    ),
    Queue.BLOCKS: Words(
        "Отказ останавливает всё сразу. Подтвердите его или отклоните вдвоём; срок идёт.",
        "A refusal stops everything at once. Confirm it, or reject it together with a second "
        "person; the clock runs.",
    ),
    Queue.RELEASES: Words(
        "Запросившему нужна вторая пара глаз. Прослушайте то, что уйдёт, и одобрите или откажите.",
        "Who asked needs a second pair of eyes. Listen to what would leave, then approve or deny.",
    ),
    Queue.POLICY: Words(
        "Правила, которые предложены или вступили в силу, и передачи, которые они закрыли. "
        "Сообщите получателю и отметьте.",
        "Rules that are proposed or have come into force, and the releases that they closed. Tell "
        "the recipient and note it.",
    ),
    Queue.SAMPLE: Words(
        "Случайная выборка того, что программа проверила сама. Верно ли она услышала?",
        "A random sample of what the program verified by itself. Did it hear right?",
    ),
    Queue.MOBILE: Words(
        "Автоматические записи с телефонов без основания. Найдите основание или уничтожьте.",
        "Automatic recordings from telephones without a ground. Find a ground or erase them.",
    ),
    Queue.DIFFERS: Words(
        "Повторный поиск услышал не то, что было решено. Решение в силе: прослушайте и оставьте "
        "его или верните на проверку.",
        "A later search heard something else than was decided. The verdict stands: listen, and "
        "keep it or take it back.",
    ),
}
EMPTY: dict[Queue, Words] = {
    Queue.UNKNOWN: Words(
        "Здесь появятся записи, в которых уведомление не найдено ни программой, ни людьми.",
        "Recordings appear here in which neither the program nor anybody found a notice.",
    ),
    Queue.PROPOSED: Words(
        "Здесь появится то, что предложат сотрудники или программа: уведомления, согласия, "
        "условия договоров.",
        "What people or the program propose appears here: notices, consents, contract clauses.",
    ),
    Queue.BLOCKS: Words(
        "Отказ или отзыв может внести любой сотрудник; он появится здесь и сразу всё остановит.",
        "Anybody can report a refusal or withdrawal; it appears here and stops all at once.",
    ),
    Queue.RELEASES: Words(
        "Здесь появятся запросы менеджеров на передачу записей клиентам.",
        "Managers' requests to hand recordings to clients appear here.",
    ),
    Queue.POLICY: Words(
        "Здесь появятся предложенные правила, а когда новые правила или факты отменят передачу — "
        "и она.",
        "Proposed rules appear here, and releases that new rules or facts undo.",
    ),
    Queue.SAMPLE: Words(
        "Зерно выборки публикуется в журнале заранее, поэтому выбрать удобное нельзя.",
        "The seed of the sample is published in the ledger in advance; nobody can pick.",
    ),
    Queue.MOBILE: Words(
        "Запись с мобильного попадёт сюда через две недели, если основание не найдено.",
        "A recording from a mobile comes here after two weeks without a ground.",
    ),
    Queue.DIFFERS: Words(
        "Если новый поиск разойдётся с прежним решением, случай появится здесь.",
        "When a later search contradicts a verdict, the case appears here.",
    ),
}
WHY: dict[str, Words] = {
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
    "N_CLEAR_OR_ERASE": Words(
        "Предложите подтверждение или передайте запись на уничтожение.",
        "Propose evidence, or have the recording erased.",
    ),
    "N_VERIFY_OR_REJECT": Words("Подтвердите или отклоните.", "Verify or reject."),
    "N_SECOND_PERSON": Words(
        "Нужно решение второго сотрудника.", "A second person's verdict is needed."
    ),
    "N_CONFIRM_OR_REJECT": Words(
        "Подтвердите; отклоняют двое, один из них approver.",
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
    "approver": Words("approver (руководитель проверки)", "an approver"),
    "legal": Words("legal (юрист)", "legal"),
    "approver|legal": Words("approver или legal", "an approver or legal"),
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
REJECTIONS: dict[str, Words] = {
    "not_heard": Words("Текст не слышен", "The words are not heard"),
    "cut_off": Words("Уведомление обрывается", "The notice breaks off"),
    "other_text": Words("Звучит другой текст", "Another text is heard"),
    "other_person": Words("Говорит не тот человек", "It is another person"),
    "no_answer": Words("Собеседник не ответил", "The other side did not answer"),
    "objected": Words("Собеседник возразил", "The other side objected"),
    "unclear": Words("Запись неразборчива", "The sound is unclear"),
    "other": Words("Другое (напишите)", "Other (say what)"),
}
PAGE: dict[str, Words] = {
    "product": Words("Audiatur", "Audiatur"),
    "review": Words("Проверка согласий", "Review"),
    "skip": Words("К содержанию", "To the content"),
    "log_in": Words("Войти", "Log in"),
    "log_in_title": Words("Вход", "Log in"),
    "name": Words("Имя", "Name"),
    "password": Words("Пароль", "Password"),
    "log_out": Words("Выйти", "Log out"),
    "log_in_first": Words("Сначала войдите.", "Log in first."),
    "refused": Words(
        "Имя или пароль неверны. Проверьте раскладку клавиатуры; забытый пароль меняет "
        "администратор.",
        "Name or password is wrong. Check the keyboard layout; an administrator changes a "
        "forgotten password.",
    ),
    "throttled": Words(
        "Слишком много попыток. Подождите четверть часа.",
        "Too many attempts. Wait a quarter of an hour.",
    ),
    "stale_form": Words(
        "Форма устарела. Попробуйте ещё раз.", "The form was out of date. Try again."
    ),
    "cannot": Words("Так нельзя", "This is not possible"),
    "forbidden": Words(
        "Ваша роль не включает проверку согласий. Другую роль даёт администратор.",
        "Your role does not include review. An administrator can give another role.",
    ),
    "other_language": Words("English", "Русский"),
    "queues": Words("Очереди", "Queues"),
    "queue": Words("Очередь", "Queue"),
    "waiting": Words("Ждут", "Waiting"),
    "oldest": Words("Самая старая", "Oldest"),
    "allowed": Words("Срок", "Time allowed"),
    "overdue": Words("просрочено", "overdue"),
    "nobody": Words("пусто", "empty"),
    "all_done": Words("Здесь всё разобрано", "All is done here"),
    "back": Words("Все очереди", "All queues"),
    "item_of": Words("{n} из {of}", "{n} of {of}"),
    "loading": Words("Загружается…", "Loading…"),
    "needs_script": Words(
        "Разбор с клавиатуры работает с JavaScript. Ниже то, что ждёт, списком.",
        "Review by keyboard needs JavaScript. What waits is listed below.",
    ),
    "why": Words("Почему здесь", "Why it is here"),
    "next_step": Words("Что сделать", "What to do"),
    "facts": Words("Запись разговора", "The call"),
    "client": Words("Контрагент", "Client"),
    "event": Words("Событие", "Event"),
    "started": Words("Начало", "Started"),
    "direction": Words("Направление", "Direction"),
    "inbound": Words("входящий", "inbound"),
    "outbound": Words("исходящий", "outbound"),
    "internal": Words("внутренний", "internal"),
    "agent": Words("Сотрудник", "Agent"),
    "line": Words("Линия", "Line"),
    "proof": Words("Класс доказательства", "Class of proof"),
    "proof_A": Words("слышно в записи", "heard in the recording"),
    "proof_B": Words("проиграно станцией", "played by the exchange"),
    "proof_C": Words("сказано сотрудником", "said by the agent"),
    "proof_D": Words("договор или документ", "contract or document"),
    "proof_E": Words("дано после разговора", "given after the call"),
    "proof_F": Words("доказательства нет", "no proof"),
    "evidence": Words("Подтверждение", "Evidence"),
    "quote": Words("Слова", "Words"),
    "purposes": Words("Цели", "Purposes"),
    "party": Words("Участник", "Party"),
    "proposed_by": Words("Предложил", "Proposed by"),
    "requested_by": Words("Запросил", "Asked for by"),
    "purpose": Words("Цель", "Purpose"),
    "recipient": Words("Получатель", "Recipient"),
    "due": Words("Срок", "Due"),
    "owner": Words("Взял", "Taken by"),
    "age": Words("Ждёт", "Waits for"),
    "unknown_client": Words("неизвестен", "unknown"),
    "sound": Words("Звук", "Sound"),
    "no_sound": Words(
        "У этого подтверждения нет записи: откройте документ.",
        "This evidence has no recording: look at the document.",
    ),
    "marked": Words("Отмечено {from}–{to}", "Marked {from}–{to}"),
    "marked_from": Words("Отмечено с {from}", "Marked from {from}"),
    "still_needed": Words("Ещё нужны: {roles}.", "Still needed: {roles}."),
    "verify": Words("Подтвердить", "Verify"),
    "right": Words("Верно", "Right"),
    "approve": Words("Одобрить", "Approve"),
    "noted": Words("Отметить", "Note as done"),
    "stands": Words("Решение в силе", "The verdict stands"),
    "undo_it": Words("Вернуть на проверку…", "Take it back…"),
    "reject": Words("Отклонить…", "Reject…"),
    "wrong": Words("Неверно…", "Wrong…"),
    "deny": Words("Отказать…", "Deny…"),
    "next": Words("Дальше", "Next"),
    "previous": Words("Назад", "Previous"),
    "play": Words("Слушать / пауза", "Play / pause"),
    "undo": Words("Вернуть", "Undo"),
    "keys": Words("Клавиши", "Keys"),
    "close": Words("Закрыть", "Close"),
    "key_seek": Words("Назад и вперёд на 5 с", "5 s back and forward"),
    "key_start": Words("К отмеченному месту", "To the marked part"),
    "reason": Words("Причина", "Reason"),
    "reason_text": Words("Пояснение", "In words"),
    "reason_needed": Words("Выберите причину или напишите её.", "Choose or write a reason."),
    "send": Words("Записать", "Write down"),
    "cancel": Words("Отмена", "Cancel"),
    "done": Words("Записано в журнал.", "Written into the ledger."),
    "done_second": Words(
        "Ваше решение записано. Нужен ещё: {roles}.",
        "Your verdict is written down. Still needed: {roles}.",
    ),
    "undone": Words(
        "Возвращено на проверку: решит другой сотрудник.",
        "Put up again: another person will decide.",
    ),
    "undo_second": Words(
        "Записано, что решение неверно. Чтобы оно отменилось, нужен ещё approver.",
        "Written down as wrong. An approver must agree before it is taken back.",
    ),
    "nothing_to_undo": Words("Возвращать нечего.", "There is nothing to undo."),
    "no_verdict": Words(
        "Здесь нет готового решения: сделайте то, что сказано выше.",
        "There is no verdict to give here: do what is said above.",
    ),
    "failed": Words("Не получилось: {why}", "It did not work: {why}"),
    "offline": Words("Нет связи с архивом.", "The archive does not answer."),
    "undo_reason": Words("Возвращено проверяющим", "Taken back by the reviewer"),
    "note_reason": Words("Получателю сообщено", "The recipient was told"),
    "stands_reason": Words("Прослушано, решение в силе", "Listened to; the verdict stands"),
    "help_link": Words("Все причины и что поможет", "All reasons and what helps"),
    "letters": Words("Управлять одной клавишей", "Use single keys"),
    "link_once": Words(
        "Ссылка для получателя, показывается один раз: {url}",
        "The recipient's link, shown this once: {url}",
    ),
    "no_wave": Words("Рисунок звука ещё не готов.", "The picture of the sound is not ready."),
    "no_listening": Words("Звук не открыть: {why}", "The sound cannot be played: {why}"),
    "wave_of": Words("Рисунок звука, {length}. {marked}", "The sound, {length}. {marked}"),
    "reports": Words("Отчёты (CSV)", "Reports (CSV)"),
    "help": Words("Помощь и клавиши", "Help and keys"),
    "help_title": Words("Причины и что поможет", "Reasons and what helps"),
    "helps": Words("Что поможет", "What helps"),
    "mine": Words("за вами до {until}", "yours until {until}"),
    "theirs": Words("взял(а) {name} до {until}", "taken by {name} until {until}"),
    "for_you": Words("ждёт вас", "waits for you"),
    "for_others": Words("ждёт другого", "waits for another"),
    "settled": Words("решено", "settled"),
    "late": Words("просрочено", "overdue"),
    "propose": Words("Что вы услышали", "What you heard"),
    "missing": Words("Чего не хватает", "What is missing"),
    "optional": Words("(если есть)", "(if any)"),
    "heard_from": Words("Слышно с", "Heard from"),
    "heard_to": Words("до", "until"),
    "stayed_to": Words("Собеседник на линии до", "The other side stayed until"),
    "question_from": Words("Вопрос с", "Question from"),
    "question_quote": Words("Слова вопроса", "Words of the question"),
    "answer_from": Words("Ответ с", "Answer from"),
    "answer_quote": Words("Слова ответа", "Words of the answer"),
    "searched_from": Words("Прослушано с", "Listened from"),
    "whole_call": Words("Согласие дано на весь разговор", "The consent is for the whole call"),
    "notice_text": Words("Какой текст звучит", "Which text is heard"),
    "no_texts": Words(
        "Утверждённых текстов на день звонка нет.", "No text was approved for the day of the call."
    ),
    "heard_quote": Words("Слова, как они слышны", "The words as they are heard"),
    "reaction": Words("Что ответил собеседник", "What the other side did"),
    "acknowledged": Words("подтвердил, что понял", "said that he understood"),
    "continued": Words("продолжил разговор", "went on talking"),
    "objected": Words("возразил", "objected"),
    "identity_basis": Words("Откуда известно, кто говорит", "How it is known who speaks"),
    "mandate_basis": Words(
        "Откуда известно, что говорит от имени фирмы", "How it is known that he speaks for the firm"
    ),
    "announced": Words("Названные цели", "Purposes that were named"),
    "receivers": Words("Названные получатели", "Recipients that were named"),
    "scope": Words("От чего отказ", "What is refused"),
    "screened": Words("Что в этом фрагменте", "What this part holds"),
    "clear": Words("ничего личного и чужого", "nothing private or of others"),
    "private": Words("личное", "private matters"),
    "third_party_secret": Words("чужая тайна", "another's secret"),
    "note": Words("Пояснение", "Note"),
    "mark_here": Words("Отсюда", "From here"),
    "mark_to_here": Words("Досюда", "To here"),
    "key_marks": Words("Начало и конец услышанного", "Beginning and end of what you hear"),
    "key_forms": Words("Предложить услышанное", "Propose what you heard"),
    "key_claim": Words("Недостающее: фрагмент, получатель", "Missing: the part, the recipient"),
    "form_send": Words("Записать", "Write down"),
    "proposed_done": Words(
        "Предложено и записано в журнал; проверит другой сотрудник.",
        "Proposed and written into the ledger; another person will verify it.",
    ),
    "blocked_done": Words(
        "Отказ записан и уже действует; его подтвердит другой сотрудник.",
        "The refusal is written down and in effect; another person will confirm it.",
    ),
    "nothing_done": Words(
        "Записано, что ничего не найдено; запись остаётся закрытой.",
        "Written down that nothing was found; the recording stays closed.",
    ),
    "looked_done": Words("Записано в журнал.", "Written into the ledger."),
    "wrong_time": Words("Время в виде 1:02,5.", "A time like 1:02.5."),
    "wrong_order": Words("Конец позже начала.", "The end is after the beginning."),
    "wrong_length": Words("Запись короче: {length}.", "The recording is shorter: {length}."),
    "wrong_stay": Words(
        "Нужно не меньше 3 с на линии после уведомления.",
        "At least 3 s on the line after the notice are needed.",
    ),
    "wrong_empty": Words("Заполните.", "Fill this in."),
    "wrong_choice": Words("Выберите хотя бы одно.", "Choose at least one."),
    "wrong_objected": Words(
        "Возражение — это отказ: предложите отказ (клавиша 4).",
        "An objection is a refusal: propose a refusal (key 4).",
    ),
    "wrong_server": Words("Архив не принял это поле.", "The archive did not take this."),
    "flips": Words("Что меняется", "What changes"),
    "flips_would": Words("Если вступит в силу", "If it came into force"),
    "flips_did": Words("После вступления в силу", "Since it came into force"),
    "stricter": Words("Строже", "Stricter"),
    "softer": Words("Мягче (только для новых запросов)", "Softer (for new requests alone)"),
    "ended": Words("Закрытые передачи", "Releases that were closed"),
    "looked_at": Words("Проверено: {n}.", "Looked at: {n}."),
    "no_flips": Words("Ничего не меняется.", "Nothing changes."),
    "more": Words("Ещё", "More"),
    "was": Words("Было", "Before"),
    "becomes": Words("Станет", "After"),
    "still_open": Words("передача открыта и закроется", "the release is open and would close"),
    "recording": Words("Запись", "Recording"),
    "version": Words("Правила", "Rules"),
    "effective": Words("Действуют с", "Effective from"),
    "agree": Words("Согласиться", "Agree"),
    "expired": Words("Сеанс окончен: войдите, и вы вернётесь сюда.", "The session has ended."),
    "wait": Words("Секунду: это уже следующее.", "One moment: this is the next one."),
}
COUNTED: dict[str, dict[str, tuple[str, ...]]] = {
    "days": {"ru": ("день", "дня", "дней"), "en": ("day", "days")},
    "hours": {"ru": ("час", "часа", "часов"), "en": ("hour", "hours")},
    "minutes": {"ru": ("минута", "минуты", "минут"), "en": ("minute", "minutes")},
    "decisions": {"ru": ("решение", "решения", "решений"), "en": ("decision", "decisions")},
}
"""What is counted: in Russian one, few and many of it, in English one and several."""

FORMS: dict[str, Words] = {
    "ivr_notice": Words("Звучит уведомление", "A notice is played"),
    "verbal_notice": Words("Предупредил сотрудник", "Our agent said it"),
    "verbal_consent": Words("Собеседник согласился", "The other side agreed"),
    "refusal": Words("Собеседник отказался", "The other side refused"),
    "none": Words("Ничего не слышно", "Nothing is heard"),
    "screen": Words("Проверить фрагмент", "Screen the part"),
    "know": Words("Подтвердить получателя", "Confirm the recipient"),
}
"""What a person can say who has listened, in the order of the keys 1 to 5, then what Q4 lacks."""
REPORTS: dict[str, Words] = {
    "coverage": Words("охват уведомлениями", "coverage by notices"),
    "samples": Words("ошибки выборки", "errors of the sample"),
    "refusals": Words("отказы и отзывы", "refusals and withdrawals"),
    "queues": Words("возраст очередей", "age of the queues"),
    "times": Words("время решений", "time to a verdict"),
}
RECEIVERS: dict[str, Words] = {
    "client_same_entity": Words("руководство его организации", "the management of his firm"),
    "third_party": Words("третьи лица", "third parties"),
}
OUTCOMES: dict[str, Words] = {
    "ALLOW": Words("✓ можно", "✓ allowed"),
    "NEEDS_APPROVAL": Words("◐ нужно одобрение", "◐ needs approval"),
    "REVIEW": Words("? нужна проверка", "? needs review"),
    "DENY": Words("✕ нельзя", "✕ denied"),
}
_FEW_ENDS, _TEENS = range(2, 5), range(11, 15)


PROBLEMS: dict[str, Words] = {
    "proposer-decides": HINDRANCES["PROPOSED_IT"],
    "verdict-repeated": HINDRANCES["GIVEN"],
    "role-cannot-settle": HINDRANCES["ROLE"],
    "role-cannot-approve": HINDRANCES["ROLE"],
    "requester-approves": HINDRANCES["REQUESTED_IT"],
    "permission-missing": HINDRANCES["ROLE"],
    "transition-refused": HINDRANCES["SETTLED"],
    "approver-involved": Words(
        "Вы слышны в этой записи: одобряет другой сотрудник.",
        "You are heard in this recording: another person approves.",
    ),
    "notice-not-approved": Words(
        "Этот текст уведомления не утверждён или не действовал в день звонка.",
        "This notice text was not approved, or not valid on the day of the call.",
    ),
    "evidence-incomplete": Words(
        "В подтверждении не хватает сведений.", "The evidence lacks what it must carry."
    ),
    "release-refused": Words(
        "Правила больше не позволяют эту передачу.", "The rules no longer allow this release."
    ),
    "consent-refused": Words(
        "Правила не позволяют слушать эту запись.", "The rules do not allow to listen."
    ),
    "nothing-to-undo": Words("Возвращать нечего.", "There is nothing to undo."),
    "claim-taken": Words("Это взял другой сотрудник.", "Somebody else has taken it."),
    "item-not-waiting": Words(
        "Это уже разобрано или ушло из очереди.", "It was settled meanwhile, or has left the queue."
    ),
    "proposer-activates": HINDRANCES["PROPOSED_IT"],
    "proposer-only": HINDRANCES["PROPOSED_IT"],
    "same-person-activates": HINDRANCES["GIVEN"],
    "approver-needed": Words(
        "Один из двух согласившихся должен быть approver.", "One of the two must be an approver."
    ),
    "pack-not-yet-effective": Words(
        "Первый день этих правил ещё не наступил.", "The first day of these rules has not come."
    ),
    "pack-ended": Words("Предложение отозвано или отклонено.", "It was withdrawn or rejected."),
    "pack-in-force": Words("Правила уже действуют.", "They are in force already."),
    "party-unknown": Words(
        "Такого участника в записи нет.", "No such party is heard in this recording."
    ),
    "names-too-much": Words(
        "Названо больше, чем в тексте уведомления.", "More is claimed than the notice says."
    ),
    "recording-not-found": Words("Записи больше нет.", "The recording is gone."),
    "validation-failed": Words("Проверьте поля.", "Look at the fields again."),
    "key-missing": Words("Войдите снова.", "Log in again."),
    "key-unknown": Words("Войдите снова.", "Log in again."),
}
"""Refusals that a reviewer can meet, by the type of the problem."""


def language_of(asked: str | None, accepted: str | None) -> str:
    """Return the language asked for by name, else the browser's first of ours, else Russian."""
    if asked in LANGUAGES:
        return str(asked)
    wanted: list[tuple[float, int, str]] = []
    for place, part in enumerate((accepted or "")[:500].split(",")):
        name, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            continue
        if weight > 0 and (short := name[:2].lower()) in LANGUAGES:
            wanted.append((-weight, place, short))
    return min(wanted)[2] if wanted else LANGUAGES[0]


def why(code: str, lang: str) -> tuple[str, str]:
    """Return the title and the meaning of a reason to be in a queue."""
    if code in WHY:
        return "", WHY[code].of(lang)
    said = REASONS.get(code)
    return (said.title.of(lang), said.meaning.of(lang)) if said else (code, "")


def words(table: Mapping[str, Words], lang: str) -> dict[str, str]:
    """Return one language of a table."""
    return {code: said.of(lang) for code, said in table.items()}


def length(of: timedelta, lang: str) -> str:
    """Return a length of time in its largest unit: days, hours or minutes."""
    seconds = max(0, int(of.total_seconds()))
    for name, unit in (("days", _DAY_S), ("hours", _HOUR_S)):
        if seconds >= unit:
            return counted(name, seconds // unit, lang)
    return counted("minutes", seconds // _MINUTE_S, lang)


def counted(what: str, number: int, lang: str) -> str:
    """Return how many of something, in the form that the number asks for.

    Source: the Unicode CLDR plural rules of Russian and English.
    """
    if lang != "ru":
        return f"{number} {COUNTED[what]['en'][number != 1]}"
    one, few, many = COUNTED[what]["ru"]
    is_teen = number % 100 in _TEENS
    if number % 10 == 1 and not is_teen:
        return f"{number} {one}"
    return f"{number} {few if number % 10 in _FEW_ENDS and not is_teen else many}"

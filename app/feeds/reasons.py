"""Why a call has no recording: one list, with words and help in Russian and English. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class GapReason(StrEnum):
    """Why something is missing."""

    PRIVATE = "private"
    TOO_SHORT = "too_short"
    EXCLUDED = "excluded"
    FAILED = "failed"
    REFUSED = "refused"
    DEVICE_DOWN = "device_down"
    ERASED = "erased"
    LOST = "lost"
    NOT_A_CALL = "not_a_call"
    FEED_INCOMPLETE = "feed_incomplete"
    OTHER = "other"
    AMBIGUOUS = "ambiguous"
    NO_CALL_RECORD = "no_call_record"
    COUNT_DIFFERS = "count_differs"
    UNEXPLAINED = "unexplained"


_R = GapReason
BY_SENDER = frozenset({_R.PRIVATE, _R.TOO_SHORT, _R.EXCLUDED, _R.FAILED, _R.LOST})
"""What the sender of a call or a counter may say itself."""

BY_PERSON = frozenset(
    {
        _R.PRIVATE,
        _R.TOO_SHORT,
        _R.EXCLUDED,
        _R.FAILED,
        _R.REFUSED,
        _R.DEVICE_DOWN,
        _R.LOST,
        _R.NOT_A_CALL,
        _R.FEED_INCOMPLETE,
        _R.OTHER,
    }
)
"""What a person may give as a reason, with words."""

OPEN = frozenset({_R.AMBIGUOUS, _R.NO_CALL_RECORD, _R.COUNT_DIFFERS, _R.UNEXPLAINED})
"""What nobody has explained yet."""

ALARMS = frozenset({_R.COUNT_DIFFERS, _R.UNEXPLAINED})
"""What may mean that a recording is lost."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A reason in words: a title and what it means or what helps, in both languages."""

    title_ru: str
    title_en: str
    help_ru: str
    help_en: str


REASONS: dict[GapReason, Explained] = {
    _R.PRIVATE: Explained(
        "Личный разговор",
        "A private call",
        "Сотрудник отметил звонок как личный, и запись не велась.",
        "The agent declared the call private, so it was not recorded.",
    ),
    _R.TOO_SHORT: Explained(
        "Слишком короткий",
        "Too short",
        "Разговор короче установленного минимума (AUDIATUR_SHORTEST_CALL_SECONDS).",
        "The talk was shorter than the configured minimum (AUDIATUR_SHORTEST_CALL_SECONDS).",
    ),
    _R.EXCLUDED: Explained(
        "Не записывается по правилу",
        "Excluded by a rule",
        "Для этой линии, направления или устройства запись отключена правилом.",
        "A rule says that this line, direction or device is not recorded.",
    ),
    _R.FAILED: Explained(
        "Сбой записи у отправителя",
        "Recording failed at the sender",
        "Станция или программный телефон сообщили, что записать не удалось. Проверьте устройство.",
        "The exchange or softphone says that it could not record. Look at the device.",
    ),
    _R.REFUSED: Explained(
        "Файл не принят",
        "The file was refused",
        "Запись присылали, но архив её не принял; причина отказа стоит в журнале.",
        "The recording was sent and not taken; the refusal is in the ledger.",
    ),
    _R.DEVICE_DOWN: Explained(
        "Устройство не работало",
        "The device was down",
        "На это время указано, что устройство или линия не работали.",
        "It is written down that the device or line was down at that time.",
    ),
    _R.ERASED: Explained(
        "Запись уничтожена",
        "The recording was erased",
        "Запись была принята и затем уничтожена; акт об этом хранится.",
        "The recording had come in and was erased later; the act of it is kept.",
    ),
    _R.LOST: Explained(
        "Запись утрачена",
        "The recording is lost",
        "Запись велась, но файл утрачен до передачи в архив.",
        "It was recorded, and the file was lost before it came to the archive.",
    ),
    _R.NOT_A_CALL: Explained(
        "Не разговор",
        "No call in fact",
        "Строка станции не является разговором: проба линии, служебный вызов.",
        "The exchange's row is no conversation: a test of the line, a service call.",
    ),
    _R.FEED_INCOMPLETE: Explained(
        "Данные станции неполны",
        "The list of calls is incomplete",
        "Запись есть, а станция о звонке не сообщила, или счётчик устройства неверен.",
        "The recording is there; the exchange did not tell of the call, or a counter was wrong.",
    ),
    _R.OTHER: Explained(
        "Другая причина",
        "Another reason",
        "Причина изложена словами.",
        "The reason is in the words.",
    ),
    _R.AMBIGUOUS: Explained(
        "Подходит несколько",
        "Several fit",
        "По номеру и времени подходит больше одной записи или звонка. Решите и укажите причину.",
        "By number and time more than one recording or call fits. Look, and give a reason.",
    ),
    _R.NO_CALL_RECORD: Explained(
        "Нет сведений о звонке",
        "No call is known",
        "Запись принята, но ни один источник о таком звонке не сообщил.",
        "The recording came in, and no source has told of such a call.",
    ),
    _R.COUNT_DIFFERS: Explained(
        "Счётчик не сходится",
        "The counter disagrees",
        "Устройство насчитало за день другое число, чем принято. Проверьте, что не отправлено.",
        "The device counted another number for the day than came in. Look at what it has not sent.",
    ),
    _R.UNEXPLAINED: Explained(
        "Без объяснения",
        "Unexplained",
        "Отвеченный звонок без записи и без причины. Найдите запись или укажите причину.",
        "An answered call without recording or reason. Find the recording, or give the reason.",
    ),
}

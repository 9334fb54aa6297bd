"""Why an item was refused, and why 1C could not be reached: words in Russian and English. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """Why an item of 1C was not taken as it is; most are what a line of a table can have.

    `marked_unknown` and `client_awaited` are told of what was not refused.
    """

    NOT_AN_OBJECT = "not_an_object"
    KIND = "kind"
    REF = "ref"
    VERSION = "version"
    TWICE = "twice"
    PERMISSION = "permission"
    MARKED_UNKNOWN = "marked_unknown"
    CLIENT_AWAITED = "client_awaited"
    COLUMN_MISSING = "column_missing"
    COLUMN_TWICE = "column_twice"
    CELL_MISSING = "cell_missing"
    DATE = "date"
    NUMBER = "number"
    YES_OR_NO = "yes_or_no"
    WORD = "word"
    VALUE = "value"
    PHONE = "phone"
    CLIENT = "client"
    OFFICE = "office"
    PERIOD = "period"
    OTHER_CLIENT = "other_client"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Words:
    """What is wrong, and what helps, in both languages."""

    ru: str
    en: str
    help_ru: str
    help_en: str


REASONS: Final[Mapping[Reason, Words]] = {
    Reason.NOT_AN_OBJECT: Words(
        "Элемент — не объект.",
        "The item is no object.",
        "Каждый элемент массива — объект с полями kind, ref, version, fields.",
        "Each item of the list is an object with kind, ref, version and fields.",
    ),
    Reason.KIND: Words(
        "Неизвестный вид.",
        "The kind is not known.",
        "kind — client, contact, contract или event.",
        "kind is client, contact, contract or event.",
    ),
    Reason.REF: Words(
        "Нет ссылки 1С или она пустая.",
        "There is no reference of 1C, or it is the empty one.",
        "ref — уникальный идентификатор ссылки: Строка(Ссылка.УникальныйИдентификатор()).",
        "ref is the unique identifier of the reference.",
    ),
    Reason.VERSION: Words(
        "Версия данных — не строка.",
        "The version of the data is no text.",
        "version — ВерсияДанных объекта, строка до 100 знаков.",
        "version is the object's DataVersion, a text of at most 100 characters.",
    ),
    Reason.TWICE: Words(
        "Этот объект есть в пакете ещё раз.",
        "The same object stands in the batch once more.",
        "Отправляйте объект в пакете один раз, в его последнем состоянии.",
        "Send an object once in a batch, in its latest state.",
    ),
    Reason.PERMISSION: Words(
        "У ключа нет права на такие данные.",
        "The key has no permission for such data.",
        "Возьмите ключ с ролью manager или admin.",
        "Take a key of the role manager or admin.",
    ),
    Reason.MARKED_UNKNOWN: Words(
        "Помечен на удаление, а в архиве его и не было.",
        "It is marked for deletion and was never here.",
        "Ничего делать не нужно.",
        "There is nothing to do.",
    ),
    Reason.CLIENT_AWAITED: Words(
        "Клиента этого звонка в архиве нет: звонок принят без него и ждёт разбора.",
        "The client of this call is not known: it was taken without one and waits in triage.",
        "Когда клиент придёт, звонок станет его звонком сам.",
        "When the client comes, the call becomes his by itself.",
    ),
    Reason.COLUMN_MISSING: Words(
        "Нет обязательного поля.",
        "A field that is needed is missing.",
        "Добавьте поле; какие нужны, сказано в docs/onec.md.",
        "Add the field; docs/onec.md says which are needed.",
    ),
    Reason.COLUMN_TWICE: Words(
        "Поле названо дважды, разными именами.",
        "A field is there twice, by different names.",
        "Оставьте одно имя.",
        "Leave one of the names.",
    ),
    Reason.CELL_MISSING: Words(
        "Обязательное поле пусто.",
        "A field that is needed is empty.",
        "Заполните его в 1С и запишите объект ещё раз.",
        "Fill it in 1C and write the object once more.",
    ),
    Reason.DATE: Words(
        "Это не дата.",
        "This is no date.",
        "Дата — как в 1С: 2026-11-30T10:00:00, пояс берётся из настройки источника.",
        "A date is as in 1C, 2026-11-30T10:00:00; its zone is that of the source.",
    ),
    Reason.NUMBER: Words(
        "Это не сумма.",
        "This is no sum of money.",
        "Сумма — число не меньше нуля, не больше двух знаков после запятой.",
        "A sum is a number of at least zero with at most two decimals.",
    ),
    Reason.YES_OR_NO: Words(
        "Это не «да» и не «нет».",
        "This is neither yes nor no.",
        "Передайте булево значение.",
        "Send a truth value.",
    ),
    Reason.WORD: Words(
        "Это слово архиву неизвестно.",
        "This word is not known here.",
        "Вид события: звонок, выезд, обновление, жалоба, акт, заявка; при чтении — values.",
        "See docs/onec.md for the words; for what is read by OData give values.",
    ),
    Reason.VALUE: Words(
        "Такое значение нельзя сохранить.",
        "This value cannot be kept.",
        "Обычно оно слишком длинное, вложенное или содержит служебные знаки.",
        "Mostly it is too long, nested, or has control characters.",
    ),
    Reason.PHONE: Words(
        "Это не номер телефона.",
        "This is no telephone number.",
        "Исправьте номер в 1С или передавайте номера по одному, без добавочных.",
        "Correct the number in 1C, or send numbers one by one without extensions.",
    ),
    Reason.CLIENT: Words(
        "Такого клиента в архиве нет.",
        "There is no such client here.",
        "Когда клиент придёт, этот элемент будет принят сам.",
        "When the client comes, this item is taken by itself.",
    ),
    Reason.OFFICE: Words(
        "Такого офиса нет.",
        "There is no such office.",
        "Заведите офис в архиве или не передавайте поле office.",
        "Make the office in the archive, or leave the field out.",
    ),
    Reason.PERIOD: Words(
        "Договор кончается раньше, чем начинается.",
        "The contract ends before it begins.",
        "Исправьте даты договора в 1С.",
        "Correct the dates of the contract in 1C.",
    ),
    Reason.OTHER_CLIENT: Words(
        "Событие раньше было названо событием другого клиента.",
        "The event was told of before as another client's.",
        "Событие не переносится: заведите в 1С новое.",
        "An event is not moved: make another in 1C.",
    ),
    Reason.OTHER: Words(
        "Не принято по другой причине.",
        "It was refused for another reason.",
        "Посмотрите журнал архива.",
        "Look at the log of the archive.",
    ),
}

FAULTS: Final[Mapping[str, tuple[str, str]]] = {
    "address": (
        "Адрес запрещён: разрешают его AUDIATUR_OUTBOUND_NETWORKS и AUDIATUR_OUTBOUND_HTTP.",
        "It is forbidden: AUDIATUR_OUTBOUND_NETWORKS and AUDIATUR_OUTBOUND_HTTP allow it.",
    ),
    "unresolved": ("Имя сервера 1С не найдено.", "The name of the server was not resolved."),
    "unreachable": ("Сервер 1С не отвечает.", "The server does not answer."),
    "slow": ("1С отвечает слишком долго.", "It answers too slowly."),
    "too_large": (
        "Ответ слишком велик: уменьшите page.",
        "The answer is too large: make page smaller.",
    ),
    "redirect": (
        "1С отвечает перенаправлением: проверьте адрес базы.",
        "It answers by a redirect: look at the base address.",
    ),
    "credentials": (
        "1С не принимает имя или пароль.",
        "It does not take the user or the password.",
    ),
    "forbidden": ("Пользователю 1С не хватает прав.", "The user of 1C lacks rights."),
    "not_switched_on": (
        "Нет в составе OData, или не опубликовано.",
        "It is not in the OData composition, or not published.",
    ),
    "busy": ("1С просит подождать.", "It asks to wait."),
    "broken": ("Ошибка на стороне 1С.", "Something broke in 1C."),
    "status": ("1С ответила отказом.", "It refused."),
    "unreadable": ("Ответ 1С нельзя прочесть.", "The answer cannot be read."),
    "shifting": (
        "Строки сдвигались быстрее, чем читались; чтение продолжится.",
        "Rows moved faster than they were read; it goes on.",
    ),
    "changed": (
        "Документ всё время кто-то записывает.",
        "Somebody keeps writing the document.",
    ),
}
"""Why 1C could not be asked or told, in Russian and English."""

"""What is said in the generated calls; the sentences of the final figure tune nothing.

Every entry of a set begins with its language, as espeak-ng names it. `negated` says the contrary
of the notice in nearly its own words; `others` are announcements of the same company.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice with the sentences that must not be taken for it."""

    language: str
    text: str
    negated: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The sentences of one set."""

    notices: tuple[Notice, ...]
    others: dict[str, tuple[str, ...]]
    talk: dict[str, tuple[str, ...]]


TUNING: Final = Script(
    notices=(
        Notice(
            language="ru",
            text="В целях повышения качества обслуживания ваш разговор может быть записан",
            negated=(
                "В целях повышения качества обслуживания ваш разговор не может быть записан",
                "В целях повышения качества обслуживания ваш разговор не будет записан",
            ),
        ),
        Notice(
            language="ru",
            text=(
                "Здравствуйте. Обратите внимание: все разговоры записываются. "
                "Запись хранится шесть месяцев."
            ),
            negated=(
                (
                    "Здравствуйте. Обратите внимание: все разговоры не записываются. "
                    "Запись хранится шесть месяцев."
                ),
                ("Здравствуйте. Обратите внимание: разговоры не записываются. Запись не хранится."),
            ),
        ),
        Notice(
            language="en-us",
            text="This call may be recorded for quality and training purposes",
            negated=(
                "This call may not be recorded for quality and training purposes",
                "This call will not be recorded for quality and training purposes",
            ),
        ),
        Notice(
            language="en",
            text=(
                "Please note that all conversations on this line are recorded and kept for "
                "twelve months for training and for the settlement of disputes"
            ),
            negated=(
                (
                    "Please note that all conversations on this line are not recorded and kept for "
                    "twelve months for training and for the settlement of disputes"
                ),
                (
                    "Please note that no conversations on this line are recorded and kept for "
                    "twelve months for training and for the settlement of disputes"
                ),
            ),
        ),
        Notice(
            language="de",
            text="Zur Verbesserung unseres Dienstes wird dieses Gespräch aufgezeichnet",
            negated=(
                "Zur Verbesserung unseres Dienstes wird dieses Gespräch nicht aufgezeichnet",
                "Zur Verbesserung unseres Dienstes wird kein Gespräch aufgezeichnet",
            ),
        ),
    ),
    others={
        "ru": (
            "Все операторы заняты. Оставайтесь на линии, ваш звонок очень важен для нас",
            "Для связи с бухгалтерией нажмите один, с отделом сопровождения нажмите два",
            "В целях повышения качества обслуживания оцените работу оператора от одного до пяти",
            "Ваш разговор завершён. Спасибо за обращение в нашу компанию",
        ),
        "en-us": (
            "All our agents are busy. Please hold the line, your call is important to us",
            "For billing press one, for technical support press two",
            "This call may be transferred to another department for quality reasons",
        ),
        "en": (
            "Please note that all our offices are closed on bank holidays",
            "You are number three in the queue, an adviser will be with you shortly",
        ),
        "de": (
            "Alle Mitarbeiter sind im Gespräch. Bitte bleiben Sie am Apparat",
            "Zur Verbesserung unseres Dienstes bitten wir Sie um eine kurze Bewertung",
        ),
    },
    talk={
        "ru": (
            "Техническая поддержка, инженер Игорь, добрый день",
            "У нас в бухгалтерии не работает сеть, ни интернета, ни принтера, ничего",
            "Скажите, пожалуйста, какая ошибка появляется на экране",
            "Написано, что поле объекта не обнаружено, и дальше какой-то код",
            "Понимаю вас, сейчас подключусь и посмотрю",
            "Мы уже два часа сидим без связи, а вы трубку не берёте",
            "Откройте книгу продаж и найдите документ за третье февраля",
            "А срок ответа пять дней, вы понимаете, чем это грозит",
        ),
        "en-us": (
            "Support desk, this is Daniel, good morning",
            "You updated our accounting system last night and now no invoice will print",
            "I am sorry about that, what does the error message say",
            "It says field not found and I have forty invoices to send before noon",
            "I am connecting right now, your ticket number is two one three eight",
            "I want this in writing, and I want to know who pays for the delay",
        ),
        "en": (
            "The printer on the second floor has been offline since Monday",
            "Could you tell me the number on the label at the back, please",
            "We have been recorded as late payers although we paid in March",
        ),
        "de": (
            "Guten Tag, die Rechnung vom März ist bei uns nicht angekommen",
            "Einen Augenblick bitte, ich sehe im System nach",
            "Das Gespräch hatten wir doch schon in der letzten Woche",
        ),
    },
)

FINAL: Final = Script(
    notices=(
        Notice(
            language="ru",
            text="Внимание! Этот разговор записывается и может быть передан стороне договора",
            negated=(
                "Внимание! Этот разговор не записывается и может быть передан стороне договора",
                "Внимание! Этот разговор записывается и не может быть передан стороне договора",
                "Внимание! Этот разговор не записывается и не передаётся",
            ),
        ),
        Notice(
            language="ru",
            text=(
                "Вы позвонили в службу поддержки. Звонок записывается для разрешения споров. "
                "Если вы не согласны, положите трубку или напишите нам письмо."
            ),
            negated=(
                (
                    "Вы позвонили в службу поддержки. Звонок не записывается для разрешения споров."
                    " Если вы не согласны, положите трубку или напишите нам письмо."
                ),
                (
                    "Вы позвонили в службу поддержки. Звонок удаляется для разрешения споров. "
                    "Если вы не согласны, положите трубку или напишите нам письмо."
                ),
            ),
        ),
        Notice(
            language="en-us",
            text="Calls are recorded so that we can settle disagreements about our service",
            negated=(
                "Calls are not recorded so that we can settle disagreements about our service",
                "Calls aren't recorded so that we can settle disagreements about our service",
            ),
        ),
        Notice(
            language="en",
            text=(
                "Welcome. Your call is being recorded and may be given to the other party of the "
                "contract. If you do not want this, please hang up and write to us instead. "
                "Recordings are deleted after one year."
            ),
            negated=(
                (
                    "Welcome. Your call is not being recorded and may be given to the other party "
                    "of the contract. If you do not want this, please hang up and write to us "
                    "instead. Recordings are deleted after one year."
                ),
                (
                    "Welcome. Your call is being recorded and may not be given to the other party "
                    "of the contract. If you do not want this, please hang up and write to us "
                    "instead. Recordings are deleted after one year."
                ),
            ),
        ),
        Notice(
            language="fr",
            text="Afin de régler les litiges, cette conversation est enregistrée",
            negated=(
                "Afin de régler les litiges, cette conversation n'est pas enregistrée",
                "Afin de régler les litiges, cette conversation est effacée",
            ),
        ),
        Notice(
            language="es",
            text="Le informamos de que esta llamada se graba por motivos de seguridad",
            negated=(
                "Le informamos de que esta llamada no se graba por motivos de seguridad",
                "Le informamos de que esta llamada se corta por motivos de seguridad",
            ),
        ),
        Notice(
            language="pl",
            text="Uprzejmie informujemy, że wszystkie rozmowy są nagrywane",
            negated=(
                "Uprzejmie informujemy, że wszystkie rozmowy nie są nagrywane",
                "Uprzejmie informujemy, że wszystkie rozmowy są usuwane",
            ),
        ),
    ),
    others={
        "ru": (
            "Внимание! Сегодня линия работает до восемнадцати часов по московскому времени",
            "Вы позвонили в службу поддержки. Сейчас нерабочее время, перезвоните завтра утром",
            "Этот номер больше не обслуживается, наберите номер, указанный в договоре",
            "Соединяем вас со специалистом. Пожалуйста, приготовьте номер заявки",
        ),
        "en-us": (
            "Calls are answered in the order in which they arrive, please stay on the line",
            "Our service desk is closed today, we can settle your request tomorrow morning",
            "Please enter your customer number followed by the hash key",
        ),
        "en": (
            "Welcome. Your call is being transferred to an adviser of the contract department",
            "Recordings of our seminars are available after one year in the library",
        ),
        "fr": (
            "Afin de régler votre facture, tapez un, pour toute autre question, tapez deux",
            "Toutes nos lignes sont occupées, veuillez rappeler dans quelques minutes",
        ),
        "es": (
            "Le informamos de que esta oficina permanecerá cerrada hasta el lunes",
            "Todos nuestros agentes están ocupados, espere por favor",
        ),
        "pl": (
            "Uprzejmie informujemy, że wszystkie linie są zajęte, prosimy czekać",
            "Aby połączyć się z działem technicznym, proszę wybrać dwa",
        ),
    },
    talk={
        "ru": (
            "Здравствуйте, у нас сервер не включается после ночной грозы",
            "Назовите, пожалуйста, инвентарный номер и адрес офиса",
            "Индикатор мигает красным, и слышен длинный звуковой сигнал",
            "Инженер приедет в течение двух часов, пропуск на него заказан",
            "Вы мне и вчера это обещали, а разговор так ничем и закончился",
            "Хорошо, я запишу всё это в заявку и перезвоню вам сегодня",
            "По договору вы обязаны восстановить работу за четыре часа",
            "Минутку, я переключу вас на старшего смены",
        ),
        "en-us": (
            "Hello, the door controller on the loading dock does not answer any more",
            "Let me check whether your contract covers the weekend",
            "It has been beeping every ten seconds since the power came back",
            "We recorded the serial number last year, it should be in your file",
            "Then somebody has to drive out here, we cannot ship anything",
            "I can have a technician there by four o'clock",
        ),
        "en": (
            "I was told that the exchange would take no longer than a week",
            "May I have the name of the person you spoke to",
            "That is exactly what I would like you to put in writing",
        ),
        "fr": (
            "Bonjour, notre caisse ne communique plus avec la banque depuis ce matin",
            "Pouvez-vous me donner le numéro de série de l'appareil",
            "Je note votre demande et je vous rappelle dans une heure",
        ),
        "es": (
            "Buenos días, el sistema de alarma no deja de sonar desde anoche",
            "Voy a abrir una incidencia y un técnico le llamará enseguida",
            "No puede ser, ayer me dijeron exactamente lo mismo",
        ),
        "pl": (
            "Dzień dobry, drukarka fiskalna nie działa od wczoraj po południu",
            "Proszę podać numer umowy i adres sklepu",
            "Technik przyjedzie jutro między ósmą a dziesiątą",
        ),
    },
)

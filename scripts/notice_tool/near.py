"""Sentences one consonant or one word beside a notice, as the same synthesiser would say them.

A consonant is exchanged in the spelling, and the phonemes that espeak-ng makes of it tell whether
one of them, and a consonant, has truly become another; words are exchanged from a list.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from notice_tool.texts import Notice
from notice_tool.voices import Voice

CONSONANT: Final = "one consonant"
WORD: Final = "one word"
_LEAST_LETTERS: Final = 4
_TRIES: Final = 60
_WORDS_SHARE: Final = 0.25
_LATIN: Final = "bcdfghklmnprstvz"
_CYRILLIC: Final = "бвгджзклмнпрстфхчш"
_VOWELS: Final = "aeiouyAEIOUVIY@031289"
_MARKS: Final = re.compile(r"[';,_:|!%=~#\"^*]")

# How the consonants of these languages are made, in the phonemes of espeak-ng.
_SORTS: Final = {
    "stop": ("p", "b", "t", "d", "k", "g", "c", "q", "ts", "tS", "dZ", "dz"),
    "hiss": ("f", "v", "s", "z", "S", "Z", "h", "x", "T", "D", "C", "X", "H", "B"),
    "nasal": ("m", "n", "N"),
    "glide": ("l", "r", "j", "w", "R", "L", "r-", "R2"),
}

WORDS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "ru": {
        "разговор": ("договор", "приговор"),
        "разговоры": ("договоры", "приговоры"),
        "записан": ("описан", "показан", "списан"),
        "записываются": ("описываются", "списываются", "стираются"),
        "записывается": ("описывается", "списывается", "стирается"),
        "звонок": ("урок", "разговор"),
        "хранится": ("ранится", "стирается"),
        "запись": ("опись", "роспись"),
        "может": ("должен", "хочет"),
        "передан": ("продан", "придуман"),
        "стороне": ("стране", "старшине"),
        "все": ("две", "не все"),
        "ваш": ("наш", "чужой"),
        "этот": ("тот", "каждый"),
        "шесть": ("пять", "семь"),
        "месяцев": ("недель", "минут"),
        "споров": ("сборов", "вопросов"),
        "согласны": ("согласились", "свободны"),
        "качества": ("количества", "кавычек"),
    },
    "en": {
        "call": ("hall", "mail"),
        "calls": ("halls", "mails"),
        "recorded": ("reported", "regarded", "rewarded"),
        "may": ("can", "will"),
        "all": ("no", "some", "your"),
        "conversations": ("consultations", "conservations"),
        "line": ("lime", "nine", "site"),
        "kept": ("left", "swept"),
        "twelve": ("ten", "two"),
        "months": ("weeks", "moments"),
        "training": ("draining", "trading"),
        "quality": ("equality", "quantity"),
        "disputes": ("disrupts", "reports"),
        "given": ("driven", "shown"),
        "party": ("parties", "part"),
        "contract": ("contact", "contest"),
        "settle": ("kettle", "set"),
        "disagreements": ("agreements", "disappointments"),
        "service": ("surface", "services"),
        "your": ("our", "her"),
    },
    "de": {
        "gespräch": ("gepäck", "geschenk"),
        "aufgezeichnet": ("ausgezeichnet", "abgezeichnet"),
        "verbesserung": ("vergrößerung", "verwässerung"),
        "wird": ("wirkt", "wurde"),
    },
    "fr": {
        "conversation": ("conservation", "convention"),
        "enregistrée": ("enregistrable", "administrée"),
        "litiges": ("vertiges", "litres"),
    },
    "es": {
        "graba": ("traba", "grava"),
        "llamada": ("mañana", "llegada"),
        "seguridad": ("sinceridad", "seriedad"),
    },
    "pl": {
        "rozmowy": ("rozprawy", "rozmowa"),
        "nagrywane": ("nagradzane", "zagrywane", "usuwane"),
        "wszystkie": ("niektóre", "wszystko"),
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """The sentence, and which word or phoneme stands in the place of which."""

    kind: str
    text: str
    instead_of: str
    stands: str

    @property
    def pair(self) -> str:
        """Return the two sounds, or words, as `r/p`."""
        return f"{self.instead_of}/{self.stands}"

    @property
    def sorts(self) -> str:
        """Return what kind of consonant became what kind, or that it was a word."""
        if self.kind == WORD:
            return WORD
        return f"{sort_of(self.instead_of)} for {sort_of(self.stands)}"


def near(notice: Notice, voice: Voice, random: np.random.Generator) -> Near:
    """Return a sentence beside the notice; three in four have one consonant exchanged."""
    if random.random() < _WORDS_SHARE:
        found = _other_word(notice, random)
        if found is not None:
            return found
    return _other_consonant(notice, voice, random)


def sort_of(phoneme: str) -> str:
    """Return how the phoneme is made: a stop, hiss, nasal or glide."""
    plain = _MARKS.sub("", phoneme)
    return next((name for name, those in _SORTS.items() if plain in those), "other")


def _words(text: str) -> list[tuple[int, int]]:
    return [(m.start(), m.end()) for m in re.finditer(r"[^\W\d_]+", text)]


def _other_word(notice: Notice, random: np.random.Generator) -> Near | None:
    pairs = WORDS.get(notice.language.partition("-")[0], {})
    known = [(a, b) for a, b in _words(notice.text) if notice.text[a:b].lower() in pairs]
    if not known:
        return None
    first, after = known[int(random.integers(0, len(known)))]
    word = notice.text[first:after]
    others = pairs[word.lower()]
    other = others[int(random.integers(0, len(others)))]
    text = notice.text[:first] + other + notice.text[after:]
    return Near(kind=WORD, text=text, instead_of=word.lower(), stands=other)


def _other_consonant(notice: Notice, voice: Voice, random: np.random.Generator) -> Near:
    letters = _CYRILLIC if notice.language == "ru" else _LATIN
    own = phonemes(voice.variant, notice.language, notice.text)
    words = [(a, b) for a, b in _words(notice.text) if b - a >= _LEAST_LETTERS]
    for _ in range(_TRIES):
        first, after = words[int(random.integers(0, len(words)))]
        places = [at for at in range(first, after) if notice.text[at].lower() in letters]
        if not places:
            continue
        at = places[int(random.integers(0, len(places)))]
        other = letters[int(random.integers(0, len(letters)))]
        text = notice.text[:at] + other + notice.text[at + 1 :]
        changed = _one_consonant(own, phonemes(voice.variant, notice.language, text))
        if changed is not None:
            return Near(kind=CONSONANT, text=text, instead_of=changed[0], stands=changed[1])
    raise ValueError(f"No consonant of it can be exchanged: {notice.text}")


def _one_consonant(own: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the phoneme that became another, when it is the only one and both are consonants."""
    if len(own) != len(other):
        return None
    changed = [(a, b) for a, b in zip(own, other, strict=True) if a != b]
    if len(changed) != 1 or any(_MARKS.sub("", one)[:1] in _VOWELS for one in changed[0]):
        return None
    return changed[0]


@lru_cache(maxsize=4096)
def phonemes(variant: str, language: str, text: str) -> tuple[str, ...]:
    """Return the phonemes that espeak-ng makes of the sentence."""
    command = ["espeak-ng", "-v", f"{language}+{variant}", "-q", "-x", "--sep= ", text]
    said = subprocess.run(  # noqa: S603 - a fixed program; no shell reads the sentence.
        command, check=True, capture_output=True, text=True
    ).stdout
    return tuple(said.split())

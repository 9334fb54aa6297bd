"""The texts that are searched for and the talk around them, for tuning or for the final figure."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from notice_tool import line, texts, voices
from notice_tool.texts import Notice, Script
from notice_tool.voices import RATE_HZ, Sound, Voice, say

ANNOUNCERS_PER_NOTICE: Final = 4
HUMAN_PER_LANGUAGE: Final = 6
_SPEECH_FLOOR_DB: Final = -24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One reference: a notice read by one announcer, or a human announcement."""

    name: str
    sound: Sound
    voice: Voice | None
    notice: Notice | None

    @property
    def speech(self) -> npt.NDArray[np.bool_]:
        """Return for every 20 ms whether there is speech."""
        return speech_of(self.sound)


def speech_of(sound: Sound) -> npt.NDArray[np.bool_]:
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    power = np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=1))
    return np.asarray(power > line.active_level(sound) * 10 ** (_SPEECH_FLOOR_DB / 20))


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSet:
    """All references of a set, with what its negatives are made of."""

    script: Script
    variants: tuple[str, ...]
    prompts: tuple[Prompt, ...]
    human_others: tuple[Prompt, ...] = ()


@dataclass(slots=True)
class Speech:
    """Talk of callers and operators."""

    lines: tuple[Sound, ...]
    babble: Sound = field(default_factory=lambda: np.zeros(0, np.float32))

    def line(self, random: np.random.Generator) -> Sound:
        return self.lines[int(random.integers(0, len(self.lines)))]

    def dialogue(self, random: np.random.Generator, seconds: float) -> tuple[Sound, Sound]:
        """Return the two sides of a conversation; at times they interrupt each other."""
        length = int(seconds * RATE_HZ)
        sides = np.zeros((2, length), np.float32)
        at, side = 0, 0
        while at < length:
            said = self.line(random)[: length - at] * np.float32(random.uniform(0.4, 1.2))
            sides[side, at : at + len(said)] += said
            at += max(len(said) + int(random.uniform(-0.5, 1.0) * RATE_HZ), RATE_HZ // 2)
            side = 1 - side
        return sides[0], sides[1]


@lru_cache(maxsize=2)
def prompt_set(*, final: bool) -> PromptSet:
    """Return the set; announcers and sentences of the two sets are different ones."""
    script = texts.FINAL if final else texts.TUNING
    variants = voices.FINAL_VARIANTS if final else voices.TUNING_VARIANTS
    made: list[Prompt] = []
    for number, notice in enumerate(script.notices):
        for turn in range(ANNOUNCERS_PER_NOTICE):
            variant = variants[(number * 3 + turn) % len(variants)]
            voice = Voice(variant=variant, speed=(150, 160, 140, 168)[turn], pitch=40 + 7 * turn)
            sound = say(voice, notice.language, notice.text)
            name = f"{notice.language}-{number}-{variant}"
            made.append(Prompt(name=name, sound=sound, voice=voice, notice=notice))
    others: list[Prompt] = []
    for language, directory in voices.HUMAN_PROMPTS.items():
        # Even announcements serve tuning, odd ones the final figure.
        mine = voices.human_prompts(directory)[1 if final else 0 :: 2]
        for number, sound in enumerate(mine):
            prompt = Prompt(name=f"{language}-{number}", sound=sound, voice=None, notice=None)
            (made if number % 4 == 0 and number < HUMAN_PER_LANGUAGE * 4 else others).append(prompt)
    return PromptSet(
        script=script, variants=variants, prompts=tuple(made), human_others=tuple(others)
    )


@lru_cache(maxsize=2)
def speech_set(*, final: bool) -> Speech:
    """Return the talk of the set, in its own voices."""
    script = texts.FINAL if final else texts.TUNING
    variants = voices.FINAL_VARIANTS if final else voices.TUNING_VARIANTS
    random = np.random.default_rng(11 if final else 7)
    lines: list[Sound] = []
    for language, sentences in script.talk.items():
        for number, sentence in enumerate(sentences):
            voice = Voice(
                variant=variants[(number * 5 + len(lines)) % len(variants)],
                speed=int(random.integers(135, 195)),
                pitch=int(random.integers(30, 70)),
            )
            lines.append(say(voice, language, sentence))
    return Speech(lines=tuple(lines), babble=line.babble_of(lines, random))

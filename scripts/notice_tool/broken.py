"""Announcements that must never be called complete: with a part gone, replaced or put between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from notice_tool import line
from notice_tool.prompts import Prompt, PromptSet, Speech
from notice_tool.tones import beep
from notice_tool.voices import RATE_HZ, Sound, say

# A word of 0.3 s, in frames of 20 ms.
_WORD_FRAMES: Final = 15
# The active level of speech whose loudest sample is at half of full scale.
_USUAL_LEVEL: Final = 0.15
_INSTEAD: Final = (
    "gap",
    "talk-instead",
    "noise-instead",
    "beep-instead",
    "own-words-instead",
)
KINDS: Final = (
    *_INSTEAD,
    "own-word-between",
    "pause",
    "repeat-from-start",
    "tempo",
    "cut-late",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """What was made of the announcement, and which share of its speech is left."""

    sound: Sound
    share: float


def broken(
    kind: str, prompt: Prompt, random: np.random.Generator, prompts: PromptSet, speech: Speech
) -> Broken:
    """Break the announcement in the way of that name."""
    sound, voiced = prompt.sound, prompt.speech
    middle = int(random.uniform(0.25, 0.75) * len(sound))
    if kind in _INSTEAD:
        return _replaced(kind, prompt, random, prompts, speech)
    if kind == "own-word-between":
        # From a short "not" on.
        word = _own_words(prompt, int(random.uniform(0.12, 0.5) * RATE_HZ), random, prompts)
        return Broken(sound=np.concatenate([sound[:middle], word, sound[middle:]]), share=1.0)
    if kind == "pause":
        wait = np.zeros(int(random.uniform(0.25, 3) * RATE_HZ), np.float32)
        return Broken(sound=np.concatenate([sound[:middle], wait, sound[middle:]]), share=1.0)
    if kind == "repeat-from-start":
        return Broken(
            sound=np.concatenate([sound[:middle], sound[: int(middle * 0.7)]]),
            share=float(voiced[: middle // 160].sum() / voiced.sum()),
        )
    if kind == "tempo":
        ppm = float(random.choice((-1, 1)) * random.uniform(3e4, 9e4))
        return Broken(sound=line.drift(sound, ppm), share=0.0)
    along = np.cumsum(voiced) / voiced.sum()
    end = int(np.searchsorted(along, random.uniform(0.8, 0.88))) * 160
    return Broken(sound=sound[:end], share=float(voiced[: end // 160].sum() / voiced.sum()))


def _replaced(
    kind: str, prompt: Prompt, random: np.random.Generator, prompts: PromptSet, speech: Speech
) -> Broken:
    """Put something else in the place of what is long enough for a word, where there is speech."""
    sound, voiced = prompt.sound.copy(), prompt.speech
    length = int(random.uniform(0.4, 1.2) * RATE_HZ)
    start = _spoken_place(voiced, length // 160, random) * 160
    end = min(start + length, len(sound))
    level = line.active_level(sound) * float(random.uniform(0.7, 1.2))
    filler: Sound = np.zeros(length, np.float32)
    if kind == "talk-instead":
        filler = np.resize(speech.line(random), length) * (level / _USUAL_LEVEL)
    elif kind == "noise-instead":
        # As loud as the word would be, or up to twice.
        made = line.noise("pink", length, random, speech.babble)
        filler = made * (level * float(random.uniform(1.0, 2.0)))
    elif kind == "beep-instead":
        filler = (beep(length, random) * level).astype(np.float32)
    elif kind == "own-words-instead":
        filler = _own_words(prompt, length, random, prompts)
    sound[start:end] = filler[: end - start]
    gone = voiced[start // 160 : end // 160].sum()
    return Broken(sound=sound, share=1 - float(gone / voiced.sum()))


def _own_words(
    prompt: Prompt, length: int, random: np.random.Generator, prompts: PromptSet
) -> Sound:
    """Return other words by the same voice, from the loudest place of some."""
    if prompt.voice is None or prompt.notice is None:
        others = [other.sound for other in prompts.human_others] or [prompt.sound[::-1]]
        said = others[int(random.integers(0, len(others)))]
    else:
        texts = prompts.script.others[prompt.notice.language]
        text = texts[int(random.integers(0, len(texts)))]
        said = say(prompt.voice, prompt.notice.language, text)
    starts = random.integers(0, max(len(said) - length, 1), 8)
    power = [float(np.square(said[at : at + length]).sum()) for at in starts]
    at = int(starts[int(np.argmax(power))])
    return np.resize(said[at : at + length], length)


def _spoken_place(voiced: npt.NDArray[np.bool_], frames: int, random: np.random.Generator) -> int:
    """Return a place from which at least 0.3 s of the frames are speech, or the best of some."""
    tried = [int(random.integers(0, max(len(voiced) - frames, 1))) for _ in range(30)]
    spoken = [int(voiced[at : at + frames].sum()) for at in tried]
    enough = [at for at, count in zip(tried, spoken, strict=True) if count >= _WORD_FRAMES]
    return enough[0] if enough else tried[int(np.argmax(spoken))]

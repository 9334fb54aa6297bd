"""One generated call and what is true of it; the same seed gives the same call."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from notice_tool import broken, line
from notice_tool.near import Near, near
from notice_tool.prompts import Prompt, PromptSet, Speech
from notice_tool.tones import music, ringing
from notice_tool.voices import RATE_HZ, Sound, Voice, say

_MIN_HEARD_S: Final = 1.0


class Family(StrEnum):
    """What a case is there to show."""

    SINGLE = "single"
    COMPOUND = "compound"
    PARTIAL = "partial"
    BROKEN = "broken"
    NEGATIVE = "negative"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A call: `played` is the prompt in it, `start_ms` where its first sample is or would be.

    `share` is the part of the prompt's speech that was played.
    """

    seed: int
    family: Family
    kind: str
    samples: npt.NDArray[np.int16]
    channel: int
    played: str | None
    start_ms: float
    share: float


@dataclass(slots=True)
class _Draft:
    """A call in the making."""

    played: Prompt | None
    sound: Sound
    kind: str
    share: float = 1.0
    # Where the prompt's first sample lies in `sound`, negative when its beginning was not played.
    origin: int = 0
    caller: Sound | None = None
    snr_db: float | None = None
    noise: str = "pink"
    codec: str | None = None
    loss: float = 0.0
    gain_db: float = 0.0
    is_delayed: bool = False
    done: list[str] = field(default_factory=list)


SINGLE_KINDS: Final = ("codec", "noise", "overlap", "gain", "drift", "loss", "jump")
NEGATIVE_KINDS: Final = (
    "other-prompt",
    "other-voice",
    "negated",
    "half-other",
    "music",
    "conversation",
)


def make(seed: int, family: Family, prompts: PromptSet, speech: Speech) -> Case:
    """Return the call of the seed."""
    random = np.random.default_rng([seed, list(Family).index(family)])
    draft = _MAKERS[family](random, prompts, speech)
    return _finished(seed, family, draft, random, speech)


def _happens(random: np.random.Generator, probability: float) -> bool:
    return bool(random.random() < probability)


def _pick(random: np.random.Generator, items: tuple[str, ...] | list[Prompt]) -> object:
    return items[int(random.integers(0, len(items)))]


def _prompt(random: np.random.Generator, prompts: PromptSet) -> Prompt:
    return prompts.prompts[int(random.integers(0, len(prompts.prompts)))]


def _single(random: np.random.Generator, prompts: PromptSet, speech: Speech) -> _Draft:
    prompt = _prompt(random, prompts)
    draft = _Draft(played=prompt, sound=prompt.sound, kind="")
    _degrade(draft, str(_pick(random, SINGLE_KINDS)), random, speech)
    return draft


def _compound(random: np.random.Generator, prompts: PromptSet, speech: Speech) -> _Draft:
    prompt = _prompt(random, prompts)
    draft = _Draft(played=prompt, sound=prompt.sound, kind="")
    _degrade_all(draft, random, speech)
    return draft


def _degrade_all(draft: _Draft, random: np.random.Generator, speech: Speech) -> None:
    kinds = {"codec"} | {
        str(kind)
        for kind in random.choice(SINGLE_KINDS[1:], int(random.integers(2, 5)), replace=False)
    }
    # The clock and the jitter buffer act on the announcement, then the room and the line.
    for kind in ("drift", "jump", "overlap", "noise", "codec", "loss", "gain"):
        if kind in kinds:
            _degrade(draft, kind, random, speech)


def denied(seed: int, kind: str, prompts: PromptSet, speech: Speech) -> Case:
    """Return a call with an announcement broken in that way, or one that says the contrary.

    One in four comes over a clean line, the others with several degradations at once.
    """
    random = np.random.default_rng([seed, len(Family)])
    prompt = _prompt(random, prompts)
    if kind in broken.KINDS:
        made = broken.broken(kind, prompt, random, prompts, speech)
        sound, share = made.sound, made.share
    else:
        while prompt.voice is None or prompt.notice is None:
            prompt = _prompt(random, prompts)
        contrary = prompt.notice.negated[int(random.integers(0, len(prompt.notice.negated)))]
        sound, share = say(prompt.voice, prompt.notice.language, contrary), 0.0
    draft = _Draft(played=prompt, sound=sound, kind=kind, share=share)
    if _happens(random, 0.75):
        _degrade_all(draft, random, speech)
    return _finished(seed, Family.BROKEN, draft, random, speech)


def near_miss(
    seed: int, prompts: PromptSet, speech: Speech, *, is_exchanged: bool = True
) -> tuple[Case, Prompt, Near]:
    """Return a call with a sentence one consonant or word beside a notice, and the notice.

    The announcer has a speed and pitch of its own. Half of the lines delay low tones. One in four
    comes over a clean line, the others with several degradations at once. The notice itself, over
    the same kind of line, is what is said where nothing `is_exchanged`.
    """
    random = np.random.default_rng([seed, len(Family) + 1])
    notices = prompts.script.notices
    # Russian and English more often than the others.
    known = [n for n in notices if n.language[:2] in {"ru", "en"}]
    among = known if _happens(random, 0.75) else list(notices)
    notice = among[int(random.integers(0, len(among)))]
    voice = Voice(
        variant=str(_pick(random, prompts.variants)),
        speed=int(random.integers(125, 186)),
        pitch=int(random.integers(30, 71)),
    )
    other = near(notice, voice, random)
    sound = say(voice, notice.language, notice.text)
    prompt = Prompt(
        name=f"{notice.language}-{voice.variant}", sound=sound, voice=voice, notice=notice
    )
    said = say(voice, notice.language, other.text) if is_exchanged else sound
    draft = _Draft(played=prompt, sound=said, kind=other.kind, share=0.0 if is_exchanged else 1.0)
    draft.is_delayed = _happens(random, 0.5)
    if _happens(random, 0.75):
        _degrade_all(draft, random, speech)
    return _finished(seed, Family.BROKEN, draft, random, speech), prompt, other


def _degrade(draft: _Draft, kind: str, random: np.random.Generator, speech: Speech) -> None:
    if kind == "codec":
        draft.codec = str(_pick(random, line.CODECS))
        draft.done.append(draft.codec)
    elif kind == "noise":
        draft.noise, draft.snr_db = str(_pick(random, line.NOISES)), float(random.uniform(0, 20))
        draft.done.append(f"{draft.noise} {draft.snr_db:.0f} dB")
    elif kind == "overlap":
        ratio_db = float(random.uniform(0, 10))
        draft.caller = _overlap(draft.sound, ratio_db, random, speech)
        draft.done.append(f"overlap {ratio_db:.0f} dB")
    elif kind == "gain":
        draft.gain_db = float(random.uniform(-20, 6))
        draft.done.append(f"gain {draft.gain_db:+.0f} dB")
    elif kind == "drift":
        ppm = float(random.uniform(-1500, 1500))
        draft.sound = line.drift(draft.sound, ppm)
        draft.done.append(f"drift {ppm:+.0f} ppm")
    elif kind == "loss":
        draft.loss = float(random.uniform(0.01, 0.10))
        draft.done.append(f"loss {draft.loss:.0%}")
    else:
        count = int(random.integers(1, 4))
        places = sorted(int(p) for p in random.uniform(0.05, 0.95, count) * len(draft.sound))
        shifts = [int(random.choice((-320, -160, -80, 80, 160, 320))) for _ in places]
        draft.sound = line.jump(draft.sound, places, shifts)
        draft.done.append("jumps " + "/".join(f"{s // 8:+d}" for s in shifts))


def _overlap(sound: Sound, ratio_db: float, random: np.random.Generator, speech: Speech) -> Sound:
    """Return a caller who speaks over the announcement."""
    said = speech.line(random)
    room = max(len(sound) - len(said) // 2, 1)
    start = int(random.integers(0, room))
    over = np.zeros(max(len(sound), start + len(said)), np.float32)
    level = line.active_level(sound) / line.active_level(said) * 10 ** (-ratio_db / 20)
    over[start : start + len(said)] = said * level
    return over


def _partial(random: np.random.Generator, prompts: PromptSet, _speech: Speech) -> _Draft:
    prompt = _prompt(random, prompts)
    voiced = prompt.speech
    total = int(voiced.sum())
    least = max(0.12, _MIN_HEARD_S * 50 / total)
    share = float(random.uniform(least, max(least, 0.86)))
    along = np.concatenate([[0], np.cumsum(voiced)])
    kind = str(_pick(random, ("truncated", "joined-late", "middle")))
    if kind == "truncated":
        first, last = 0, int(np.searchsorted(along, share * total))
    elif kind == "joined-late":
        first, last = int(np.searchsorted(along, (1 - share) * total)), len(voiced)
    else:
        begin = float(random.uniform(0, 1 - share)) * total
        first = int(np.searchsorted(along, begin))
        last = int(np.searchsorted(along, min(begin + share * total, total)))
    draft = _Draft(played=prompt, sound=prompt.sound[first * 160 : last * 160], kind=kind)
    draft.share = float(voiced[first:last].sum() / total)
    draft.origin = -first * 160
    if _happens(random, 0.7):
        draft.codec = str(_pick(random, line.CODECS))
        draft.done.append(draft.codec)
    if _happens(random, 0.5):
        draft.noise, draft.snr_db = str(_pick(random, line.NOISES)), float(random.uniform(12, 30))
        draft.done.append(f"{draft.noise} {draft.snr_db:.0f} dB")
    return draft


def _broken(random: np.random.Generator, prompts: PromptSet, speech: Speech) -> _Draft:
    prompt = _prompt(random, prompts)
    kind = str(_pick(random, broken.KINDS))
    made = broken.broken(kind, prompt, random, prompts, speech)
    draft = _Draft(played=prompt, sound=made.sound, kind=kind, share=made.share)
    if _happens(random, 0.5):
        _degrade(draft, "codec", random, speech)
    if _happens(random, 0.4):
        draft.noise, draft.snr_db = str(_pick(random, line.NOISES)), float(random.uniform(0, 25))
        draft.done.append(f"{draft.noise} {draft.snr_db:.0f} dB")
    if _happens(random, 0.3):
        _degrade(draft, "loss", random, speech)
    return draft


def _negative(random: np.random.Generator, prompts: PromptSet, speech: Speech) -> _Draft:
    kind = str(_pick(random, NEGATIVE_KINDS))
    prompt = _prompt(random, prompts)
    voice, notice = prompt.voice, prompt.notice
    if voice is None or notice is None:
        others = [other.sound for other in prompts.human_others] or [speech.line(random)]
        sound = others[int(random.integers(0, len(others)))]
        kind = "other-prompt"
    elif kind == "other-prompt":
        texts = prompts.script.others[notice.language]
        sound = say(voice, notice.language, texts[int(random.integers(0, len(texts)))])
    elif kind == "other-voice":
        sound = say(_other_voice(voice, random, prompts), notice.language, notice.text)
    elif kind == "negated":
        sound = say(
            voice, notice.language, notice.negated[int(random.integers(0, len(notice.negated)))]
        )
    elif kind == "half-other":
        texts = prompts.script.others[notice.language]
        other = say(voice, notice.language, texts[int(random.integers(0, len(texts)))])
        sound = np.concatenate([prompt.sound[: len(prompt.sound) // 2], other[len(other) // 2 :]])
    elif kind == "music":
        sound = music(float(random.uniform(5, 20)), random)
    else:
        sound = speech.line(random)
    draft = _Draft(played=None, sound=sound, kind=kind, share=0.0)
    if _happens(random, 0.6):
        draft.codec = str(_pick(random, line.CODECS))
        draft.done.append(draft.codec)
    if _happens(random, 0.3):
        draft.noise, draft.snr_db = str(_pick(random, line.NOISES)), float(random.uniform(5, 25))
        draft.done.append(f"{draft.noise} {draft.snr_db:.0f} dB")
    return draft


def _other_voice(voice: Voice, random: np.random.Generator, prompts: PromptSet) -> Voice:
    """Return another variant at the very same speed and setting of pitch: the hardest case."""
    variants = [v for v in prompts.variants if v != voice.variant]
    variant = variants[int(random.integers(0, len(variants)))]
    return Voice(variant=variant, speed=voice.speed, pitch=voice.pitch)


_MAKERS: Final = {
    Family.SINGLE: _single,
    Family.COMPOUND: _compound,
    Family.PARTIAL: _partial,
    Family.BROKEN: _broken,
    Family.NEGATIVE: _negative,
}


def _finished(
    seed: int, family: Family, draft: _Draft, random: np.random.Generator, speech: Speech
) -> Case:
    """Put the announcement into a call, send all through the line, and write down the truth."""
    level = line.active_level(draft.sound)
    lead = _lead_in(random)
    quiet = np.zeros(int(random.uniform(0.0, 1.0) * RATE_HZ), np.float32)
    announced = draft.sound
    over = draft.caller
    if over is not None and len(over) > len(announced):
        announced = np.pad(announced, (0, len(over) - len(announced)))
    rest, other_rest = speech.dialogue(random, float(random.uniform(12, 35)))
    near = np.concatenate([lead, quiet, announced, quiet[: len(quiet) // 2], rest])
    far = np.zeros(len(near), np.float32)
    at = len(lead) + len(quiet)
    if over is not None:
        far[at : at + len(over)] = over
    far[-len(other_rest) :] += other_rest
    two = over is None and _happens(random, 0.3)
    channels = [near, far] if two else [near + far]
    delay = 0
    babble = speech.babble
    for index, sound in enumerate(channels):
        passed = line.exchange_filter if draft.is_delayed else line.telephone_band
        made = passed(sound)
        if draft.snr_db is not None:
            hum = line.noise(draft.noise, len(made), random, babble)
            made = made + hum * np.float32(level * 10 ** (-draft.snr_db / 20))
        made = made + (random.standard_normal(len(made)) * 3e-4).astype(np.float32)
        if draft.codec is not None:
            made, late = line.through(draft.codec, made)
            delay = late if index == 0 else delay
        if draft.loss:
            made = line.lose_packets(made, draft.loss, random)
        channels[index] = made * np.float32(10 ** (draft.gain_db / 20))
    samples = np.stack([np.clip(np.rint(c * 32767), -32768, 32767) for c in channels], axis=1)
    swap = two and _happens(random, 0.5)
    return Case(
        seed=seed,
        family=family,
        kind="; ".join(([draft.kind] if draft.kind else []) + draft.done),
        samples=(samples[:, ::-1] if swap else samples).astype(np.int16),
        channel=1 if swap else 0,
        played=draft.played.name if draft.played else None,
        start_ms=(at + draft.origin + delay) / RATE_HZ * 1000,
        share=draft.share,
    )


def _lead_in(random: np.random.Generator) -> Sound:
    kind = str(_pick(random, ("nothing", "silence", "ringing", "music")))
    if kind == "nothing":
        return np.zeros(0, np.float32)
    if kind == "silence":
        return np.zeros(int(random.uniform(0.2, 8) * RATE_HZ), np.float32)
    if kind == "ringing":
        return np.tile(ringing(), int(random.integers(1, 4)))
    return music(float(random.uniform(2, 6)), random)

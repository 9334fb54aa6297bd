"""Every number of the decision, with the reason that the calibration gave for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The calibration, on the tuning set of the bench (32 prompts, half of them by people)."""

    # Of 16 s of other speech, one in a hundred scores above 0.38, as do prompts in noise as loud as
    # they are. What is let through here costs 15 ms of a processor.
    search_score: float = 0.38
    # Weighs the length of a run against its correlation; 0.5 and 0.8 kept less apart.
    search_exponent: float = 0.6
    # What was heard: the share of the waveform's usual correlation (its upper quartile, squared)
    # that a fifth of a second must reach. Chance gives 0.05 to 0.3, a clean line 0.95.
    heard_share: float = 0.7
    heard_least: float = 0.3
    heard_most: float = 0.6
    # Under another sound: the reference is contained in it about as loud as elsewhere. Of other
    # words there is less than a third, unless they are twice as loud.
    masked_least: float = 0.25
    contained_least: float = 0.6
    contained_most: float = 1.7
    # Beside a lost packet a fifth of a second mostly lost hides what was heard; a tenth that
    # matches as closely as this proves it. Other words at the same pitch reach 0.6.
    close_least: float = 0.8
    # Of such a tenth, how much on both sides of its middle counts as heard.
    close_reach_s: float = 0.04
    # Holes up to this length are the losses of a packet network or drowned, not a word; but where
    # something about as loud as the reference (in power) stands instead and the lag is another
    # behind it, it may be another word.
    bridged_s: float = 0.14
    same_lag_ms: float = 2.0
    instead_least: float = 0.3
    instead_most: float = 2.0
    # A syllable drowned by louder sound. Nowhere does the correlation reach its level, but over
    # the whole hole the reference is contained in the sound; each moment weighs by how loud the
    # reference would be beside the sound. Where a word was gone or replaced (holes of 0.3 s and
    # more) that reached 0.0 to 0.36, under noise and speech mostly 0.45 to 1.2. Below a twentieth
    # of the power chance alone reaches 0.45, and the hole stays unheard.
    faint_least: float = 0.45
    faint_power_least: float = 0.05
    # From this length of speech on, or with another lag behind it, a hole may hide a word. Single
    # moments of it look masked by chance, and it fell into two short ones; so they count only where
    # the whole hole contains so much of the reference. True playings had 0.36 and more.
    word_s: float = 0.25
    masked_hole_least: float = 0.35
    # What is believed on such evidence: no more than a short word at once, a tenth in all.
    faint_s: float = 0.35
    faint_share: float = 0.1
    # Shorter pieces occur in other sentences of the same synthesiser.
    least_heard_s: float = 0.7
    # The mean correlation of the waveforms where they were heard: other voices, the same voice at
    # another pitch and other tempi reach 0.2 to 0.48, once 0.58 under overlapping speech; true
    # prompts in noise as loud as they are 0.5 to 0.7. Times the root of the seconds heard, and
    # with the correlation at one lag, the former reach 0.91 and the latter begin at 1.05.
    sameness: float = 0.5
    evidence: float = 0.93
    # No telephone's clock is 2500 ppm off; a re-reading is, by per cents.
    drift_ppm: float = 2_500.0
    # Complete: the definition of the project; and no gap that could hide a word. Words of 0.4 s
    # that were gone or replaced left gaps of 0.205 s and more, announcements cut off at 0.88
    # ends of 0.185 s and more. In noise, where syllables drown, longer by what the correlation
    # lacks, but by no more than a tenth: the shortest such gap under noise was 0.315 s.
    complete_share: float = 0.9
    longest_gap_s: float = 0.2
    longest_end_s: float = 0.16
    clean_correlation: float = 0.95
    most_lack_s: float = 0.1
    # A jitter buffer moves by tens of milliseconds; an inserted "not" by eighty and more.
    longest_jump_ms: float = 56.0
    # Closed lips and tongues within a word last no longer.
    closure_s: float = 0.15
    # Another word in place of one has seldom its length: a jump across a hole in clean sound, with
    # room for some of a word in the sound too. Such a pair told "no conversations are recorded"
    # from "all conversations are recorded"; "deleted" for "recorded" left 0.08 s of other sound.
    replaced_jump_ms: float = 15.0
    replaced_gap_s: float = 0.1
    replacing_s: float = 0.05
    # The second look at a hole: how much louder the sound gets (as a share of it, the mean of 40
    # ms) when the announcement is taken out of what is not it, and how long that may last. Jumps
    # of 40 ms and lost packets left up to 0.055 s; where a word was replaced by one at another
    # lag, "all" by "no", it lasted 0.135 s and more, in noise as loud as the speech too.
    foreign_least: float = 0.3
    foreign_s: float = 0.06
    # The third look, at what would be whole: by which share the sound gets quieter without the
    # announcement, the sum of four bands and the mean of a tenth of a second; 2 where it is all of
    # the sound, as much below 0 where the sound is another. How far below 0 it may fall depends on
    # its median, from 0 in noise to 1.7 on a clean line. Of 376 whole playings with several
    # degradations 7 fell below, of 198 with one 3, most beside jumps that follow each other
    # closely; of 401 with one consonant or word exchanged, all complete without this look, 154.
    contrary_least: float = 0.7
    contrary_share: float = 0.3
    contrary_clean: float = 0.3
    # Where the median itself is below 0, the announcement was not found above 800 Hz: so it was in
    # 7 of the first 219 of those, and in 1 of 481 whole ones. It is how "no conversations" for "all
    # conversations" is told behind 4.75 kbit/s in noise.
    contrary_usual: float = 0.0
    # The mean over a fifth of a second more: what stays below 0 for so long is another word, though
    # no syllable of it stood out. Of 191 whole playings with several degradations, as the tuning
    # set has them, the lowest had -0.38 where the median was 0.12, and -0.31 at 0.22. One of 400
    # broken ones, other words behind lost packets and a coder of 16 kbit/s, passed with -0.28 at
    # 0.53.
    contrary_word_least: float = 0.5
    contrary_word_share: float = 0.5
    contrary_word: float = 0.2
    # A hole counts as heard where its sound, in six bands up to 2.8 kHz and by the clock of its
    # sides, gets quieter without the announcement: by this share of what it would if the
    # announcement were in it. On the tuning set other words, cuts, beeps and talk left -1.0 to
    # -0.4, once 0.01 behind 4.75 kbit/s; what was played under noise or talk mostly 0.15 to 0.9.
    # The power says how much the hole can tell: frames and bands, each by the announcement's share.
    vouched_least: float = 0.1
    vouched_power: float = 5.0
    # It is asked where most was heard, and believed for no more than a word, and so much in all.
    vouched_from: float = 0.75
    vouched_s: float = 0.4
    vouched_share: float = 0.15

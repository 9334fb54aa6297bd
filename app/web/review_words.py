"""What the desk of review says by its script: each message under the name that it has there."""

from __future__ import annotations

from typing import Final

from app.review.rules import Queue
from app.web.words import N_

SIDES: Final = {"own": N_("our agent"), "cli": N_("the other side")}
"""Whose side the party of a label is on."""
SAY: Final = {
    "review": N_("Review"),
    "name": N_("Name"),
    "queue": N_("Queue"),
    "waiting": N_("Waiting"),
    "nobody": N_("empty"),
    "back": N_("All queues"),
    "item_of": N_("{n} of {of}"),
    "loading": N_("Loading…"),
    "why": N_("Why it is here"),
    "next_step": N_("What to do"),
    "facts": N_("The call"),
    "client": N_("Client"),
    "event": N_("Event"),
    "started": N_("Started"),
    "direction": N_("Direction"),
    "inbound": N_("inbound"),
    "outbound": N_("outbound"),
    "internal": N_("internal"),
    "agent": N_("Agent"),
    "line": N_("Line"),
    "proof": N_("Class of proof"),
    "proof_A": N_("heard in the recording"),
    "proof_B": N_("played by the exchange"),
    "proof_C": N_("said by the agent"),
    "proof_D": N_("contract or document"),
    "proof_E": N_("given after the call"),
    "proof_F": N_("no proof"),
    "evidence": N_("Evidence"),
    "quote": N_("Words"),
    "purposes": N_("Purposes"),
    "party": N_("Party"),
    "proposed_by": N_("Proposed by"),
    "requested_by": N_("Asked for by"),
    "purpose": N_("Purpose"),
    "recipient": N_("Recipient"),
    "due": N_("Due"),
    "owner": N_("Taken by"),
    "age": N_("Waits for"),
    "unknown_client": N_("unknown"),
    "sound": N_("Sound"),
    "picture_of": N_("Screenshot {n} of {of}, as it leaves"),
    "picture_seen": N_("looked through"),
    "picture_unseen": N_("not looked through yet"),
    "marked": N_("Marked {from}–{to}"),
    "marked_from": N_("Marked from {from}"),
    "still_needed": N_("Still needed: {roles}."),
    "verify": N_("Verify"),
    "right": N_("Right"),
    "approve": N_("Approve"),
    "noted": N_("Note as done"),
    "stands": N_("The verdict stands"),
    "undo_it": N_("Take it back…"),
    "reject": N_("Reject…"),
    "wrong": N_("Wrong…"),
    "deny": N_("Deny…"),
    "next": N_("Next"),
    "previous": N_("Previous"),
    "play": N_("Play / pause"),
    "undo": N_("Undo"),
    "keys": N_("Keys"),
    "close": N_("Close"),
    "reason": N_("Reason"),
    "send": N_("Write down"),
    "cancel": N_("Cancel"),
    "done": N_("Written into the ledger."),
    "done_second": N_("Your verdict is written down. Still needed: {roles}."),
    "undone": N_("Put up again: another person will decide."),
    "undo_second": N_("Written down as wrong. An approver must agree before it is taken back."),
    "nothing_to_undo": N_("There is nothing to undo."),
    "no_verdict": N_("There is no verdict to give here: do what is said above."),
    "failed": N_("It did not work: {why}"),
    "offline": N_("The archive does not answer."),
    "undo_reason": N_("Taken back by the reviewer"),
    "note_reason": N_("The recipient was told"),
    "asked_reason": N_("Listened to, as was asked"),
    "stands_reason": N_("Listened to; the verdict stands"),
    "letters": N_("Use single keys"),
    "link_once": N_("The recipient's link, shown this once: {url}"),
    "no_wave": N_("The picture of the sound is not ready."),
    "no_listening": N_("The sound cannot be played: {why}"),
    "wave_of": N_("The sound, {length}. {marked}"),
    "help": N_("Help and keys"),
    "mine": N_("yours until {until}"),
    "theirs": N_("taken by {name} until {until}"),
    "for_you": N_("waits for you"),
    "for_others": N_("waits for another"),
    "settled": N_("settled"),
    "late": N_("overdue"),
    "propose": N_("What you heard"),
    "missing": N_("What is missing"),
    "no_texts": N_("No text was approved for the day of the call."),
    "reaction": N_("What the other side did"),
    "identity_basis": N_("How it is known who speaks"),
    "mandate_basis": N_("How it is known that he speaks for the firm"),
    "receivers": N_("Recipients that were named"),
    "scope": N_("What is refused"),
    "note": N_("Note"),
    "proposed_done": N_("Proposed and written into the ledger; another person will verify it."),
    "blocked_done": N_(
        "The refusal is written down and in effect; another person will confirm it."
    ),
    "nothing_done": N_("Written down that nothing was found; the recording stays closed."),
    "looked_done": N_("Written into the ledger."),
    "wrong_time": N_("A time like 1:02.5."),
    "wrong_order": N_("The end is after the beginning."),
    "wrong_length": N_("The recording is shorter: {length}."),
    "wrong_stay": N_("At least 3 s on the line after the notice are needed."),
    "wrong_empty": N_("Fill this in."),
    "wrong_choice": N_("Choose at least one."),
    "wrong_objected": N_("An objection is a refusal: propose a refusal (key 4)."),
    "wrong_server": N_("The archive did not take this."),
    "flips": N_("What changes"),
    "flips_would": N_("If it came into force"),
    "flips_did": N_("Since it came into force"),
    "stricter": N_("Stricter"),
    "softer": N_("Softer (for new requests alone)"),
    "ended": N_("Releases that were closed"),
    "looked_at": N_("Looked at: {n}."),
    "no_flips": N_("Nothing changes."),
    "more": N_("More"),
    "was": N_("Before"),
    "becomes": N_("After"),
    "still_open": N_("the release is open and would close"),
    "recording": N_("Recording"),
    "version": N_("Rules"),
    "effective": N_("Effective from"),
    "agree": N_("Agree"),
    "expired": N_("The session has ended."),
    "wait": N_("One moment: this is the next one."),
}

FORMS: Final = {
    "ivr_notice": N_("A notice is played"),
    "verbal_notice": N_("Our agent said it"),
    "verbal_consent": N_("The other side agreed"),
    "refusal": N_("The other side refused"),
    "none": N_("Nothing is heard"),
    "screen": N_("Screen the part"),
    "know": N_("Confirm the recipient"),
}
"""What a person can say who has listened, in the order of the keys 1 to 5, then what Q4 lacks."""

REPORTS: Final = {
    "coverage": N_("coverage by notices"),
    "samples": N_("errors of the sample"),
    "refusals": N_("refusals and withdrawals"),
    "queues": N_("age of the queues"),
    "times": N_("time to a verdict"),
}

RECEIVERS: Final = {
    "client_same_entity": N_("the management of his firm"),
    "third_party": N_("third parties"),
}

OUTCOMES: Final = {
    "ALLOW": N_("✓ allowed"),
    "NEEDS_APPROVAL": N_("◐ needs approval"),
    "REVIEW": N_("? needs review"),
    "DENY": N_("✕ denied"),
}


REJECTIONS: Final = {
    "not_heard": N_("The words are not heard"),
    "cut_off": N_("The notice breaks off"),
    "other_text": N_("Another text is heard"),
    "other_person": N_("It is another person"),
    "no_answer": N_("The other side did not answer"),
    "objected": N_("The other side objected"),
    "unclear": N_("The sound is unclear"),
    "other": N_("Other (say what)"),
}

PROBLEMS: Final = {
    "proposer-decides": N_("You proposed it yourself: another person decides."),
    "verdict-repeated": N_("Your verdict is written down: now another person is needed."),
    "role-cannot-settle": N_("Another role decides this."),
    "role-cannot-approve": N_("Another role decides this."),
    "requester-approves": N_("You asked for it yourself: another person approves."),
    "permission-missing": N_("Another role decides this."),
    "transition-refused": N_("It is settled already."),
    "approver-involved": N_("You are heard in this recording: another person approves."),
    "notice-not-approved": N_(
        "This notice text was not approved, or not valid on the day of the call."
    ),
    "evidence-incomplete": N_("The evidence lacks what it must carry."),
    "release-refused": N_("The rules no longer allow this release."),
    "consent-refused": N_("The rules do not allow to listen."),
    "nothing-to-undo": N_("There is nothing to undo."),
    "claim-taken": N_("Somebody else has taken it."),
    "item-not-waiting": N_("It was settled meanwhile, or has left the queue."),
    "proposer-activates": N_("You proposed it yourself: another person decides."),
    "proposer-only": N_("You proposed it yourself: another person decides."),
    "same-person-activates": N_("Your verdict is written down: now another person is needed."),
    "approver-needed": N_("One of the two must be an approver."),
    "pack-not-yet-effective": N_("The first day of these rules has not come."),
    "pack-ended": N_("It was withdrawn or rejected."),
    "pack-in-force": N_("They are in force already."),
    "party-unknown": N_("No such party is heard in this recording."),
    "names-too-much": N_("More is claimed than the notice says."),
    "recording-not-found": N_("The recording is gone."),
    "validation-failed": N_("Look at the fields again."),
    "proof-needed": N_("Give your password or a code once more, then repeat."),
    "second-factor-missing": N_("Set up your second factor first: open /account."),
    "key-missing": N_("Log in again."),
    "key-unknown": N_("Log in again."),
}
"""Refusals that a reviewer can meet, by the type of the problem."""


HELP: Final = {
    Queue.UNKNOWN: N_(
        "Recordings in which nobody has confirmed a notice. Listen to the beginning and propose "
        "evidence; another person will verify it."
    ),
    Queue.PROPOSED: N_(
        "Somebody, or the program, proposed evidence. Listen to the marked part and decide."
    ),
    Queue.BLOCKS: N_(
        "A refusal stops everything at once. Confirm it, or reject it together with a second "
        "person; the clock runs."
    ),
    Queue.RELEASES: N_(
        "Who asked needs a second pair of eyes. Listen to what would leave, then approve or deny."
    ),
    Queue.POLICY: N_(
        "Rules that are proposed or have come into force, and the releases that they closed. "
        "Tell the recipient and note it."
    ),
    Queue.SAMPLE: N_("A random sample of what the program verified by itself. Did it hear right?"),
    Queue.MOBILE: N_(
        "Automatic recordings from telephones without a ground. Find a ground or erase them."
    ),
    Queue.DIFFERS: N_(
        "A later search heard something else than was decided. The verdict stands: listen, and "
        "keep it or take it back."
    ),
    Queue.ASKED: N_(
        "Somebody asked that you look at these. Listen, write down on the recording what you find, "
        "and note it as done."
    ),
}

EMPTY: Final = {
    Queue.UNKNOWN: N_(
        "Recordings appear here in which neither the program nor anybody found a notice."
    ),
    Queue.PROPOSED: N_(
        "What people or the program propose appears here: notices, consents, contract clauses."
    ),
    Queue.BLOCKS: N_(
        "Anybody can report a refusal or withdrawal; it appears here and stops all at once."
    ),
    Queue.RELEASES: N_("Managers' requests to hand recordings to clients appear here."),
    Queue.POLICY: N_("Proposed rules appear here, and releases that new rules or facts undo."),
    Queue.SAMPLE: N_(
        "The seed of the sample is published in the ledger in advance; nobody can pick."
    ),
    Queue.MOBILE: N_("A recording from a mobile comes here after two weeks without a ground."),
    Queue.DIFFERS: N_("When a later search contradicts a verdict, the case appears here."),
    Queue.ASKED: N_(
        "What people ask you to look at, from a recording or the list of them, appears here."
    ),
}

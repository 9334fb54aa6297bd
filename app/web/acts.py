"""The acts of the ledger in plain words, for the history of an object."""

from __future__ import annotations

from typing import Final

from app.custody.ledger import Act
from app.web.words import N_

ACTS: Final = {
    Act.RECORDING_INGESTED: N_("received and sealed"),
    Act.RECORDING_LEG_ADDED: N_("a further file of the call was received"),
    Act.RECORDING_CONFLICT: N_("another file was sent for the same call and refused"),
    Act.DERIVED_CREATED: N_("looked into: length, picture, playable copy"),
    Act.FIXITY_CHECKED: N_("compared with what came in"),
    Act.RECORDING_REPAIRED: N_("repaired from a whole copy"),
    Act.RECORDING_REBUILT: N_("brought back from the notes in the store"),
    Act.LINK_CHANGED: N_("tied to an event"),
    Act.CALL_EVENT_RECEIVED: N_("the exchange told of the call"),
    Act.PARTY_CHANGED: N_("it was corrected who was on the line"),
    Act.PARTY_CHANGE_PROPOSED: N_("a correction of who was on the line was proposed"),
    Act.PARTY_CHANGE_REJECTED: N_("a correction of who was on the line was rejected"),
    Act.MEDIA_PLAYED: N_("listened to"),
    Act.MARK_ADDED: N_("a place was marked"),
    Act.MARK_REMOVED: N_("a mark was taken away"),
    Act.ACCESS_DENIED: N_("access was denied"),
    Act.ASSERTION_PROPOSED: N_("evidence was proposed"),
    Act.ASSERTION_VOTED: N_("a first person judged the evidence"),
    Act.ASSERTION_VERIFIED: N_("evidence was verified"),
    Act.ASSERTION_REJECTED: N_("evidence was rejected"),
    Act.ASSERTION_RETRACTED: N_("evidence was taken back by who proposed it"),
    Act.ASSERTION_INVALIDATED: N_("evidence was taken back as wrong"),
    Act.REFUSAL_PROPOSED: N_("a refusal was reported"),
    Act.REFUSAL_CONFIRMED: N_("a refusal was confirmed"),
    Act.REFUSAL_REJECTED: N_("a refusal was rejected"),
    Act.WITHDRAWAL_PROPOSED: N_("a withdrawal was reported"),
    Act.WITHDRAWAL_CONFIRMED: N_("a withdrawal was confirmed"),
    Act.WITHDRAWAL_REJECTED: N_("a withdrawal was rejected"),
    Act.SCREENING_RECORDED: N_("listened through for what must not leave"),
    Act.DECISION_MADE: N_("the rules were asked"),
    Act.CONSENT_EXPORTED: N_("its consents were exported"),
    Act.EXHIBIT_ADDED: N_("added to a dispute"),
    Act.RELEASE_REQUESTED: N_("a release was asked for"),
    Act.RELEASE_APPROVED: N_("a release was approved"),
    Act.RELEASE_GRANTED: N_("released"),
    Act.RELEASE_ACCESSED: N_("opened by the recipient"),
    Act.RELEASE_ANSWERED: N_("the recipient answered on the page of his link"),
    Act.RELEASE_REVOKED: N_("a release was taken back"),
    Act.HOLD_PLACED: N_("a legal hold was placed"),
    Act.HOLD_APPROVED: N_("a legal hold was approved"),
    Act.HOLD_REVIEWED: N_("a legal hold was looked at again"),
    Act.HOLD_RELEASED: N_("a legal hold was lifted"),
    Act.RETENTION_REVIEWED: N_("looked at: no ground to use it"),
    Act.RETENTION_ANNOUNCED: N_("its erasure was announced"),
    Act.RETENTION_CANCELLED: N_("the announced erasure was called off"),
    Act.RESTRICTION_SET: N_("its use was suspended"),
    Act.RESTRICTION_LIFTED: N_("its use was allowed again"),
    Act.ERASURE_REQUESTED: N_("its erasure was asked for"),
    Act.ERASURE_DENIED: N_("its erasure was refused"),
    Act.ERASURE_APPROVED: N_("its erasure was agreed to"),
    Act.ERASURE_EXECUTED: N_("erased"),
    Act.ERASURE_VERIFIED: N_("nothing of it is left"),
    Act.ERASURE_FAILED: N_("its erasure did not succeed"),
    Act.SEARCH_DIFFERED: N_("a later search heard something else"),
}
"""What can happen to a recording. Another act is shown by its name in the ledger."""


def said(act: str) -> str:
    """Return the message that tells of an act."""
    return ACTS.get(Act(act), act) if act in set(Act) else act

"""The words of the room that code, database, API and pages share. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Ranked(StrEnum):
    """Words that stand in an order; `rank` is the place in it, from 0 on.

    It is counted once, when the words are made: a trial of rules asks for it thousands of times.
    """

    rank: int

    def __new__(cls, value: str) -> Self:
        """Give the word its place behind those that stand before it."""
        word = str.__new__(cls, value)
        word._value_ = value
        word.rank = len(cls.__members__)
        return word


class Purpose(StrEnum):
    """What a recording is wanted for. The last two are never allowed."""

    INTERNAL_QUALITY = "internal_quality"
    INTERNAL_TRAINING = "internal_training"
    DISPUTE_CLIENT = "dispute_client"
    CLAIM_DEFENCE = "claim_defence"
    LEGAL_DEMAND = "legal_demand"
    SUBJECT_ACCESS = "subject_access"
    CONSENT_REVIEW = "consent_review"
    INTEGRITY_FORENSICS = "integrity_forensics"
    TRANSCRIPTION = "transcription"
    PUBLISH = "publish"
    AI_TRAINING = "ai_training"


class RecipientClass(StrEnum):
    """Who would hear it."""

    OWN_STAFF_MANAGER = "own_staff_manager"
    OWN_COMPLIANCE = "own_compliance"
    OWN_COUNSEL = "own_counsel"
    CLIENT_SAME_ENTITY = "client_same_entity"
    CLIENT_OTHER_ENTITY = "client_other_entity"
    THIRD_PARTY = "third_party"
    PROCESSOR = "processor"
    AUTHORITY = "authority"
    DATA_SUBJECT = "data_subject"
    PUBLIC = "public"


class Outcome(Ranked):
    """What a decision says, from best to worst."""

    ALLOW = "ALLOW"
    NEEDS_APPROVAL = "NEEDS_APPROVAL"
    REVIEW = "REVIEW"
    DENY = "DENY"


class Strength(Ranked):
    """How much a piece of evidence carries, from least to most."""

    NONE = "NONE"
    NOTICE = "NOTICE"
    EXPRESS = "EXPRESS"
    WRITTEN = "WRITTEN"


class Kind(StrEnum):
    """What a piece of evidence is."""

    IVR_NOTICE = "ivr_notice"
    BEEP = "beep"
    DTMF_CONSENT = "dtmf_consent"
    VERBAL_NOTICE = "verbal_notice"
    VERBAL_CONSENT = "verbal_consent"
    CONTRACT_CLAUSE = "contract_clause"
    WRITTEN_CONSENT = "written_consent"
    EMPLOYEE_ACK = "employee_ack"
    OTHER_GROUND = "other_ground"
    LEGAL_DEMAND = "legal_demand"
    REFUSAL = "refusal"
    WITHDRAWAL = "withdrawal"
    NONE = "none"


STRENGTH: dict[Kind, Strength] = {
    Kind.IVR_NOTICE: Strength.NOTICE,
    Kind.BEEP: Strength.NOTICE,
    Kind.DTMF_CONSENT: Strength.EXPRESS,
    Kind.VERBAL_NOTICE: Strength.NOTICE,
    Kind.VERBAL_CONSENT: Strength.EXPRESS,
    Kind.CONTRACT_CLAUSE: Strength.NOTICE,
    Kind.WRITTEN_CONSENT: Strength.WRITTEN,
    Kind.EMPLOYEE_ACK: Strength.NOTICE,
    Kind.OTHER_GROUND: Strength.NONE,
    Kind.LEGAL_DEMAND: Strength.NONE,
    Kind.REFUSAL: Strength.NONE,
    Kind.WITHDRAWAL: Strength.NONE,
    Kind.NONE: Strength.NONE,
}
"""The strength follows from the kind; nobody declares it."""

BLOCKS = frozenset({Kind.REFUSAL, Kind.WITHDRAWAL})
NOTICES = frozenset({Kind.IVR_NOTICE, Kind.VERBAL_NOTICE, Kind.BEEP})
CONSENTS = frozenset({Kind.DTMF_CONSENT, Kind.VERBAL_CONSENT, Kind.WRITTEN_CONSENT})


class ProofClass(Ranked):
    """How it is proved that somebody was told, from best to worst."""

    HEARD = "A"  # Heard in the recording.
    PLAYED = "B"  # Played by the exchange on this call, told by its log.
    SAID = "C"  # Said by the agent.
    WRITTEN = "D"  # In a contract or document from before the call.
    AFTERWARDS = "E"  # Given after the call.
    NONE = "F"


PROOF: dict[Kind, ProofClass] = {
    Kind.IVR_NOTICE: ProofClass.HEARD,
    Kind.BEEP: ProofClass.HEARD,
    Kind.DTMF_CONSENT: ProofClass.PLAYED,
    Kind.VERBAL_NOTICE: ProofClass.SAID,
    Kind.VERBAL_CONSENT: ProofClass.HEARD,
    Kind.CONTRACT_CLAUSE: ProofClass.WRITTEN,
    Kind.WRITTEN_CONSENT: ProofClass.WRITTEN,
    Kind.EMPLOYEE_ACK: ProofClass.WRITTEN,
    Kind.OTHER_GROUND: ProofClass.WRITTEN,
    Kind.LEGAL_DEMAND: ProofClass.NONE,
    Kind.REFUSAL: ProofClass.NONE,
    Kind.WITHDRAWAL: ProofClass.NONE,
    Kind.NONE: ProofClass.NONE,
}
"""The best class that evidence of a kind can have."""


class PlaceBy(StrEnum):
    """How the place of a party was found, from surest to none."""

    PERSON = "person"  # Two people said it of this party.
    OFFICE = "office"  # Our own people are where the office is.
    CARD = "card"
    CONTRACT = "contract"
    NUMBER = "number"  # The prefix of a fixed line.
    MOBILE = "mobile"  # The prefix of a number that moves: a weak hint, no place.
    NOBODY = "unknown"


class Status(StrEnum):
    """How far people have come with a piece of evidence."""

    PROPOSED = "proposed"
    VERIFIED = "verified"
    REJECTED = "rejected"
    INVALIDATED = "invalidated"
    RETRACTED = "retracted"


class Side(StrEnum):
    """Whose side of the line a party is on."""

    OWN = "own"
    CLIENT = "client"
    OTHER = "other"


class ScreeningResult(StrEnum):
    """What a person heard who listened for what must not leave."""

    CLEAR = "clear"
    PRIVATE = "private"
    THIRD_PARTY_SECRET = "third_party_secret"  # noqa: S105 - a word of the room, no password.


class ClauseScope(StrEnum):
    """What a contract clause speaks of."""

    NOTICE = "notice"
    DISCLOSE_TO_MANAGEMENT = "disclose_to_management"
    EMPLOYEE_NOTICE_DUTY = "employee_notice_duty"


class GroundCode(StrEnum):
    """The grounds beside notice and consent that an assessment can find."""

    CONTRACT_PERFORMANCE = "contract_performance"
    LEGITIMATE_INTEREST = "legitimate_interest"
    LEGAL_OBLIGATION = "legal_obligation"
    LEGAL_CLAIMS = "legal_claims"


class Ground(StrEnum):
    """Why something may leave the company."""

    NOTICE_DISCLOSURE = "notice_disclosure"
    CONTRACT_DISCLOSURE = "contract_disclosure"
    CONSENT_DISCLOSURE = "consent_disclosure"
    CLAIMS_ASSESSED = "claims_assessed"
    LEGAL_DEMAND = "legal_demand"
    PROCESSOR_CONTRACT = "processor_contract"


class State(Ranked):
    """How a party stands to a recording, from best to worst."""

    CONSENTED = "consented"
    BASIS = "basis"
    NOTIFIED = "notified"
    PENDING = "pending"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    EXPIRED_AT_CALL = "expired_at_call"
    RETROACTIVE_ONLY = "retroactive_only"
    INVALIDATED = "invalidated"
    WITHDRAWAL_PROPOSED = "withdrawal_proposed"
    WITHDRAWN = "withdrawn"
    REFUSAL_PROPOSED = "refusal_proposed"
    REFUSED = "refused"

    @property
    def flag(self) -> str:
        """Return the word shown for it; the three ways of being expired are one there."""
        if self in {State.EXPIRED_AT_CALL, State.RETROACTIVE_ONLY}:
            return State.EXPIRED.value
        return self.value


VALID_STATES = frozenset({State.CONSENTED, State.BASIS, State.NOTIFIED})

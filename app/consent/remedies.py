"""What would make a refused thing possible, as stable codes. Pure."""

from __future__ import annotations

from app.consent.casefile import Question
from app.consent.gates import Findings
from app.consent.purposes import Ground, RecipientClass
from app.consent.spans import Segment

BY_REASON: dict[str, tuple[str, ...]] = {
    "R_INTEGRITY": ("CHECK_INTEGRITY",),
    "R_RESTRICTED": ("LIFT_RESTRICTION",),
    "P_RECIPIENT": ("CHOOSE_RECIPIENT",),
    "RCPT_UNVERIFIED": ("VERIFY_RECIPIENT",),
    "RCPT_LEFT": ("CHOOSE_RECIPIENT",),
    "RCPT_WRONG_ENTITY": ("CHOOSE_RECIPIENT", "CORRECT_EVENT"),
    "RCPT_NOT_HEARD": ("CHOOSE_RECIPIENT",),
    "L_DEMAND_MISSING": ("RECORD_DEMAND",),
    "C_NOBODY_KNOWN": ("NAME_PARTIES",),
    "C_UNKNOWN": ("REVIEW_EVIDENCE", "ASK_CONSENT"),
    "C_PENDING": ("REVIEW_EVIDENCE",),
    "C_EXPIRED": ("ASK_CONSENT",),
    "C_EXPIRED_AT_CALL": ("ASK_CONSENT",),
    "C_RETROACTIVE_ONLY": ("ASK_CONSENT",),
    "C_INVALIDATED": ("REVIEW_EVIDENCE", "ASK_CONSENT"),
    "C_REFUSAL_PROPOSED": ("REVIEW_REFUSAL",),
    "C_WITHDRAWAL_PROPOSED": ("REVIEW_REFUSAL",),
    "C_REFUSED": ("ASK_CONSENT",),
    "C_WITHDRAWN": ("ASK_CONSENT",),
    "C_TOO_WEAK": ("ASK_CONSENT",),
    "C_PROOF_TOO_WEAK": ("REVIEW_EVIDENCE", "ASK_CONSENT"),
    "C_PURPOSE_NOT_ANNOUNCED": ("ASK_CONSENT",),
    "C_STAFF_UNACKNOWLEDGED": ("ASK_EMPLOYEE_ACK",),
    "G_NONE": ("ASK_CONSENT",),
    "S_SCREEN_REQUIRED": ("SCREEN_SEGMENT",),
    "A_COMPLIANCE_1": ("ASK_APPROVAL",),
    "A_COMPLIANCE_2": ("ASK_SECOND_APPROVAL",),
    "A_COUNSEL": ("ASK_COUNSEL_APPROVAL",),
    "A_LEGAL": ("ASK_LEGAL_APPROVAL",),
    "A_STALE": ("ASK_APPROVAL",),
    "A_SAME_PERSON": ("ASK_APPROVAL",),
    "A_INVOLVED": ("ASK_APPROVAL",),
    "E_INTERNAL": ("CALL_ADMINISTRATOR",),
}
_HELPED_BY_CLAUSE = frozenset({"G_NONE", "C_PURPOSE_NOT_ANNOUNCED"})
CODES = frozenset(code for codes in BY_REASON.values() for code in codes) | {
    "ASK_CLAUSE_DISCLOSE",
    "CUT_SEGMENT",
}
"""Every remedy there is; `CUT_SEGMENT` is followed by the part that could go."""


def for_reasons(
    found: Findings, question: Question, asked: Segment, parts: tuple[Segment, ...]
) -> tuple[str, ...]:
    """Return the remedies of all reasons that stand in the way, sorted, with cuts last."""
    codes = {code for reason in found.hindering for code in BY_REASON.get(reason.code, ())}
    clause_helps = (
        question.recipient.recipient_class == RecipientClass.CLIENT_SAME_ENTITY
        and Ground.CONTRACT_DISCLOSURE in found.pack_grounds
    )
    if clause_helps and any(r.code in _HELPED_BY_CLAUSE for r in found.hindering):
        codes.add("ASK_CLAUSE_DISCLOSE")
    cuts = tuple(f"CUT_SEGMENT:{part}" for part in parts if part != asked)
    return (*sorted(codes), *cuts)

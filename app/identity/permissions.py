"""Who may do what: one list of permissions, one table of roles."""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    """What a route may ask for, as `resource:action`."""

    RECORDING_SEND = "recording:send"
    RECORDING_READ = "recording:read"
    RECORDING_LISTEN = "recording:listen"
    RECORDING_RELINK = "recording:relink"
    RECONCILIATION_READ = "reconciliation:read"
    RECONCILIATION_EXPLAIN = "reconciliation:explain"
    RECONCILIATION_RULE = "reconciliation:rule"
    PARTY_WRITE = "party:write"
    PARTY_CONFIRM = "party:confirm"
    CLIENT_READ = "client:read"
    CLIENT_WRITE = "client:write"
    EVENT_WRITE = "event:write"
    NOTICE_READ = "notice:read"
    NOTICE_WRITE = "notice:write"
    NOTICE_APPROVE = "notice:approve"
    ASSERTION_PROPOSE = "assertion:propose"
    ASSERTION_BLOCK = "assertion:block"
    ASSERTION_DECIDE = "assertion:decide"
    DOCUMENT_ADD = "document:add"
    DOCUMENT_READ = "document:read"
    DOCUMENT_OPEN = "document:open"
    PROCESSOR_READ = "processor:read"
    PROCESSOR_PROPOSE = "processor:propose"
    PROCESSOR_APPROVE = "processor:approve"
    LOCAL_ACT_WRITE = "local_act:write"
    ACKNOWLEDGEMENT_READ = "acknowledgement:read"
    SCREENING_RECORD = "screening:record"
    CONTACT_VERIFY = "contact:verify"
    DECISION_READ = "decision:read"
    CONSENT_EXPORT = "consent:export"
    POLICY_READ = "policy:read"
    POLICY_PROPOSE = "policy:propose"
    POLICY_ACTIVATE = "policy:activate"
    REVIEW_READ = "review:read"
    REVIEW_DECIDE = "review:decide"
    DISPUTE_WRITE = "dispute:write"
    DISPUTE_READ = "dispute:read"
    DISPUTE_MOVE = "dispute:move"
    EXHIBIT_PREVIEW = "exhibit:preview"
    LEARNING_READ = "learning:read"
    LEARNING_WRITE = "learning:write"
    LEARNING_LEAD = "learning:lead"
    RELEASE_REQUEST = "release:request"
    RELEASE_APPROVE = "release:approve"
    RELEASE_REVOKE = "release:revoke"
    RELEASE_READ = "release:read"
    RETENTION_READ = "retention:read"
    RETENTION_REVIEW = "retention:review"
    RETENTION_WRITE = "retention:write"
    HOLD_WRITE = "hold:write"
    RESTRICTION_WRITE = "restriction:write"
    ERASURE_REQUEST = "erasure:request"
    ERASURE_APPROVE = "erasure:approve"
    LEDGER_READ = "ledger:read"
    JOB_READ = "job:read"
    JOB_RETRY = "job:retry"
    USER_ADMIN = "user:admin"
    DEVICE_ADMIN = "device:admin"
    WEBHOOK_ADMIN = "webhook:admin"
    SESSION_SELF = "session:self"


class Role(StrEnum):
    """What a person is here."""

    AGENT = "agent"
    MANAGER = "manager"
    REVIEWER = "reviewer"
    APPROVER = "approver"
    LEGAL = "legal"
    ADMIN = "admin"
    AUDITOR = "auditor"


def asked_of_roles(names: str) -> frozenset[Role]:
    """Return the roles named in the setting of who needs a second factor; `none` names none."""
    return frozenset(role for role in Role if role in names.split())


_P = Permission
_EVERYBODY = {_P.SESSION_SELF, _P.RECORDING_READ, _P.ASSERTION_BLOCK}
_COMPLIANCE = _EVERYBODY | {
    _P.RECORDING_LISTEN,
    _P.RECONCILIATION_READ,
    _P.PARTY_WRITE,
    _P.PARTY_CONFIRM,
    _P.CLIENT_READ,
    _P.NOTICE_READ,
    _P.ASSERTION_PROPOSE,
    _P.ASSERTION_DECIDE,
    _P.DOCUMENT_ADD,
    _P.DOCUMENT_READ,
    _P.DOCUMENT_OPEN,
    _P.PROCESSOR_READ,
    _P.ACKNOWLEDGEMENT_READ,
    _P.SCREENING_RECORD,
    _P.CONTACT_VERIFY,
    _P.DECISION_READ,
    _P.CONSENT_EXPORT,
    _P.POLICY_READ,
    _P.REVIEW_READ,
    _P.REVIEW_DECIDE,
    _P.DISPUTE_READ,
    _P.EXHIBIT_PREVIEW,
    _P.LEARNING_READ,
    _P.RELEASE_READ,
    _P.RELEASE_REVOKE,
    _P.RETENTION_READ,
    _P.RETENTION_REVIEW,
    _P.RESTRICTION_WRITE,
    _P.ERASURE_REQUEST,
    _P.LEDGER_READ,
}
_BINDING = {_P.DISPUTE_MOVE, _P.RETENTION_WRITE, _P.HOLD_WRITE, _P.ERASURE_APPROVE}

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.AGENT: frozenset(
        _EVERYBODY | {_P.RECORDING_LISTEN, _P.ASSERTION_PROPOSE, _P.LEARNING_READ}
    ),
    Role.MANAGER: frozenset(
        _EVERYBODY
        | {
            _P.RECORDING_LISTEN,
            _P.RECORDING_RELINK,
            _P.RECONCILIATION_READ,
            _P.RECONCILIATION_EXPLAIN,
            _P.PARTY_WRITE,
            _P.CLIENT_READ,
            _P.CLIENT_WRITE,
            _P.EVENT_WRITE,
            _P.NOTICE_READ,
            _P.ASSERTION_PROPOSE,
            _P.DOCUMENT_ADD,
            _P.DOCUMENT_READ,
            _P.ACKNOWLEDGEMENT_READ,
            _P.DECISION_READ,
            _P.DISPUTE_READ,
            _P.DISPUTE_WRITE,
            _P.DISPUTE_MOVE,
            _P.EXHIBIT_PREVIEW,
            _P.LEARNING_READ,
            _P.LEARNING_WRITE,
            _P.LEARNING_LEAD,
            _P.RELEASE_REQUEST,
            _P.RELEASE_READ,
            _P.RELEASE_REVOKE,
        }
    ),
    Role.REVIEWER: frozenset(_COMPLIANCE | {_P.LEARNING_WRITE}),
    Role.APPROVER: frozenset(
        _COMPLIANCE
        | _BINDING
        | {
            _P.LEARNING_WRITE,
            _P.LEARNING_LEAD,
            _P.NOTICE_APPROVE,
            _P.POLICY_ACTIVATE,
            _P.PROCESSOR_APPROVE,
            _P.RELEASE_APPROVE,
        }
    ),
    Role.LEGAL: frozenset(
        _COMPLIANCE
        | _BINDING
        | {
            _P.POLICY_PROPOSE,
            _P.POLICY_ACTIVATE,
            _P.PROCESSOR_PROPOSE,
            _P.LOCAL_ACT_WRITE,
            _P.RELEASE_APPROVE,
        }
    ),
    Role.ADMIN: frozenset(
        _EVERYBODY
        | {
            _P.RECONCILIATION_READ,
            _P.RECONCILIATION_EXPLAIN,
            _P.RECONCILIATION_RULE,
            _P.CLIENT_READ,
            _P.CLIENT_WRITE,
            _P.EVENT_WRITE,
            _P.NOTICE_READ,
            _P.NOTICE_WRITE,
            _P.ACKNOWLEDGEMENT_READ,
            _P.POLICY_READ,
            _P.POLICY_PROPOSE,
            _P.JOB_READ,
            _P.JOB_RETRY,
            _P.USER_ADMIN,
            _P.DEVICE_ADMIN,
            _P.WEBHOOK_ADMIN,
        }
    ),
    Role.AUDITOR: frozenset(
        {
            _P.SESSION_SELF,
            _P.RECORDING_READ,
            _P.RECONCILIATION_READ,
            _P.CLIENT_READ,
            _P.NOTICE_READ,
            _P.DOCUMENT_READ,
            _P.PROCESSOR_READ,
            _P.ACKNOWLEDGEMENT_READ,
            _P.DECISION_READ,
            _P.POLICY_READ,
            _P.REVIEW_READ,
            _P.DISPUTE_READ,
            _P.LEARNING_READ,
            _P.RELEASE_READ,
            _P.RETENTION_READ,
            _P.LEDGER_READ,
            _P.JOB_READ,
        }
    ),
}
"""The auditor reads and never listens; the administrator never verifies or approves."""

DEVICE_PERMISSIONS = frozenset({Permission.RECORDING_SEND})
"""A device sends and can read nothing back but the answer to what it sent."""

"""What a piece of evidence says of itself: what a reviewer compares with sound or paper."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.consent.models import Assertion
from app.consent.purposes import Kind
from app.review import queries

_TOLD: Mapping[Kind, Mapping[str, str]] = {
    Kind.VERBAL_NOTICE: {"reaction": "reaction"},
    Kind.VERBAL_CONSENT: {"question": "question.quote", "identity_basis": "identity_basis"},
    Kind.EMPLOYEE_ACK: {
        "employee": "employee",
        "act_number": "act_number",
        "act_version": "act_version",
        "signed_on": "signed_on",
    },
    Kind.CONTRACT_CLAUSE: {"clause": "clause_ref", "wording": "wording"},
    Kind.WRITTEN_CONSENT: {
        "person": "person",
        "operator": "operator",
        "data": "data",
        "actions": "actions",
        "term": "term",
        "how_to_withdraw": "how_to_withdraw",
        "signed_on": "signed_on",
    },
    Kind.OTHER_GROUND: {"matter": "matter", "author": "author", "expires_on": "expires_on"},
    Kind.LEGAL_DEMAND: {
        "authority": "authority",
        "number": "number",
        "date": "date",
        "article": "article",
        "deadline": "deadline",
    },
    Kind.WITHDRAWAL: {"channel": "channel"},
}
"""By kind: the name of what is told, and its place in the evidence."""

_LONGEST = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A document that evidence rests on."""

    id: UUID
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What several pieces of evidence name, looked up at once."""

    titles: Mapping[UUID, str]
    contracts: Mapping[UUID, tuple[str, str]]
    notices: Mapping[tuple[UUID, int], str]

    @classmethod
    def load(cls, session: Session, found: Collection[Assertion]) -> Said:
        named = [one.evidence for one in found]
        return cls(
            titles=queries.titles(session, {one for told in named for one in _papers(told)}),
            contracts=queries.contracts(session, set(filter(None, map(_contract, named)))),
            notices=queries.notices(session, set(filter(None, map(_notice, named)))),
        )

    def of(self, row: Assertion) -> dict[str, str]:
        """Return what is told, by its name, in the order in which it is read."""
        named, notice, contract = {}, _notice(row.evidence), _contract(row.evidence)
        if notice is not None and notice in self.notices:
            named["notice"] = self.notices[notice]
        if contract is not None and contract in self.contracts:
            named["contract"], named["client"] = self.contracts[contract]
        places = _TOLD.get(Kind(row.kind), {})
        said = {name: _at(row.evidence, path) for name, path in places.items()}
        return named | {
            name: str(value)[:_LONGEST]
            for name, value in said.items()
            if isinstance(value, str | int) and value != ""
        }

    def papers(self, row: Assertion) -> list[Paper]:
        """Return the documents that it rests on."""
        return [
            Paper(id=one, title=self.titles[one])
            for one in _papers(row.evidence)
            if one in self.titles
        ]


def _papers(evidence: Mapping[str, Any]) -> list[UUID]:
    named = (_at(evidence, "document_id"), _at(evidence, "signature.document_id"))
    return [found for found in map(_id, named) if found is not None]


def _contract(evidence: Mapping[str, Any]) -> UUID | None:
    return _id(_at(evidence, "contract_id"))


def _notice(evidence: Mapping[str, Any]) -> tuple[UUID, int] | None:
    text_id, version = _id(_at(evidence, "notice.id")), _at(evidence, "notice.version")
    return (text_id, version) if text_id and isinstance(version, int) else None


def _at(evidence: Mapping[str, Any], path: str) -> object:
    value: object = evidence
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _id(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None

"""A dispute with all that belongs to it, for pages, the API and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.clients.models import Client
from app.core.ids import DisputeId
from app.disputes import hours, queries, service, settling
from app.disputes.hours import Line
from app.disputes.models import (
    ClientUpload,
    Dispute,
    DisputeConduct,
    DisputeHours,
    DisputeMove,
    DisputeStatement,
    DisputeStep,
    DocumentRequest,
    Exhibit,
)
from app.disputes.rules import State, StatementKind
from app.identity.actor import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A dispute as it stands.

    `exhibits` and `statements` are those that none has replaced; no exhibit was taken out.
    `people` are the names of all who are named by an id; `allowed` is where the asker may move it.
    `withheld` are statements and uploads that are only kept: their words are not his to read.
    """

    dispute: Dispute
    client: Client
    exhibits: Sequence[Exhibit]
    statements: Sequence[DisputeStatement]
    steps: Sequence[DisputeStep]
    requests: Sequence[DocumentRequest]
    documents: Mapping[UUID, Sequence[UUID]]
    uploads: Mapping[UUID, Sequence[ClientUpload]]
    withheld: frozenset[UUID]
    conducts: Sequence[DisputeConduct]
    moves: Sequence[DisputeMove]
    hours: Sequence[DisputeHours]
    lines: Sequence[Line]
    total_minor: Mapping[str, int]
    releases: Sequence[UUID]
    allowed: Sequence[State]
    people: Mapping[UUID, str]
    agents: Mapping[str, str]

    def of_kind(self, kind: StatementKind) -> list[DisputeStatement]:
        """Return the statements of a kind, the oldest first."""
        return [one for one in self.statements if one.kind == kind]


def whole(session: Session, actor: Actor, dispute_id: DisputeId) -> Whole:
    """Return a dispute with everything of it.

    Raises:
        DisputeNotFound: there is none that `actor` may see.
    """
    dispute = service.get(session, dispute_id)
    gone = {e.replaces for e in dispute.exhibits}
    gone |= queries.removed(session, [e.id for e in dispute.exhibits])
    statements = queries.statements(session, dispute.id)
    steps = queries.steps(session, dispute.id)
    requests = queries.requests(session, dispute.id)
    conducts = queries.conducts(session, dispute.id)
    moves = queries.moves(session, dispute.id)
    worked = queries.hours(session, [dispute.id])
    lines = hours.summed(worked)
    named: list[UUID | None] = [actor.id, dispute.opened_by, dispute.owner_id, dispute.changed_by]
    for step in steps:
        named += [step.owner_id, step.changed_by]
    for request in requests:
        named += [request.asked_by, request.changed_by]
    for conduct in conducts:
        named += [conduct.user_id, conduct.noted_by, conduct.cleared_by]
    for said in statements:
        named += [said.noted_by, said.person_id]
    for line in worked:
        named += [line.person_id, line.noted_by]
    named += [move.moved_by for move in moves]
    named += [exhibit.added_by for exhibit in dispute.exhibits]
    return Whole(
        dispute=dispute,
        client=session.get_one(Client, dispute.client_id),
        exhibits=[e for e in dispute.exhibits if e.id not in gone],
        statements=statements,
        steps=steps,
        requests=requests,
        documents=queries.documents_of(session, [r.id for r in requests]),
        uploads=queries.uploads_of(session, [r.id for r in requests]),
        withheld=queries.withheld(session, actor, dispute.id),
        conducts=conducts,
        moves=moves,
        hours=worked,
        lines=lines,
        total_minor=hours.total(lines),
        releases=queries.releases_of(session, dispute.id),
        allowed=settling.allowed(session, actor, dispute),
        people=queries.names(session, named),
        agents=queries.agents(session, (said.agent for said in statements)),
    )

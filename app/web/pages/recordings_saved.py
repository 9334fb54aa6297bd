"""Saving a search of recordings, sharing it, and pinning its number to the inbox."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response

from app.core.deps import ClockDep, SessionDep
from app.core.errors import Malformed
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.recordings import searches
from app.web import edge, sought
from app.web.edge import Form

router = edge.page_router()

CanRead = Annotated[Actor, Depends(Requires(Permission.RECORDING_READ))]


@router.post("/recordings/searches")
def save_search(form: Form, actor: CanRead, session: SessionDep, clock: ClockDep) -> Response:
    """Save what the list is narrowed to; one of the same name is replaced."""
    query = sought.query_of(sought.of_query(form.get("query")))
    searches.save(
        session,
        actor,
        form.get("name"),
        query,
        is_shared=form.get("shared") == "yes",
        is_pinned=form.get("pinned") == "yes",
        at=clock.now(),
    )
    return edge.see(f"/recordings?{query}" if query else "/recordings")


@router.post("/recordings/searches/{search_id}")
def change_search(search_id: UUID, form: Form, actor: CanRead, session: SessionDep) -> Response:
    """Pin, share or take away a saved search."""
    match form.get("do"):
        case "pin" | "unpin" as asked:
            searches.pin(session, actor, search_id, is_pinned=asked == "pin")
        case "share" | "unshare" as asked:
            searches.share(session, actor, search_id, is_shared=asked == "share")
        case "remove":
            searches.remove(session, actor, search_id)
        case _:
            raise Malformed(field="do")
    query = sought.query_of(sought.of_query(form.get("query")))
    return edge.see(f"/recordings?{query}" if query else "/recordings")

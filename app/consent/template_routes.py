"""Routes of the texts that come with the product: read, download, take over as a draft."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from app.consent import shipped
from app.consent.routes import GUARDED, CanReadNotice, reference_tools
from app.consent.schemas import NoticeTextCreated, TemplateInstall, TemplateList, TemplateRead
from app.consent.shipped import TemplateNotFound, TemplateNotSpoken
from app.core.deps import ClockDep
from app.core.problems import problems
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.recordings.ingest import StoreAway

router = APIRouter(prefix="/v1/notices/templates", tags=["consent"])

CanWriteNotice = Annotated[Actor, Depends(Requires(Permission.NOTICE_WRITE))]


@router.get("", responses=problems(*GUARDED))
def list_templates(_: CanReadNotice) -> TemplateList:
    """List the texts that come with the product; none of them is active."""
    return TemplateList(items=[TemplateRead.of(found) for found in shipped.templates()])


@router.get(
    "/{key}",
    response_class=Response,
    responses=problems(*GUARDED, TemplateNotFound)
    | {200: {"content": {"text/plain": {}, "text/markdown": {}}}},
)
def read_template(key: str, _: CanReadNotice) -> Response:
    """Download a text, as plain words or Markdown."""
    found = shipped.template(key)
    kind = "markdown" if found.file.endswith(".md") else "plain"
    return _file(found.text.encode() + b"\n", f"text/{kind}; charset=utf-8", found.file)


@router.get(
    "/{key}/audio",
    response_class=Response,
    responses=problems(*GUARDED, TemplateNotFound, TemplateNotSpoken)
    | {200: {"content": {"audio/flac": {}}}},
)
def read_template_audio(key: str, _: CanReadNotice) -> Response:
    """Download the sound of an announcement, made by a speech synthesiser for trial."""
    found = shipped.template(key)
    return _file(shipped.sound(found), "audio/flac", f"{found.key}.flac")


@router.post(
    "/{key}/install",
    status_code=201,
    responses=problems(*GUARDED, TemplateNotFound, TemplateNotSpoken, StoreAway),
)
def install_template(
    key: str,
    request: Request,
    actor: CanWriteNotice,
    clock: ClockDep,
    body: TemplateInstall | None = None,
) -> NoticeTextCreated:
    """Take an announcement over as a draft; another person approves it."""
    told = body or TemplateInstall()
    row = shipped.take_over(
        reference_tools(request),
        actor,
        shipped.template(key),
        lines=told.lines,
        valid_from=told.valid_from or clock.now(),
    )
    return NoticeTextCreated.of(row)


def _file(body: bytes, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type=media_type, headers=headers)

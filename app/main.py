"""The one file that knows every room: builds the web application from its tools."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

import structlog
from fastapi import Depends, FastAPI, Request, Response
from prometheus_client import Counter
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import described
from app.clients.routes import router as clients
from app.consent.policy_routes import router as policy
from app.consent.processing_routes import router as processing
from app.consent.proved import proofs_of
from app.consent.routes import router as consent
from app.consent.staff_routes import router as staff
from app.consent.template_routes import router as templates
from app.consent.vcon_routes import router as vcon
from app.core import problems, traces
from app.core.errors import Refusal
from app.core.ids import new_id
from app.core.working import Workers
from app.custody.refusals import Denials
from app.custody.routes import router as custody
from app.disputes.report_routes import router as dispute_reports
from app.disputes.routes import router as disputes
from app.disputes.work_routes import router as dispute_work
from app.documents.ingest import DocumentTools
from app.documents.routes import router as documents
from app.edge import Gate
from app.feeds.refused import RefusedUploads
from app.feeds.routes import router as feeds
from app.fixity.routes import router as fixity
from app.identity.authenticator import Authenticator
from app.identity.people_routes import router as people
from app.identity.permissions import asked_of_roles
from app.identity.routes import router as identity
from app.inspection import detection, papers
from app.inspection.examiner import examiner
from app.inspection.routes import router as searches
from app.learning.routes import router as learning
from app.mail.routes import router as mail
from app.onec.routes import router as onec
from app.pictures.routes import router as pictures
from app.playback.listening import Listenings
from app.playback.mark_routes import router as marks
from app.playback.routes import router as playback
from app.providers.routes import hooks
from app.providers.routes import router as providers
from app.recordings.call_routes import router as calls
from app.recordings.ingest import ingest_tools
from app.recordings.routes import ReceivingTools
from app.recordings.routes import router as recordings
from app.recordings.stages import Stages
from app.releases.bundle_door import BundleDoor
from app.releases.bundle_routes import router as bundles
from app.releases.copies import Copier
from app.releases.part_routes import router as parts
from app.releases.preview_routes import router as previews
from app.releases.routes import router as releases
from app.retention.act_routes import router as erasure_acts
from app.retention.erasure_routes import router as erasures
from app.retention.routes import router as retention
from app.retention.subject_routes import router as kept
from app.review.routes import router as review
from app.seen import must_be_seen
from app.settings import Settings
from app.system.routes import database_check
from app.system.routes import router as system
from app.tools import Tools
from app.uploads.body import ResumingTools
from app.uploads.jobs import upload_tools
from app.uploads.routes import router as uploads
from app.vcon.routes import router as vcons
from app.web import edge as pages
from app.web import frame, front, words
from app.web.edge import PageRoute, Web
from app.web.pages import ROUTERS as PAGES
from app.web.pages import SECTIONS
from app.webhooks.routes import router as webhooks
from app.worker.routes import router as jobs

_log = structlog.get_logger()
_REQUESTS = Counter("audiatur_requests_total", "Requests answered.", ["method", "route", "status"])
_INGEST_THREADS = 32
_HEADERS = {
    # What no page says otherwise: an answer is for a program, and shows and loads nothing.
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}

ROUTERS = (
    # First: each route that stands before another is tried at each request.
    recordings,
    playback,
    uploads,
    system,
    custody,
    identity,
    people,
    clients,
    vcon,
    documents,
    pictures,
    calls,
    feeds,
    providers,
    hooks,
    onec,
    fixity,
    consent,
    templates,
    searches,
    staff,
    processing,
    policy,
    marks,
    learning,
    mail,
    webhooks,
    vcons,
    disputes,
    dispute_work,
    dispute_reports,
    parts,
    previews,
    releases,
    bundles,
    retention,
    kept,
    erasures,
    erasure_acts,
    review,
    jobs,
    *PAGES,
)


def create_app(tools: Tools, *, stages: Stages) -> FastAPI:
    """Return the web application over `tools`."""
    pool = ThreadPoolExecutor(_INGEST_THREADS, thread_name_prefix="ingest")
    workers = Workers(pool)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        pool.shutdown()

    app = FastAPI(
        title="Audiatur",
        version="0.1.0",
        summary="Call recordings as evidence, and none out without consent.",
        lifespan=lifespan,
        docs_url=None,  # Its page would load scripts from elsewhere.
        redoc_url=None,
        telemetry=traces.telemetry(),
    )
    settings = tools.settings
    app.state.settings = settings
    app.state.tools = tools
    app.state.database = tools.database
    app.state.clock = tools.clock
    asked_of = asked_of_roles(settings.totp_roles)
    app.state.asked_of = asked_of
    app.state.authenticator = Authenticator(tools.database, tools.clock, asked_of=asked_of)
    app.state.ready_checks = {
        "database": database_check(tools.database),
        "archive store": tools.archive.check,
        "release store": tools.release.check,
    }
    ingest = ingest_tools(tools, stages)
    app.state.receiving = ReceivingTools(
        ingest=ingest,
        workers=workers,
        max_upload_bytes=settings.max_upload_bytes,
        max_screenshot_bytes=settings.max_screenshot_bytes,
        max_pixels=settings.max_pixels,
        idle_seconds=settings.upload_idle_seconds,
    )
    app.state.resuming = ResumingTools(
        uploads=upload_tools(settings, ingest, tools.archive),
        workers=workers,
        idle_seconds=settings.upload_idle_seconds,
    )
    public_url = settings.public_url or f"http://{settings.host}:{settings.port + 1}"
    app.state.public_url = public_url
    app.state.notices_of = detection.notices_of
    app.state.proofs_of = partial(proofs_of, clock=tools.clock)
    app.state.examine_reference = examiner(tools)
    app.state.documents = DocumentTools(
        database=tools.database,
        store=tools.archive,
        clock=tools.clock,
        examine=partial(papers.examine, sandbox=tools.sandbox),
        spool=settings.spool_dir,
    )
    app.state.log = tools.log
    app.state.listenings = Listenings()
    app.state.bundles = BundleDoor(database=tools.database, store=tools.release, clock=tools.clock)
    app.state.copier = Copier(
        database=tools.database,
        archive=tools.archive,
        release=tools.release,
        sandbox=lambda: tools.sandbox,
        clock=tools.clock,
        spool=settings.spool_dir,
        public_url=public_url,
    )
    for router in ROUTERS:
        app.include_router(router, dependencies=[Depends(must_be_seen)])
    who = app.state.authenticator.actor_of
    denials = Denials(tools.database, tools.clock, who)
    refused_uploads = RefusedUploads(tools.database, tools.clock, who)

    def told(request: Request, refusal: Refusal) -> None:
        denials(request, refusal)
        refused_uploads(request, refusal)

    problems.install(app, on_refusal=told, otherwise=_page)
    app.state.web = _web(settings)
    answer_broken(app)
    app.add_middleware(Gate, otherwise=_page)
    app.add_middleware(Told)
    app.openapi = lambda: described.describe(app)  # type: ignore[method-assign]  # the documented way
    return app


def _page(request: Request, refusal: Refusal) -> Response | None:
    """Answer a refusal of a page with a page, as an address that a browser finds nothing at.

    So is that of a report or a file which somebody wanted to open by a link of a page.
    """
    route = request.scope.get("route")
    if route is None and _is_looked_for(request):
        return pages.refused(request, pages.PageMissing())
    is_seen = isinstance(route, PageRoute) or _is_followed(request)
    return pages.refused(request, refusal) if is_seen else None


def _is_followed(request: Request) -> bool:
    """Tell whether a browser shows the answer to a person, by what browsers alone say."""
    headers = request.headers
    is_shown = headers.get("sec-fetch-mode") == "navigate" and "text/html" in headers.get(
        "accept", ""
    )
    return request.method == "GET" and is_shown


def _is_looked_for(request: Request) -> bool:
    is_of_program = request.url.path.startswith("/v1/")
    return not is_of_program and "text/html" in request.headers.get("accept", "")


def _web(settings: Settings) -> Web:
    """Return what the pages are given."""
    said, built = words.load(settings.zone, settings.region), front.load()
    if not built.is_built:
        _log.error("pages.not_built", mend=front.MEND)
    shown = [
        route
        for router in PAGES
        for route in router.routes
        if isinstance(route, PageRoute) and "GET" in (route.methods or ())
    ]
    return Web(
        words=said,
        environments=frame.Environments(built),
        front=built,
        sections=SECTIONS,
        is_page=lambda path: any(route.path_regex.fullmatch(path) for route in shown),
    )


def answer_broken(app: FastAPI) -> None:
    """Answer what broke with a problem or a page that holds the request's id, no more of it."""

    @app.exception_handler(Exception)
    async def broken(request: Request, exc: Exception) -> Response:
        request_id = getattr(request.state, "request_id", None)
        _log.error("request.broken", error=type(exc).__name__, request_id=request_id)
        if isinstance(request.scope.get("route"), PageRoute) or _is_followed(request):
            answer = pages.broken(request)
        else:
            refusal = problems.Broken(request_id=request_id)
            answer = problems.response_to(refusal, instance=request.url.path)
        _mark(answer.headers, request_id)
        return answer


def _mark(headers: MutableHeaders, request_id: str | None) -> None:
    if request_id is not None:
        headers["X-Request-Id"] = request_id
    headers["X-Content-Type-Options"] = "nosniff"
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)


class Told:
    """Counts and logs each request by its route, never by its path, which may hold a token."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(new_id())
        scope.setdefault("state", {})["request_id"] = request_id
        traces.note_request(request_id)
        began = time.perf_counter()
        status = 500

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _mark(MutableHeaders(scope=message), request_id)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, answered)
            finally:
                route = getattr(scope.get("route"), "path", "unknown")
                _REQUESTS.labels(scope["method"], route, status).inc()
                _log.info(
                    "request.answered",
                    method=scope["method"],
                    route=route,
                    status=status,
                    milliseconds=round((time.perf_counter() - began) * 1000, 1),
                )

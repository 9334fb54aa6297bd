"""The description of the API, as OpenAPI has it: what routes read themselves, and what all answer.

What stands before the routes answers too: a caller who is not known, a body that is too long, a
database that is away. It is told here once, and not at each route.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.core import errors
from app.core.problems import problems
from app.edge import RequestTooLarge
from app.identity.actor import PermissionMissing
from app.identity.authenticator import SESSION_COOKIE, KeyUnknown
from app.identity.guard import PUBLIC
from app.recordings.schemas import RecordingTold, ScreenshotTold

Json = dict[str, Any]

_METHODS: Final = frozenset({"get", "put", "post", "delete", "patch", "head", "options"})
_SENDING: Final = frozenset({"put", "post", "patch", "delete"})
_PROBLEM: Final[Json] = {
    "type": "object",
    "description": "A refusal, as of RFC 9457.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
    },
}
_WAYS_IN: Final[Json] = {
    "key": {"type": "http", "scheme": "bearer", "description": "The key of a device or program."},
    "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
}


def describe(app: FastAPI) -> Json:
    """Return the description of the API of `app`, made once."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes
        )
        parts = schema["components"]["schemas"]
        for told in (RecordingTold, ScreenshotTold):
            described = told.model_json_schema(ref_template="#/components/schemas/{model}")
            parts |= described.pop("$defs", {})
            parts[told.__name__] = described
        for unused in ("HTTPValidationError", "ValidationError"):
            parts.pop(unused, None)
        parts["Problem"] = _PROBLEM
        schema["components"]["securitySchemes"] = _WAYS_IN
        for path, method, operation in _operations(schema):
            # Of the open paths one has guarded methods beside its open one, which say so.
            says_so = method != "post" and "401" in operation["responses"]
            _tell(method, operation, is_guarded=path not in PUBLIC or says_so)
        app.openapi_schema = schema
    return app.openapi_schema


def _operations(schema: Json) -> Iterator[tuple[str, str, Json]]:
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            if method in _METHODS:
                yield path, method, operation


def _tell(method: str, operation: Json, *, is_guarded: bool) -> None:
    """Add what an operation may answer before its route is reached, and who may call it."""
    answers = operation["responses"]
    if is_guarded:
        operation["security"] = [{name: []} for name in _WAYS_IN]
        _add(answers, _told(KeyUnknown, PermissionMissing))
    if "application/json" in answers.get("422", {}).get("content", {}):
        del answers["422"]  # The framework's own form of it, which is not what is answered.
        answers |= _told(errors.Malformed)
    _add(answers, _told(errors.Unavailable))
    if method in _SENDING:
        # A body that is no text at all is answered by the framework.
        _add(answers, _told(errors.Invalid, RequestTooLarge, errors.Malformed))


def _add(answers: Json, more: Json) -> None:
    """Add answers of statuses that are not told of yet."""
    for status, answer in more.items():
        answers.setdefault(status, answer)


def _told(*refusals: type[errors.Refusal]) -> Json:
    return {str(status): answer for status, answer in problems(*refusals).items()}

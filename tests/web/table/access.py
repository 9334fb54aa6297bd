"""The inbox, logging in and out, and the language."""

from __future__ import annotations

from tests.web.table import EVERYBODY

PAGES = {"/": EVERYBODY}
FORMS = {"/logout": EVERYBODY, "/language": EVERYBODY}
OPEN = {"/login", "/static/{name}"}

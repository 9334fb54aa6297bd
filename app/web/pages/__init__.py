"""The pages by subject. A module is found by itself: its `router`, its `SECTION` if any."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from fastapi import APIRouter

from app.web.sections import Section

_MODULES = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]

ROUTERS: Final[tuple[APIRouter, ...]] = tuple(
    module.router for module in _MODULES if hasattr(module, "router")
)
SECTIONS: Final[tuple[Section, ...]] = tuple(
    sorted(
        (module.SECTION for module in _MODULES if hasattr(module, "SECTION")),
        key=lambda section: section.place,
    )
)

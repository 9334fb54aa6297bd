"""Which role sees which page: one file per subject, each found by itself.

`PAGES` maps the path of a page to the roles that see it, `FORMS` that of a form to the roles that
may send it, `FILES` that of what is taken away; everybody else is refused. `OPEN` are those for
whoever is not known. `fill(house)` makes what the pages are about, and returns a value for each
parameter of a path.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Final

from app.identity.permissions import PERMISSIONS, Permission, Role

EVERYBODY: Final = frozenset(Role)


def those_with(permission: Permission) -> frozenset[Role]:
    """Return the roles with a permission, for a table to be short where both lists agree."""
    return frozenset(role for role in Role if permission in PERMISSIONS[role])


SUBJECTS: Final[list[ModuleType]] = [
    import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)
]


def merged(name: str) -> dict[str, frozenset[Role]]:
    """Return one table of all subjects."""
    whole: dict[str, frozenset[Role]] = {}
    for subject in SUBJECTS:
        part = getattr(subject, name, {})
        assert not whole.keys() & part.keys(), "A page stands in one table."
        whole |= part
    return whole

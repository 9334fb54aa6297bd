"""What the parts of the demo hand on to each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from demo_company.api import Api
from demo_company.report import Report
from demo_company.story import Story

ONE_C = "exchange-1c"


@dataclass(slots=True, kw_only=True)
class Stage:
    """The archive, the story, and what the archive calls the things of the story."""

    api: Api
    story: Story
    report: Report
    link_address: str
    recordings: dict[str, str] = field(default_factory=dict)
    screenshots: dict[str, str] = field(default_factory=dict)
    contacts: dict[str, str] = field(default_factory=dict)
    contracts: dict[str, str] = field(default_factory=dict)
    client_names: dict[str, str] = field(default_factory=dict)
    notice: dict[str, Any] = field(default_factory=dict)
    papers: dict[str, dict[str, Any]] = field(default_factory=dict)
    dispute: str = ""
    releases: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

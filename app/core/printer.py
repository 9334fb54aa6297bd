"""The program that prints: a list of pages comes in as JSON, and a PDF goes out.

`printing` starts it for each paper. It imports nothing of the archive and is told none of its
secrets; what a page asks for outside of itself, on a network or in a file, it leaves out.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Final

from weasyprint import HTML
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import URLFetcher

_MOST: Final = {
    resource.RLIMIT_CPU: 60,
    resource.RLIMIT_AS: 2_000_000_000,
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_CORE: 0,
}
"""What one paper may take: seconds, bytes of memory; nothing is written but to what is open."""


def main() -> None:
    for kind, most in _MOST.items():
        resource.setrlimit(kind, (most, most))
    nothing, loaded = URLFetcher(allowed_protocols=()), FontConfiguration()
    papers = [
        HTML(string=page, url_fetcher=nothing).render(font_config=loaded)
        for page in json.load(sys.stdin.buffer)
    ]
    whole = papers[0].copy([sheet for paper in papers for sheet in paper.pages])
    sys.stdout.buffer.write(whole.write_pdf())


if __name__ == "__main__":
    main()

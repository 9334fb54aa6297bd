"""The tour shows pictures that are there, small, and none is left over."""

from __future__ import annotations

import re

from PIL import Image

from tests.docs.markdown import ROOT

DOCS = ROOT / "docs"
MOST_BYTES = 150_000
WIDTHS = {1280, 390}


def test_each_picture_of_the_tour_is_there_and_small() -> None:
    text = (DOCS / "tour.md").read_text(encoding="utf-8")
    named = re.findall(r"!\[[^\]]+\]\((tour/[a-z-]+\.png)\)", text)
    kept = {f"tour/{path.name}" for path in (DOCS / "tour").iterdir()}
    assert len(named) == len(set(named)) > 15
    assert set(named) == kept
    for name in named:
        assert (DOCS / name).stat().st_size <= MOST_BYTES, name
        with Image.open(DOCS / name) as picture:
            assert picture.width in WIDTHS, name


def test_each_picture_has_a_sentence() -> None:
    parts = (DOCS / "tour.md").read_text(encoding="utf-8").split("\n## ")[1:]
    for part in parts:
        title, sentence, picture = part.strip().split("\n\n")
        assert title
        assert sentence.endswith(".")
        assert picture.startswith("![")

"""Take the pictures of docs/tour.md: start the sample company, look at pages, write PNG files.

Needs Chromium at /usr/bin/chromium. Everything runs on this machine, in a folder that is removed.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tour_tool import dressing
from tour_tool.shots import SHOTS, Shot

_ROOT = Path(__file__).resolve().parents[2]
_CHROMIUM = "/usr/bin/chromium"
_MOST_BYTES = 150_000
_WIDE, _PHONE = (1280, 900), (390, 844)
_OK = 200
_COLOURS = (256, 128, 64, 32)
_HEAD = """# A tour of the pages

As the sample company of `scripts/demo` has them, in Russian unless said otherwise. The pictures
are made by `scripts/tour`; take them anew when a page has changed.
"""


def main() -> int:
    """Take the pictures that are asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/tour", description=__doc__)
    parser.add_argument("names", nargs="*", help="of pictures; all where none is named")
    parser.add_argument("--to", type=Path, default=_ROOT / "docs", help="where tour.md is written")
    parser.add_argument("--data", type=Path, help="a folder of a demo; it is kept and used again")
    asked = parser.parse_args()
    wanted = [shot for shot in SHOTS if not asked.names or shot.name in asked.names]
    missed: list[str] = []
    (asked.to / "tour").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="audiatur-tour-") as folder:
        Path(folder).chmod(0o711)  # The account of Postgres passes through to its own folder.
        with _company(asked.data or Path(folder) / "demo", keep=asked.data is not None) as (
            address,
            accounts,
        ):
            found = dressing.dress(address, accounts)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
                )
                for shot in wanted:
                    picture = _take(browser, shot, address, accounts, found)
                    if picture is None:
                        missed.append(shot.name)
                        continue
                    (asked.to / "tour" / f"{shot.name}.png").write_bytes(picture)
                    print(f"tour: {shot.name} {len(picture) // 1000} kB", flush=True)
                browser.close()
    (asked.to / "tour.md").write_text(_document(), encoding="utf-8")
    return 1 if missed else 0


def _document() -> str:
    parts = [_HEAD]
    for shot in SHOTS:
        how = [
            word
            for word, is_so in (("390 px wide", shot.is_phone), ("dark", shot.is_dark))
            if is_so
        ]
        how += ["English"] if shot.lang == "en" else []
        size = f" ({', '.join(how)})" if how else ""
        parts.append(
            f"## {shot.title}\n\n{shot.sentence}\n\n![{shot.title}{size}](tour/{shot.name}.png)\n"
        )
    return "\n".join(parts)


@contextmanager
def _company(folder: Path, *, keep: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the address of the sample company and its log-ins; it ends with the block."""
    command = [str(_ROOT / "scripts" / "demo"), "--data", str(folder), "--port", "0"]
    command += ["--keep"] if keep else []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own.
    address, links = "", ""
    try:
        assert process.stdout is not None  # noqa: S101 - it was asked for.
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith("address: "):
                address = line.split()[1]
            if line.startswith("director's link") and not links:
                links = line.rsplit(" ", 1)[1].strip()
            if line.startswith("demo: ok"):
                break
        else:
            sys.exit("tour: the sample company did not start")
        accounts = json.loads((folder / "log-ins.json").read_text(encoding="utf-8"))
        yield address, accounts | {"link": links}
    finally:
        process.terminate()
        process.wait(60)


def _take(
    browser: Browser,
    shot: Shot,
    address: str,
    accounts: Mapping[str, Any],
    found: Mapping[str, str],
) -> bytes | None:
    """Return the picture of a page; None where it does not answer as it should."""
    width, height = _PHONE if shot.is_phone else _WIDE
    context = browser.new_context(
        base_url=address,
        locale="ru-RU" if shot.lang == "ru" else "en-GB",
        timezone_id="Europe/Moscow",
        viewport={"width": width, "height": height},
        color_scheme="dark" if shot.is_dark else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    if shot.who is not None:
        who = shot.who.format(**found)
        _log_in(context.add_cookies, address, who, accounts["passwords"][who])
    where = shot.path.format(**found)
    mark = "&" if "?" in where else "?"
    answer = page.goto(f"{where}{mark}lang={shot.lang}" if shot.who else where)
    if answer is None or answer.status != _OK:
        print(f"tour: {shot.name} answers {answer.status if answer else 'nothing'}", flush=True)
        context.close()
        return None
    page.wait_for_load_state("networkidle")
    _settle(page, shot)
    picture = page.screenshot()
    context.close()
    return _small(picture)


def _settle(page: Page, shot: Shot) -> None:
    """Bring what is to be seen into sight, and wait for pictures of sound to be drawn."""
    if shot.click:
        page.click(shot.click)
        page.wait_for_load_state("networkidle")
    if shot.scroll:
        page.evaluate("s => document.querySelector(s).scrollIntoView()", shot.scroll)
    page.wait_for_timeout(700)


def _log_in(add_cookies: Any, address: str, name: str, password: str) -> None:  # noqa: ANN401 - a method of the browser's.
    answer = httpx.post(
        f"{address}/login",
        data={"name": name, "password": password},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    cookie, value = answer.headers["set-cookie"].split(";")[0].split("=", 1)
    secure = address.replace("http:", "https:")  # It is sent to loopback too.
    add_cookies([{"name": cookie, "value": value, "url": secure, "secure": True, "httpOnly": True}])


def _small(picture: bytes) -> bytes:
    """Return the picture with as many colours as its size allows."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    for colours in _COLOURS:
        kept = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(kept, "PNG", optimize=True)
        if kept.tell() <= _MOST_BYTES:
            return kept.getvalue()
    sys.exit(f"tour: a picture stays larger than {_MOST_BYTES} bytes")


if __name__ == "__main__":
    sys.exit(main())

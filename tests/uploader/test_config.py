"""Settings: what is wrong is said with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.uploader import config
from app.uploader.config import ConfigWrong

GOOD = """
[archive]
url = "https://rec.example"
key = "audd_x"
[[folder]]
path = "/calls"
"""


def read(tmp_path: Path, text: str) -> config.Config:
    path = tmp_path / "uploader.toml"
    path.write_text(text)
    return config.read(path)


def test_little_is_enough(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD)
    assert found.archive.url == "https://rec.example"
    assert found.folders[0].after == "keep"
    assert {pattern.name for pattern in found.folders[0].patterns} >= {"microsip", "baresip"}
    assert "audd_x" not in repr(found)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[archive", "is no TOML"),
        ("", "archive.url is missing"),
        (GOOD.replace("https://rec.example", "rec.example"), "archive.url"),
        (GOOD.replace("https://", "http://"), "in the clear"),
        (GOOD.replace('key = "audd_x"', ""), "archive.key_file"),
        (GOOD + 'pth = "x"', "unknown: folder 1.pth"),
        (GOOD + 'names = ["bareship"]', "folder 1.names: 'bareship' is none of"),
        (GOOD + 'zone = "Europe/Moscva"', "folder 1.zone"),
        (GOOD + 'direction = "in"', "folder 1.direction: 'in' is none of inbound"),
        (GOOD + "facts_seconds = -1", "out of range"),
        (GOOD + 'after = "delete"', "needs archive.receipt_key"),
        (GOOD + "since = 5", "folder 1.since"),
        (GOOD + '[[pattern]]\nname = "mine"\nregex = "("', "pattern 1.regex"),
        (GOOD + '[[pattern]]\nname = "3cx"\nregex = "x"', "name of a preset"),
        (GOOD + '[[baresip]]\ncontrol = "127.0.0.1:4444"\nfolder = "/x"', "no watched"),
        (GOOD + '[[baresip]]\ncontrol = "4444"\nfolder = "/calls"', "HOST:PORT"),
        (GOOD + '[screenshot]\ncommand = ["grim"]', "{file}"),
        (GOOD + '[spool]\nfolder = "/calls/spool"', "may not lie in one another"),
        (GOOD.replace("[archive]", '[archive]\nreceipt_key = "x"'), "archive.receipt_key"),
        ("[archive]\nurl = 'https://x'\nkey = 'k'", "at least one"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigWrong) as refused:
        read(tmp_path, text)
    assert says in str(refused.value)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("audd_x\n")
    text = GOOD.replace('key = "audd_x"', f'key_file = "{key}"')
    key.chmod(0o644)
    with pytest.raises(ConfigWrong, match="chmod 600"):
        read(tmp_path, text)
    key.chmod(0o600)
    assert read(tmp_path, text).archive.key == "audd_x"

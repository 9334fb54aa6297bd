"""The set-up says in one line what it cannot do by itself, and changes nothing then."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "setup"
TOOLS = ["bash", "dirname", "id", "mkdir", "sha256sum", "head", "tail", "grep", "sed", "flock"]

PACKAGES = (
    "ffmpeg bubblewrap sox libsox-fmt-base libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 "
    "fonts-dejavu-core tesseract-ocr npm"
)
RUSSIAN = Path("/usr/share/tesseract-ocr/5/tessdata/rus.traineddata")
if not RUSSIAN.exists():  # It is looked for there, and not among the programs.
    PACKAGES = PACKAGES.replace("tesseract-ocr", "tesseract-ocr tesseract-ocr-rus")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give a checkout that nobody has set up, in a folder with a space in its name."""
    root = tmp_path / "a checkout"
    (root / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPT, root / "scripts" / "setup")
    for name in ("requirements.lock", "pyproject.toml"):
        (root / name).write_text("", encoding="utf-8")
    return root


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Give a path of programs as on a machine without apt-get, dpkg, ffmpeg or Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (folder / tool).symlink_to(found)
    return folder


def put(folder: Path, name: str, script: str) -> None:
    """Put a program of our own on the path, in place of the link to the machine's own."""
    (folder / name).unlink(missing_ok=True)  # Writing through it would change the machine.
    (folder / name).write_text(f"#!/bin/bash\n{script}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


def set_up(checkout: Path, bare: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up with nothing on its path but `bare`."""
    return subprocess.run(  # noqa: S603 - our own script, no shell.
        [checkout / "scripts" / "setup", *options],
        cwd="/",
        env={"PATH": str(bare), "HOME": os.environ.get("HOME", "/")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def with_packages(bare: Path) -> None:
    for name in ("ffmpeg", "bwrap", "sox", "fc-list", "tesseract", "npm"):
        put(bare, name, "exit 0")
    libraries = ("libpango-1.0.so.0", "libpangoft2-1.0.so.0", "libharfbuzz-subset.so.0")
    lines = "".join(rf"\t{library} (libc6,x86-64) => /lib/{library}\n" for library in libraries)
    put(bare, "ldconfig", f"printf '{lines}'")


def test_missing_packages_are_named_in_one_line(checkout: Path, bare: Path) -> None:
    done = set_up(checkout, bare)
    assert done.returncode == 1
    assert done.stderr == (
        f"setup: please install these first, as root: apt-get install {PACKAGES}\n"
    )
    assert not (checkout / ".venv").exists()


def test_tests_need_more_packages(checkout: Path, bare: Path) -> None:
    with_packages(bare)
    done = set_up(checkout, bare, "--with-tests", "--with-browser")
    assert done.returncode == 1
    assert " ceph-osd " in done.stderr
    assert done.stderr.endswith(" chromium\n")
    assert "ffmpeg" not in done.stderr


def test_packages_are_installed_where_that_is_allowed(checkout: Path, bare: Path) -> None:
    calls = checkout / "calls"
    put(bare, "id", "echo 1000")
    put(
        bare,
        "sudo",
        f'[[ $1 == -n ]] && shift; echo "$@" >>"{calls}"; [[ $1 == true ]] || exit 100',
    )
    put(bare, "apt-get", "exit 0")
    done = set_up(checkout, bare)
    assert done.returncode == 1  # The pretended sudo fails at what it is asked for first.
    assert done.stderr.startswith(f"setup: installing {PACKAGES} (apt-get)\n")
    assert "setup: that did not work" in done.stderr
    assert calls.read_text(encoding="utf-8").splitlines()[1].endswith(" update")


def test_an_old_python_is_refused_in_one_line(checkout: Path, bare: Path) -> None:
    with_packages(bare)
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        put(bare, name, "exit 1")
    script = checkout / "scripts" / "setup"
    text = script.read_text(encoding="utf-8")
    assert " /usr/bin/python3;" in text
    script.write_text(text.replace(" /usr/bin/python3;", ";"), encoding="utf-8")
    done = set_up(checkout, bare)
    assert done.returncode == 1
    assert done.stderr == (
        "setup: Python 3.11 or newer is needed: apt-get install python3 python3-venv\n"
    )
    assert not (checkout / ".venv").exists()


def test_an_unknown_option_is_used_wrongly(checkout: Path, bare: Path) -> None:
    done = set_up(checkout, bare, "--with-everything")
    assert done.returncode == 2
    assert "--with-everything" in done.stderr

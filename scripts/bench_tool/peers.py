"""S7: the same uploads beside the published tus servers for Python and Node.

They are installed once into a folder of their own; both write a file and neither hashes nor syncs
it, knows its sender or writes anything down.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from bench_tool import figures, servers, targets
from bench_tool.figures import MIB, Comparison, Target
from bench_tool.native import BenchmarkFailed
from bench_tool.parts import NotWanted, Section
from bench_tool.rounds import Cell, Options, measure, say
from bench_tool.servers import Server, Start, fresh
from bench_tool.targets import Line
from bench_tool.waves import HEAD_BYTES, wav_head

_FOLDER = Path(__file__).parents[2] / "build" / "peers"
_HERE = Path(__file__).parent
_INSTALLED_WITHIN_S = 300
_PYTHON, _NODE = "python", "node"
_NAMES: Final = {_PYTHON: "tuspyserver 4.4.3", _NODE: "@tus/server 2.4.5"}
_PYTHON_PINS: Final = (
    "tuspyserver==4.4.3",
    "fastapi==0.165.0",
    "starlette==1.10.0",
    "uvicorn==0.54.0",
    "uvloop==0.23.0",
    "httptools==0.9.0",
)
_NODE_PINS: Final = ("@tus/server@2.4.5", "@tus/file-store@2.1.1")
_OURS, _OURS_BY_POST = "ours-tus", "ours-post"
_WAYS: Final = {_OURS: "ours by tus", _OURS_BY_POST: "ours by POST"}
_MUST: Final = 1.0
_TUS: Final = {"Tus-Resumable": "1.0.0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    cell: Cell
    stretch: float
    is_in_short_run: bool


_LINES = (
    _Line(
        cell=Cell(name="1 MiB, c = 16", size=MIB, connections=16),
        stretch=3.0,
        is_in_short_run=True,
    ),
    _Line(
        cell=Cell(name="10 MiB, c = 8", size=10 * MIB, connections=8),
        stretch=2.5,
        is_in_short_run=False,
    ),
)


def run(options: Options) -> Section:
    """Install the peers, see that each keeps what it is sent, then send to all in turn."""
    if options.is_short and not (_FOLDER / "node" / "installed").exists():
        raise NotWanted("a short run installs no peers; `scripts/bench peers` does")
    starts, lines = _peers()
    if not starts:
        raise BenchmarkFailed("; ".join(line.verdict for line in lines))
    starts |= {_OURS: servers.by_tus(servers.ours), _OURS_BY_POST: servers.ours}
    for name in (_PYTHON, _NODE):
        if name in starts:
            _require_whole(_NAMES[name], starts[name], options)
    comparisons = [
        comparison
        for line in _LINES
        if line.is_in_short_run or not options.is_short
        for comparison in _compared(line, starts, options)
    ]
    lines = [*map(targets.of_comparison, comparisons), *lines]
    text = figures.table(figures.HEADER, [figures.row(one) for one in comparisons])
    told = [f"NOT MEASURED: {line.against}: {line.verdict}" for line in lines if line.cost == "–"]
    return Section(
        title="S7: beside published tus servers, which neither hash nor sync",
        text="\n\n".join([text, *told]),
        values=[figures.as_json(one) for one in comparisons],
        lines=lines,
    )


def _compared(line: _Line, starts: Mapping[str, Start], options: Options) -> list[Comparison]:
    runs = measure(line.cell, starts, options)
    return [
        Comparison(
            cell=f"{line.cell.name}, {told}",
            target=Target(number="S7", against=_NAMES[peer], must=_MUST, stretch=line.stretch),
            ours=runs[way],
            other=runs[peer],
        )
        for way, told in _WAYS.items()
        for peer in (_PYTHON, _NODE)
        if peer in runs
    ]


def _peers() -> tuple[dict[str, Start], list[Line]]:
    """Return how the peers are started, and a line for each that could not be installed."""
    starts: dict[str, Start] = {}
    lines: list[Line] = []
    for name, installed in ((_PYTHON, _python), (_NODE, _node)):
        try:
            starts[name] = installed()
        except BenchmarkFailed as failure:
            why = f"it cannot be installed, {str(failure).splitlines()[-1]}"
            say(f"peers: {_NAMES[name]}: {failure}")
            line = targets.missing("S7", why)
            lines.append(targets.about(line, against=_NAMES[name]))
    return starts, lines


def _python() -> Start:
    folder = _FOLDER / "python"
    python = folder / "bin" / "python"
    uv = str(Path(sys.executable).with_name("uv"))
    _install(
        folder,
        _PYTHON_PINS,
        [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", str(python), *_PYTHON_PINS],
    )
    argv = [str(python), "-m", "uvicorn", "tusd_python:app", "--app-dir", str(_HERE)]
    argv += ["--host", "127.0.0.1", "--port", "PORT", "--no-access-log", "--log-level", "warning"]
    return servers.peer(argv, {})


def _node() -> Start:
    folder = _FOLDER / "node"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise BenchmarkFailed("there is no npm: apt-get install npm")
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save"]
    _install(folder, _NODE_PINS, [npm, "install", "--prefix", str(folder), *quiet, *_NODE_PINS])
    return servers.peer([node, str(_HERE / "tusd_node.mjs")], {"PEER_PACKAGES": str(folder)})


def _install(folder: Path, pins: Sequence[str], *commands: Sequence[str]) -> None:
    """Install `pins` into a folder of their own, unless it has them already.

    Raises:
        BenchmarkFailed: it did not go well; the folder is gone again.
    """
    mark, wanted = folder / "installed", "\n".join(pins)
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for command in commands:
        say(f"peers: {' '.join(command)}")
        done = subprocess.run(  # noqa: S603 - pinned packages, by the clients of their registries.
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=_INSTALLED_WITHIN_S,
            env={**os.environ, "UV_LINK_MODE": "copy"},
        )
        if done.returncode:
            shutil.rmtree(folder)
            raise BenchmarkFailed(f"{command[0]} ended with {done.returncode}:\n{done.stderr}")
    mark.write_text(wanted, encoding="utf-8")


def _require_whole(name: str, start: Start, options: Options) -> None:
    """Send one recording and look whether the peer has kept it.

    Raises:
        BenchmarkFailed: it has not, and what it does is no measure.
    """
    content = wav_head(MIB) + os.urandom(MIB - HEAD_BYTES)
    with fresh(options.directory, "peer", start) as server:
        _send(server, content)
        kept = [
            hashlib.sha256(file.read_bytes()).digest()
            for file in (server.expendable or options.directory).iterdir()
            if file.is_file() and file.stat().st_size == len(content)
        ]
    if kept != [hashlib.sha256(content).digest()]:
        raise BenchmarkFailed(f"{name} has not kept what it was sent")


def _send(server: Server, content: bytes) -> None:
    told = base64.b64encode(json.dumps({"source_call_id": "whole"}).encode()).decode()
    url = f"http://127.0.0.1:{server.address.port}"
    with httpx.Client(base_url=url, headers=_TUS, timeout=60, trust_env=False) as client:
        length = {"Upload-Length": str(len(content)), "Upload-Metadata": f"metadata {told}"}
        begun = client.post(server.address.path, headers=length)
        body = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        place = begun.headers.get("location", "")
        sent = client.patch(place, headers=body, content=content)
    if sent.status_code != httpx.codes.NO_CONTENT:
        raise BenchmarkFailed(f"An upload was not taken: {sent.status_code} {sent.text}")

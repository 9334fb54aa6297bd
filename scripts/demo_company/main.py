"""Play the sample company in and show what was tied, flagged, refused and handed over."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn, TextIO
from urllib.parse import urlsplit

from demo_company import archive, bundles, handing_over, people, playing, settling, story
from demo_company.api import Api, Unexpected
from demo_company.archive import Accounts, CannotRun, Running
from demo_company.report import Report, Row, counts, say, table
from demo_company.stage import Stage

_LISTENED = "d07"
_WITHDRAWN = "d19"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Start the archive, play the sample company in through the public API, show "
        "what came of it, and keep serving until Ctrl-C. Settings of the environment are left out.",
    )
    parser.add_argument("--once", action="store_true", help="end after that; the last line says ok")
    parser.add_argument(
        "--data",
        type=Path,
        default=archive.ROOT / ".audiatur" / "demo",
        help="folder of the demo's data, emptied first (default: .audiatur/demo)",
    )
    parser.add_argument(
        "--port", type=int, help=f"port; 0 takes a free one (default: {archive.PORT} if free)"
    )
    parser.add_argument(
        "--keep", action="store_true", help="serve what an earlier demo has left in the folder"
    )
    return parser.parse_args()


def main() -> int:
    """Run the demo; return the exit status."""
    asked = _arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _told_to_stop)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Scripts start with it ignored.
    folder = asked.data.resolve()
    try:
        with archive.data_folder(folder, keep=asked.keep) as lock:
            return _run(folder, asked, lock)
    except (CannotRun, Unexpected, LookupError) as exc:
        print(f"demo: {exc}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        say("demo: stopped")
        return 0


def _told_to_stop(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _run(folder: Path, asked: argparse.Namespace, lock: TextIO) -> int:
    began = time.monotonic()
    port = archive.free_port(asked.port)
    with archive.served(folder, port=port, lock=lock) as running:
        say(f"The archive runs on {running.address}, its data in {folder}")
        accounts = archive.kept_accounts(folder)
        report = Report()
        if accounts is None:
            accounts = play(folder, running, report)
        say()
        _print_ways_in(running, accounts)
        for difference in report.differences:
            say(f"demo: differs: {difference}")
        if report.differences:
            return 1
        say(f"{report.checks} things are as they must be, {time.monotonic() - began:.0f} s.")
        taken = bundles.found(folder)
        if taken is not None:
            say(f"bundle: {taken.path}")
            say(f"key: {taken.key}")
        if asked.once:
            say("demo: ok")
            return 0
        say("demo: ok; serving until Ctrl-C")
        return _wait(running.process)


def _wait(process: subprocess.Popen[bytes]) -> int:
    status = process.wait()
    say(f"demo: the archive has ended with status {status}")
    return 1


def play(folder: Path, running: Running, report: Report) -> Accounts:
    """Play everything in and print the table; return the log-ins."""
    told = story.read(now=datetime.now(UTC))
    company = told.company
    accounts = archive.add_accounts(
        folder, company["people"], company["devices"], company=company["company"]
    )
    say(f"{len(company['people'])} people and {len(company['devices'])} devices are known.")
    with closing(Api(running.address, accounts.keys)) as api:
        stage = Stage(api=api, story=told, report=report, link_address=running.link_address)
        shots = _send(stage)
        _gather(stage)
        rows = {
            call.id: Row(
                call=call,
                recording={},
                client_name=stage.client_names.get(call.expect.client or ""),
            )
            for call in told.calls
        }
        say("The manager asks to hand calls to the clients' directors, the approver answers:")
        handing_over.hand_over(stage, rows)
        handing_over.listen(stage, told.call(_LISTENED))
        bundles.take(stage, told.call(_LISTENED), folder)
        settling.settle(stage, folder)
        handing_over.withdraw(stage, rows, told.call(_WITHDRAWN))
        people.leave_for_review(stage)
        for row in rows.values():
            row.recording = handing_over.as_it_is(stage, row)
            row.compare(report)
    say()
    for line in [*table(list(rows.values())), *counts(list(rows.values()), screenshots=shots)]:
        say(line)
    accounts.links.update({name: urlsplit(url).path for name, url in stage.links.items()})
    archive.keep_accounts(folder, accounts)
    return accounts


def _send(stage: Stage) -> int:
    playing.tell(stage, late=False)
    people.post_notice(stage)
    playing.send_calls(stage)
    shots = playing.send_screenshots(stage)
    playing.send_what_is_refused(stage)
    playing.tell(stage, late=True)
    playing.wait_for_adoption(stage)
    playing.relink(stage)
    playing.wait_for_inspection(stage)
    return shots


def _gather(stage: Stage) -> None:
    people.tell_what_was_found(stage)
    people.keep_papers(stage)
    people.acknowledge(stage)
    people.assert_clauses(stage)
    people.gather(stage)
    people.screen(stage)
    people.verify_contacts(stage)


def _print_ways_in(running: Running, accounts: Accounts) -> None:
    say(f"address: {running.address}   (API: {running.address}/openapi.json)")
    say("log-ins, at this address in a browser; a program sends the key as a bearer token:")
    say("(AUDIATUR_TOTP_ROLES=none: here nobody is asked for a code from a telephone)")
    for name, role in accounts.roles.items():
        password = accounts.passwords.get(name, "-")
        say(f"  {name:14} {role:9} password {password:17} key {accounts.keys[name]}")
    for name, path in accounts.links.items():
        say(f"director's link, call {name}: {running.link_address}{path}")


if __name__ == "__main__":
    sys.exit(main())

"""Try every operation of a real archive as each role, by what the API says of itself.

Inputs are drawn that fit the description and such that do not; then operations are called in
chains, with what earlier ones answered. The exit status is 1 if anything broke, was answered
otherwise than described, or was not called at all.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from app import logs
from app.identity.permissions import Role
from schema_tool.archive import archive
from schema_tool.trial import ALONE, CHAINED, Asked, run, table


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/schema-trial", description=__doc__)
    roles = [*Role, "device"]
    parser.add_argument("roles", nargs="*", metavar="ROLE", help=", ".join(roles))
    parser.add_argument("--seconds", type=int, default=120, help="for each role and way (120)")
    parser.add_argument("--examples", type=int, default=30, help="cases of an operation (30)")
    parser.add_argument("--seed", type=int, help="the same seed draws the same; else a new one")
    found = parser.parse_args(given)
    if unknown := set(found.roles) - set(roles):
        parser.error(f"there is no role {', '.join(unknown)}; there are {', '.join(roles)}")
    found.roles = found.roles or roles
    return found


def main(given: Sequence[str] | None = None) -> int:
    """Try as each role that was asked for; return 1 if anything failed or was not called."""
    asked = _arguments(given)
    seed = asked.seed if asked.seed is not None else secrets.randbelow(1 << 31)
    wish = Asked(seconds=asked.seconds, seed=seed, examples=asked.examples)
    print(f"seed {seed}", flush=True)
    logs.configure("error")
    trials = []
    for who in asked.roles:
        # An archive for each: a trial by an administrator ends accounts, its own too.
        with tempfile.TemporaryDirectory() as place, archive(Path(place)) as live:
            for phases in (ALONE, CHAINED):
                trial = run(live.url, Path(place), wish, who=who, key=live.key(who), phases=phases)
                trials.append(trial)
                if trial.told:
                    print(trial.told, flush=True)
    print(table(trials))
    return 0 if all(one.is_good for one in trials) else 1


if __name__ == "__main__":
    sys.exit(main())

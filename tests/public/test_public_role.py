"""What the process of the public links could do if somebody had taken it over: nothing more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import exc, text

from app.core.db import Database
from app.core.ids import new_id
from storage.errors import ObjectDamaged
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.sealed import SealedStore
from tests.conftest import Urls
from tests.public.conftest import Opened

OURS = (
    "ask_page",
    "ask_take",
    "link_answer",
    "link_answered",
    "link_asks",
    "link_bundle",
    "link_bundle_page",
    "link_page",
    "link_open",
    "link_try",
    "link_view",
)
ROOT = Path(__file__).parents[2]


def test_no_table_can_be_read_or_written(
    public_database: Database, own_database: Urls, opened: Opened
) -> None:
    opened()
    with psycopg.connect(own_database.owner) as owner:
        tables = [
            row[0]
            for row in owner.execute(
                "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE n.nspname = 'public' AND c.relkind IN ('r', 'v', 'm', 'p', 'S')"
            )
        ]
    assert {"recordings", "share_links", "custody_entries", "sealed_objects"} <= set(tables)
    for table in tables:
        for statement in (
            f'SELECT * FROM "{table}"',  # noqa: S608 - names from the catalogue.
            f'DELETE FROM "{table}"',  # noqa: S608 - names from the catalogue.
            f'TRUNCATE "{table}"',
            f'DROP TABLE "{table}"',
        ):
            with (
                pytest.raises(
                    exc.DBAPIError, match=r"permission denied|must be owner|not a table|cannot"
                ),
                public_database.transaction() as session,
            ):
                session.execute(text(statement))


def test_of_our_functions_few_can_be_called(own_database: Urls) -> None:
    with psycopg.connect(own_database.owner) as owner:
        found = owner.execute(
            "SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
            "WHERE n.nspname = 'public' AND p.prosecdef "
            "AND has_function_privilege('audiatur_public', p.oid, 'EXECUTE')"
        ).fetchall()
    assert sorted(name for (name,) in found) == sorted(OURS)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT consent_stamp(gen_random_uuid(), gen_random_uuid())",
        "SELECT consent_blocked(gen_random_uuid(), 'dispute_client')",
        "SELECT release_is_open(gen_random_uuid())",
        "SELECT link_release('x')",
        "SELECT ask_request('x')",
        "SELECT * FROM ask_room(gen_random_uuid())",
        "SELECT release_may_approve(gen_random_uuid(), gen_random_uuid())",
        "CREATE TABLE mine (id int)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SET ROLE audiatur_app",
        "SET ROLE audiatur_owner",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('postgresql.conf')",
    ],
)
def test_the_public_role_has_no_right_to(public_database: Database, statement: str) -> None:
    with (
        pytest.raises(exc.DBAPIError, match="permission denied"),
        public_database.transaction() as session,
    ):
        session.execute(text(statement))


def test_a_table_of_ones_own_deceives_no_function(
    public_database: Database, opened: Opened
) -> None:
    world = opened()
    with public_database.transaction() as session:
        session.execute(
            text(
                "CREATE TEMPORARY TABLE share_links AS SELECT gen_random_uuid() AS id, "
                "CAST(:release AS uuid) AS release_id, sha256('mine') AS token_digest, "
                "now() AS created_at, now() + interval '1 day' AS expires_at, "
                "NULL::timestamptz AS revoked_at, NULL::int AS view_limit, "
                "NULL::text AS passphrase_hash"
            ),
            {"release": world.release_id},
        )
        assert session.scalars(text("SELECT link_page(sha256('mine'), NULL)")).one() is None
        assert session.scalars(text("SELECT link_view(sha256('mine'), sha256('v'))")).one() is False


def test_the_release_key_opens_nothing_of_the_archive(tmp_path: Path) -> None:
    objects = FolderStore(tmp_path / "archive")
    draft = SealedStore(objects, MasterKeys.create(tmp_path / "archive.key")).begin(new_id())
    draft.write(b"what was said")
    kept = draft.keep()
    taken_over = SealedStore(objects, MasterKeys.create(tmp_path / "release.key"))
    with pytest.raises(ObjectDamaged):
        taken_over.read(kept.ref(), start=0, length=kept.size_bytes)


_PROBE = """
import sys
from pathlib import Path
from app.public.main import create_public_app
from app.public.server import tools_of
from app.settings import load
settings = load()
tools = tools_of(settings)
app = create_public_app(tools)
tools.release.check()
assert tools.database.statement("SELECT link_page(''::bytea, NULL)", {}) == (None,)
for statement in ("SELECT * FROM recordings", "SELECT * FROM sealed_objects"):
    try:
        tools.database.statement(statement, {})
    except Exception as exc:
        assert "permission denied" in str(exc), exc
    else:
        sys.exit("a table of the archive could be read")
if settings.archive_key_path.exists():
    sys.exit("the archive key is there")
loaded = [name for name in sys.modules if name.startswith(("app.recordings", "app.consent"))]
print("loaded:", loaded)
print("held:", sorted(p.name for p in settings.data.rglob("*") if p.is_file()))
"""


def test_it_starts_with_its_own_folder_alone(own_database: Urls, tmp_path: Path) -> None:
    data = tmp_path / "data"
    public = data / "public"
    public.mkdir(parents=True)
    MasterKeys.create(public / "release.key")
    (public / "database-url").write_text(own_database.link)
    (public / "database-url").chmod(0o600)
    done = _started({"AUDIATUR_DATA": str(data)}, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "loaded: []" in done.stdout
    assert "held: ['database-url', 'release.key']" in done.stdout


def test_it_starts_with_its_own_settings_alone(own_database: Urls, tmp_path: Path) -> None:
    MasterKeys.create(tmp_path / "other.key")
    done = _started(
        {
            "AUDIATUR_DATA": str(tmp_path / "none"),
            "AUDIATUR_PUBLIC_DATABASE_URL": own_database.link,
            "AUDIATUR_RELEASE_KEY_FILE": str(tmp_path / "other.key"),
        },
        tmp_path,
    )
    assert done.returncode == 0, done.stderr


def test_it_says_what_it_misses(tmp_path: Path) -> None:
    MasterKeys.create(tmp_path / "other.key")
    done = _started(
        {
            "AUDIATUR_DATA": str(tmp_path / "none"),
            "AUDIATUR_RELEASE_KEY_FILE": str(tmp_path / "other.key"),
        },
        tmp_path,
    )
    assert done.returncode != 0
    assert "AUDIATUR_PUBLIC_DATABASE_URL" in done.stderr


def _started(settings: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Start a process that is given `settings` and nothing else."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings}
    return subprocess.run(  # noqa: S603 - our own interpreter and text.
        [sys.executable, "-c", _PROBE],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

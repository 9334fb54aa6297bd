"""Settings that are half given are refused in one line, and a process is given what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import settings
from app.processes import supervised
from app.settings import SettingsInvalid
from tests.journeys.deployment import run

_ARCHIVE = {
    "AUDIATUR_S3_BUCKET": "archive",
    "AUDIATUR_S3_ACCESS_KEY_ID": "a",
    "AUDIATUR_S3_SECRET_ACCESS_KEY": "b",
}
_RELEASE = {
    "AUDIATUR_RELEASE_S3_BUCKET": "release",
    "AUDIATUR_RELEASE_S3_ACCESS_KEY_ID": "c",
    "AUDIATUR_RELEASE_S3_SECRET_ACCESS_KEY": "d",
}
_BOTH = _ARCHIVE | _RELEASE


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Give an environment without any setting, in a folder without a file of them."""
    monkeypatch.chdir(tmp_path)
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(f"AUDIATUR_{name.upper()}", raising=False)
    return monkeypatch


def _load(environment: pytest.MonkeyPatch, given: dict[str, str]) -> settings.Settings:
    for name, value in given.items():
        environment.setenv(name, value)
    return settings.load()


@pytest.mark.parametrize("missing", _BOTH)
def test_an_archive_in_a_bucket_needs_all_of_both(
    environment: pytest.MonkeyPatch, missing: str
) -> None:
    assert _load(environment, _BOTH).s3_bucket == "archive"
    environment.delenv(missing)
    with pytest.raises(SettingsInvalid) as refused:
        settings.load()
    assert str(refused.value) == f"with an S3 store these are needed too: {missing}"


@pytest.mark.parametrize("given", [*_BOTH, "AUDIATUR_S3_ENDPOINT_URL"])
def test_none_of_them_is_enough_alone(environment: pytest.MonkeyPatch, given: str) -> None:
    with pytest.raises(SettingsInvalid, match="with an S3 store these are needed too: AUDIATUR_"):
        _load(environment, {given: "http://127.0.0.1:9"})


def test_released_copies_alone_ask_for_nothing_of_the_archive(
    environment: pytest.MonkeyPatch,
) -> None:
    found = _load(environment, _RELEASE)
    assert (found.release_s3_bucket, found.s3_bucket) == ("release", None)


@pytest.mark.parametrize(
    ("shared", "told"),
    [
        ("BUCKET", "the archive and the released copies need buckets of their own"),
        ("ACCESS_KEY_ID", "the archive and the released copies need credentials of their own"),
    ],
)
def test_the_stores_share_nothing(environment: pytest.MonkeyPatch, shared: str, told: str) -> None:
    same = {f"AUDIATUR_RELEASE_S3_{shared}": _ARCHIVE[f"AUDIATUR_S3_{shared}"]}
    with pytest.raises(SettingsInvalid) as refused:
        _load(environment, _BOTH | same)
    assert str(refused.value) == told


def test_an_empty_variable_unsets_what_a_file_says(environment: pytest.MonkeyPatch) -> None:
    lines = [f"{name}={value}" for name, value in _BOTH.items()]
    Path(".env").write_text("\n".join(lines))
    assert settings.load().s3_bucket == "archive"
    found = _load(environment, dict.fromkeys(_ARCHIVE, ""))
    assert (found.release_s3_bucket, found.s3_bucket) == ("release", None)
    assert found.s3_secret_access_key is None


def test_the_links_that_serve_starts_are_given_the_released_copies_alone(
    environment: pytest.MonkeyPatch,
) -> None:
    everything = _BOTH | {
        "AUDIATUR_S3_ENDPOINT_URL": "http://127.0.0.1:9",
        "AUDIATUR_DATABASE_URL": "postgresql://web@127.0.0.1/audiatur",
        "AUDIATUR_PUBLIC_DATABASE_URL": "postgresql://link@127.0.0.1/audiatur",
    }
    Path(".env").write_text("\n".join(f"{name}={value}" for name, value in everything.items()))
    whole = _load(environment, everything)
    found = _load(environment, supervised._without_archive({}, whole))
    assert found.release_s3_bucket == "release"
    assert found.release_s3_endpoint_url == "http://127.0.0.1:9"
    assert found.public_database_url is not None
    assert (found.s3_bucket, found.s3_secret_access_key, found.database_url) == (None, None, None)


@pytest.mark.parametrize("words", [["serve"], ["serve", "--public"], ["doctor"]])
def test_a_command_says_so_in_one_line(tmp_path: Path, words: list[str]) -> None:
    given = {"AUDIATUR_DATA": str(tmp_path / "data"), "AUDIATUR_RELEASE_S3_BUCKET": "release"}
    done = run(words, given, tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "audiatur: with an S3 store these are needed too: AUDIATUR_RELEASE_S3_ACCESS_KEY_ID, "
        "AUDIATUR_RELEASE_S3_SECRET_ACCESS_KEY\n"
    )
    assert not (tmp_path / "data").exists()

"""The commands, over the database that the settings name and a stand-in for 1C."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import audiatur
from app.onec import mapping
from app.onec.mapping import MappingInvalid
from tests.conftest import Urls
from tests.onec.house import CALLS, CLIENTS, MAPPING
from tests.onec.standin import PASSWORD, USER, ref, standing_in

ROOT = Path(__file__).parents[2]


def test_a_source_is_made_checked_tried_read_and_removed(
    own_database: Urls, tmp_path: Path
) -> None:
    file = tmp_path / "base.toml"
    file.write_text(MAPPING, encoding="utf-8")
    runner = CliRunner(
        env={
            "AUDIATUR_DATA": str(tmp_path),
            "AUDIATUR_DATABASE_URL": own_database.web,
            "AUDIATUR_DATABASE_OWNER_URL": own_database.owner,
            "AUDIATUR_OUTBOUND_HTTP": "true",
            "AUDIATUR_OUTBOUND_NETWORKS": "127.0.0.1/32",
        }
    )

    def run(*words: str, given: str = "", status: int = 0) -> Result:
        done = runner.invoke(audiatur, ["onec", *words], input=given)
        assert done.exit_code == status, done.output + repr(done.exception)
        return done

    login = f"user={USER}\npassword={PASSWORD}\n"
    with standing_in() as onec:
        onec.put(CLIENTS, ref(1), Description="Клиент", ИНН="", IsFolder=False)
        onec.put(
            CALLS,
            ref(300),
            Date="2026-11-27T15:30:00",
            Абонент_Key=ref(2),
            Тема="Звонок",
            Описание="",
            ВидОбращения="Жалоба",
            ДатаЗакрытия="",
            ДатаИзменения="2026-11-27T15:40:00",
        )
        add = ("add", "base", "--url", onec.base, "--mapping", str(file))
        assert "password" in run(*add, given="user=x\n", status=1).output
        made = run(*add, given=login)
        assert made.stdout.splitlines()[-1].endswith("/v1/1c/base/items")
        assert PASSWORD not in made.output
        again = runner.invoke(audiatur, ["onec", *add], input=login)
        assert again.exit_code == 1
        checked = json.loads(run("check", "base", "--json", status=1).stdout.splitlines()[-1])
        said = {one["entity"]: (one["fault"], one["missing"]) for one in checked["entities"]}
        assert said[CLIENTS] == (None, [])
        assert said["Catalog_КонтактныеЛица"] == ("not_switched_on", [])
        assert said[CALLS] == (None, ["Ответственный____Presentation"])
        assert checked["published"] == 2
        words = run("check", "base", status=1).output
        assert "OData composition" in words
        tried = json.loads(
            run("pull", "base", "--dry-run", "--json", status=1).stdout.splitlines()[-1]
        )
        assert tried["entities"][0]["counts"] == {"taken": 1}
        pulled = run("pull", "base", status=1).output
        assert f"{ref(300)}: There is no such client here" in pulled
        assert "event" in run("refused", "base").stdout
        (listed,) = json.loads(run("list", "--json").stdout.splitlines()[-1])
        assert (listed["source"], listed["things"]) == ("base", {"taken": 1, "refused": 1})
        assert PASSWORD not in json.dumps(listed)
        run("change", "base", "--login", given="user=other\npassword=other\n")
        assert "does not take the user" in run("pull", "base", status=1).output
        assert run("retry", "base").stdout.splitlines()[-1] == "0 to be written again."
        run("remove", "base")
        assert runner.invoke(audiatur, ["onec", "pull", "base"]).exit_code == 1


def test_the_example_that_comes_with_the_documents_is_a_mapping() -> None:
    for name in ("docs/1c/сопоставление.toml",):
        found = mapping.parse((ROOT / name).read_text(encoding="utf-8"))
        assert mapping.loaded(mapping.kept(found)) == found
    text = (ROOT / "docs/onec.md").read_text(encoding="utf-8")
    told = mapping.parse(text.partition("```toml\n")[2].partition("```")[0])
    assert told.entities[2].entity == "Document_ТелефонныйЗвонок"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("zone = ", "no TOML"),
        ('zone = "Mars/Base"', "no time zone"),
        ("page = 1", "page"),
        ('[back]\nfield = "A"\nservice = "b"', "either field or service"),
        (
            '[[entities]]\nkind = "client"\nentity = "Контрагенты"\nfields.name = "A"',
            "no name of 1C",
        ),
        ('[[entities]]\nkind = "client"\nentity = "Catalog_А"\nfields.age = "A"', "has none"),
        (
            '[[entities]]\nkind = "client"\nentity = "Catalog_А"\nfields.name = "A b"',
            "no name of 1C",
        ),
        ('[[entities]]\nkind = "client"\nentity = "Catalog_А"\nfields.name = {}', "name one of"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(MappingInvalid, match=words):
        mapping.parse(text)

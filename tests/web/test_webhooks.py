"""The pages of webhooks: an endpoint is added with its secret, watched, replayed and removed."""

from __future__ import annotations

import re

from app.identity.permissions import Role
from app.web.edge import form_token
from tests.web.conftest import Site


def _sent(site: Site, path: str, **fields: str) -> tuple[int, str, str]:
    form = {"token": form_token(site.cookies[Role.ADMIN])} | fields
    answer = site.post(path, Role.ADMIN, form)
    return answer.status_code, answer.headers.get("location", ""), answer.text


def test_an_endpoint_is_added_watched_and_removed(site: Site) -> None:
    told = {"name": "bitrix", "url": "https://crm.example.com/in", "kind": "gap.found"}
    status, _, page = _sent(site, "/webhooks?lang=en", **told)
    assert status == 200
    secret = re.search(r"whsec_[A-Za-z0-9+/=]{44}", page)
    assert secret
    listed = site.get("/webhooks?lang=en", Role.ADMIN).text
    assert "https://crm.example.com/in" in listed
    assert secret[0] not in listed
    row = listed.partition(">bitrix</a>")[0].rpartition('href="')[2]
    here = row.partition('"')[0]
    shown = site.get(f"{here}?lang=en", Role.ADMIN).text
    assert "a call without a recording was found" in shown
    assert "a recording was kept" not in shown
    assert "Nothing was told in this state." in shown
    status, _, page = _sent(site, f"{here}/rotate?lang=en")
    other = re.search(r"whsec_[A-Za-z0-9+/=]{44}", page)
    assert status == 200
    assert other
    assert other[0] != secret[0]
    assert "Two secrets sign until" in site.get(f"{here}?lang=en", Role.ADMIN).text
    assert _sent(site, f"{here}/remove")[:2] == (303, "/webhooks")
    assert "bitrix" not in site.get("/webhooks", Role.ADMIN).text
    gone = site.get(f"{here}?lang=en", Role.ADMIN).text
    assert "removed" in gone
    assert "/rotate" not in gone
    assert _sent(site, f"{here}/remove")[0] == 404


def test_what_is_wrong_with_an_endpoint_is_said_beside_its_field(site: Site) -> None:
    right = {"name": "x", "url": "https://crm.example.com/", "kind": "gap.found"}
    for wrong, said in (
        ({"name": "1c"}, "There is a webhook endpoint of this name already"),
        ({"name": "a b"}, "The name of an endpoint is 1 to 64"),
        ({"url": "http://crm.example.com/"}, "The address is not one that the archive speaks to"),
        ({"url": "https://192.168.0.1/"}, "The address is not one that the archive speaks to"),
        ({"kind": "audio"}, "An endpoint has to be told of one kind at least"),
    ):
        status, _, page = _sent(site, "/webhooks?lang=en", **(right | wrong))
        assert status == 422, wrong
        assert said in page
    _, _, russian = _sent(site, "/webhooks?lang=ru", **(right | {"name": "1c"}))
    assert "Получатель с таким именем уже есть" in russian


def test_the_log_tells_what_was_answered_as_text_and_replays_what_was_given_up(site: Site) -> None:
    here = f"/webhooks/{site.parameters['webhook_id']}"
    page = site.get(f"{here}?lang=en&state=dead", Role.ADMIN).text
    assert "503 it answered, but not that it had taken it" in page
    assert "&lt;b&gt;try later&lt;/b&gt;" in page
    assert "<b>try" not in page
    assert site.get(f"{here}?state=lost", Role.ADMIN).status_code == 422
    replay = f"{here}/deliveries/{site.parameters['delivery_id']}/replay"
    assert _sent(site, replay)[:2] == (303, here)
    assert _sent(site, replay)[0] == 409
    assert _sent(site, f"{here}/replay")[:2] == (303, here)

"""Pages of telephony services: added, changed, given other secrets, asked again, switched off."""

from __future__ import annotations

import re

from app.identity.permissions import Role
from app.web.edge import form_token
from tests.web.conftest import Site

RIGHT = {
    "name": "uis",
    "kind": "template",
    "public_url": "https://calls.example.com",
    "hosts": "app.uiscom.ru",
    "direction": "inbound",
    "mapping": '{"messages": [{"call": "$.id", "facts": {"talk_ms": "$.t"}}]}',
}


def _sent(site: Site, path: str, **fields: str) -> tuple[int, str, str]:
    form = {"token": form_token(site.cookies[Role.ADMIN])} | fields
    answer = site.post(path, Role.ADMIN, form)
    return answer.status_code, answer.headers.get("location", ""), answer.text


def test_a_service_is_added_with_a_secret_shown_once_and_switched_off(site: Site) -> None:
    status, _, page = _sent(site, "/providers?lang=en", **RIGHT)
    assert status == 200, page
    secret = re.search(r'class="secret"><code>([\w-]{32})</code>', page)
    assert secret
    here = re.search(r'class="button" href="(/providers/[\w-]+)"', page)
    assert here
    assert secret[1] not in site.get("/providers", Role.ADMIN).text
    shown = site.get(f"{here[1]}?lang=en", Role.ADMIN).text
    assert secret[1] not in shown
    assert f"https://calls.example.com/hooks/{here[1].rpartition('/')[2]}" in shown
    assert "In the UIS account" in shown
    assert "nothing came yet" in shown
    assert "No message came yet." in shown
    changed = {"public_url": "https://in.example.com/a", "hosts": "x.example.com .y.example.com"}
    assert _sent(site, here[1], direction="outbound", **changed)[:2] == (303, here[1])
    again = site.get(f"{here[1]}?lang=en", Role.ADMIN).text
    assert "https://in.example.com/a/hooks/" in again
    assert "x.example.com .y.example.com" in again
    status, _, page = _sent(site, f"{here[1]}/rotate?lang=en")
    other = re.search(r'class="secret"><code>([\w-]{32})</code>', page)
    assert status == 200
    assert other
    assert other[1] != secret[1]
    assert "The secrets before count until" in site.get(f"{here[1]}?lang=en", Role.ADMIN).text
    assert _sent(site, f"{here[1]}/remove")[:2] == (303, here[1])
    gone = site.get(f"{here[1]}?lang=en", Role.ADMIN).text
    assert "switched off" in gone
    assert "/rotate" not in gone
    assert _sent(site, f"{here[1]}/remove")[0] == 409


def test_what_is_wrong_is_said_beside_its_field(site: Site) -> None:
    for wrong, said in (
        ({"kind": "other"}, "Choose which service it is."),
        ({"public_url": "calls.example.com"}, "It begins with https://"),
        ({"hosts": "https://x.example.com/"}, "Names of hosts, apart by spaces"),
        ({"mapping": "{"}, "The mapping is no JSON."),
        ({"mapping": "{}"}, "The mapping cannot be used"),
        ({"kind": "mango", "mapping": ""}, "These are not the secrets"),
        ({"name": "mango"}, "taken"),
    ):
        status, _, page = _sent(site, "/providers?lang=en", **(RIGHT | wrong))
        assert status == 422, wrong
        assert said in page, wrong
    here = f"/providers/{site.parameters['provider_id']}"
    status, _, page = _sent(site, f"{here}?lang=en", public_url="x", hosts="", direction="inbound")
    assert status == 422
    assert "It begins with https://" in page
    status, _, page = _sent(site, f"{here}/rotate?lang=en", secret_api_key="only")
    assert status == 422
    assert "These are not the secrets" in page


def test_the_page_tells_what_came_and_why_other_things_did_not(site: Site) -> None:
    here = f"/providers/{site.parameters['provider_id']}"
    listed = site.get("/providers?lang=en", Role.ADMIN).text
    assert "what came is no audio: 1" in listed
    page = site.get(f"{here}?lang=en", Role.ADMIN).text
    assert "Mango Office" in page
    assert "entry_id: it is missing" in page
    assert "the service says: too short" in page
    assert page.count("Ask again") == 2
    lost = site.get(f"{here}?lang=en&state=lost", Role.ADMIN).text
    assert "The host answered with 404." in lost
    assert "the service says: too short" not in lost.partition('id="media"')[2]
    again = f"{here}/media/{site.parameters['media_id']}/again"
    assert _sent(site, again)[0] == 410, "the message that told of it is forgotten"

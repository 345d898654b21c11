from __future__ import annotations

from typing import Any

from bs4 import BeautifulSoup

from perijove.hub.core.services import Service
from perijove.hub.testing.running import RunningHub

Desk = Any


async def test_services_are_shown_with_how_they_are(desk: Desk) -> None:
    async with desk.hub.store.transaction() as tx:
        for service in (
            Service(0, "culler", command=("python", "-m", "cull")),
            Service(0, "ops", admin=True),
            Service(0, "wiki", url="http://127.0.0.1:9", from_config=False),
        ):
            await tx.services.add(service)
    names = await desk.words("admin/services", "tbody th")
    assert names == [
        "culler from the configuration python -m cull",
        "ops administrator from the configuration",
        "wiki made here",
    ]
    assert await desk.words("admin/services", "tbody .badge") == ["Not running", "Runs elsewhere", "Not known"]
    desk.hub.probe.willing = False
    await desk.hub.keeper.look()
    page = await desk.get("admin/services")
    assert page.select("tbody .badge")[2].text == "Does not answer"
    assert page.select("tbody a")[0]["href"].endswith("/services/wiki/")


async def test_a_service_is_made_with_a_token_that_is_shown_once(desk: Desk) -> None:
    page = await desk.get("admin/services")
    number = page.select("[name=number]")[0]["value"]
    form = {"name": "wiki", "url": "http://127.0.0.1:9", "token": "on", "display": "on", "number": number}
    tokens = []
    # A second press makes no second service, and the token is not lost by it.
    for _ in range(2):
        answer = await desk.post("admin/services", **form)
        assert answer.status_code == 200
        tokens.append(BeautifulSoup(answer.text, "html.parser").select("#token-value")[0]["value"])
    assert tokens[0] == tokens[1]
    bearer = {"Authorization": f"token {tokens[0]}"}
    assert (await desk.hub.client().get(f"{desk.hub.prefix}api/user", headers=bearer)).json()["name"] == "wiki"
    assert tokens[0] not in (await desk.get("admin/services")).text
    other = await desk.post("admin/services", **(form | {"number": "another"}))
    assert other.status_code == 409
    assert "Service wiki already exists" in other.text
    assert [type(fact).__name__ for fact in desk.hub.telemetry.facts].count("ServiceCreated") == 1


async def test_all_that_is_said_of_a_service_is_kept(desk: Desk) -> None:
    await desk.get("admin/services")
    where = "https://wiki.example/back"
    form = {"name": "wiki", "oauth_redirect_uri": where, "oauth_scopes": "read:hub list:users", "admin": "on"}
    answer = await desk.post("admin/services", **form, token="on", oauth_no_confirm="on")
    assert answer.status_code == 200, answer.text[:2000]
    async with desk.hub.store.transaction() as tx:
        service = await tx.services.get("wiki")
    assert (service.admin, service.display, service.from_config) == (True, False, False)
    assert service.oauth_client_allowed_scopes == ("read:hub", "list:users")
    assert (service.oauth_redirect_uri, service.oauth_no_confirm) == (where, True)


async def test_without_a_token_the_list_says_what_was_done_and_a_mistake_keeps_what_was_typed(desk: Desk) -> None:
    await desk.get("admin/services")
    assert await desk.done("admin/services", name="plain") == "admin/services?done=service-added&count=1"
    answer = await desk.post("admin/services", name="wiki", url="ftp://x", token="on")
    assert answer.status_code == 400
    assert 'value="ftp://x"' in answer.text
    assert "token-value" not in answer.text


async def test_a_service_made_here_is_removed_here_and_one_of_the_configuration_is_not(desk: Desk) -> None:
    async with desk.hub.store.transaction() as tx:
        await tx.services.add(Service(0, "ops"))
        await tx.services.add(Service(0, "wiki", from_config=False))
    page = await desk.get("admin/services")
    assert [field["value"] for field in page.select("form[action$=delete] [name=name]")] == ["wiki"]
    for _ in range(2):
        assert await desk.done("admin/services/delete", name="wiki") == "admin/services?done=service-deleted&count=1"
    answer = await desk.post("admin/services/delete", name="ops")
    assert "stands in the configuration of the hub" in answer.text
    assert await desk.words("admin/services", "tbody .user-name") == ["ops"]


async def test_whoever_only_lists_services_makes_none(office: RunningHub, at_desk: Any) -> None:
    desk = await at_desk(office, "eve", "admin-ui", "list:services", "read:services")
    assert (await desk.get("admin/services")).select("form[action$='admin/services']") == []
    for path in ("admin/services", "admin/services/delete"):
        assert (await desk.post(path, name="wiki")).status_code == 403

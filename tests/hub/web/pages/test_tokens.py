from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup

from perijove.hub.core.events import TokenCreated
from perijove.hub.core.oauth import OAuthClient
from perijove.hub.testing.running import ORIGIN, RunningHub, running_hub

FROM_US = {"Origin": ORIGIN}


def parse(answer: Any) -> BeautifulSoup:
    return BeautifulSoup(answer.text, "html.parser")


def hidden(answer: Any) -> dict[str, str]:
    form = parse(answer).select_one("#request-token-form")
    assert form is not None
    return {str(field["name"]): str(field["value"]) for field in form.select("input[type=hidden]")}


async def opened(hub: RunningHub) -> tuple[Any, dict[str, str]]:
    browser = await hub.browser("ada")
    page = await browser.get(f"{hub.prefix}token")
    assert page.status_code == 200
    return browser, hidden(page)


def value_in(answer: Any) -> str:
    field = parse(answer).select_one("#token-value")
    assert field is not None, answer.text
    return str(field["value"])


async def test_a_token_is_made_shown_once_and_works(hub: RunningHub) -> None:
    browser, form = await opened(hub)
    made = await browser.post(
        f"{hub.prefix}token", data=form | {"note": "Nightly", "expires_in": "3600", "allow": "all"}, headers=FROM_US
    )
    value = value_in(made)
    client = hub.client(value)
    assert (await client.get(f"{hub.api}/user")).json()["name"] == "ada"
    later = await browser.get(f"{hub.prefix}token")
    assert value not in later.text
    assert "Nightly" in later.text
    hub.clock.advance(7200)
    assert (await client.get(f"{hub.api}/user")).status_code == 403


async def test_only_what_was_chosen_is_allowed(hub: RunningHub) -> None:
    browser, form = await opened(hub)
    data = form | {"allow": "some", "scopes": ["read:servers!user"], "more_scopes": " read:users:groups!user  "}
    client = hub.client(value_in(await browser.post(f"{hub.prefix}token", data=data, headers=FROM_US)))
    scopes = (await client.get(f"{hub.api}/user")).json()["scopes"]
    assert "read:servers!user=ada" in scopes
    assert "servers!user=ada" not in scopes


async def test_a_form_that_comes_twice_makes_one_token(hub: RunningHub) -> None:
    browser, form = await opened(hub)
    values = {value_in(await browser.post(f"{hub.prefix}token", data=form, headers=FROM_US)) for _ in range(2)}
    assert len(values) == 1
    assert len(hub.telemetry.of(TokenCreated)) == 1
    _, other = await opened(hub)
    assert other["number"] != form["number"]


async def test_nothing_typed_is_lost_when_something_is_wrong(hub: RunningHub) -> None:
    browser, form = await opened(hub)
    data = form | {
        "note": "Mine",
        "allow": "some",
        "expires_in": "3600",
        "scopes": ["servers!user"],
        "more_scopes": "shutdown",
    }
    wrong = await browser.post(f"{hub.prefix}token", data=data, headers=FROM_US)
    assert wrong.status_code == 400
    page = parse(wrong)
    assert "does not have them" in page.select("#form-error")[0].get_text()
    assert page.select("#token-note")[0]["value"] == "Mine"
    assert page.select("#token-scopes")[0]["value"] == "shutdown"
    assert [field["value"] for field in page.select("[name=scopes][checked]")] == ["servers!user"]
    assert [field["value"] for field in page.select("option[selected]")] == ["3600"]
    assert page.select("#allow-some[checked]")
    assert hub.telemetry.of(TokenCreated) == []


async def test_a_token_is_revoked_and_again_is_no_error(hub: RunningHub) -> None:
    browser, form = await opened(hub)
    value = value_in(await browser.post(f"{hub.prefix}token", data=form, headers=FROM_US))
    page = parse(await browser.get(f"{hub.prefix}token"))
    token_id = page.select("[name=token_id]")[0]["value"]
    for _ in range(2):
        answer = await browser.post(
            f"{hub.prefix}token/revoke", data={"_xsrf": form["_xsrf"], "token_id": token_id}, headers=FROM_US
        )
        assert answer.headers["Location"] == f"{hub.prefix}token"
    assert (await hub.client(value).get(f"{hub.api}/user")).status_code == 403


async def test_applications_are_listed_by_name_and_lose_everything_at_once(hub: RunningHub) -> None:
    ada = await hub.add_user("ada")
    async with hub.store.transaction() as tx:
        server = await tx.servers.add(ada.id, "lab")
        await tx.oauth.put_client(OAuthClient("client", "", "/x", "Server", server.id, "ada/lab"))
    values = [await hub.token("ada", "servers!user", client_id="client") for _ in range(2)]
    browser, form = await opened(hub)
    page = parse(await browser.get(f"{hub.prefix}token"))
    assert "Your server lab" in page.select("[aria-labelledby=applications]")[0].get_text()
    token_id = page.select("[aria-labelledby=applications] [name=token_id]")[0]["value"]
    data = {"_xsrf": form["_xsrf"], "token_id": token_id}
    await browser.post(f"{hub.prefix}token/revoke", data=data, headers=FROM_US)
    for value in values:
        assert (await hub.client(value).get(f"{hub.api}/user")).status_code == 403


async def test_no_lifetime_is_offered_that_is_too_long(base_url: str) -> None:
    async with running_hub(base_url=base_url, token_maximum=7200) as hub:
        browser = await hub.browser("ada")
        page = parse(await browser.get(f"{hub.prefix}token"))
        assert [option["value"] for option in page.select("option")] == ["3600", "7200"]
        assert [option["value"] for option in page.select("option[selected]")] == ["7200"]


@pytest.mark.parametrize("admin", [False, True])
async def test_people_are_offered_what_they_may_do(hub: RunningHub, admin: bool) -> None:
    await hub.add_user("ada", admin=admin or None)
    browser, _ = await opened(hub)
    offered = {field["value"] for field in parse(await browser.get(f"{hub.prefix}token")).select("[name=scopes]")}
    assert "servers!user" in offered
    assert ("admin:users" in offered) is admin


async def test_thousands_of_tokens_and_applications_come_in_pages(hub: RunningHub) -> None:
    for number in range(120):
        hub.clock.advance(1)
        await hub.token("ada", note=f"number {number}")
    for number in range(60):
        await hub.token("ada", "servers!user", client_id=f"client-{number:02}")
    browser, form = await opened(hub)

    async def shown(url: str) -> tuple[BeautifulSoup, list[str], int]:
        answer = await browser.get(url)
        assert len(answer.content) < 100_000
        page = parse(answer)
        notes = [each.get_text() for each in page.select("[aria-labelledby=my-tokens] li strong")]
        return page, notes, len(page.select("[aria-labelledby=applications] li"))

    page, notes, applications = await shown(f"{hub.prefix}token")
    assert notes == [f"number {number}" for number in range(119, 69, -1)]
    assert applications == 50
    assert page.select("#my-tokens .count")[0].get_text() == "120"
    page, notes, applications = await shown(str(page.select("[aria-labelledby=applications] [rel=next]")[0]["href"]))
    assert (notes[0], applications) == ("number 119", 10)
    page, notes, applications = await shown(str(page.select("[aria-labelledby=my-tokens] [rel=next]")[0]["href"]))
    assert (notes[0], applications) == ("number 69", 10)

    revoking = page.select("[aria-labelledby=my-tokens] form")[0]
    token_id = str(revoking.select("[name=token_id]")[0]["value"])
    data = {"_xsrf": form["_xsrf"], "token_id": token_id}
    answer = await browser.post(str(revoking["action"]), data=data, headers=FROM_US)
    _, notes, applications = await shown(answer.headers["Location"])
    assert (notes[0], applications) == ("number 68", 10)
    _, notes, applications = await shown(f"{hub.prefix}token?offset=9000&applications=9000")
    assert (notes[-1], applications) == ("number 0", 10)

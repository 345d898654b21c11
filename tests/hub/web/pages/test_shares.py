from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from msgspec.structs import replace

from perijove.hub.core.events import GuessingSlowed, ServerShared
from perijove.hub.core.guessing import GuessLimits
from perijove.hub.core.scopes import BUILT_IN
from perijove.hub.core.shares import ShareCode
from perijove.hub.testing.running import ORIGIN, RunningHub, running_hub
from perijove.hub.web.pages.shares import described


async def code_for(hub: RunningHub, path: str = "ada/lab", **body: Any) -> str:
    """Return a code for ada's server, made by an administrator."""
    ada = await hub.add_user("ada")
    async with hub.store.transaction() as tx:
        for name in ("", "lab"):
            if await tx.servers.get(ada.id, name) is None:
                await tx.servers.add(ada.id, name)
    root = hub.client(await hub.token("root", admin=True))
    answer = await root.post(f"{hub.api}/share-codes/{path}", json=body)
    assert answer.status_code == 200
    return str(answer.json()["code"])


def page_for(hub: RunningHub, code: str) -> str:
    return f"{hub.prefix}accept-share?code={code}"


def form_token(text: str) -> str:
    field = BeautifulSoup(text, "html.parser").select_one("[name=_xsrf]")
    assert field is not None
    return str(field["value"])


async def press_accept(hub: RunningHub, browser: Any, code: str, **more: str) -> Any:
    """Open the page and press its button, as a browser without JavaScript does."""
    shown = await browser.get(page_for(hub, code))
    assert shown.status_code == 200, shown.text
    headers = {"Origin": ORIGIN, **more}
    return await browser.post(page_for(hub, code), data={"_xsrf": form_token(shown.text)}, headers=headers)


async def shared_with(hub: RunningHub, name: str) -> list[str]:
    client = hub.client(await hub.token(name))
    items = (await client.get(f"{hub.api}/users/{name}/shared")).json()["items"]
    return [scope for share in items for scope in share["scopes"]]


async def test_a_person_sees_who_shares_what_and_accepts(hub: RunningHub) -> None:
    code = await code_for(hub, scopes=["access:servers", "servers"])
    browser = await hub.browser("bob")
    shown = await browser.get(page_for(hub, code))
    text = BeautifulSoup(shown.text, "html.parser").get_text()
    for words in ("ada shares a server with you", "lab", "Open it", "Start and stop it", "take the share back"):
        assert words in text, words
    assert code not in shown.text
    assert shown.headers["cache-control"] == "no-store"
    assert shown.headers["referrer-policy"] == "same-origin"
    assert await shared_with(hub, "bob") == []
    answer = await press_accept(hub, browser, code)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{hub.state.settings.base_url}user/ada/lab/")
    assert await shared_with(hub, "bob") == ["access:servers!server=ada/lab", "servers!server=ada/lab"]
    root = hub.client(await hub.token("root", admin=True))
    (model,) = (await root.get(f"{hub.api}/share-codes/ada/lab")).json()["items"]
    assert (model["exchange_count"], model["last_exchanged_at"]) == (1, "2026-01-01T00:00:00Z")
    (told,) = hub.telemetry.of(ServerShared)
    assert told == ServerShared("ada/lab", "user bob", "access:servers servers", "bob", model["id"])


async def test_a_code_adds_to_what_is_shared_already_and_serves_many(hub: RunningHub) -> None:
    first, second = await code_for(hub), await code_for(hub, scopes=["read:servers"])
    for name in ("bob", "eve"):
        browser = await hub.browser(name)
        for code in (first, second, first):
            assert (await press_accept(hub, browser, code)).status_code == 303
        assert await shared_with(hub, name) == ["access:servers!server=ada/lab", "read:servers!server=ada/lab"]


async def test_whoever_is_not_signed_in_signs_in_first_and_comes_back(hub: RunningHub) -> None:
    code = await code_for(hub)
    answer = await hub.client().get(page_for(hub, code))
    assert answer.status_code == 302
    assert (
        answer.headers["location"]
        == f"{hub.prefix}login?next={hub.prefix.replace('/', '%2F')}accept-share%3Fcode%3D{code}"
    )


async def test_nothing_leads_anywhere_but_to_a_page_of_ours(hub: RunningHub) -> None:
    code = await code_for(hub)
    browser, own = await hub.browser("bob"), f"{hub.state.settings.base_url}user/ada/lab/"
    token = form_token((await browser.get(page_for(hub, code))).text)
    for target, expected in (
        (f"{own}lab/tree/a.ipynb", f"{own}lab/tree/a.ipynb"),
        ("https://evil.example/", own),
        ("//evil.example/", own),
        ("/\\evil.example", own),
    ):
        answer = await browser.post(
            f"{hub.prefix}accept-share",
            params={"code": code, "next": target},
            data={"_xsrf": token},
            headers={"Origin": ORIGIN},
        )
        assert answer.headers["location"] == expected


@pytest.mark.parametrize("code", ["", "wrong", "x" * 600, "%00", "é"])
async def test_a_wrong_code_gives_nothing(hub: RunningHub, code: str) -> None:
    right = await code_for(hub)
    browser = await hub.browser("bob")
    shown = await browser.get(page_for(hub, code))
    assert shown.status_code == 404
    assert "Ask for a new one" in shown.text
    token = form_token((await browser.get(page_for(hub, right))).text)
    sent = await browser.post(page_for(hub, code), data={"_xsrf": token}, headers={"Origin": ORIGIN})
    assert sent.status_code == 404


async def test_a_code_is_good_until_its_time_is_over_or_it_is_revoked(hub: RunningHub) -> None:
    browser = await hub.browser("bob")
    old, revoked = await code_for(hub, expires_in=60), await code_for(hub)
    token = form_token((await browser.get(page_for(hub, old))).text)
    hub.clock.advance(timedelta(seconds=60).total_seconds())
    root = hub.client(await hub.token("root", admin=True))
    assert (await root.delete(f"{hub.api}/share-codes/ada/lab", params={"code": revoked})).status_code == 204
    for code in (old, revoked):
        assert (await browser.get(page_for(hub, code))).status_code == 404
        sent = await browser.post(page_for(hub, code), data={"_xsrf": token}, headers={"Origin": ORIGIN})
        assert sent.status_code == 404
    assert await shared_with(hub, "bob") == []


async def test_nobody_shares_with_themselves(hub: RunningHub) -> None:
    code = await code_for(hub)
    browser = await hub.browser("ada")
    shown = await browser.get(page_for(hub, code))
    assert shown.status_code == 403
    assert "your own server" in shown.text
    token = form_token((await browser.get(f"{hub.prefix}home")).text)
    sent = await browser.post(page_for(hub, code), data={"_xsrf": token}, headers={"Origin": ORIGIN})
    assert sent.status_code == 403
    assert await shared_with(hub, "ada") == []


async def test_ghsa_c4gm_no_page_of_anybody_else_accepts_for_the_visitor(hub: RunningHub) -> None:
    code = await code_for(hub)
    browser = await hub.browser("bob")
    token = form_token((await browser.get(page_for(hub, code))).text)
    for fields, headers in (
        ({}, {"Origin": ORIGIN}),
        ({"_xsrf": "guessed"}, {"Origin": ORIGIN}),
        ({"_xsrf": token}, {"Origin": "https://evil.example"}),
        ({"_xsrf": token}, {"Sec-Fetch-Site": "cross-site"}),
    ):
        assert (await browser.post(page_for(hub, code), data=fields, headers=headers)).status_code == 403
    # A script in the page of a server, on the same origin, cannot read the form.
    for headers in ({"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, {"Sec-Fetch-Dest": "iframe"}):
        assert (await browser.get(page_for(hub, code), headers=headers)).status_code == 403
    assert await shared_with(hub, "bob") == []


async def test_guessing_is_slowed_down() -> None:
    async with running_hub(guess_limits=GuessLimits(per_name=3, per_address=5)) as hub:
        right = await code_for(hub)
        guesser = await hub.browser("eve")
        found = [(await guesser.get(page_for(hub, f"guess-{n}"))).status_code for n in range(5)]
        assert found == [404, 404, 404, 429, 429]
        refused = await guesser.get(page_for(hub, right))
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert hub.telemetry.of(GuessingSlowed) == [GuessingSlowed("eve", "name", 600)]
        # Others are not kept out, nor is she from signing in.
        assert (await (await hub.browser("bob")).get(page_for(hub, right))).status_code == 200
        hub.clock.advance(601)
        assert (await guesser.get(page_for(hub, right))).status_code == 200


def test_what_a_code_gives_is_said_in_words() -> None:
    def code(*scopes: str) -> ShareCode:
        moment: Any = None
        return ShareCode(1, "", 1, "ada", "", scopes, moment, moment)

    assert described(code("access:servers"), BUILT_IN) == ["Open it, and see and change everything in it"]
    assert described(code("tokens", "custom:gone"), BUILT_IN) == ["Make and revoke tokens."]


# -- the page on which somebody shares


async def sharing_page(hub: RunningHub, *names: str) -> tuple[Any, BeautifulSoup]:
    """Return ada's browser, who may share her servers with everybody, and the page of her server lab."""
    ada = await hub.add_user("ada")
    await hub.add_user("bob")
    async with hub.store.transaction() as tx:
        await tx.servers.add(ada.id, "lab")
        role = await tx.roles.get("user")
        assert role is not None
        await tx.roles.put(replace(role, scopes=("self", "shares!user", "read:users:name", "read:groups:name")))
    browser = await hub.browser("ada")
    page = await browser.get(f"{hub.prefix}share/ada/{names[0] if names else 'lab'}")
    assert page.status_code == 200, page.text
    return browser, BeautifulSoup(page.text, "html.parser")


async def sent(hub: RunningHub, browser: Any, verb: str, **data: str) -> Any:
    page = await browser.get(f"{hub.prefix}share/ada/lab")
    data = {"_xsrf": form_token(page.text)} | data
    return await browser.post(f"{hub.prefix}share/ada/lab/{verb}", data=data, headers={"Origin": ORIGIN})


async def test_a_server_is_shared_with_a_person_and_taken_back(hub: RunningHub) -> None:
    browser, _ = await sharing_page(hub)
    for _ in range(2):
        answer = await sent(hub, browser, "give", kind="user", name=" bob ", offer="run")
        assert answer.headers["Location"] == f"{hub.prefix}share/ada/lab"
    assert await shared_with(hub, "bob") == ["access:servers!server=ada/lab", "servers!server=ada/lab"]
    page = BeautifulSoup((await browser.get(f"{hub.prefix}share/ada/lab")).text, "html.parser")
    assert "Start and stop it" in page.select("[aria-labelledby=given]")[0].get_text()
    for _ in range(2):
        await sent(hub, browser, "take-back", kind="user", name="bob")
    assert await shared_with(hub, "bob") == []


@pytest.mark.parametrize(("name", "words"), [("nobody", "No such user"), ("ada", "with its owner"), ("", "Write with")])
async def test_what_cannot_be_shared_with_stays_in_its_field(hub: RunningHub, name: str, words: str) -> None:
    browser, _ = await sharing_page(hub)
    answer = await sent(hub, browser, "give", kind="user", name=name, offer="run")
    assert answer.status_code == 400
    page = BeautifulSoup(answer.text, "html.parser")
    assert words in page.select("#form-error")[0].get_text()
    assert page.select("#name")[0]["value"] == name
    assert [option["value"] for option in page.select("#offer option[selected]")] == ["run"]


async def test_a_link_is_made_once_shown_once_and_revoked(hub: RunningHub) -> None:
    browser, page = await sharing_page(hub)
    number = str(page.select("[name=number]")[0]["value"])
    links = set()
    for _ in range(2):
        answer = await sent(hub, browser, "code", offer="use", expires_in="3600", number=number)
        links.add(str(BeautifulSoup(answer.text, "html.parser").select("#share-link")[0]["value"]))
    (link,) = links
    assert link.startswith(f"{ORIGIN}{hub.prefix}accept-share?code=")
    later = await browser.get(f"{hub.prefix}share/ada/lab")
    assert link.partition("code=")[2] not in later.text
    (code_id,) = [str(field["value"]) for field in BeautifulSoup(later.text, "html.parser").select("[name=code_id]")]
    bob = await hub.browser("bob")
    path = link.removeprefix(ORIGIN)
    assert (await bob.get(path)).status_code == 200
    for _ in range(2):
        await sent(hub, browser, "revoke-code", code_id=code_id)
    assert (await bob.get(path)).status_code == 404


async def test_a_server_that_never_ran_cannot_be_shared_yet(hub: RunningHub) -> None:
    browser, _ = await sharing_page(hub)
    page = await browser.get(f"{hub.prefix}share/ada")
    assert "once it has been started" in page.text


async def test_nobody_sees_with_whom_others_share(hub: RunningHub) -> None:
    await sharing_page(hub)
    bob = await hub.browser("bob")
    assert (await bob.get(f"{hub.prefix}share/ada/lab")).status_code in {403, 404}

"""Forms that outlive the session they were made in: nothing typed is lost, and nothing happens without a press."""

from __future__ import annotations

from typing import Any

from bs4 import BeautifulSoup

from perijove.hub.core.events import TokenCreated
from perijove.hub.testing.running import ORIGIN, PASSWORD, RunningHub

FROM_US = {"Origin": ORIGIN}
TYPED = {"note": "Nightly <b>", "scopes": ["servers!user", "tokens!user"], "allow": "some", "expires_in": "3600"}


def fields_of(answer: Any, selector: str) -> dict[str, list[str]]:
    form = BeautifulSoup(answer.text, "html.parser").select_one(selector)
    assert form is not None, answer.text
    found: dict[str, list[str]] = {}
    for field in form.select("input[type=hidden]"):
        found.setdefault(str(field["name"]), []).append(str(field["value"]))
    return found


def action_of(answer: Any) -> str:
    form = BeautifulSoup(answer.text, "html.parser").select_one("main form")
    assert form is not None
    return str(form["action"])


async def typed(hub: RunningHub, browser: Any) -> dict[str, Any]:
    """Open the page of tokens and type into its form."""
    return fields_of(await browser.get(f"{hub.prefix}token"), "#request-token-form") | TYPED


async def sign_out(browser: Any, hub: RunningHub) -> None:
    answer = await browser.get(f"{hub.prefix}logout")
    assert answer.headers["Location"] == f"{hub.prefix}login"


async def sign_in(hub: RunningHub, browser: Any, page: Any, name: str) -> Any:
    data = fields_of(page, "main form") | {"username": name, "password": PASSWORD}
    return await browser.post(action_of(page), data=data, headers=FROM_US)


async def test_after_signing_in_again_one_press_does_what_was_typed(hub: RunningHub) -> None:
    browser = await hub.browser("ada")
    data = await typed(hub, browser)
    await sign_out(browser, hub)
    page = await browser.post(f"{hub.prefix}token", data=data, headers=FROM_US)
    assert page.status_code == 200
    assert "what you had typed is kept" in page.text
    wrong = await browser.post(
        action_of(page), data=fields_of(page, "main form") | {"username": "ada", "password": "no"}, headers=FROM_US
    )
    asked = await sign_in(hub, browser, wrong, "ada")
    assert asked.status_code == 200
    assert hub.telemetry.of(TokenCreated) == []

    held = fields_of(asked, "main form")
    assert {name: held[name] for name in ("note", "scopes")} == {"note": [TYPED["note"]], "scopes": TYPED["scopes"]}
    made = await browser.post(action_of(asked), data=held, headers=FROM_US)
    assert "Your new token" in made.text
    assert len(hub.telemetry.of(TokenCreated)) == 1


async def test_in_a_stale_tab_one_is_asked_too(hub: RunningHub) -> None:
    browser = await hub.browser("ada")
    data = await typed(hub, browser)
    await sign_out(browser, hub)
    await sign_in(hub, browser, await browser.get(f"{hub.prefix}login"), "ada")
    asked = await browser.post(f"{hub.prefix}token", data=data, headers=FROM_US)
    assert asked.status_code == 200
    assert action_of(asked) == f"{hub.prefix}token"
    assert hub.telemetry.of(TokenCreated) == []


async def test_the_form_of_somebody_else_is_refused(hub: RunningHub) -> None:
    browser = await hub.browser("ada")
    data = await typed(hub, browser)
    bob = await hub.browser("bob")
    assert (await bob.post(f"{hub.prefix}token", data=data, headers=FROM_US)).status_code == 403
    await sign_out(browser, hub)
    page = await browser.post(f"{hub.prefix}token", data=data, headers=FROM_US)
    await hub.add_user("eve")
    led = await sign_in(hub, browser, page, "eve")
    assert led.status_code == 302
    assert hub.telemetry.of(TokenCreated) == []


async def test_a_form_that_is_not_ours_is_not_kept(hub: RunningHub) -> None:
    stranger = hub.client()
    for token in ("", "1.x.y", "x", "1." + "0" * 32 + ".forged"):
        answer = await stranger.post(f"{hub.prefix}token", data=TYPED | {"_xsrf": token}, headers=FROM_US)
        assert answer.status_code == 302
    browser = await hub.browser("ada")
    data = await typed(hub, browser)
    elsewhere = await browser.post(f"{hub.prefix}token", data=data, headers={"Origin": "https://evil.example"})
    assert elsewhere.status_code == 403
    await sign_out(browser, hub)
    elsewhere = await browser.post(f"{hub.prefix}token", data=data, headers={"Origin": "https://evil.example"})
    assert elsewhere.status_code == 403


async def test_what_a_browser_holds_cannot_be_made_up(hub: RunningHub) -> None:
    browser = await hub.browser("ada")
    data = await typed(hub, browser)
    await sign_out(browser, hub)
    page = await browser.post(f"{hub.prefix}token", data=data, headers=FROM_US)
    form = fields_of(page, "main form") | {"username": "ada", "password": PASSWORD}
    form["held"] = [form["held"][0][:-2] + "xx"]
    led = await browser.post(action_of(page), data=form, headers=FROM_US)
    assert led.status_code == 302


async def test_passwords_and_what_is_too_long_are_not_kept(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    browser = await hub.browser("ada")
    data = await typed(hub, browser)
    await sign_out(browser, hub)
    page = await browser.post(f"{hub.prefix}account", data=data | {"old_password": "secret-1"}, headers=FROM_US)
    asked = await sign_in(hub, browser, page, "ada")
    assert not [name for name in fields_of(asked, "main form") if "password" in name]
    await sign_out(browser, hub)
    page = await browser.post(f"{hub.prefix}account", data=data | {"x": "y" * 70_000}, headers=FROM_US)
    assert "held" not in fields_of(page, "main form")
    assert "Sign in and try again" in page.text

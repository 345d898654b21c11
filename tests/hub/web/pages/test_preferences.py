from __future__ import annotations

import pytest

from perijove.hub.testing.running import RunningHub


async def test_the_language_of_the_browser_is_taken_until_another_is_chosen(hub: RunningHub) -> None:
    browser = hub.client(**{"Accept-Language": "de-CH,de;q=0.9"})
    page = await browser.get(f"{hub.prefix}login")
    assert '<html lang="de">' in page.text
    assert page.headers["Content-Language"] == "de"

    answer = await browser.post(
        f"{hub.prefix}preferences",
        data={"language": "fr"},
        headers={"Referer": f"http://hub.test{hub.prefix}login?next=x"},
    )
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{hub.prefix}login?next=x"
    assert '<html lang="fr">' in (await browser.get(f"{hub.prefix}login")).text


async def test_dark_is_kept_until_the_choice_is_the_browsers_again(hub: RunningHub) -> None:
    browser = hub.client()
    await browser.post(f"{hub.prefix}preferences", data={"theme": "dark"})
    assert 'data-theme="dark"' in (await browser.get(f"{hub.prefix}login")).text
    await browser.post(f"{hub.prefix}preferences", data={"theme": "auto"})
    assert "data-theme" not in (await browser.get(f"{hub.prefix}login")).text


@pytest.mark.parametrize(
    "target", ["javascript:alert(1)", "https://evil.example/", "//evil.example", "/\\evil.example", ""]
)
async def test_it_leads_to_no_other_site(hub: RunningHub, target: str) -> None:
    answer = await hub.client().post(f"{hub.prefix}preferences", data={"theme": "dark"}, headers={"Referer": target})
    assert answer.headers["Location"] == f"{hub.prefix}home"


async def test_an_unknown_wish_is_no_error(hub: RunningHub) -> None:
    answer = await hub.client().post(f"{hub.prefix}preferences", data={"language": "tlh", "theme": "pink"})
    assert answer.status_code == 303
    assert all("Max-Age=0" in cookie for cookie in answer.headers.get_list("set-cookie"))


async def test_another_site_chooses_nothing(hub: RunningHub) -> None:
    answer = await hub.client(Origin="https://evil.example").post(f"{hub.prefix}preferences", data={"theme": "dark"})
    assert answer.status_code == 403


async def test_the_choice_after_an_error_leads_home(hub: RunningHub) -> None:
    page = await (await hub.browser("ada")).post(f"{hub.prefix}stop/ada", data={"_xsrf": "stale"})
    assert f'name="next" value="{hub.prefix}home"' in page.text

"""One person lets another into their server by a link, and out again."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.steps import LONG, new_notebook, run_cell, sign_in, start_server
from tests.support.hubs import OPS_TOKEN, UPSTREAM_CONFIG, RunningHub

CONFIG = """
c.JupyterHub.load_roles.append({{"name": "user", "scopes": ["self", "shares!user"]}})
"""
ACCEPT = "Accept and open the server"
AGREE = "Authorize"


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub]) -> RunningHub:
    """A hub whose users may share their servers."""
    made = make_hub(config=UPSTREAM_CONFIG + CONFIG)
    made.start()
    return made


def token_of(hub: RunningHub, name: str) -> str:
    with hub.client(OPS_TOKEN) as ops:
        made = ops.post(f"/users/{name}/tokens", json={"note": "for a script"})
    assert made.status_code == 201, made.text
    token: str = made.json()["token"]
    return token


def status_of(page: Page, url: str) -> int:
    answer = page.goto(url)
    assert answer is not None
    return answer.status


def test_a_share_opens_a_server_for_as_long_as_it_lasts(hub: RunningHub, new_visitor: Callable[[], Page]) -> None:
    ada, ben = new_visitor(), new_visitor()
    sign_in(ada, hub, "ada")
    start_server(ada, "ada")
    sign_in(ben, hub, "ben")
    her_server = f"{hub.url}/user/ada/lab"
    assert status_of(ben, her_server) == 403

    with hub.client(token_of(hub, "ada")) as api:
        made = api.post("/share-codes/ada/").json()
        link = f"{hub.url}{made['accept_url']}"
        assert urlsplit(link).path == "/hub/accept-share"

        # A link alone changes nothing, and is no use to its own maker.
        assert status_of(ben, link) == 200
        expect(ben.get_by_role("heading", level=1)).to_contain_text("ada")
        assert api.get("/shares/ada/").json()["items"] == []
        assert status_of(ada, link) == 403

        ben.get_by_role("button", name=ACCEPT).click()
        # Whoever owns the server could read along, so the hub asks before it tells the server who this is.
        ben.get_by_role("button", name=AGREE).click()
        ben.wait_for_url("**/user/ada/lab**", timeout=LONG)
        ben.wait_for_selector(".jp-Launcher", timeout=LONG)
        new_notebook(ben)
        run_cell(ben, "import os; print(os.environ['JUPYTERHUB_USER'])", "ada")
        (share,) = api.get("/shares/ada/").json()["items"]
        assert share["user"] == {"name": "ben"}
        assert api.patch("/shares/ada/", json={"user": "ben"}).status_code == 200

    # A server believes the hub for a while of whom it has seen: a new sign-in makes it ask again.
    ben.context.clear_cookies()
    sign_in(ben, hub, "ben")
    assert status_of(ben, her_server) == 403
    with hub.client(token_of(hub, "ben")) as api:
        assert api.get("/users/ben/shared").json()["items"] == []

    # The code is still good until it is revoked, which ends the offer.
    with hub.client(token_of(hub, "ada")) as api:
        assert api.delete("/share-codes/ada/").status_code == 204
    assert status_of(ben, link) == 404


def test_a_link_waits_for_whoever_has_to_sign_in_first(hub: RunningHub, page: Page) -> None:
    with hub.client(OPS_TOKEN) as ops:
        ops.post("/users/otto")
        ops.post("/users/otto/server")
    with hub.client(token_of(hub, "otto")) as api:
        link = f"{hub.url}{api.post('/share-codes/otto/').json()['accept_url']}"
    page.goto(link)
    page.fill("[name=username]", "cleo")
    page.fill("[name=password]", "correct horse")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name=ACCEPT).click()
    expect(page.get_by_role("button", name=AGREE)).to_be_visible(timeout=LONG)
    with hub.client(token_of(hub, "cleo")) as api:
        (share,) = api.get("/users/cleo/shared").json()["items"]
    assert share["server"]["user"] == {"name": "otto"}

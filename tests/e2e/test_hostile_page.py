"""What a page in ``/user/mallory/`` can do to the hub on its own origin, when an administrator opens it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page
from tests.e2e.steps import sign_in
from tests.support.browsers import Visitor
from tests.support.hubs import OPS_TOKEN, UPSTREAM_CONFIG, RunningHub

CONFIG = f"""
c.Spawner.cmd = {[sys.executable, str(Path(__file__).parents[1] / "support" / "hostile_server.py")]!r}
c.Spawner.args = []
"""
POLICIES = ["", "same-origin", "same-origin-allow-popups", "noopener-allow-popups", "same-origin-plus-coep"]
OPENED = """async ([url, first]) => {
    const opened = window.open(first || url, '_blank', 'popup');
    const look = () => { try { return opened.document.body.innerText } catch (error) { return error.name } };
    if (first) {
        for (let i = 0; i < 50 && !String(look()).includes('hello'); i++) await new Promise(r => setTimeout(r, 100));
        opened.location = url;
    }
    const seen = [];
    for (let i = 0, over = 0; i < 100 && over < 5; i++) {
        await new Promise(r => setTimeout(r, 100));
        seen.push(look());
        over += opened.closed;
    }
    return {closed: opened.closed, seen: [...new Set(seen)]};
}"""


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub]) -> RunningHub:
    """A hub with mallory's server running."""
    made = make_hub(config=UPSTREAM_CONFIG + CONFIG)
    made.start()
    with made.client(OPS_TOKEN) as api:
        for name in ("admin", "mallory"):
            api.post(f"/users/{name}")
        assert api.post("/users/mallory/server").status_code in (201, 202)
    return made


@pytest.fixture
def victim(hub: RunningHub, page: Page) -> Page:
    """The administrator's browser, signed in, with mallory's page open."""
    sign_in(page, hub, "admin")
    page.goto(f"{hub.url}/user/mallory/")
    assert page.inner_text("h1") == "hello"
    return page


def tokens_of(hub: RunningHub, name: str) -> list[str]:
    with hub.client(OPS_TOKEN) as api:
        return [token["note"] for token in api.get(f"/users/{name}/tokens").json()["api_tokens"]]


@pytest.mark.parametrize("mode", ["cors", "no-cors", "same-origin"])
def test_cve_2026_40864_a_script_reads_no_page_and_no_answer_of_the_api(victim: Page, mode: str) -> None:
    answers: dict[str, Any] = victim.evaluate(
        """async (mode) => {
            const found = {};
            for (const path of ['/hub/home', '/hub/token', '/hub/admin', '/hub/login', '/hub/spawn/admin',
                                '/hub/api/user', '/hub/api/users', '/hub/api/users/admin/tokens', '/hub/account']) {
                const answer = await fetch(path, {
                    mode, credentials: 'include', headers: mode == 'no-cors' ? {Accept: 'text/html'} :
                    {'Accept': 'text/html', 'Upgrade-Insecure-Requests': '1'}, referrer: '/hub/home'});
                found[path] = [answer.status, await answer.text()];
            }
            return found;
        }""",
        mode,
    )
    for path, (status, text) in answers.items():
        assert status in (403, 404), (path, status)
        assert '_xsrf" value' not in text


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_cve_2026_40864_a_script_changes_nothing(hub: RunningHub, victim: Page, content_type: str) -> None:
    statuses = victim.evaluate(
        """async (type) => {
            const found = [];
            for (const [method, path] of [['POST', '/hub/api/users/admin/tokens'], ['POST', '/hub/api/users/eve'],
                    ['PATCH', '/hub/api/users/mallory'], ['DELETE', '/hub/api/users/admin'], ['POST', '/hub/token'],
                    ['POST', '/hub/api/shutdown'], ['POST', '/hub/spawn/admin'], ['POST', '/hub/account']])
                for (const mode of ['cors', 'same-origin'])
                    for (const xsrf of ['', '?_xsrf=x', '?_xsrf=' + document.cookie]) {
                        const body = method == 'DELETE' ? undefined : '{"admin": true}';
                        const answer = await fetch(path + xsrf, {method, mode, body, headers: {'Content-Type': type}});
                        found.push(answer.status);
                    }
            const old = new XMLHttpRequest();
            old.open('POST', '/hub/api/users/admin/tokens', false);
            old.send('{}');
            found.push(old.status);
            navigator.sendBeacon('/hub/api/users/eve', '{}');
            return found;
        }""",
        content_type,
    )
    assert all(400 <= status < 500 for status in statuses), statuses
    assert tokens_of(hub, "admin") == []
    with hub.client(OPS_TOKEN) as api:
        assert api.get("/users/eve").status_code == 404
        assert api.get("/users/mallory").json()["admin"] is False


@pytest.mark.parametrize("path", ["/hub/token", "/hub/spawn/admin", "/hub/api/users/eve", "/hub/account"])
def test_a_form_of_another_page_is_refused(hub: RunningHub, victim: Page, path: str) -> None:
    with victim.expect_response(lambda response: response.request.method == "POST") as answer:
        victim.evaluate(
            """(path) => {
                const form = document.createElement('form');
                Object.assign(form, {method: 'post', action: path});
                form.innerHTML = '<input name=_xsrf value=guess><input name=note value=planted>';
                document.body.append(form);
                history.pushState(null, '', '/hub/home');
                form.submit();
            }""",
            path,
        )
    assert answer.value.status in (403, 404), "404 where such a page takes no forms"
    assert tokens_of(hub, "admin") == []


@pytest.mark.parametrize(
    ("policy", "path"),
    [*((policy, "/hub/home") for policy in POLICIES), ("same-origin", "/hub/token"), ("same-origin", "/hub/api/user")],
)
def test_a_window_of_the_hub_is_out_of_reach_of_who_opened_it(
    hub: RunningHub, victim: Page, policy: str, path: str
) -> None:
    own = f"{hub.url}/user/mallory/?Cross-Origin-Opener-Policy={quote(policy)}"
    if policy == "same-origin-plus-coep":
        own = (
            f"{hub.url}/user/mallory/?Cross-Origin-Opener-Policy=same-origin&Cross-Origin-Embedder-Policy=require-corp"
        )
    answer = victim.goto(own)
    assert answer is not None
    assert "cross-origin-opener-policy" not in answer.headers
    for first in ("", own):
        found = victim.evaluate(OPENED, [f"{hub.url}{path}", first])
        assert found["closed"], (policy, path, found)
        assert all(text == "SecurityError" or "hello" in text or not text for text in found["seen"]), found


def test_a_page_of_the_hub_has_no_opener_and_no_frame(hub: RunningHub, victim: Page) -> None:
    frames = victim.evaluate(
        """async () => {
            const found = [];
            for (const kind of ['iframe', 'embed', 'object'])
                for (const path of ['/hub/home', '/hub/token', '/hub/api/user']) {
                    const frame = document.createElement(kind);
                    frame[kind == 'object' ? 'data' : 'src'] = path;
                    document.body.append(frame);
                    await new Promise(resolve => setTimeout(resolve, 500));
                    try {
                        const inner = frame.contentDocument || (frame.getSVGDocument && frame.getSVGDocument());
                        found.push(inner ? inner.body.innerText : '');
                    } catch (error) { found.push(''); }
                }
            return found;
        }"""
    )
    for text in frames:
        assert "admin" not in text
        assert "My server" not in text
    with victim.context.expect_page() as opened:
        victim.evaluate("() => { window.open('/hub/home') }")
    opened.value.wait_for_load_state()
    assert opened.value.evaluate("window.opener") is None
    assert "Start my server" in opened.value.content()


def test_no_service_worker_reaches_beyond_its_owners_pages(victim: Page) -> None:
    for scope in ("/", "/hub/", "/user/", "/user/admin/"):
        outcome = victim.evaluate(
            """(scope) => navigator.serviceWorker
                .register('/user/mallory/worker.js?Service-Worker-Allowed=/', {scope})
                .then(() => 'registered', error => error.name)""",
            scope,
        )
        assert outcome == "SecurityError", scope
    inside = "navigator.serviceWorker.register('/user/mallory/worker.js').then(() => 'registered')"
    assert victim.evaluate(inside) == "registered"


def test_cve_2024_28233_a_planted_sign_in_is_noticed_and_swept_away(hub: RunningHub, victim: Page) -> None:
    with Visitor(hub) as mallory:
        mallory.sign_in("mallory", on="/hub/login?next=%2Fhub%2Fhome")
        key = mallory.cookies["jupyterhub-hub-login"]
    victim.evaluate("(key) => { document.cookie = `jupyterhub-hub-login=${key}; path=/hub/home` }", key)
    victim.goto(f"{hub.url}/hub/home")
    assert "/hub/login" in victim.url, "nobody can tell which sign-in is the visitor's own"
    assert not [cookie for cookie in victim.context.cookies() if cookie["name"] == "jupyterhub-hub-login"]
    sign_in(victim, hub, "admin")
    assert "mallory" not in victim.inner_text("header")


@pytest.mark.parametrize(
    "fields",
    [
        "Set-Cookie=jupyterhub-hub-login%3Dx%3B%20Path%3D%2Fhub%2F",
        "Set-Cookie=_xsrf%3Dx%3B%20Path%3D%2F",
        "Clear-Site-Data=%22cookies%22",
        "NEL=x",
        "Strict-Transport-Security=max-age%3D9",
    ],
)
def test_what_a_server_says_for_the_whole_host_does_not_arrive(hub: RunningHub, victim: Page, fields: str) -> None:
    answer = victim.goto(f"{hub.url}/user/mallory/?{fields}")
    assert answer is not None
    assert fields.partition("=")[0].lower() not in answer.headers
    victim.goto(f"{hub.url}/hub/home")
    assert victim.url == f"{hub.url}/hub/home"


def test_a_session_is_a_new_one_after_signing_in(hub: RunningHub, page: Page) -> None:
    page.goto(f"{hub.url}/user/mallory/")
    page.evaluate(
        """() => {
            document.cookie = 'jupyterhub-session-id=known; path=/';
            document.cookie = 'jupyterhub-hub-login=known; path=/hub/';
        }"""
    )
    sign_in(page, hub, "admin")
    held = [(cookie["name"], cookie["value"]) for cookie in page.context.cookies()]
    assert sorted(name for name, _ in held if name.startswith("jupyterhub")) == [
        "jupyterhub-hub-login",
        "jupyterhub-session-id",
    ]
    assert "known" not in dict(held).values()

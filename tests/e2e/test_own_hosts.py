"""Each user on a host of their own: browsers resolve ``*.localhost`` to this machine without any DNS."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page
from tests.e2e.steps import new_notebook, run_cell
from tests.support.hubs import OPS_TOKEN, UPSTREAM_CONFIG, RunningHub

CONFIG = """
c.JupyterHub.subdomain_host = "http://hub.localhost:{port}"
"""
LONG = 90_000


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub]) -> RunningHub:
    """A hub whose users have hosts."""
    made = make_hub(config=UPSTREAM_CONFIG + CONFIG)
    made.start()
    return made


def origin(hub: RunningHub, name: str = "") -> str:
    return f"http://{name}{'.' if name else ''}hub.localhost:{hub.port}"


def sign_in(page: Page, hub: RunningHub, name: str) -> None:
    page.goto(f"{origin(hub)}/hub/login?next=%2Fhub%2Fhome")
    page.fill("[name=username]", name)
    page.fill("[name=password]", "correct horse")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/hub/home")


def test_a_person_works_on_a_host_of_their_own(hub: RunningHub, page: Page) -> None:
    sign_in(page, hub, "zoé")
    page.get_by_role("button", name="Start my server").click()
    page.wait_for_url("**/user/**/lab**", timeout=LONG)
    page.wait_for_selector(".jp-Launcher", timeout=LONG)
    assert page.url.startswith(f"{origin(hub, 'xn--zo-cja')}/user/zo%C3%A9/lab")
    new_notebook(page)
    run_cell(page, "print(6 * 7)", "42")
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert cookies["jupyterhub-hub-login"]["domain"] == "hub.localhost"
    assert cookies["jupyterhub-session-id"]["domain"] == ".hub.localhost"
    own = next(cookie for name, cookie in cookies.items() if name.startswith("jupyterhub-user-"))
    assert own["domain"] == "xn--zo-cja.hub.localhost"
    # What was opened at the hub's host, or is asked of the hub at one's own, leads to the right place.
    page.goto(f"{origin(hub)}/user/zo%C3%A9/lab")
    page.wait_for_url(f"{origin(hub, 'xn--zo-cja')}/user/**", timeout=LONG)
    page.goto(f"{origin(hub, 'xn--zo-cja')}/hub/home")
    assert page.url == f"{origin(hub)}/hub/home"
    # Signing out ends the server's tokens as well.
    page.evaluate("location.href = '/user/zo%C3%A9/logout'")
    page.wait_for_url(f"{origin(hub)}/hub/login**")
    page.goto(f"{origin(hub, 'xn--zo-cja')}/user/zo%C3%A9/lab")
    page.wait_for_url(f"{origin(hub)}/hub/login?**")


def test_the_api_says_where_servers_are(hub: RunningHub) -> None:
    with hub.client(OPS_TOKEN) as api:
        assert api.post("/users/ada").status_code == 201
        started = api.post("/users/ada/server")
        assert started.status_code in (201, 202)
        user = api.get("/users/ada", params={"include_stopped_servers": "1"}).json()
    assert user["servers"][""]["url"] == f"{origin(hub, 'ada')}/user/ada/"
    assert user["servers"][""]["full_url"] == f"{origin(hub, 'ada')}/user/ada/"


def test_nobodys_host_serves_the_hub(hub: RunningHub, page: Page) -> None:
    sign_in(page, hub, "ada")
    page.goto(f"{origin(hub, 'mallory')}/hub/api")
    assert "belongs to somebody else" in page.content()
    outcome = page.evaluate(
        """async (hub) => {
            const answers = {};
            for (const path of ['/hub/home', '/hub/api/user', '/hub/token']) {
                for (const mode of ['cors', 'no-cors']) {
                    try {
                        const answer = await fetch(hub + path, {mode, credentials: 'include'});
                        answers[mode + path] = answer.type + (await answer.text());
                    } catch (error) { answers[mode + path] = error.name; }
                }
            }
            const made = await fetch(hub + '/hub/api/users/ada/tokens',
                {method: 'POST', mode: 'no-cors', credentials: 'include', body: '{}'}).catch(error => error);
            answers.made = String(made.type || made.name) + (made.text ? await made.text() : '');
            document.cookie = 'planted=1; domain=hub.localhost; path=/';
            return answers;
        }""",
        origin(hub),
    )
    assert set(outcome.values()) <= {"TypeError", "opaque"}, outcome
    with hub.client(OPS_TOKEN) as api:
        notes = [token["note"] for token in api.get("/users/ada/tokens").json()["api_tokens"]]
    assert all(note.startswith("Server at") for note in notes)


def test_a_form_leads_on_to_a_users_host_and_to_no_other(hub: RunningHub, page: Page) -> None:
    answer = page.goto(f"{origin(hub)}/hub/login?next=https%3A%2F%2Fevil.example%2F")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert f"form-action 'self' http://*.hub.localhost:{hub.port};" in policy
    assert "frame-ancestors 'none'" in policy
    page.fill("[name=username]", "ada")
    page.fill("[name=password]", "correct horse")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"http://*hub.localhost:{hub.port}/**", timeout=LONG)
    assert urlsplit(page.url).hostname in {"hub.localhost", "ada.hub.localhost"}


@pytest.mark.parametrize("own_hosts", [True, False], ids=["own hosts", "one origin"])
def test_over_https_no_page_can_plant_a_sign_in(
    make_hub: Callable[..., RunningHub], chromium: Browser, tmp_path: Path, own_hosts: bool
) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=hub.localhost"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    tls = f"\nc.JupyterHub.ssl_key = {key!r}\nc.JupyterHub.ssl_cert = {certificate!r}\n"
    hosts = 'c.JupyterHub.subdomain_host = "https://hub.localhost:{port}"\n' if own_hosts else ""
    hub = make_hub(config=UPSTREAM_CONFIG + tls + hosts)
    hub.start()
    here = f"https://hub.localhost:{hub.port}"
    with chromium.new_context(ignore_https_errors=True) as context:
        page = context.new_page()
        page.goto(f"{here}/hub/login?next=%2Fhub%2Fhome")
        # A page that is no page of the hub's: a script there may do what a user's page may.
        page.goto(f"{here}/hub/api")
        name = f"{'__Host-' if own_hosts else '__Http-'}jupyterhub-hub-login"
        page.evaluate(
            """(name) => {
                document.cookie = `${name}=planted; secure; path=/hub/home`;
                document.cookie = `${name}=planted; secure; path=/hub/; domain=hub.localhost`;
                document.cookie = 'jupyterhub-hub-login=planted; path=/hub/home';
            }""",
            name,
        )
        page.goto(f"{here}/hub/login?next=%2Fhub%2Fhome")
        page.fill("[name=username]", "ada")
        page.fill("[name=password]", "correct horse")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/hub/home")
        held = [cookie for cookie in context.cookies() if cookie["name"] == name]
    assert [(cookie["path"], cookie["secure"], cookie["httpOnly"]) for cookie in held] == [
        ("/" if own_hosts else "/hub/", True, True)
    ]

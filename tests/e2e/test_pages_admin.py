"""The pages for administrators, in a browser, on a hub with as many users as a large university."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.e2e.steps import sign_in
from tests.support.accessibility import assert_accessible
from tests.support.hubs import BASE_CONFIG, OPS_TOKEN, RunningHub, eventually

MANY = 50_000
AT_ONCE = 10_000
PAINTED_MS = 300
MAX_WEIGHT = 100_000
LONG = 60_000

CONFIG = (
    BASE_CONFIG
    + """
c.Authenticator.admin_users = {{"root"}}
c.Spawner.args = ["--allow-root"]
c.Spawner.environment = {{"DATABASE_PASSWORD": "never-shown-anywhere"}}
c.JupyterHub.allow_named_servers = True
c.JupyterHub.services = [
    {{"name": "ops", "api_token": "a-token-of-at-least-thirty-two-characters", "admin": True}},
    {{"name": "wiki", "url": "http://127.0.0.1:9"}},
]
c.JupyterHub.load_groups = {{"physics": {{"users": []}}, "biology": {{"users": [], "properties": {{"quota": "5G"}}}}}}
c.JupyterHub.load_roles = [
    {{"name": "tutor", "description": "Help with the servers of physics",
      "scopes": ["admin-ui", "list:users!group=physics", "servers!group=physics"], "users": ["tim"]}},
]
"""
)

PAGES = {
    "users": "admin?limit=8",
    "user": "admin/users/ada",
    "servers": "admin/servers?state=all",
    "server": "admin/servers/ada",
    "groups": "admin/groups",
    "group": "admin/group?name=physics&limit=8",
    "services": "admin/services",
    "roles": "admin/roles",
    "role": "admin/roles/admin",
    "role of the configuration": "admin/roles/tutor",
    "overview": "admin/overview",
    "audit": "admin/audit?actor=root",
    "routes": "admin/routes",
    "hub": "admin/hub",
    "configuration": "admin/configuration?only=set",
}


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub]) -> RunningHub:
    """A hub with 50,000 users, one of whose servers runs and one failed."""
    made = make_hub(config=CONFIG)
    made.start()
    with made.client(OPS_TOKEN) as api:
        for first in range(0, MANY, AT_ONCE):
            names = [f"student-{number:05d}" for number in range(first, first + AT_ONCE)]
            assert api.post("/users", json={"usernames": names}, timeout=120).status_code == 201
        assert api.post("/users", json={"usernames": ["ada", "bob", "cyd"]}).status_code == 201
        members = ["ada", "bob", *(f"student-{number:05d}" for number in range(40))]
        assert api.post("/groups/physics/users", json={"users": members}).status_code == 200
        assert api.post("/users/ada/server").status_code in {201, 202}
        eventually(lambda: api.get("/users/ada").json()["servers"].get("", {}).get("ready"), "ada's server is ready")
    return made


@pytest.fixture(scope="module")
def signed_in(hub: RunningHub, chromium: Browser) -> Iterator[BrowserContext]:
    """A browser in which the administrator is signed in."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    context.set_default_timeout(LONG)
    page = context.new_page()
    sign_in(page, hub, "root")
    page.close()
    yield context
    context.close()


@pytest.fixture
def admin(signed_in: BrowserContext) -> Iterator[Page]:
    """A page of the administrator's."""
    page = signed_in.new_page()
    yield page
    page.close()


def go(page: Page, hub: RunningHub, path: str) -> None:
    answer = page.goto(f"{hub.url}/hub/{path}")
    assert answer is not None
    assert answer.ok, f"{path}: {answer.status}"


def painted(page: Page, hub: RunningHub, path: str) -> float:
    """Return how many milliseconds after the request something of a page is seen first."""
    go(page, hub, path)
    when = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    page.wait_for_function(when)
    return float(page.evaluate(when))


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_accessible_in_both_themes_and_fits_a_phone(admin: Page, hub: RunningHub, name: str) -> None:
    go(admin, hub, PAGES[name])
    assert_accessible(admin)
    admin.set_viewport_size({"width": 380, "height": 800})
    assert admin.evaluate("document.documentElement.scrollWidth") <= 380
    admin.set_viewport_size({"width": 1440, "height": 900})


@pytest.mark.parametrize("name", ["users", "servers", "overview", "user"])
def test_pages_are_accessible_on_a_phone(admin: Page, hub: RunningHub, name: str) -> None:
    admin.set_viewport_size({"width": 380, "height": 800})
    go(admin, hub, PAGES[name])
    assert_accessible(admin)


@pytest.mark.parametrize("path", ["admin", "admin/servers", "admin/overview", "admin?name_filter=49999"])
def test_with_50_000_users_a_page_is_painted_within_300_ms(admin: Page, hub: RunningHub, path: str) -> None:
    if min(painted(admin, hub, "error/404") for _ in range(3)) > PAINTED_MS / 2:
        pytest.skip("this machine is too busy to say how quick a page is")
    best = min(painted(admin, hub, path) for _ in range(4))
    weight = admin.evaluate(
        "() => performance.getEntries().reduce((sum, each) => sum + (each.encodedBodySize || 0), 0)"
    )
    assert best < PAINTED_MS
    assert weight < MAX_WEIGHT


def test_one_of_50_000_is_found_changed_and_deleted(admin: Page, hub: RunningHub) -> None:
    go(admin, hub, "admin")
    admin.get_by_label("User names").fill("Grace\nhenry, ida")
    admin.get_by_role("button", name="Add users").click()
    expect(admin.get_by_role("status").first).to_contain_text("3 users were added")
    admin.get_by_role("searchbox").fill("GRAC")
    admin.keyboard.press("Enter")
    admin.get_by_role("link", name="grace", exact=True).click()
    admin.get_by_label("User name").fill("grace-hopper")
    admin.get_by_label("Groups").fill("physics\nbiology")
    admin.get_by_role("checkbox", name="Administrator").check()
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_role("heading", level=1)).to_contain_text("grace-hopper")
    expect(admin.locator("h1 .tag")).to_have_text("administrator")
    expect(admin.get_by_role("definition").filter(has_text="physics")).to_be_visible()
    admin.get_by_label("Groups").fill("nonsense")
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_role("alert")).to_contain_text("nonsense")
    expect(admin.get_by_label("Groups")).to_have_value("nonsense")
    admin.get_by_text("Delete this user").click()
    admin.get_by_role("button", name="Yes, delete them").click()
    expect(admin.get_by_role("status").first).to_contain_text("deleted")
    go(admin, hub, "admin?name_filter=grace")
    expect(admin.get_by_text("Nobody was found.")).to_be_visible()


def test_a_server_is_started_watched_and_stopped_from_the_lists(admin: Page, hub: RunningHub) -> None:
    go(admin, hub, "admin?name_filter=bob")
    admin.get_by_role("button", name="Start bob").click()
    expect(admin.get_by_role("status").first).to_contain_text("starting")
    expect(admin.get_by_role("searchbox")).to_have_value("bob")
    go(admin, hub, "admin/servers/bob")
    expect(admin.locator("h1 .badge")).to_have_text("Running", timeout=LONG)
    expect(admin.locator("pre.log")).to_contain_text("is running at")
    expect(admin.get_by_role("link", name="Open the server of bob")).to_have_attribute("href", "/user/bob/")
    go(admin, hub, "admin/servers?state=running")
    admin.get_by_role("button", name="Stop bob").click()
    expect(admin.get_by_role("status").first).to_contain_text("stopped")
    expect(admin.get_by_role("link", name="bob", exact=True)).to_have_count(0)


def test_many_are_started_stopped_and_deleted_with_progress(admin: Page, hub: RunningHub) -> None:
    go(admin, hub, "admin?name_filter=student-0000")
    for name in ("student-00001", "student-00002"):
        admin.get_by_role("checkbox", name=f"Choose {name}").check()
    expect(admin.locator("#chosen-count")).to_have_text("2 chosen")
    admin.locator(".bulk").get_by_role("button", name="Start").click()
    expect(admin.get_by_role("heading", level=1)).to_contain_text("Start servers")
    expect(admin.locator("h1 .badge")).to_have_text("Finished", timeout=LONG)
    expect(admin.get_by_text("2 of 2")).to_be_visible()
    go(admin, hub, "admin/servers?name_filter=student")
    admin.get_by_label("With which of them").select_option("all")
    admin.locator(".bulk").get_by_role("button", name="Stop").click()
    expect(admin.get_by_role("heading", level=1)).to_have_text("Stop 2 servers?")
    admin.get_by_role("button", name="Yes, stop them").click()
    expect(admin.locator("h1 .badge")).to_have_text("Finished", timeout=LONG)
    admin.go_back()
    admin.get_by_role("button", name="Yes, stop them").click()
    expect(admin.get_by_text("2 of 2")).to_be_visible()
    go(admin, hub, "admin?name_filter=student-4999")
    admin.get_by_label("Choose all on this page").check()
    admin.locator(".bulk").get_by_role("button", name="Delete").click()
    expect(admin.get_by_role("heading", level=1)).to_have_text("Delete 10 users?")
    admin.get_by_role("button", name="Yes, delete them").click()
    expect(admin.locator("h1 .badge")).to_have_text("Finished", timeout=LONG)
    go(admin, hub, "admin?name_filter=student-4999")
    expect(admin.get_by_text("Nobody was found.")).to_be_visible()


def test_groups_get_members_and_properties(admin: Page, hub: RunningHub) -> None:
    go(admin, hub, "admin/groups")
    admin.get_by_label("Names of groups").fill("/staff/night")
    admin.get_by_role("button", name="Add groups").click()
    admin.get_by_role("link", name="/staff/night").click()
    admin.get_by_label("Add members").fill("ada\nnobody-there")
    admin.get_by_role("button", name="Add members").click()
    expect(admin.get_by_role("alert")).to_contain_text("nobody-there")
    admin.get_by_label("Add members").fill("ada, bob")
    admin.get_by_role("button", name="Add members").click()
    expect(admin.get_by_role("status").first).to_contain_text("2 users are members now")
    admin.get_by_role("checkbox", name="Choose bob").check()
    admin.get_by_role("button", name="Remove those chosen").click()
    expect(admin.get_by_role("link", name="bob", exact=True)).to_have_count(0)
    field = admin.get_by_label("What spawners and other programs read")
    field.fill("{broken")
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_role("alert")).to_contain_text("JSON")
    expect(field).to_have_value("{broken")
    field.fill('{"quota": 5}')
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_role("status").first).to_contain_text("changed")
    admin.get_by_text("Delete this group").click()
    admin.get_by_role("button", name="Yes, delete it").click()
    expect(admin.get_by_role("link", name="/staff/night")).to_have_count(0)


def test_a_role_is_made_given_and_used(admin: Page, hub: RunningHub, new_visitor: Callable[[], Page]) -> None:
    go(admin, hub, "admin/roles")
    admin.get_by_label("Name", exact=True).fill("watcher")
    admin.get_by_label("What is it for?").fill("Watches over the hub")
    admin.get_by_label("Open the pages of the administration").check()
    admin.get_by_label("See what the hub is made of").check()
    admin.get_by_role("button", name="Make role").click()
    expect(admin.get_by_role("status").first).to_contain_text("The role was made")
    assert_accessible(admin)
    admin.get_by_label("Give it to users").fill("cyd, nobody-there")
    admin.get_by_role("button", name="Give it to users").click()
    expect(admin.get_by_role("alert")).to_contain_text("nobody-there")
    expect(admin.get_by_label("Give it to users")).to_have_value("cyd, nobody-there")
    admin.get_by_label("Give it to users").fill("cyd")
    admin.get_by_role("button", name="Give it to users").click()
    cyd = new_visitor()
    sign_in(cyd, hub, "cyd")
    go(cyd, hub, "admin/hub")
    admin.get_by_role("checkbox", name="Choose cyd").check()
    admin.get_by_role("button", name="Take it from those users chosen").click()
    expect(admin.get_by_role("status").first).to_contain_text("taken from one")
    answer = cyd.goto(f"{hub.url}/hub/admin/hub")
    assert answer is not None
    assert answer.status == 403
    admin.get_by_text("Delete this role").click()
    admin.get_by_role("button", name="Yes, delete it").click()
    expect(admin.get_by_role("link", name="watcher")).to_have_count(0)
    go(admin, hub, "admin/roles/tutor")
    expect(admin.get_by_text("This role stands in the configuration of the hub")).to_be_visible()


def test_a_service_is_made_with_a_token_that_works_until_it_is_removed(admin: Page, hub: RunningHub) -> None:
    go(admin, hub, "admin/services")
    admin.get_by_label("Name", exact=True).fill("grader")
    admin.get_by_role("button", name="Make service").click()
    token = admin.get_by_label("Token", exact=True).input_value()
    assert_accessible(admin)
    with hub.client(token) as api:
        assert api.get("/user").json()["name"] == "grader"
        admin.get_by_text("Remove grader").click()
        admin.get_by_role("button", name="Yes, remove it grader").click()
        expect(admin.get_by_role("status").first).to_contain_text("The service was removed")
        assert api.get("/user").status_code == 403


def test_the_audit_log_tells_who_did_it_and_is_searched(admin: Page, hub: RunningHub) -> None:
    go(admin, hub, "admin")
    admin.get_by_label("User names").fill("zoe")
    admin.get_by_role("button", name="Add users").click()
    go(admin, hub, "admin/audit")
    admin.get_by_label("Holds the text").fill("zoe")
    admin.get_by_label("Action").select_option("user.")
    admin.get_by_role("button", name="Search").click()
    rows = admin.locator(".audit tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("root")
    expect(rows.first).to_contain_text("user.create")
    rows.first.get_by_text("More").click()
    expect(rows.first.locator("dl")).to_contain_text("127.0.0.1")


def test_no_secret_of_the_configuration_is_shown(admin: Page, hub: RunningHub) -> None:
    go(admin, hub, "admin/configuration")
    text = admin.content()
    assert "never-shown-anywhere" not in text
    assert OPS_TOKEN not in text
    expect(admin.get_by_text("admin_users", exact=False).first).to_be_visible()


def test_everything_works_without_scripts(hub: RunningHub, chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False, locale="en-GB")
    context.set_default_timeout(LONG)
    page = context.new_page()
    sign_in(page, hub, "root")
    go(page, hub, "admin?name_filter=cyd")
    page.get_by_role("button", name="Start cyd").click()
    expect(page.get_by_role("status").first).to_contain_text("starting")
    go(page, hub, "admin/servers?name_filter=cyd")
    page.get_by_label("With which of them").select_option("all")
    page.locator(".bulk").get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Yes, stop them").click()
    # The page renews itself.
    expect(page.locator("h1 .badge")).to_have_text("Finished", timeout=LONG)
    context.close()


def test_a_tutor_sees_their_group_and_no_more(hub: RunningHub, new_visitor: Callable[[], Page]) -> None:
    page = new_visitor()
    sign_in(page, hub, "tim")
    go(page, hub, "admin")
    nav = page.get_by_role("navigation", name="Administration")
    expect(nav.get_by_role("link")).to_have_text(["Users", "Servers"])
    expect(page.locator("h1 .count")).to_have_text("42")
    expect(page.get_by_role("button", name="Delete")).to_have_count(1)
    for path in ("admin/groups", "admin/hub", "admin/audit", "admin/roles", "admin/routes", "admin/configuration"):
        answer = page.goto(f"{hub.url}/hub/{path}")
        assert answer is not None
        assert answer.status == 403, path

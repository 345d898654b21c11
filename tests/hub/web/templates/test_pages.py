"""What holds for every page, checked on the rendered text; then what single pages promise."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest
from bs4 import BeautifulSoup, Tag
from tests.support.page_rules import MAX_WEIGHT, weight

Render = Callable[..., str]

VOID = {"meta", "link", "input", "br", "hr", "img"}


def parse(text: str) -> BeautifulSoup:
    return BeautifulSoup(text, "html.parser")


def one(page: BeautifulSoup, selector: str) -> Tag:
    found = page.select(selector)
    assert len(found) == 1, f"{len(found)} × {selector}"
    return found[0]


def label_of(page: BeautifulSoup, field: Tag) -> str:
    if field.get("aria-label"):
        return str(field["aria-label"])
    return " ".join(label.get_text(strip=True) for label in page.select(f'label[for="{field.get("id")}"]'))


def test_every_page_renders(render: Render, page_name: str) -> None:
    assert render(page_name).startswith("<!doctype html>")


def test_no_template_is_forgotten(templates: jinja2.Environment, pages: dict[str, tuple[str, Any]]) -> None:
    parts = {"page.html", "macros.html", "logo.html", "server_facts.html", "home_facts.html"}
    # Those of the administration are rendered by a hub in tests/hub/web/pages/test_admin_frame.py.
    ours = {name for name in templates.list_templates() if not name.startswith(("templates/", "admin/"))}
    assert ours - parts == {template for template, _ in pages.values()}


@pytest.mark.parametrize("attacked", [False, True])
def test_nothing_runs_or_styles_from_inside_the_page(render: Render, page_name: str, attacked: bool) -> None:
    page = parse(render(page_name, attacked=attacked))
    for script in page.select("script"):
        assert script.get_text() == ""
        assert script["type"] == "module"
        assert "static/js/" in str(script["src"])
    assert page.select("style, iframe, object, base, img") == []
    for tag in page.find_all(True):
        assert [name for name in tag.attrs if name == "style" or name.startswith("on")] == [], tag


def test_what_strangers_write_stays_text(render: Render, page_name: str, hostile_text: str) -> None:
    text = render(page_name, attacked=True)
    assert "<script>" not in text
    assert "<img" not in text
    if "alice" in render(page_name):
        assert hostile_text in parse(text).get_text()


def test_every_tag_is_closed_where_it_was_opened(render: Render, page_name: str) -> None:
    open_tags: list[str] = []
    for closing, name, empty in re.findall(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[^>]*?(/?)>", render(page_name)):
        if closing:
            assert open_tags.pop() == name
        elif name not in VOID and not empty:
            open_tags.append(name)
    assert open_tags == []


def test_ids_are_unique(render: Render, page_name: str) -> None:
    ids = Counter(tag["id"] for tag in parse(render(page_name)).select("[id]"))
    assert [name for name, count in ids.items() if count > 1] == []


def test_references_lead_to_an_id(render: Render, page_name: str) -> None:
    page = parse(render(page_name))
    ids = {tag["id"] for tag in page.select("[id]")}
    for name in ("for", "aria-labelledby", "aria-describedby", "aria-controls", "data-shows", "data-same-as"):
        for tag in page.select(f"[{name}]"):
            for target in str(tag[name] if name != "for" else tag.get("for")).split():
                assert target in ids, f"{name}={target}"


def test_every_field_and_button_has_a_name(render: Render, page_name: str) -> None:
    page = parse(render(page_name))
    for field in page.select("input:not([type=hidden]), select, textarea, progress"):
        assert label_of(page, field), field
    for control in page.select("button, a, summary"):
        assert control.get_text(strip=True) or control.get("aria-label"), control


def test_buttons_that_do_different_things_have_different_names(render: Render, page_name: str) -> None:
    page = parse(render(page_name))
    names = Counter(" ".join(form.get_text(" ", strip=True).split()) for form in page.select("form.inline"))
    assert [name for name, count in names.items() if count > 1] == []


def test_every_form_that_changes_something_carries_the_token(render: Render, page_name: str) -> None:
    for form in parse(render(page_name)).select("form:not(.choices)"):
        tokens = [field["value"] for field in form.select("input[name=_xsrf]")]
        assert tokens == (["2|token"] if form["method"] == "post" else [])


def test_every_page_has_landmarks_and_one_main_heading(render: Render, page_name: str) -> None:
    page = parse(render(page_name))
    one(page, "header")
    one(page, "footer")
    assert one(page, "main")["id"] == "content"
    assert one(page, "a.skip")["href"] == "#content"
    assert one(page, "h1").get_text(strip=True)
    assert re.fullmatch(r"\S.* · Perijove", one(page, "title").get_text())
    assert "Perijove 0.1.0" in one(page, "footer").get_text()


def test_everything_comes_from_the_hub_itself(render: Render, page_name: str) -> None:
    page = parse(render(page_name))
    for tag in page.select("[src], link[href]"):
        address = str(tag.get("src") or tag.get("href"))
        assert re.fullmatch(r"/hub/static/[a-z0-9./_-]+\?v=[0-9a-f]{12}", address)
    assert not re.search(r"https?://", render(page_name))


def test_pages_are_light(render: Render, page_name: str) -> None:
    assert weight(render(page_name)) < MAX_WEIGHT


def test_a_stranger_sees_no_navigation(render: Render) -> None:
    assert parse(render("error-stranger")).select("nav, #logout") == []


def test_administration_is_shown_to_administrators_only(render: Render) -> None:
    links = {name: [a["href"] for a in parse(render(name)).select("header nav a")] for name in ("home-ready", "admin")}
    assert links["home-ready"] == ["/hub/home", "/hub/token"]
    assert links["admin"] == ["/hub/home", "/hub/token", "/hub/admin"]


def test_services_are_offered_where_there_are_any(render: Render) -> None:
    offered = [{"name": "wiki", "url": "/services/wiki/"}]
    menu = parse(render("home-ready", services=offered)).select("header nav .menu a")
    assert [(link.text, link["href"]) for link in menu] == [("wiki", "/services/wiki/")]
    assert parse(render("home-ready")).select(".menu") == []


def test_the_navigation_marks_where_one_is(render: Render) -> None:
    for name, place in (("home-ready", "home"), ("admin", "admin"), ("account", "account")):
        assert one(parse(render(name)), ".site-header [aria-current=page]")["href"] == f"/hub/{place}"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("home-stopped", {"start"}),
        ("home-failed", {"start"}),
        ("home-starting", {"watch", "stop"}),
        ("home-ready", {"open", "stop"}),
    ],
)
def test_home_offers_what_can_be_done_now(render: Render, name: str, shown: set[str]) -> None:
    page = parse(render(name))
    assert {tag["id"] for tag in page.select("#start, #stop, #open, #watch")} == shown


def test_home_starts_and_stops_by_forms(render: Render) -> None:
    start = one(parse(render("home-stopped")), "form:has(#start)")
    assert (start["method"], start["action"]) == ("post", "/hub/spawn/alice")
    page = parse(render("home-ready"))
    assert one(page, "form:has(#stop)")["action"] == "/hub/stop/alice"
    assert one(page, "#open")["href"] == "/user/alice/"


def test_home_is_looked_at_again_only_while_something_moves(render: Render, server_view: Callable[..., Any]) -> None:
    for state in ("queued", "starting", "answering", "routing", "stopping"):
        page = parse(render("home-stopped", servers=[server_view(), server_view("gpu", state)]))
        one(page, "[data-moving]")
        one(page, "noscript meta[http-equiv=refresh]")
        assert any("js/refresh.js" in str(script["src"]) for script in page.select("script"))
    for state in ("stopped", "ready", "failed"):
        page = parse(render("home-stopped", servers=[server_view(state=state)]))
        assert page.select("[data-moving], meta[http-equiv=refresh]") == []


def test_home_says_why_a_server_failed(render: Render) -> None:
    page = parse(render("home-failed"))
    text = one(page, ".failure").get_text()
    assert "exit status 1" in text
    assert "move ~/.jupyter" in text
    assert "expected an int" in one(page, "details pre").get_text()


def test_home_adds_named_servers_only_where_they_are_allowed(render: Render) -> None:
    form = one(parse(render("home-many")), "form:has(#server_name)")
    assert (form["method"], form["action"]) == ("post", "/hub/home")
    assert parse(render("home-stopped")).select("#server_name") == []


def test_a_pending_start_tells_the_script_where_to_look(render: Render) -> None:
    page = parse(render("pending"))
    card = one(page, "#progress")
    assert card["data-events-url"] == "/hub/api/users/alice/server/progress?_xsrf=2%7Ctoken"
    assert card["data-next-url"] == "/user/alice/lab"
    assert card["data-health-url"] == "/hub/health"
    assert card["data-elapsed"] == "4"
    assert one(page, "progress")["value"] == "40"
    assert len(page.select("#progress-log li")) == 3
    assert one(page, "[role=log]")["aria-live"] == "polite"
    assert one(page, "noscript meta[http-equiv=refresh]")["content"] == "2"
    assert one(page, "form:has(#stop)")["action"] == "/hub/stop/alice"


def test_a_failed_start_says_why_and_waits_for_a_person(render: Render) -> None:
    page = parse(render("pending-failed"))
    assert page.select("#progress, noscript, meta[http-equiv=refresh]") == []
    assert "exit status 1" in one(page, ".failure").get_text()
    assert one(page, "form:has(#start)")["action"] == "/hub/spawn/alice"
    assert one(page, "#start").get_text() == "Try again"


def test_the_start_of_anothers_server_is_not_called_yours(render: Render, server_view: Callable[..., Any]) -> None:
    bobs = server_view(state="starting", owner="bob")
    assert one(parse(render("pending", server=bobs)), "h1").get_text() == "The server of bob is starting"


def test_a_server_that_does_not_run_can_be_started(render: Render) -> None:
    page = parse(render("not-running"))
    assert one(page, "h1").get_text() == "Your server is not running"
    form = one(page, "main form")
    assert (form["method"], form["action"]) == ("post", "/hub/spawn/alice?next=%2Fuser%2Falice%2Flab")
    assert "come back" in page.get_text()
    assert "come back" not in parse(render("not-running", next_url="")).get_text()


def test_home_says_how_far_a_start_has_come(render: Render, server_view: Callable[..., Any]) -> None:
    assert one(parse(render("home-starting")), ".state-note").get_text() == "Third in the queue, about a minute"
    for state, text in (("starting", "Starting"), ("ready", "All is well"), ("stopped", "Not running")):
        page = render("home-stopped", servers=[server_view(state=state, state_text=text)])
        assert parse(page).select(".state-note") == []


def test_sign_in_keeps_the_name_and_says_what_was_wrong(render: Render) -> None:
    page = parse(render("login-error"))
    assert one(page, "main form")["action"] == "/hub/login?next=%2Fhub%2Fhome"
    assert one(page, "[role=alert]").get_text() == "Invalid username or password"
    assert one(page, "#username")["value"] == "alice"
    assert one(page, "#password").get("value") is None
    assert one(page, "[autofocus]")["id"] == "password"


def test_sign_in_elsewhere_needs_no_form(render: Render) -> None:
    page = parse(render("login-elsewhere"))
    assert page.select("main form") == []
    assert one(page, "#login_submit")["href"] == "/hub/login?next=%2Fhub%2Fhome"
    assert one(page, "#login_submit").get_text() == "Sign in with GitHub"


def test_set_up_carries_its_code_and_a_used_one_is_explained(render: Render) -> None:
    assert one(parse(render("setup")), "input[name=code]")["value"] == "one-time"
    used = parse(render("setup-used"))
    assert used.select("main form") == []
    assert "prints a new link each time it starts" in used.get_text()


def test_authorizing_names_every_scope(render: Render) -> None:
    page = parse(render("oauth"))
    assert one(page, "main form")["action"] == ""
    assert [field["value"] for field in page.select("input[name=scopes]")] == [
        "access:servers!server=bob/",
        "read:users:name!user=alice",
    ]
    assert "Let you in" in page.get_text()
    assert "A server that belongs to bob, called gpu, asks to act for you" in " ".join(page.get_text().split())
    service = " ".join(parse(render("oauth-identity")).get_text().split())
    assert "The service wiki asks to act for you" in service
    assert "You then go on to wiki.example" in service


def test_an_error_shows_its_number_only_if_it_has_one(render: Render) -> None:
    assert one(parse(render("error-stranger")), "#error-id").get_text() == "c0ffee12"
    assert parse(render("error")).select("#error-id") == []


def test_administrators_approve_refuse_start_and_stop(render: Render) -> None:
    actions = {str(form["action"]) for form in parse(render("admin")).select("form.inline")}
    assert {"/hub/admin/accounts/frida/approve", "/hub/admin/accounts/frida/refuse"} <= actions
    page = parse(render("admin"))
    assert one(page, "#list")["action"] == "/hub/admin/actions"
    pressed = {
        verb: {str(each["value"]) for each in page.select(f"#list button[name={verb}]")} for verb in ("start", "stop")
    }
    assert pressed == {"start": {"alice/"}, "stop": {"alice/", "alice/gpu-experiments"}}


def test_lists_of_users_have_pages(render: Render) -> None:
    assert [a["href"] for a in parse(render("admin")).select(".pager a")] == ["/hub/admin?offset=5"]
    last = parse(render("admin-last-page"))
    assert [a["href"] for a in last.select(".pager a")] == ["/hub/admin?offset=15"]
    assert one(last, "#name_filter")["value"] == "a"


def test_every_operation_of_the_api_is_shown(render: Render) -> None:
    page = parse(render("api"))
    assert [code.get_text() for code in page.select("code.path")] == [
        "/hub/api/users",
        "/hub/api/users/{name}",
        "/hub/api/users/{name}/server",
    ]


def test_no_template_switches_escaping_off(checkout: Path) -> None:
    for path in (checkout / "src/perijove/hub/web/templates").rglob("*.html"):
        assert not re.search(r"\|\s*safe|autoescape|Markup", path.read_text()), path.name

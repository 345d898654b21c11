"""`perijove` with no configuration at all: the first administrator, people who sign up, stop and start again."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.steps import become_first_administrator, sign_in, start_server
from tests.support.hubs import RunningHub, alive, eventually


@pytest.fixture(scope="module")
def fresh(make_hub: Callable[..., RunningHub]) -> RunningHub:
    """A hub that was started for the first time, without a configuration."""
    hub = make_hub()
    hub.start()
    return hub


def test_three_lines_say_what_runs_and_how_to_stop_it(fresh: RunningHub) -> None:
    lines = [line for line in fresh.log.splitlines() if not re.match(r"\d{4}-\d\d-\d\d", line)]
    assert fresh.url in lines[0]
    assert f":{fresh.hub_port}" in lines[1]
    assert "Ctrl-C" in lines[2]
    assert "/hub/setup?code=" in lines[3]


def test_first_administrator_sign_up_approval_and_a_second_start(
    fresh: RunningHub, new_visitor: Callable[[], Page]
) -> None:
    admin, person, late = new_visitor(), new_visitor(), new_visitor()
    link = fresh.setup_link()
    become_first_administrator(admin, fresh, "ada")
    answer = late.goto(link)
    assert answer is not None
    assert answer.status == 403

    person.goto(f"{fresh.url}/hub/signup")
    person.fill("[name=username]", "Grace")
    person.fill("[name=password]", "correct horse")
    person.fill("[name=password_again]", "correct horse")
    person.locator("main button[type=submit]").click()
    expect(person.locator("main")).to_contain_text("administrator")
    person.goto(f"{fresh.url}/hub/login")
    person.fill("[name=username]", "grace")
    person.fill("[name=password]", "correct horse")
    person.get_by_role("button", name="Sign in").click()
    expect(person.locator("main")).to_contain_text("approval")

    admin.goto(f"{fresh.url}/hub/admin")
    expect(admin.locator("main")).to_contain_text("grace")
    admin.get_by_role("button", name="Approve").click()
    expect(admin.get_by_role("button", name="Approve")).to_have_count(0)
    sign_in(person, fresh, "grace")
    start_server(person, "grace")
    home = f"{fresh.data}/homes/grace"
    servers = fresh.pids_with(home)
    proxy = fresh.proxy_pid

    assert fresh.stop() == 0

    eventually(lambda: not any(alive(pid) for pid in [*servers, proxy]), "nothing of it runs any more")
    assert "Traceback" not in fresh.log
    assert "/hub/setup?code=" not in fresh.start(), "there is an administrator already"
    person.goto(f"{fresh.url}/hub/home")
    expect(person.get_by_role("button", name="Start my server")).to_be_visible()
    sign_in(new_visitor(), fresh, "ada")


def test_a_wrong_password_says_nothing_about_names(fresh: RunningHub, page: Page) -> None:
    texts = []
    for name in ("ada", "nobody"):
        page.goto(f"{fresh.url}/hub/login")
        page.fill("[name=username]", name)
        page.fill("[name=password]", "wrong password")
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#form-error")).to_be_visible()
        texts.append(page.locator("#form-error").inner_text())
        assert page.input_value("[name=username]") == name
    assert texts[0] == texts[1]

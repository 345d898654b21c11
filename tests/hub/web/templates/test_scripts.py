"""The scripts of the pages in a real browser, against a hub that lets streams break and goes away."""

from __future__ import annotations

import json
import mimetypes
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup
from playwright.sync_api import Browser, Page, expect, sync_playwright

from perijove.hub.core.usage import Usage
from perijove.hub.web.templating import STATIC_FOLDER

CHROMIUM = Path("/usr/bin/chromium")
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
EVENTS = "/hub/api/users/alice/server/progress"
PENDING = "/hub/spawn-pending/alice"
# What the browser does before it sends a form; false where a script keeps it from being sent.
SUBMIT = "form => form.dispatchEvent(new SubmitEvent('submit', {bubbles: true, cancelable: true}))"

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium to run the pages' scripts in")

Render = Callable[..., str]


def sse(number: int, message: str, **more: Any) -> bytes:
    return f"id: {number}\ndata: {json.dumps({'message': message, **more})}\n\n".encode()


KNOWN = [
    sse(1, "Asked for", progress=0),
    sse(2, "Starting the process", progress=10),
    sse(3, "Waiting until the server answers at 127.0.0.1:41234", progress=40),
]


@dataclass
class Hub:
    """Answers each request for the stream with the next of *streams*: what is sent before it breaks, or a status."""

    pages: dict[str, list[str]]
    streams: deque[list[bytes] | int] = field(default_factory=deque)
    healthy: bool = True
    posts: list[str] = field(default_factory=list)
    address: str = ""

    def page(self, path: str) -> str | None:
        """Return the next rendering of *path*; the last one stays."""
        found = self.pages.get(path)
        if not found:
            return None
        return found.pop(0) if len(found) > 1 else found[0]


def handler_for(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def answer(self, status: int, body: bytes = b"", kind: str = "text/html; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Security-Policy", CSP)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            if path == EVENTS:
                stream = hub.streams.popleft() if hub.streams else 503
                if isinstance(stream, int):
                    self.answer(stream)
                else:
                    self.answer(200, b"retry: 50\n\n" + b"".join(stream), "text/event-stream")
            elif path == "/hub/health":
                self.answer(200 if hub.healthy else 503)
            elif path.startswith("/hub/static/"):
                file = STATIC_FOLDER / path.removeprefix("/hub/static/")
                self.answer(200, file.read_bytes(), str(mimetypes.guess_type(file.name)[0]))
            elif (text := hub.page(path)) is not None:
                self.answer(200, text.encode())
            else:
                self.answer(404)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            hub.posts.append(self.path)
            self.answer(200, b"<!doctype html><title>posted</title>")

    return Handler


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which every error of a script or of the content policy fails the test."""
    page = browser.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    yield page
    page.close()
    assert wrong == []


@pytest.fixture
def hub(render: Render) -> Iterator[Hub]:
    hub = Hub({PENDING: [render("pending")], "/user/alice/lab": ["<!doctype html><title>JupyterLab</title>"]})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(hub))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()


def steps(page: Page) -> list[str]:
    return page.locator("#progress-log li").all_inner_texts()


def test_a_start_is_followed_over_a_broken_stream_and_an_absent_hub(page: Page, hub: Hub) -> None:
    hub.healthy = False
    image = "<img src=x onerror=alert(1)> pulled"
    hub.streams.extend([KNOWN, [*KNOWN, sse(4, image, progress=60)], 503])
    page.goto(hub.address + PENDING)
    expect(page.locator("#progress-log li")).to_have_count(4)
    assert steps(page)[-1] == image
    expect(page.locator("#progress-connection")).to_contain_text("Connection lost, trying again")
    assert page.locator("#progress-bar").evaluate("bar => bar.value") == 60

    # A step with the text of an earlier one is a step of its own: only its id says whether it was shown.
    again = sse(5, "Starting the process", progress=70)
    hub.streams.extend([[*KNOWN, sse(4, image, progress=60), again]])
    expect(page.locator("#progress-log li")).to_have_count(5)
    hub.streams.append([*KNOWN, sse(4, image, progress=60), again, sse(6, "Ready", progress=100, ready=True, url="/x")])
    page.wait_for_url("**/user/alice/lab")
    assert page.title() == "JupyterLab"


def test_the_way_back_does_not_lead_to_the_progress_page(page: Page, hub: Hub, render: Render) -> None:
    hub.pages["/hub/home"] = [render("home-stopped")]
    hub.streams.append([sse(1, "Ready", progress=100, ready=True)])
    page.goto(hub.address + "/hub/home")
    page.goto(hub.address + PENDING)
    page.wait_for_url("**/user/alice/lab")
    page.go_back()
    page.wait_for_url("**/hub/home")


def test_a_failure_is_shown_by_the_hub(page: Page, hub: Hub, render: Render) -> None:
    hub.pages[PENDING].append(render("pending-failed"))
    hub.streams.append([*KNOWN, sse(4, "It ended", progress=100, failed=True)])
    page.goto(hub.address + PENDING)
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    expect(page.locator(".failure-reason")).to_contain_text("exit status 1")


def test_a_start_that_is_over_is_asked_about_once_more(page: Page, hub: Hub, render: Render) -> None:
    hub.pages[PENDING].append(render("not-running"))
    hub.streams.append(400)
    page.goto(hub.address + PENDING)
    expect(page.get_by_role("heading", name="Your server is not running")).to_be_visible()


def test_an_address_that_would_run_a_script_is_not_followed(page: Page, hub: Hub, render: Render) -> None:
    hub.pages[PENDING] = [render("pending", next_url="javascript:document.title='run'")]
    hub.streams.append([sse(4, "Almost", progress=90), sse(5, "Ready", progress=100, ready=True)])
    page.goto(hub.address + PENDING)
    expect(page.locator("#progress-log li").last).to_have_text("Ready")
    assert page.title() == "Your server is starting · Perijove"
    assert page.url == hub.address + PENDING


def test_seconds_pass(page: Page, hub: Hub) -> None:
    hub.healthy = False
    page.goto(hub.address + PENDING)
    expect(page.locator("#progress-elapsed")).to_have_text("5 s")
    expect(page.locator("#progress-elapsed")).to_have_text("6 s")


def test_home_shows_a_stop_when_it_is_done(
    page: Page, hub: Hub, render: Render, server_view: Callable[..., Any]
) -> None:
    hub.pages["/hub/home"] = [render("home-stopped", servers=[server_view(state="stopping")]), render("home-stopped")]
    page.goto(hub.address + "/hub/home")
    expect(page.get_by_text("One moment, it is being stopped.")).to_be_visible()
    expect(page.get_by_role("button", name="Start my server")).to_be_visible()


def test_what_is_known_of_a_running_server_is_kept_up_to_date(
    page: Page, hub: Hub, render: Render, server_view: Callable[..., Any]
) -> None:
    hub.pages["/hub/home"] = [render("home-ready")]
    facts = render("home-ready", servers=[server_view(state="ready", usage=Usage(400 * 1024 * 1024))])
    hub.pages["/hub/home/facts"] = [facts, "<p>something went wrong</p>", render("home-stopped")]
    page.clock.install()
    page.goto(hub.address + "/hub/home")
    page.evaluate("window.sameDocument = true")
    expect(page.locator("[data-facts]")).not_to_contain_text("Memory")
    page.clock.run_for(10_000)
    expect(page.locator("[data-facts]")).to_contain_text("400 MB")
    page.clock.run_for(10_000)
    expect(page.locator("[data-facts]")).to_contain_text("400 MB")
    assert page.evaluate("window.sameDocument") is True
    hub.pages["/hub/home"] = [render("home-stopped")]
    page.clock.run_for(10_000)
    expect(page.get_by_role("button", name="Start my server")).to_be_visible()


def test_a_form_is_sent_once(page: Page, hub: Hub, render: Render) -> None:
    hub.pages["/hub/home"] = [render("home-stopped")]
    page.goto(hub.address + "/hub/home")
    form = page.locator("form:has(#start)")
    assert form.evaluate(SUBMIT) is True
    assert form.evaluate(SUBMIT) is False
    # Brought back by the "back" button it can be sent again.
    page.evaluate("window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    assert form.evaluate(SUBMIT) is True


def test_a_form_reaches_the_hub(page: Page, hub: Hub, render: Render) -> None:
    hub.pages["/hub/home"] = [render("home-stopped")]
    page.goto(hub.address + "/hub/home")
    page.locator("#start").click()
    page.wait_for_url("**/hub/spawn/alice")
    assert hub.posts == ["/hub/spawn/alice"]


def test_a_password_can_be_looked_at_and_is_hidden_when_sent(page: Page, hub: Hub, render: Render) -> None:
    hub.pages["/hub/login"] = [render("login")]
    page.goto(hub.address + "/hub/login")
    password = page.get_by_label("Password", exact=True)
    password.fill("correct horse")
    page.get_by_role("button", name="Show password").click()
    expect(password).to_have_attribute("type", "text")
    expect(page.get_by_role("button", name="Hide password")).to_have_attribute("aria-pressed", "true")
    assert page.locator("main form").evaluate(SUBMIT) is True
    expect(password).to_have_attribute("type", "password")
    expect(page.locator("#insecure")).to_be_hidden()


def test_two_different_passwords_are_not_sent(page: Page, hub: Hub, render: Render) -> None:
    hub.pages["/hub/signup"] = [render("signup")]
    page.goto(hub.address + "/hub/signup")
    page.get_by_label("User name").fill("bob")
    page.get_by_label("Password", exact=True).fill("correct horse")
    page.get_by_label("Password again").fill("correct house")
    assert page.locator("main form").evaluate("form => form.checkValidity()") is False
    page.get_by_label("Password again").fill("correct horse")
    assert page.locator("main form").evaluate("form => form.checkValidity()") is True


def test_pages_work_from_the_keyboard(page: Page, hub: Hub, render: Render) -> None:
    hub.pages["/hub/home"] = [render("home-ready")]
    page.goto(hub.address + "/hub/home")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#open")).to_be_focused()
    assert page.locator("#open").evaluate("e => getComputedStyle(e).outlineStyle") == "solid"


@pytest.mark.parametrize("width", [380, 1440])
def test_no_page_is_wider_than_its_window(
    page: Page, hub: Hub, render: Render, pages: dict[str, Any], width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for name in pages:
        if name.startswith("pending"):
            continue
        for attacked in (False, True):
            hub.pages["/page"] = [render(name, attacked=attacked).replace("data-moving", "")]
            page.goto(hub.address + "/page")
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{name} is {wide} px too wide, {attacked=}"


FIELDS = Markup("""
<label>Image <select name="image"><option>small</option><option>large</option></select></label>
<label><input type="checkbox" name="gpu" checked> GPU</label>
<label><input type="radio" name="size" value="s" checked> S</label>
<label><input type="radio" name="size" value="l"> L</label>
<select name="packages" multiple><option selected>a</option><option>b</option><option>c</option></select>
<label>Note <input name="note" value="as it was"></label> <input name="note">
<textarea name="more">old</textarea>
<input type="password" name="secret"> <input type="hidden" name="fixed" value="1"> <input type="file" name="keys">
""")
SHOWN = """() => {
    const form = new FormData(document.getElementById("spawn_form"));
    return Object.fromEntries([...form.keys()].map((key) => [key, form.getAll(key).filter((each) => !each.size)]));
}"""


def options_page(page: Page, hub: Hub, render: Render, chosen: Any, **more: Any) -> dict[str, Any]:
    """Open the form with *chosen*, and return what it would send."""
    hub.pages["/hub/spawn/alice"] = [render("options", spawner_options_form=FIELDS, chosen=chosen, **more)]
    page.goto(hub.address + "/hub/spawn/alice")
    shown: dict[str, Any] = page.evaluate(SHOWN)
    return {key: value for key, value in shown.items() if key not in {"_xsrf", "_options", "keys"}}


AS_MADE = {
    "image": ["small"],
    "gpu": ["on"],
    "size": ["s"],
    "packages": ["a"],
    "note": ["as it was", ""],
    "more": ["old"],
    "secret": [""],
    "fixed": ["1"],
}


def test_a_form_is_shown_as_it_was_made(page: Page, hub: Hub, render: Render) -> None:
    assert options_page(page, hub, render, {}) == AS_MADE


def test_a_form_shows_what_was_chosen(page: Page, hub: Hub, render: Render) -> None:
    chosen = {
        "image": ["large"],
        "size": ["l"],
        "packages": ["b", "c"],
        "note": ["</textarea><script>", "2"],
        "more": ["new"],
        "secret": ["never shown"],
        "fixed": ["2"],
        "keys": ["/etc/passwd"],
        "gone": ["x"],
    }
    expected = {
        **AS_MADE,
        **{key: chosen[key] for key in ("image", "size", "packages", "note", "more")},
    }
    assert options_page(page, hub, render, chosen) == expected
    # What was entered tells of the box that was not checked, too.
    del expected["gpu"]
    assert options_page(page, hub, render, chosen, chosen_is_all=True) == expected


def test_a_choice_that_is_no_longer_offered_is_not_made(page: Page, hub: Hub, render: Render) -> None:
    assert options_page(page, hub, render, {"image": ["gone"]}) == AS_MADE


def test_what_was_typed_is_there_again_after_back_and_reload(page: Page, hub: Hub, render: Render) -> None:
    hub.pages |= {"/hub/token": [render("token")], "/hub/login": [render("login")], "/hub/home": [render("home-ready")]}
    page.goto(hub.address + "/hub/token")
    page.locator("#token-note").fill("Nightly")
    page.locator("#allow-some").check()
    page.goto(hub.address + "/hub/home")
    page.go_back()
    expect(page.locator("#token-note")).to_have_value("Nightly")
    expect(page.locator("#allow-some")).to_be_checked()
    page.reload()
    expect(page.locator("#token-note")).to_have_value("Nightly")
    page.goto(hub.address + "/hub/login")
    page.locator("#password").fill("correct horse")
    page.locator("#username").fill("ada")
    assert "correct horse" not in page.evaluate("JSON.stringify(history.state)")
    assert page.evaluate("JSON.stringify([localStorage, sessionStorage])") == "[{},{}]"


def test_the_queue_is_said_in_one_place(page: Page, hub: Hub) -> None:
    hub.healthy = False
    hub.streams.append([*KNOWN, sse(4, "Waiting: 2", queue={"position": 2, "seconds": 130})])
    page.goto(hub.address + PENDING)
    expect(page.locator("#progress-queue")).to_have_text("Number 2 in the queue, about 2 minutes to go")
    assert len(steps(page)) == 3
    hub.streams.append([*KNOWN, sse(5, "Starting", progress=10)])
    expect(page.locator("#progress-queue")).to_be_hidden()


def test_a_page_that_sends_a_form_is_not_reloaded_under_it(page: Page, hub: Hub) -> None:
    hub.streams.append([*KNOWN, sse(4, "It ended", progress=100, failed=True)])
    page.clock.install()
    page.goto(hub.address + PENDING)
    expect(page.locator("#progress-log li")).to_have_count(4)
    assert page.locator("form:has(#stop)").evaluate(SUBMIT) is True
    page.evaluate("window.sameDocument = true")
    page.clock.run_for(5000)
    assert page.evaluate("window.sameDocument") is True

"""The page of the browser: how soon Chromium paints each page of a hub with 50,000 users."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub_databases import SqliteDatabase
from hub_programs import Hub, Installation, backend, seed, versions
from pages import Page
from playwright.sync_api import Browser, sync_playwright
from processes import CannotMeasure, version_of
from proxies import PERIJOVE, processors
from table import Aim, Figure, Result

USERS = 50_000
ROUNDS = 7
LIMIT = 300.0
PERSON = "ada"
WAITING = "w0"
"""A user whose server has been starting all the time."""

AUTHORIZE = "/hub/api/oauth2/authorize?client_id=service-wiki&response_type=code&redirect_uri=/services/wiki/back"
ADMINISTRATION = {
    "overview": "/overview",
    "users": "",
    "users found by name": "?name_filter=4999",
    "one user": f"/users/{PERSON}",
    "servers": "/servers",
    "one server": f"/servers/{WAITING}",
    "groups": "/groups",
    "one group": "/group?name=physics",
    "services": "/services",
    "roles": "/roles",
    "one role, held by all": "/roles/user",
    "audit log": "/audit",
    "routes": "/routes",
    "hub and its health": "/hub",
    "configuration": "/configuration",
}
PAGES = {
    "sign in": ("/hub/login", False),
    "sign up": ("/hub/signup", False),
    "password": ("/hub/account", True),
    "home": ("/hub/home", True),
    "tokens and applications": ("/hub/token", True),
    "share": (f"/hub/share/{WAITING}", True),
    "consent": (AUTHORIZE, True),
    "starting": (f"/hub/spawn-pending/{WAITING}", True),
    "not running": (f"/user/{PERSON}/lab", True),
    "not found": ("/hub/nothing", True),
    "API": ("/hub/api/docs", True),
    **{f"administration: {title}": (f"/hub/admin{path}", True) for title, path in ADMINISTRATION.items()},
}
"""What is opened: its address, and whether somebody is signed in."""

STATUS = {"/hub/nothing": 404, f"/user/{PERSON}/lab": 424}
"""What pages answer that tell of something missing."""

PAINT = """() => new Promise((found) => {
  const look = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
  if (look()) { found(look()); }
  new PerformanceObserver(() => { if (look()) { found(look()); } }).observe({ type: "paint", buffered: true });
})"""


@dataclass(slots=True)
class Setup:
    """A filled hub, and a browser."""

    names: list[str]
    left_out: list[str]
    hub: Hub
    browser: Browser
    chromium: str

    def versions(self) -> list[str]:
        return [*versions(self.names), f"Chromium {version_of([self.chromium, '--version'], 1)}"]

    def paint(self) -> Result:
        """Open each page in a browser that has nothing of it yet."""
        rounds: dict[str, list[float]] = {title: [] for title in PAGES}
        for _ in range(ROUNDS):
            for title, (path, signed_in) in PAGES.items():
                rounds[title].append(self._once(path, signed_in))
        return Result(
            [
                Figure(
                    "paint",
                    f"{title}: first contentful paint, {USERS:,} users",
                    "ms",
                    {PERIJOVE: seen},
                    more_is_better=False,
                    aims=(Aim(LIMIT, at_least=False),),
                )
                for title, seen in rounds.items()
            ]
        )

    def _once(self, path: str, signed_in: bool) -> float:
        context = self.browser.new_context()
        try:
            page = context.new_page()
            if signed_in:
                self._sign_in(page)
                # What the sign-in page brought along is not there for the first visit.
                context.new_cdp_session(page).send("Network.clearBrowserCache")
            answer = page.goto(f"http://127.0.0.1:{self.hub.public}{path}")
            if answer is None or answer.status != STATUS.get(path, 200):
                raise CannotMeasure(f"{path} answers {answer and answer.status}")
            return float(page.evaluate(PAINT))
        finally:
            context.close()

    def _sign_in(self, page: Any) -> None:
        page.goto(f"http://127.0.0.1:{self.hub.public}/hub/login")
        page.locator("#username").fill(PERSON)
        page.locator("#password").fill("x")
        page.locator("#login_submit").click()
        page.wait_for_url("**/hub/home")


@contextmanager
def open_setup(folder: Path) -> Iterator[Setup]:
    """Fill a database and start hub and browser. Raises CannotMeasure."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise CannotMeasure("Chromium is not installed")
    ours, others = processors()
    with ExitStack() as stack:
        installation = Installation(folder, stack.enter_context(backend()), ours, others)
        database = SqliteDatabase(folder / "hub.sqlite")
        os.environ["BENCH_ADMINISTRATORS"] = PERSON
        os.environ["BENCH_SLOW"] = WAITING
        with installation.start(PERIJOVE, database):
            pass
        seed(PERIJOVE, database, installation.backend, USERS, ())
        hub = stack.enter_context(installation.start(PERIJOVE, database))
        hub.ask("POST", "/hub/api/groups/physics/users", {"users": [f"u{number}" for number in range(500)]})
        hub.ask("POST", f"/hub/api/users/{WAITING}")
        hub.ask("POST", f"/hub/api/users/{WAITING}/server")
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        stack.callback(browser.close)
        yield Setup([PERIJOVE], [], hub, browser, chromium)


BROWSER = Page("browser", "Pages in a browser", (), {"paint": Setup.paint}, open_setup, {"chromium": "chromium"})

"""The page of the browser: how soon Chromium paints each page of a hub with 50,000 users."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from browser_pages import NOBODY, PAGES, PERSON, Shown, press
from hub_databases import SqliteDatabase
from hub_programs import Hub, Installation, backend, seed, versions
from pages import Page
from playwright.sync_api import Browser, Response, sync_playwright
from playwright.sync_api import Page as BrowserPage
from processes import CannotMeasure, version_of
from proxies import PERIJOVE, processors
from server_programs import settle
from table import Aim, Figure, Result

USERS = 50_000
RUNNING = range(0, USERS, 50)
ROUNDS = 7
LIMIT = 300.0
"""Within how many milliseconds something of each page is to be seen."""
MEMBERS = [f"u{number}" for number in range(500)]

PAINT = """() => new Promise((found) => {
  const look = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
  if (look()) { found(look()); }
  new PerformanceObserver(() => { if (look()) { found(look()); } }).observe({ type: "paint", buffered: true });
})"""


def brings_a_page(answer: Response) -> bool:
    return answer.request.is_navigation_request() and not 300 <= answer.status < 400


@dataclass(slots=True)
class Setup:
    """A filled hub, those of the few pages that it has not, and a browser.

    Attributes:
        hubs: by name, those that were started.
        found: the parts of addresses that are made at random, by the names that `Shown.path` has for them.
        sessions: by name of the user, what a browser keeps after they have signed in to the usual hub.
    """

    names: list[str]
    left_out: list[str]
    installation: Installation
    database: SqliteDatabase
    browser: Browser
    chromium: str
    stack: ExitStack
    hubs: dict[str, Hub] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, Any] = field(default_factory=dict)

    def versions(self) -> list[str]:
        return [*versions(self.names), f"Chromium {version_of([self.chromium, '--version'], 1)}"]

    def paint(self) -> Result:
        """Open each page in a browser that has nothing of it yet, but for what the page brought that leads to it."""
        rounds: dict[Shown, list[float]] = {page: [] for page in PAGES}
        for _ in range(ROUNDS):
            for page, seen in rounds.items():
                seen.append(self._once(page))
                if page.ends:
                    self.hubs.pop(page.hub).process.wait()
        return Result(
            [
                Figure(
                    "paint",
                    f"{page.title}: first contentful paint, {USERS:,} users",
                    "ms",
                    {PERIJOVE: seen},
                    more_is_better=False,
                    aims=(Aim(LIMIT, at_least=False),),
                )
                for page, seen in rounds.items()
            ]
        )

    def _once(self, shown: Shown) -> float:
        address = f"{self._url(shown.hub)}{shown.path.format_map(self.found)}"
        with self._opened(shown.who) as page:
            *before, last = partial(BrowserPage.goto, url=address), *shown.steps
            for step in before:
                with page.expect_event("load"):
                    step(page)
            with page.expect_event("load"), page.expect_response(brings_a_page) as led:
                last(page)
            if led.value.status != shown.status:
                raise CannotMeasure(f"{shown.title} was answered with {led.value.status}")
            return float(page.evaluate(PAINT))

    @contextmanager
    def _opened(self, who: str) -> Iterator[BrowserPage]:
        """A window of a browser in which *who* is signed in."""
        if who != NOBODY and who not in self.sessions:
            with self._opened(NOBODY) as page:
                page.goto(f"{self._url('usual')}/hub/login")
                press("Sign in", username=who, password="x")(page)
                page.wait_for_url("**/hub/home")
                self.sessions[who] = page.context.storage_state()
        context = self.browser.new_context(storage_state=self.sessions.get(who))
        try:
            yield context.new_page()
        finally:
            context.close()

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.hub(name).public}"

    def hub(self, name: str) -> Hub:
        """The hub of that name, started if need be; each has a database of its own."""
        if name not in self.hubs:
            database = SqliteDatabase(self.database.path.with_name(f"{name}.sqlite"))
            with closing(sqlite3.connect(self.database.path)) as filled, closing(sqlite3.connect(database.path)) as own:
                filled.backup(own)
            os.environ["BENCH_PAGES"] = name
            self.hubs[name] = self.stack.enter_context(self.installation.start(PERIJOVE, database))
            settle(self.hubs[name].pid)
        return self.hubs[name]

    def fill(self) -> None:
        """Put into the usual hub what else its pages show."""
        hub = self.hub("usual")
        hub.ask("POST", "/hub/api/groups/physics/users", {"users": MEMBERS})
        hub.ask("POST", "/hub/api/users", {"usernames": ["failing", "slow", "queued", "choosing"]})
        self.found["failed"] = self._start("failing", "What failed")
        hub.ask("POST", "/hub/api/users/slow/server")
        # It waits for as long as the other one starts.
        self.found["running"] = self._start("queued", "Cancel the rest")
        self.found["shared"] = json.loads(hub.ask("POST", "/hub/api/share-codes/slow/", {}))["accept_url"]
        [self.found["invitation"]] = re.findall(r"/hub/setup\?code=\S+", hub.log.read_text())
        with self._opened(PERSON) as page:
            page.goto(f"{self._url('usual')}/hub/admin/roles")
            page.locator("input[name=scopes]").first.check()
            press("Make role", name="tutor")(page)

    def _start(self, user: str, sign: str) -> str:
        """Start the server of *user* as many are started; return the key of that action, once its page has *sign*."""
        with self._opened(PERSON) as page:
            page.goto(f"{self._url('usual')}/hub/admin?name_filter={user}")
            page.get_by_role("checkbox", name=f"Choose {user}").check()
            page.locator(".bulk button[value=start]").click()
            page.wait_for_url("**/admin/actions/*")
            page.get_by_text(sign).wait_for()
            return page.url.rpartition("/")[2]


@contextmanager
def open_setup(folder: Path) -> Iterator[Setup]:
    """Fill a database and start hub and browser. Raises CannotMeasure."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise CannotMeasure("Chromium is not installed")
    # There is no peer, so nobody needs a processor of its own: as where the hub's people use it.
    every = set().union(*processors())
    with ExitStack() as stack:
        backend_url = stack.enter_context(backend())
        installation = Installation(folder, backend_url, every, every, config="browser_config.py")
        database = SqliteDatabase(folder / "filled.sqlite")
        os.environ["BENCH_PAGES"] = "usual"
        # The hub that made the tables has ended; its proxy has not.
        with installation.start(PERIJOVE, database, carrier=stack.enter_context(installation.proxy())) as ended:
            pass
        seed(PERIJOVE, database, backend_url, USERS, RUNNING)
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        stack.callback(browser.close)
        setup = Setup([PERIJOVE], [], installation, database, browser, chromium, stack, {"ended": ended})
        setup.fill()
        yield setup


BROWSER = Page("browser", "Pages in a browser", (), {"paint": Setup.paint}, open_setup, {"chromium": "chromium"})

"""The page of the proxy: its topics, and what they are measured on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import aborts
import small
import sockets
import tables
import transfers
from backends import Backends, backends, serving
from pages import Page
from processes import CannotMeasure, kept_to
from proxies import CHP, NGINX, PERIJOVE, STARTERS, TRAEFIK, Proxy, processors, start_chp, start_perijove, versions
from table import Result


class Setup:
    """The back-ends, the proxies compared, what was left out."""

    def __init__(self, folder: Path, behind: Backends, stack: ExitStack) -> None:
        self.folder = folder
        self.behind = behind
        self.alone, _ = processors()
        self.running: dict[str, Proxy] = {}
        self.left_out: list[str] = []
        for name, start in STARTERS.items():
            try:
                self.running[name] = stack.enter_context(start(behind, folder, self.alone))
            except (CannotMeasure, OSError) as error:
                self.left_out.append(f"{name} was left out: {error}.")
        self.names = list(self.running)

    def versions(self) -> list[str]:
        return versions(self.names)

    def fresh(self, measure: Callable[[Mapping[str, Proxy], Backends], Result]) -> Result:
        """Measure proxies that have just been started, for what is left in those that have worked already."""
        with ExitStack() as stack:
            starting = {name: STARTERS[name](self.behind, self.folder, self.alone) for name in self.names}
            return measure({name: stack.enter_context(each) for name, each in starting.items()}, self.behind)

    def workers(self) -> Result:
        """Measure one worker and two, with all programs on both processors, as the scheduler likes."""
        own, others = processors()
        with ExitStack() as stack:
            stack.enter_context(kept_to(own | others))
            behind = replace(self.behind, websocket=stack.enter_context(serving(self.behind.program("echo"))))
            one, two = (
                stack.enter_context(start_perijove(behind, self.folder, own | others, workers=count))
                for count in (1, 2)
            )
            return small.workers(one, two, behind)

    def routes(self) -> Result:
        starters = {name: start for name, start in ((PERIJOVE, start_perijove), (CHP, start_chp)) if name in self.names}
        with ExitStack() as stack:
            by_count = {
                count: {
                    name: stack.enter_context(start(self.behind, self.folder, self.alone, count=count))
                    for name, start in starters.items()
                }
                for count in tables.COUNTS
            }
            return tables.routes(by_count, f"http://127.0.0.1:{self.behind.http}")


@contextmanager
def open_setup(folder: Path) -> Iterator[Setup]:
    """Start the back-ends and try all proxies. Raises CannotMeasure."""
    with backends(folder, processors()[1]) as behind, ExitStack() as stack:
        yield Setup(folder, behind, stack)


PROXY = Page(
    "proxy",
    "The proxy beside its peers",
    (CHP, TRAEFIK, NGINX),
    {
        "rate": lambda setup: small.rates(setup.running, setup.behind),
        "workers": Setup.workers,
        "latency": lambda setup: small.steady(setup.running),
        "websocket": lambda setup: sockets.echo(setup.running, setup.behind),
        "transfer": lambda setup: setup.fresh(transfers.transfers),
        "idle": lambda setup: setup.fresh(sockets.idle),
        "routes": Setup.routes,
        "aborts": lambda setup: setup.fresh(aborts.aborted),
    },
    open_setup,
    {"nginx": "nginx-light", "wrk": "wrk", "caddy": "caddy", "npm": "npm", "cc": "gcc"},
)

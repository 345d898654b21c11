"""The page of the proxy: its topics, and what they are measured on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aborts
import small
import sockets
import tables
import transfers
from backends import Backends, backends
from pages import Page
from processes import CannotMeasure
from proxies import CHP, NGINX, PERIJOVE, STARTERS, TRAEFIK, Proxy, processors, start_chp, start_perijove, versions
from table import Result


class Setup:
    """The back-ends, who is compared, what was left out."""

    def __init__(self, folder: Path, behind: Backends) -> None:
        self.folder = folder
        self.behind = behind
        self.alone, _ = processors()
        self.names: list[str] = []
        self.left_out: list[str] = []
        for name, start in STARTERS.items():
            try:
                with start(behind, folder, self.alone):
                    self.names.append(name)
            except (CannotMeasure, OSError) as error:
                self.left_out.append(f"{name} was left out: {error}.")

    def versions(self) -> list[str]:
        return versions(self.names)

    def together(self, measure: Callable[[Mapping[str, Proxy]], Result]) -> Result:
        """Measure all proxies in turns, all freshly started and running."""
        with ExitStack() as stack:
            starting = {name: STARTERS[name](self.behind, self.folder, self.alone) for name in self.names}
            return measure({name: stack.enter_context(each) for name, each in starting.items()})

    def transfers(self) -> Result:
        return self.together(lambda proxies: transfers.transfers(proxies, self.behind))

    def workers(self) -> Result:
        everywhere = processors()[0] | processors()[1]
        with ExitStack() as stack:
            one, two = (
                stack.enter_context(start_perijove(self.behind, self.folder, everywhere, workers=count))
                for count in (1, 2)
            )
            return small.workers(one, two)

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
    with backends(folder, processors()[1]) as behind:
        yield Setup(folder, behind)


PROXY = Page(
    "proxy",
    "The proxy beside its peers",
    (CHP, TRAEFIK, NGINX),
    {
        "rate": lambda setup: setup.together(small.rates),
        "workers": Setup.workers,
        "latency": lambda setup: setup.together(small.steady),
        "websocket": lambda setup: setup.together(sockets.echo),
        "transfer": Setup.transfers,
        "idle": lambda setup: setup.together(sockets.idle),
        "routes": Setup.routes,
        "aborts": lambda setup: setup.together(aborts.aborted),
    },
    open_setup,
    {"nginx": "nginx-light", "wrk": "wrk", "caddy": "caddy", "npm": "npm"},
)

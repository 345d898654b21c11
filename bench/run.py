"""`make bench`: the proxy beside its peers. bench/README.md says what is measured and how to read it."""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import aborts
import small
import sockets
import tables
import transfers
from backends import Backends, backends
from chart import chart
from processes import CannotMeasure, machine
from proxies import (
    CHP,
    HERE,
    PERIJOVE,
    STARTERS,
    Proxy,
    has_workers,
    processors,
    start_chp,
    start_perijove,
    versions,
)
from table import Result, table

PACKAGES = {"nginx": "nginx-light", "wrk": "wrk", "caddy": "caddy", "npm": "npm"}


class Bench:
    """One run: what answers, who is compared, what was left out."""

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

    def fresh(self, stack: ExitStack) -> list[Proxy]:
        """Start all proxies."""
        return [stack.enter_context(STARTERS[name](self.behind, self.folder, self.alone)) for name in self.names]

    def together(self, measure: Callable[[Sequence[Proxy]], Result]) -> Result:
        """Measure all proxies in turns, all running."""
        with ExitStack() as stack:
            return measure(self.fresh(stack))

    def transfers(self) -> Result:
        return self.together(lambda proxies: transfers.transfers(proxies, self.behind))

    def workers(self) -> Result:
        if not has_workers():
            return Result(remarks=["The row for two workers was left out: this Perijove runs one."])
        everywhere = processors()[0] | processors()[1]
        with ExitStack() as stack:
            one, two = (
                stack.enter_context(start_perijove(self.behind, self.folder, everywhere, workers=count))
                for count in (1, 2)
            )
            return small.workers(one, two)

    def routes(self) -> Result:
        starters = [start for name, start in ((PERIJOVE, start_perijove), (CHP, start_chp)) if name in self.names]
        with ExitStack() as stack:
            by_count = {
                count: [
                    stack.enter_context(start(self.behind, self.folder, self.alone, count=count)) for start in starters
                ]
                for count in (10, 1000, tables.MANY)
            }
            return tables.routes(by_count, f"http://127.0.0.1:{self.behind.http}")

    def topics(self) -> dict[str, Callable[[], Result]]:
        """What ``--only`` chooses from, in the order of the table."""
        return {
            "rate": lambda: self.together(small.rates),
            "workers": self.workers,
            "latency": lambda: self.together(small.steady),
            "websocket": lambda: self.together(sockets.echo),
            "transfer": self.transfers,
            "idle": lambda: self.together(sockets.idle),
            "routes": self.routes,
            "aborts": lambda: self.together(aborts.aborted),
        }


TOPICS = ("rate", "workers", "latency", "websocket", "transfer", "idle", "routes", "aborts")


def install() -> None:
    """Install what is missing from Debian's packages, where that is allowed; the rest is left out later."""
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if not missing or os.geteuid() or not shutil.which("apt-get"):
        return
    print(f"installing {' '.join(missing)}", file=sys.stderr)
    # In run level 1 no service is started by its package.
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["apt-get", "update", "-qq"], *(["apt-get", "install", "-qq", "-y", each] for each in missing)):
        subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def report(result: Result, bench: Bench, load: float, seconds: float) -> str:
    """The whole page."""
    lines = [
        "# The proxy beside its peers",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {machine()} · load average before: {load:.2f} · {seconds:.0f} s  ",
        " · ".join(versions(bench.names)),
        "",
        "`make bench` measures this again; bench/README.md says how, and how to read it. Columns “to” are ratios.",
        "",
        *table(result.figures, bench.names, PERIJOVE),
        "",
        "![The same as bars](proxy.svg)",
    ]
    remarks = [*bench.left_out, *result.remarks]
    if load > 0.5:
        remarks.append("Other programs were at work: figures by CPU second tell more than those by second.")
    for remark in remarks:
        lines += ["", remark]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=TOPICS, help="measure these topics and print them, write no file")
    chosen = parser.parse_args().only
    install()
    load, begin = os.getloadavg()[0], time.monotonic()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.sched_setaffinity(0, processors()[1])
    return measure(chosen, load, begin)


def measure(chosen: Sequence[str] | None, load: float, begin: float) -> int:
    """Measure, print and, if nothing was chosen, write the results."""
    usable = processors()[1]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perijove-bench-")))
        try:
            bench = Bench(folder, stack.enter_context(backends(folder, usable)))
        except CannotMeasure as error:
            print(f"cannot measure: {error}", file=sys.stderr)
            return 1
        whole = Result()
        for topic, work in bench.topics().items():
            if chosen and topic not in chosen:
                continue
            print(f"measuring {topic}", file=sys.stderr)
            try:
                part = work()
            except (CannotMeasure, OSError) as error:
                whole.remarks.append(f"{topic} was not measured: {error}.")
                continue
            whole.figures += part.figures
            whole.remarks += part.remarks
        text = report(whole, bench, load, time.monotonic() - begin)
        if not chosen:
            (HERE / "results").mkdir(exist_ok=True)
            (HERE / "results" / "proxy.md").write_text(text)
            (HERE / "results" / "proxy.svg").write_text(chart(whole.figures, bench.names))
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())

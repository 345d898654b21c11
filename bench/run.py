"""`make bench`: Perijove beside its peers. bench/README.md says what is measured and how to read it."""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path

from browser_page import BROWSER
from chart import chart
from hub_page import HUB
from pages import Page, text_of
from processes import CannotMeasure
from proxies import processors
from proxy_page import PROXY
from server_page import SERVERS
from table import Result

PAGES = (PROXY, HUB, SERVERS, BROWSER)
RESULTS = Path(__file__).resolve().parent / "results"


def install(pages: Sequence[Page]) -> None:
    """Install what is missing from Debian's packages, where that is allowed; the rest is left out later."""
    missing = {package for page in pages for program, package in page.packages.items() if not shutil.which(program)}
    if not missing or os.geteuid() or not shutil.which("apt-get"):
        return
    print(f"installing {' '.join(sorted(missing))}", file=sys.stderr)
    # In run level 1 no service is started by its package.
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["apt-get", "update", "-qq"], *(["apt-get", "install", "-qq", "-y", each] for each in missing)):
        subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def measure(page: Page, chosen: Collection[str]) -> None:
    """Measure the *chosen* topics of a page and print them; all of them are written as well. Raises CannotMeasure."""
    load, begin = os.getloadavg()[0], time.monotonic()
    whole = Result()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perijove-bench-")))
        setup = stack.enter_context(page.open(folder))
        for topic, work in page.topics.items():
            if topic not in chosen:
                continue
            print(f"measuring {topic}", file=sys.stderr)
            try:
                part = work(setup)
            except (CannotMeasure, OSError) as error:
                whole.remarks.append(f"{topic} was not measured: {error}.")
                continue
            whole.figures += part.figures
            whole.remarks += part.remarks
        text = text_of(page, setup, whole, load, time.monotonic() - begin)
        if set(page.topics) <= set(chosen):
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{page.name}.md").write_text(text)
            (RESULTS / f"{page.name}.svg").write_text(chart(whole.figures, setup.names))
    print(text, end="")


def main() -> int:
    topics = [topic for page in PAGES for topic in page.topics]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=topics, help="measure these topics and print them")
    chosen = set(parser.parse_args().only or topics)
    pages = [page for page in PAGES if chosen & set(page.topics)]
    install(pages)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.sched_setaffinity(0, processors()[1])
    status = 0
    for page in pages:
        try:
            measure(page, chosen)
        except CannotMeasure as error:
            print(f"cannot measure {page.name}: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())

"""What makes work over connections that are kept: wrk, and load.c for WebSockets and the lightest of requests."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence

from processes import CannotMeasure


def wrk(url: str, connections: int, seconds: float, headers: Sequence[str] = (), script: Sequence[str] = ()) -> float:
    """Answers per second that wrk counted; *script* is a Lua file and its arguments.

    Raises CannotMeasure if wrk is missing or an answer was not a 2xx.
    """
    program = shutil.which("wrk")
    if program is None:
        raise CannotMeasure("wrk is not installed")
    command = [program, "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s"]
    command += [word for header in headers for word in ("-H", header)]
    command += ["-s", script[0]] if script else []
    text = subprocess.run([*command, url, *script[1:]], capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if found is None or "Non-2xx" in text or "Socket errors" in text:
        raise CannotMeasure(f"wrk: {' '.join(text.split())}")
    return float(found[1])


def load(program: str, port: int, path: str, connections: int, seconds: float, size: int = 0, depth: int = 1) -> float:
    """Echoed messages of *size* bytes per second, *depth* under way on each connection; answers to GET if *size* is 0.

    Raises CannotMeasure if a connection breaks, or something else comes back.
    """
    words = [str(each) for each in (port, path, size, connections, depth, seconds)]
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotMeasure(done.stderr.strip() or "the generator of messages broke off")
    return float(done.stdout)

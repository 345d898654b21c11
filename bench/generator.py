"""Requests by wrk, over connections that are kept."""

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

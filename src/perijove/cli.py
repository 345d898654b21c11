"""The command ``perijove``: picks the program and imports nothing of the others.

This file is read by every Python that pip installs for, so it must stay valid for 3.10, where it says what is missing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from perijove import __version__
from perijove.wire.versions import PROTOCOL_VERSION

OLDEST_PYTHON = (3, 11)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv*, without the program's name, and return its exit status.

    0 is success, 1 a configuration with mistakes or a start that failed, 2 a command line that cannot be understood.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments in (["--version"], ["-V"]):
        print(f"perijove {__version__} (speaks JupyterHub {PROTOCOL_VERSION})")
        return 0
    if sys.version_info < OLDEST_PYTHON:
        have, need = (".".join(map(str, version[:2])) for version in (sys.version_info, OLDEST_PYTHON))
        print(f"perijove: Python {need} or newer is needed; this is Python {have} ({sys.executable})", file=sys.stderr)
        return 1
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output, such as head, has seen enough; Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["proxy"]:
        from perijove.proxy.cli import main as run_proxy

        return run_proxy(arguments[1:])
    from perijove.hub.cli.main import main as run_hub

    return run_hub(arguments)

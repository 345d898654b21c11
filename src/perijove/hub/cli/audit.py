"""``perijove audit``: checks an audit log, or prints the schema of its lines."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from perijove.hub.cli.configured import configured
from perijove.hub.core.audit import Head, Report, schema, verify
from perijove.hub.core.errors import PerijoveError, invalid

OK, BROKEN, UNREADABLE, TORN = 0, 1, 2, 3
MAX_LINE = 1024 * 1024

_DESCRIPTION = """\
verify says whether an audit log is as it was written. Without a FILE it takes the one of the configuration. After a
rotation name all files, the oldest first, as the chain goes through them.

exit status: 0 as it was written, 1 changed, 2 cannot be read, 3 the last line is cut short (the hub that wrote it was
killed; the next one marks it)
"""


def main(argv: Sequence[str]) -> int:
    """Carry out *argv*, what follows ``perijove audit``, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="perijove audit", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("verify", help="check an audit log")
    check.add_argument("files", metavar="FILE", type=Path, nargs="*")
    check.add_argument("-f", "--config", metavar="FILE", type=Path, help="the configuration that names the log")
    check.add_argument("--expect", metavar="HASH", default="", help="a line with this hash must be there")
    commands.add_parser("schema", help="print the JSON Schema of a line")
    line = parser.parse_args(argv)
    if line.command == "schema":
        print(json.dumps(schema(), indent=2, ensure_ascii=False))
        return OK
    return _verify(line.files, line.config, line.expect)


def _verify(files: Sequence[Path], config: Path | None, anchor: str) -> int:
    try:
        files = files or [_configured(config)]
        newest = _newest(files[-1])
        report = verify(_lines(files), newest, anchor)
    except PerijoveError as error:
        print(f"perijove: {error.message}", file=sys.stderr)
        return UNREADABLE
    except OSError as error:
        print(f"perijove: {error.filename} cannot be read: {error.strerror}", file=sys.stderr)
        return UNREADABLE
    return _tell(report, known=newest is not None)


def _configured(config: Path | None) -> Path:
    configuration = configured(config)
    if configuration is None:
        raise invalid("without a right configuration, name the file to check")
    path = configuration.hub.audit_log_path
    if path is None:
        raise invalid("c.JupyterHub.audit_log_file is empty: there is no audit log")
    return path


def _newest(path: Path) -> Head | None:
    # Read before the log itself: a hub that writes meanwhile then is ahead of it, not behind.
    from perijove.hub.adapters.telemetry.audit import read_state

    state = read_state(path)
    return state.head if state else None


def _lines(paths: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        with path.open("rb") as file:
            number = 0
            while raw := file.readline(MAX_LINE):
                number += 1
                yield f"{path}, line {number}", raw


def _tell(report: Report, *, known: bool) -> int:
    if report.broken is not None:
        print(f"BROKEN: {report.broken.place} {report.broken.why}")
        return BROKEN
    if report.torn_tail:
        print(f"TORN: {report.lines} lines as they were written, then one that is cut short")
        return TORN
    numbers = f" (numbers {report.first} to {report.head.seq})" if report.lines else ""
    torn = f"; {report.torn} cut short when a hub was killed, and marked" if report.torn else ""
    print(f"OK: {report.lines} lines as they were written{numbers}{torn}")
    print(f"newest hash: {report.head.hash}")
    if not known:
        print("lines missing at the end would not be noticed: there is no .state file beside the last file")
    return OK

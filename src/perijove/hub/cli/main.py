"""Carrying out a command line of the hub."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from perijove import __version__
from perijove.hub.cli.arguments import Action, CommandLine, UsageError, help_text, parse
from perijove.wire.versions import PROTOCOL_VERSION

if TYPE_CHECKING:
    from perijove.hub.settings.loading import Arguments
    from perijove.hub.settings.mistakes import Mistake

OK, FAILED, USAGE = 0, 1, 2
YOUNG_OBJECTS = 10_000
"""How many more objects there must be before the garbage collector looks through the young ones."""


def main(argv: Sequence[str]) -> int:
    """Carry out *argv*, without the program's name, and return the exit status."""
    if argv and argv[0] in _PROGRAMS:
        return _PROGRAMS[argv[0]](argv[1:])
    try:
        line = parse(argv)
    except UsageError as error:
        for text in error.lines:
            print(f"perijove: {text}", file=sys.stderr)
        print("perijove --help lists commands and flags", file=sys.stderr)
        return USAGE
    return _ACTIONS[line.action](line)


def _help(_line: CommandLine) -> int:
    print(help_text(), end="")
    return OK


def _version(_line: CommandLine) -> int:
    print(f"perijove {__version__} (speaks JupyterHub {PROTOCOL_VERSION})")
    return OK


def _help_all(_line: CommandLine) -> int:
    from perijove.hub.cli.options import sections
    from perijove.hub.cli.texts import help_all

    print(help_text())
    print(help_all(sections()), end="")
    return OK


def _generate(line: CommandLine) -> int:
    from perijove.hub.cli.options import sections
    from perijove.hub.cli.texts import config_template
    from perijove.hub.settings.jupyterhub import DEFAULT_CONFIG_FILE

    path = line.config_file or Path(DEFAULT_CONFIG_FILE)
    if path.exists() and not line.answer_yes and not _may_overwrite(path):
        print(f"perijove: {path} is there already and was left as it is; -y overwrites it", file=sys.stderr)
        return FAILED
    try:
        path.touch(mode=0o600)  # it may come to hold secrets
        path.write_text(config_template(sections()), encoding="utf-8")
    except OSError as error:
        print(f"perijove: cannot write {path}: {error.strerror}", file=sys.stderr)
        return FAILED
    print(f"{path} is written; every option in it is commented out")
    return OK


def _may_overwrite(path: Path) -> bool:
    if not sys.stdin.isatty():
        return False
    try:
        return input(f"Overwrite {path}? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def _show(line: CommandLine) -> int:
    from perijove.hub.cli.showing import as_json, as_text
    from perijove.hub.settings.loading import load

    loaded = load(_arguments(line))
    print((as_json if line.action is Action.SHOW_JSON else as_text)(loaded), end="", flush=True)
    return _tell(loaded.mistakes) if loaded.mistakes else OK


def _check(line: CommandLine) -> int:
    from perijove.hub.core.errors import PerijoveError
    from perijove.hub.plugins.configuration import load
    from perijove.hub.plugins.needs import check_authenticator, spawner_caveats
    from perijove.hub.settings.mistakes import ConfigurationError, Mistake

    try:
        configuration = load(_arguments(line))
    except ConfigurationError as error:
        return _tell(error.mistakes)
    try:
        check_authenticator(configuration)
    except PerijoveError as error:
        return _tell([Mistake(f"c.JupyterHub.authenticator_class: {error.message}")])
    try:
        caveats = spawner_caveats(configuration)
    except PerijoveError as error:
        # Of whoever checks, not of the configuration: the hub may run as somebody else.
        caveats = [error.message]
    for warning in (*configuration.warnings, *caveats):
        print(f"warning: {warning}", file=sys.stderr)
    print(
        f"{configuration.config_file} is fine"
        if configuration.config_file
        else "the configuration is fine; there is no file"
    )
    return OK


def _run(line: CommandLine) -> int:
    # Nearly all that is loaded stays, and looking through it meanwhile takes a twelfth of the time.
    gc.disable()
    from perijove.hub.adapters.proxies.configurable_http_proxy import CLIENT
    from perijove.hub.adapters.supervisor import supervised
    from perijove.hub.bootstrap import run
    from perijove.hub.plugins.configuration import load
    from perijove.hub.plugins.discovery import load_ours
    from perijove.hub.settings.mistakes import ConfigurationError
    from perijove.hub.web.permissions import load_what_routes_need

    def preload() -> None:
        load_ours()
        import_module(CLIENT)
        load_what_routes_need()

    leash = supervised(dict(os.environ), preload) if line.supervised else None
    if isinstance(leash, int):
        return leash
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
    gc.enable()
    try:
        configuration = load(_arguments(line))
    except ConfigurationError as error:
        return _tell(error.mistakes)
    if configuration.config_file and line.config_file is None:
        print(f"Configuration: {configuration.config_file}", flush=True)
    if leash is not None:
        leash.configured()
    return run(configuration, leash)


def _arguments(line: CommandLine) -> Arguments:
    from perijove.hub.settings.loading import Arguments, Flag

    flags = tuple(Flag(section, option, text) for section, option, text in line.options)
    return Arguments(line.config_file, flags, Path.cwd(), dict(os.environ))


def _tell(mistakes: Sequence[Mistake]) -> int:
    count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    print(f"perijove: {count} in the configuration; nothing was started", file=sys.stderr)
    for mistake in mistakes:
        print(f"  {mistake}", file=sys.stderr)
    return FAILED


def _audit(argv: Sequence[str]) -> int:
    from perijove.hub.cli.audit import main as run

    return run(argv)


def _openapi(argv: Sequence[str]) -> int:
    from perijove.hub.cli.openapi import main as run

    return run(argv)


def _token(argv: Sequence[str]) -> int:
    from perijove.hub.cli.token import main as run

    return run(argv)


_PROGRAMS: dict[str, Callable[[Sequence[str]], int]] = {"audit": _audit, "openapi": _openapi, "token": _token}
"""Commands with arguments of their own."""
_ACTIONS: dict[Action, Callable[[CommandLine], int]] = {
    Action.RUN: _run,
    Action.CHECK: _check,
    Action.GENERATE: _generate,
    Action.SHOW: _show,
    Action.SHOW_JSON: _show,
    Action.HELP: _help,
    Action.HELP_ALL: _help_all,
    Action.VERSION: _version,
}

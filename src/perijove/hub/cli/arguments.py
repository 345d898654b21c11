"""What stands on the command line, understood but not yet carried out."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn

from msgspec import Struct

_OPTION_FLAG = re.compile(r"--([A-Z]\w*)\.([A-Za-z_]\w*)(?:=(.*))?", re.DOTALL)
COMMANDS = ("check-config", "audit", "openapi", "proxy", "token")
ALIASES = {
    "ip": ("ADDRESS", "ip", "the address on which people reach Perijove"),
    "port": ("PORT", "port", "the port on which people reach Perijove (8000)"),
    "url": ("URL", "bind_url", "address, port and prefix in one: http://127.0.0.1:8000/"),
    "base-url": ("PREFIX", "base_url", "the prefix of every page (/)"),
    "db": ("URL", "db_url", "the database, such as sqlite:///jupyterhub.sqlite"),
    "ssl-key": ("FILE", "ssl_key", "the private key for HTTPS"),
    "ssl-cert": ("FILE", "ssl_cert", "the certificate for HTTPS"),
    "log-level": ("LEVEL", "log_level", "DEBUG, INFO, WARNING, ERROR or CRITICAL"),
    "pid-file": ("FILE", "pid_file", "write the hub's process id to this file"),
}
"""Short flags: what follows them, the option of JupyterHub, and help."""


class Action(StrEnum):
    """What is to be done."""

    RUN = "run"
    CHECK = "check-config"
    GENERATE = "generate-config"
    SHOW = "show-config"
    SHOW_JSON = "show-config-json"
    HELP = "help"
    HELP_ALL = "help-all"
    VERSION = "version"


class CommandLine(Struct, frozen=True):
    """A command line, understood.

    Attributes:
        action: what is to be done.
        config_file: the file named with -f.
        options: (section, option, text) of each flag that sets an option, in order.
        answer_yes: whether a file may be overwritten without asking.
        supervised: whether the hub is a process of its own, with one beside it that starts another when it dies.
    """

    action: Action
    config_file: Path | None
    options: tuple[tuple[str, str, str], ...]
    answer_yes: bool
    supervised: bool = True


class UsageError(Exception):
    """A command line cannot be understood; *lines* says why, completely."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = tuple(lines)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError([message])


class _SetOption(argparse.Action):
    """Adds (JupyterHub, option, text) to the list of options."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        text = self.const[1] if values in (None, []) else values
        namespace.options.append(("JupyterHub", self.const[0], text))


def parse(argv: Sequence[str]) -> CommandLine:
    """Return what *argv*, without the program's name, asks for.

    Raises:
        UsageError: with everything that is not understood.
    """
    parser = _parser()
    options, rest, wrong = _split(argv)
    known, unknown = parser.parse_known_args(rest, argparse.Namespace(options=options))
    wrong += _unknown(parser, unknown)
    if known.command not in (None, *COMMANDS[:1]):
        wrong.append(f"there is no command {known.command!r}{_guess(known.command, COMMANDS)}")
    if wrong:
        raise UsageError(wrong)
    action = known.action or (Action.CHECK if known.command else Action.RUN)
    return CommandLine(Action(action), known.config, tuple(known.options), known.yes, not known.no_supervisor)


def help_text() -> str:
    """Return the short help."""
    return _parser().format_help()


def _split(argv: Sequence[str]) -> tuple[list[tuple[str, str, str]], list[str], list[str]]:
    """Take the ``--Section.option`` flags out of *argv*: return them, the rest, and what is wrong with them."""
    options: list[tuple[str, str, str]] = []
    rest: list[str] = []
    wrong: list[str] = []
    waiting = list(argv)
    while waiting:
        argument = waiting.pop(0)
        found = _OPTION_FLAG.fullmatch(argument)
        if not found:
            rest.append(argument)
            continue
        text = found[3]
        if text is None and waiting and not waiting[0].startswith("--"):
            text = waiting.pop(0)
        if text is None:
            wrong.append(f"{argument} needs a value: {argument}=…")
        else:
            options.append((found[1], found[2], text))
    return options, rest, wrong


def _unknown(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> list[str]:
    names = [name for action in parser._actions for name in action.option_strings]
    lines = []
    for argument in arguments:
        name = argument.partition("=")[0]
        if argument.startswith("-"):
            lines.append(f"there is no flag {name[:80]!r}{_guess(name, names)}")
        else:
            lines.append(f"{argument[:80]!r} is not understood here")
    return lines


def _guess(wrong: str, right: Sequence[str]) -> str:
    found = difflib.get_close_matches(wrong.lower(), right, n=1)
    return f"; did you mean {found[0]}?" if found else ""


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="perijove",
        usage="perijove [check-config | audit | openapi | proxy | token] [flags]",
        description="Give every member of a group their own Jupyter server behind one address.",
        epilog="perijove --help-all lists every option; each can be set here as --Class.option=value,\n"
        "for instance --Spawner.default_url=/tree.",
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=30, width=100),
        add_help=False,
        allow_abbrev=False,
    )
    parser.description = (
        f"{parser.description}\n\n"
        "commands:\n"
        "  perijove                    start Perijove; Ctrl-C stops it\n"
        "  perijove check-config       say whether the configuration is right, and start nothing\n"
        "  perijove audit verify       say whether the audit log is as it was written\n"
        "  perijove openapi            print what the REST API is, as an OpenAPI document\n"
        "  perijove token [USER]       make an API token for a user (perijove token --help)\n"
        "  perijove proxy              start the proxy alone (perijove proxy --help)"
    )
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument(
        "-f",
        "--config",
        metavar="FILE",
        type=Path,
        help="the configuration file (jupyterhub_config.py in the current folder, if there is one)",
    )
    for name, (metavar, option, text) in ALIASES.items():
        parser.add_argument(f"--{name}", metavar=metavar, action=_SetOption, const=(option, ""), help=text)
    parser.add_argument(
        "--debug", action=_SetOption, nargs=0, const=("log_level", "DEBUG"), help="the same as --log-level DEBUG"
    )
    parser.add_argument(
        "--no-supervisor",
        action="store_true",
        help="run the hub in this process itself, and start no other when it dies",
    )
    _add_actions(parser)
    return parser


def _add_actions(parser: argparse.ArgumentParser) -> None:
    def add(flags: Sequence[str], action: Action, text: str) -> None:
        parser.add_argument(*flags, dest="action", action="store_const", const=action, help=text)

    add(["--generate-config"], Action.GENERATE, "write a configuration file with every option in it, commented out")
    parser.add_argument("-y", "--answer-yes", dest="yes", action="store_true", help="overwrite it without asking")
    add(["--show-config"], Action.SHOW, "show what the configuration sets")
    add(["--show-config-json"], Action.SHOW_JSON, "show it as JSON")
    add(["--help-all"], Action.HELP_ALL, "list every option with its default")
    add(["--version"], Action.VERSION, "show the version")
    add(["-h", "--help"], Action.HELP, "show this help")

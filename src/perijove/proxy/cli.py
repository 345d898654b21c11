"""The command ``perijove proxy``: flags, named as those of configurable-http-proxy, into settings."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields

import perijove
from perijove.proxy.net.logs import LEVELS
from perijove.proxy.settings import ProxySettings
from perijove.wire.environment import PROXY_AUTH_TOKEN

_HELP = {each.name: str(each.metadata["help"]) for each in fields(ProxySettings)}
_TEXT = (
    "ip",
    "socket",
    "ssl_key",
    "ssl_cert",
    "api_ip",
    "api_socket",
    "default_target",
    "error_target",
    "error_path",
    "pid_file",
    "state_file",
)
MAX_WORKERS = 256
_PORTS = ("port", "api_port")
_MILLISECONDS = ("timeout", "proxy_timeout", "keep_alive_timeout")


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError(text)
    return port


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= MAX_WORKERS:
        raise ValueError(text)
    return count


def _milliseconds(text: str) -> float:
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value / 1000


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="perijove proxy",
        description="Carry requests to the targets that the admin API names.",
        epilog=f"The environment variable {PROXY_AUTH_TOKEN} holds the token of the admin API.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )

    def add(name: str, text: str = "", **options: object) -> None:
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, help=text or _HELP[name], **options)  # type: ignore[arg-type]

    for name in _TEXT:
        add(name, metavar="TEXT")
    for name in _PORTS:
        add(name, metavar="PORT", type=_port)
    for name in _MILLISECONDS:
        add(name, f"in milliseconds: {_HELP[name]}", metavar="MS", type=_milliseconds)
    add("workers", metavar="NUMBER", type=_count)
    add("host_routing", action="store_true")
    add("no_x_forward", "do not " + _HELP["x_forward"], action="store_false", dest="x_forward")
    add("log_level", choices=sorted(LEVELS))
    parser.add_argument("-V", "--version", action="version", version=perijove.__version__)
    return parser


def read_settings(argv: Sequence[str], auth_token: str) -> ProxySettings:
    """Return the settings that flags ask for. For bad ones raises SystemExit(2), usage on standard error."""
    parser = _parser()
    given = vars(parser.parse_args(argv))
    if "socket" in given and ("ip" in given or "port" in given):
        parser.error("--socket excludes --ip and --port")
    if "api_socket" in given and ("api_ip" in given or "api_port" in given):
        parser.error("--api-socket excludes --api-ip and --api-port")
    if "error_target" in given and "error_path" in given:
        parser.error("--error-target excludes --error-path")
    return ProxySettings(**given, auth_token=auth_token)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``perijove proxy`` until it is told to stop; return the exit status."""
    settings = read_settings(sys.argv[1:] if argv is None else argv, os.environ.get(PROXY_AUTH_TOKEN, ""))
    from perijove.proxy.bootstrap import CannotStart, run

    try:
        run(settings)
    except CannotStart as error:
        print(f"perijove proxy: {error}", file=sys.stderr)
        return 1
    return 0

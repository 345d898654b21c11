"""The command ``perijove proxy``: flags, named as those of configurable-http-proxy, into settings.

Every flag of configurable-http-proxy 5 is taken. One that has nothing to change here is accepted with a warning that
says why, so that a command line made for the other goes on to work. The exception is ``--storage-backend``: whoever
gives it expects routes to be kept where they would not be, which is refused.
"""

from __future__ import annotations

import argparse
import os
import ssl
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import perijove
from perijove.proxy.core.forwarding import read_networks
from perijove.proxy.core.rewriting import read_field
from perijove.proxy.net.logs import LEVELS
from perijove.proxy.net.tls import PROTOCOLS
from perijove.proxy.settings import ProxySettings
from perijove.wire.environment import (
    PROXY_API_SSL_KEY_PASSPHRASE,
    PROXY_AUTH_TOKEN,
    PROXY_CLIENT_SSL_KEY_PASSPHRASE,
    PROXY_SSL_KEY_PASSPHRASE,
)

_HELP = {each.name: str(each.metadata["help"]) for each in fields(ProxySettings)}
PASSPHRASES = {
    "ssl_passphrase": PROXY_SSL_KEY_PASSPHRASE,
    "api_ssl_passphrase": PROXY_API_SSL_KEY_PASSPHRASE,
    "client_ssl_passphrase": PROXY_CLIENT_SSL_KEY_PASSPHRASE,
}
_TEXT = (
    "ip",
    "socket",
    "ssl_key",
    "ssl_cert",
    "ssl_ca",
    "ssl_ciphers",
    "ssl_dhparam",
    "api_ip",
    "api_socket",
    "api_ssl_key",
    "api_ssl_cert",
    "api_ssl_ca",
    "client_ssl_key",
    "client_ssl_cert",
    "client_ssl_ca",
    "metrics_ip",
    "metrics_socket",
    "access_log_file",
    "default_target",
    "error_target",
    "error_path",
    "pid_file",
    "state_file",
)
MAX_WORKERS = 256
LEAST_HEAD = 1024
MOST_HEAD = 1024 * 1024
_PORTS = ("port", "api_port", "redirect_port", "redirect_to", "metrics_port")
_MILLISECONDS = ("keep_alive_timeout", "connect_timeout", "head_timeout", "drain_timeout")
_SWITCHES = (
    "ssl_request_cert",
    "ssl_reject_unauthorized",
    "api_ssl_request_cert",
    "api_ssl_reject_unauthorized",
    "insecure",
    "change_origin",
    "auto_rewrite",
    "host_routing",
    "access_log_query",
)
_LIMITS = ("max_connections", "max_connections_per_client")
_ONLY_WARNED_OF = {
    "ssl_allow_rc4": "no version of TLS that is spoken here has RC4",
    "client_ssl_request_cert": "targets always show a certificate",
    "client_ssl_reject_unauthorized": "targets without a valid certificate are always refused, unless --insecure",
}
_UNSAFE_PROTOCOLS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1_1")
_EXCLUDING = (
    ("socket", ("ip", "port")),
    ("api_socket", ("api_ip", "api_port")),
    ("metrics_socket", ("metrics_ip", "metrics_port")),
    ("error_target", ("error_path",)),
)
_NEEDING = (
    ("ssl_reject_unauthorized", "ssl_request_cert"),
    ("api_ssl_reject_unauthorized", "api_ssl_request_cert"),
    ("redirect_to", "redirect_port"),
)


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


def _limit(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


def _milliseconds(text: str) -> float:
    return _limit(text) / 1000


def _networks(text: str) -> str:
    read_networks(text)
    return text


def _head_size(text: str) -> int:
    size = int(text)
    if not LEAST_HEAD <= size <= MOST_HEAD:
        raise ValueError(text)
    return size


def _field(text: str) -> tuple[str, str]:
    try:
        return read_field(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _ciphers(text: str) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(text)
    except ssl.SSLError as error:
        raise argparse.ArgumentTypeError("no cipher of this list is known") from error
    return text


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def command_line() -> argparse.ArgumentParser:
    """Return the parser of the command line. A flag's ``dest`` is the setting that it sets, if there is one."""
    parser = argparse.ArgumentParser(
        prog="perijove proxy",
        description="Carry requests to the targets that the admin API names.",
        epilog=f"The environment variable {PROXY_AUTH_TOKEN} holds the token of the admin API; "
        + "; ".join(f"{name} the {_HELP[setting]}" for setting, name in PASSPHRASES.items())
        + ".",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )

    def add(name: str, text: str = "", *others: str, **options: object) -> None:
        parser.add_argument(_flag(name), *others, help=text or _HELP[name], **options)  # type: ignore[arg-type]

    for name in _TEXT:
        add(name, metavar="TEXT", type=_ciphers if name == "ssl_ciphers" else str)
    add("ssl_protocol", metavar="NAME", choices=(*filter(None, PROTOCOLS), *_UNSAFE_PROTOCOLS))
    for name in _PORTS:
        add(name, metavar="PORT", type=_port)
    add("timeout", f"in milliseconds: {_HELP['timeout']}", "--idle-timeout", metavar="MS", type=_milliseconds)
    first_byte = f"in milliseconds: {_HELP['proxy_timeout']}"
    add("proxy_timeout", first_byte, "--first-byte-timeout", metavar="MS", type=_milliseconds)
    for name in _MILLISECONDS:
        add(name, f"in milliseconds: {_HELP[name]}", metavar="MS", type=_milliseconds)
    add("workers", metavar="NUMBER", type=_count)
    for name in _LIMITS:
        add(name, metavar="NUMBER", type=_limit)
    add("max_header_size", metavar="BYTES", type=_head_size)
    for name in _SWITCHES:
        add(name, action="store_true")
    for name in ("x_forward", "prepend_path", "include_prefix"):
        add("no_" + name, "do not " + _HELP[name], action="store_false", dest=name)
    add("protocol_rewrite", choices=("http", "https"))
    custom = _HELP["custom_headers"] + "; may be given several times"
    add("custom_header", custom, metavar="NAME:VALUE", type=_field, action="append", dest="custom_headers")
    add("trusted_proxies", metavar="NETWORKS", type=_networks)
    add("access_log", choices=("json", "common", "off"))
    add("log_level", choices=tuple(LEVELS), type=str.lower)
    for name, why in _ONLY_WARNED_OF.items():
        add(name, f"accepted, without effect: {why}", action="store_true")
    add("storage_backend", "refused: a class of Node.js cannot run here; see --state-file", metavar="CLASS")
    parser.add_argument("-V", "--version", action="version", version=perijove.__version__)
    return parser


def _check(parser: argparse.ArgumentParser, given: dict[str, Any]) -> list[str]:
    """Refuse what cannot be meant together; return warnings, and take out what no setting has."""
    if "storage_backend" in given:
        parser.error("--storage-backend names a class of Node.js, which cannot run here; --state-file keeps the routes")
    for one, others in _EXCLUDING:
        if one in given and any(other in given for other in others):
            parser.error(f"{_flag(one)} excludes {' and '.join(map(_flag, others))}")
    warnings = [
        f"{_flag(name)} has no effect: {why}" for name, why in _ONLY_WARNED_OF.items() if given.pop(name, False)
    ]
    warnings += [
        f"{_flag(one)} has no effect without {_flag(other)}"
        for one, other in _NEEDING
        if one in given and other not in given
    ]
    if given.get("ssl_protocol") in _UNSAFE_PROTOCOLS:
        warnings.append(f"--ssl-protocol {given.pop('ssl_protocol')} is not safe: TLS 1.2 and newer are spoken instead")
    return warnings


def read_settings(argv: Sequence[str], auth_token: str, **secrets: Any) -> ProxySettings:
    """Return the settings that flags ask for, with *secrets* by the names of their settings.

    Warnings go to standard error. For bad flags raises SystemExit(2), usage on standard error.
    """
    parser = command_line()
    given = vars(parser.parse_args(argv))
    for warning in _check(parser, given):
        print(f"perijove proxy: warning: {warning}", file=sys.stderr)
    if "custom_headers" in given:
        # Of several with one name the last counts.
        given["custom_headers"] = tuple(
            {name.lower(): (name, value) for name, value in given["custom_headers"]}.values()
        )
    return ProxySettings(**given, **secrets, auth_token=auth_token)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``perijove proxy`` until it is told to stop; return the exit status."""
    secrets = {setting: os.environ.get(name, "") for setting, name in PASSPHRASES.items()}
    token = os.environ.get(PROXY_AUTH_TOKEN, "")
    settings = read_settings(sys.argv[1:] if argv is None else argv, token, **secrets)
    from perijove.proxy.bootstrap import CannotStart, run

    try:
        if settings.workers > 1:
            from perijove.proxy.workers import supervisor

            run(settings, supervisor.start)
        else:
            run(settings)
    except CannotStart as error:
        print(f"perijove proxy: {error}", file=sys.stderr)
        return 1
    return 0

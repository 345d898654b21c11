"""One line for each exchange, as JSON or in the common format of web servers.

Lines hold nothing that grants access: no header fields but the browser's name, no query unless the operator asks for
it, and then without the values of parameters that carry secrets.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Literal, NamedTuple
from urllib.parse import unquote

from perijove.proxy.core.activity import to_iso

Format = Literal["json", "common", "off"]

MAX_PATH = 2048
# No status of HTTP: what nginx writes where a client left before there was an answer.
CLIENT_LEFT = 499
MAX_AGENT = 200
_SECRET = re.compile(
    r"token|code|secret|passw|ticket|signature|credential|session|state|auth|key|\bsig\b", re.IGNORECASE
)
_PARAMETER = re.compile(r"([^=&;]*)=([^&;]*)")


class Exchange(NamedTuple):
    """What became of one request. Times are seconds; ``status`` is 0 where the client left before any answer."""

    ended: float
    """When, since the epoch."""
    seconds: float
    first_byte: float | None
    """From the request's head to that of the answer; None without an answer of the target."""
    address: str
    """The other end of the connection."""
    method: str
    target: str
    """The request target, query and all."""
    version: str
    host: str
    agent: str
    status: int
    received: int
    sent: int
    kind: str
    """Whose route it was: hub, user, service, other."""
    upstream: str
    """The URL of the route's target."""
    request_id: str
    tunnel: bool
    fault: str
    """Why the proxy answered itself; empty where the target did."""


def _redacted(parameter: re.Match[str]) -> str:
    name, value = parameter.groups()
    # An address to go on to, escaped once or twice, may carry a secret as well.
    if _SECRET.search(unquote(name)) or ("=" in (plain := unquote(unquote(value))) and _SECRET.search(plain)):
        return f"{name}=[redacted]"
    return parameter[0]


def shown_target(target: str, *, query: bool) -> str:
    """Return what may be logged of a request target."""
    path, mark, parameters = target.partition("?")
    if query and mark:
        path += mark + _PARAMETER.sub(_redacted, parameters)
    return path[:MAX_PATH]


def _quoted(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii").replace('"', '\\"')


def access_line(exchange: Exchange, form: Format, *, query: bool) -> str:
    """Return the line for *exchange*, without a line end."""
    target = shown_target(exchange.target, query=query)
    status = exchange.status or CLIENT_LEFT
    if form == "common":
        moment = datetime.fromtimestamp(exchange.ended, timezone.utc).strftime("%d/%b/%Y:%H:%M:%S +0000")
        return (
            f'{exchange.address or "-"} - - [{moment}] "{exchange.method} {_quoted(target)} {exchange.version}" '
            f"{status} {exchange.sent}"
        )
    line: dict[str, object] = {
        "time": to_iso(exchange.ended),
        "request_id": exchange.request_id,
        "address": exchange.address,
        "method": exchange.method,
        "host": exchange.host,
        "path": target,
        "status": status,
        "seconds": round(exchange.seconds, 6),
        "first_byte": None if exchange.first_byte is None else round(exchange.first_byte, 6),
        "received": exchange.received,
        "sent": exchange.sent,
        "kind": exchange.kind,
        "target": exchange.upstream,
        "agent": exchange.agent[:MAX_AGENT],
    }
    if exchange.tunnel:
        line["tunnel"] = True
    if exchange.fault:
        line["fault"] = exchange.fault
    return json.dumps(line)

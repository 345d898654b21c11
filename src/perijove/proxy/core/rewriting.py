"""Changes that an operator asks for: to requests on the way in, and to redirects on the way out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from perijove.proxy.core.targets import Target

# Answers whose Location leads the browser elsewhere, or names what was made.
_REDIRECTS = frozenset((201, 301, 302, 303, 307, 308))
_LOCATION = re.compile(rb"(https?)://([^/?#]*)(.*)", re.DOTALL | re.IGNORECASE)
_DEFAULT_PORTS = {b"http": b"80", b"https": b"443"}
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")

# What decides where a message ends, or to whom a connection speaks, is the proxy's own to write.
_NOT_CUSTOM = frozenset(
    (
        b"connection",
        b"content-length",
        b"expect",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)


@dataclass(frozen=True, slots=True)
class Rewriting:
    """What is changed. ``fields`` replace those of a client; the rest is named after the command's flags."""

    change_origin: bool = False
    prepend_path: bool = True
    include_prefix: bool = True
    auto_rewrite: bool = False
    protocol_rewrite: Literal["", "http", "https"] = ""
    fields: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def field_names(self) -> frozenset[bytes]:
        """The lower-case names of ``fields``."""
        return frozenset(name.lower() for name, _ in self.fields)


NO_REWRITING = Rewriting()


def read_field(text: str) -> tuple[str, str]:
    """Read ``name: value``, a field to add to requests. Raises ValueError, saying why it cannot be sent."""
    name, colon, value = (part.strip(" \t") for part in text.partition(":"))
    if not colon or not _NAME.fullmatch(name.encode("latin-1", "replace")):
        raise ValueError("a field is written as name:value")
    if name.lower().encode() in _NOT_CUSTOM:
        raise ValueError(f"the proxy itself decides about the field {name}")
    if not _VALUE.fullmatch(value.encode("latin-1", "replace")):
        raise ValueError(f"the value of the field {name} has control characters")
    return name, value


def target_path(request_target: bytes, target: Target, prefix: str, rewriting: Rewriting) -> bytes:
    """Return what is asked of *target* for a request below *prefix* (canonical, without a host).

    The prefix has as many segments in the request as it has in the table, however they are escaped.
    """
    if request_target == b"*":
        return request_target
    if not rewriting.include_prefix and prefix != "/":
        segments = prefix.count("/")
        path, mark, query = request_target.partition(b"?")
        rest = b"/".join(path.split(b"/")[segments + 1 :])
        request_target = b"/" + rest + mark + query
    return target.base + request_target if rewriting.prepend_path else request_target


def _with_port(scheme: bytes, authority: bytes) -> bytes:
    authority = authority.rpartition(b"@")[2].lower()
    _, colon, port = authority.rpartition(b":")
    return authority if colon and port.isdigit() else authority + b":" + _DEFAULT_PORTS[scheme]


def location(value: bytes, status: int, target: Target, host: bytes, rewriting: Rewriting) -> bytes:
    """Return the Location for the client: where it names the target itself, the client's own *host* and the scheme."""
    if status not in _REDIRECTS:
        return value
    found = _LOCATION.fullmatch(value)
    if found is None:
        return value
    scheme, authority, rest = found[1].lower(), found[2], found[3]
    own_scheme = b"https" if target.endpoint.secure else b"http"
    if _with_port(scheme, authority) != _with_port(own_scheme, target.authority):
        return value
    if rewriting.auto_rewrite and host:
        authority = host
    return (rewriting.protocol_rewrite.encode() or scheme) + b"://" + authority + rest

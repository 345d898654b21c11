"""Names of fields, all in lower case: which end at this hop, which are the proxy's own, which may trail a body."""

from __future__ import annotations

import re

from perijove.proxy.core.guard import GUARDED

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    )
)
FORWARDED = frozenset(
    (b"forwarded", b"x-forwarded-for", b"x-forwarded-port", b"x-forwarded-proto", b"x-forwarded-host")
)

# What was decided from a head may not be said otherwise behind the body (RFC 9110 6.5.1): how the message is framed,
# where it goes, who sends it, how it is read, kept or answered. The proxy's own fields and guarded ones are among them.
_NEVER_TRAILING = (
    HOP_BY_HOP
    | FORWARDED
    | GUARDED
    | frozenset(
        (
            b"age",
            b"authorization",
            b"cache-control",
            b"cookie",
            b"date",
            b"expect",
            b"expires",
            b"host",
            b"location",
            b"max-forwards",
            b"pragma",
            b"range",
            b"retry-after",
            b"vary",
            b"warning",
            b"www-authenticate",
            b"x-request-id",
        )
    )
)
_NEVER_TRAILING_PREFIXES = (b"content-", b"if-", b"proxy-", b"x-forwarded-")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")


def may_trail(name: bytes) -> bool:
    """Return whether a field of this lower-case name may come behind a chunked body."""
    return name not in _NEVER_TRAILING and not name.startswith(_NEVER_TRAILING_PREFIXES)


def announced(names: list[bytes], dropped: frozenset[bytes]) -> bytes:
    """Return a value of Trailer: those of the lower-case *names* that may come and are not *dropped*."""
    return b", ".join(name for name in names if _NAME.fullmatch(name) and may_trail(name) and name not in dropped)

"""The proxy's own answers: which error, and as what."""

from __future__ import annotations

import json
from enum import Enum
from html import escape
from urllib.parse import quote

from perijove.proxy.core.text import MAX_SHOWN

# Answered by the proxy itself, whatever its routes are; the name is configurable-http-proxy's.
HEALTH_PATH = "/_chp_healthz"


class Fault(Enum):
    """Why the proxy answers by itself; each with its status and what a person reads."""

    MALFORMED_BODY = (400, "The body of the request is malformed.")
    NO_ROUTE = (404, "Nothing is served at this address.")
    INVALID_ANSWER = (502, "The server behind this address gave an answer that cannot be passed on.")
    UNREACHABLE = (503, "The server behind this address does not answer.")
    TOO_SLOW = (504, "The server behind this address took too long to answer.")
    INTERNAL = (500, "The proxy failed to serve this request.")

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value[0]

    @property
    def message(self) -> str:
        """What a person reads."""
        return self.value[1]


REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    301: "Moved Permanently",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    414: "URI Too Long",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}


PASSING = frozenset({502, 503, 504})
"""Errors that may be over in a moment."""

STYLE = (
    ":root{color-scheme:light dark}"
    "body{margin:0;padding:2rem 1rem;font:1rem/1.55 system-ui,sans-serif;overflow-wrap:anywhere;"
    "color:light-dark(#241b14,#f4ece3);background:light-dark(#faf7f2,#15110e)}"
    "main{max-width:40rem;margin:0 auto;padding:2rem;border-radius:12px;background:light-dark(#fff,#201a16);"
    "border-top:8px solid light-dark(#c47f3d,#a8672c)}"
    "h1{margin:0;font-size:1.75rem;line-height:1.2}"
    ":focus-visible{outline:3px solid light-dark(#1f5fbf,#8ab8ff);outline-offset:2px}"
    "a{display:inline-block;padding:.7rem 1.2rem;border-radius:8px;font-weight:600;text-decoration:none;"
    "color:light-dark(#fff,#261503);background:light-dark(#9a4d0c,#f0a659)}"
)
"""How the page looks: the colours of the hub's pages, of which the proxy has no files."""


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def wants_json(path: str, accept: bytes) -> bool:
    """Return whether a client asks for JSON: by a path segment ``api``, or by accepting it rather than HTML."""
    if "api" in path.split("/"):
        return True
    qualities: dict[str, float] = {}
    for item in accept.decode("latin-1").split(","):
        media, *parameters = item.split(";")
        qualities.setdefault(media.strip().lower(), _quality(parameters))
    return qualities.get("application/json", 0.0) > qualities.get("text/html", 0.0)


def json_page(status: int, message: str) -> tuple[bytes, bytes]:
    """Return (content type, body) of an error as JSON."""
    return b"application/json", json.dumps({"status": status, "message": message}).encode()


def html_page(status: int, message: str, request_id: str) -> tuple[bytes, bytes]:
    """Return (content type, body) of an error as a small page that needs nothing else."""
    reason = REASONS.get(status, "Error")
    # An empty address is that of the page itself: whoever waited a moment asks again for what they wanted.
    again = '<p><a href="">Try again</a></p>' if status in PASSING else ""
    body = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{status} {reason}</title><style>{STYLE}</style></head><body><main><h1>{status} {reason}</h1>"
        f"<p>{escape(message)}</p>{again}<p>Request: <code>{escape(request_id[:MAX_SHOWN])}</code></p>"
        "</main></body></html>\n"
    )
    return b"text/html; charset=utf-8", body.encode()


def error_page_path(base: bytes, status: int, request_target: bytes) -> bytes:
    """Return the path at an error target: ``<base>/<status>?url=<escaped request target>``."""
    return b"%b/%d?url=%b" % (base, status, quote(request_target, safe="").encode())


def render_answer(
    status: int,
    content_type: bytes,
    body: bytes,
    *,
    head_only: bool = False,
    close: bool = False,
    content_encoding: bytes = b"",
) -> bytes:
    """Return a whole answer of the proxy's own. With *head_only* (a HEAD request) the body is only measured."""
    lines = [b"HTTP/1.1 %d %b" % (status, REASONS.get(status, "").encode())]
    if status != 204:
        lines += [b"Content-Length: %d" % len(body), b"Cache-Control: no-store"]
    if content_type:
        lines.append(b"Content-Type: " + content_type)
    if content_encoding:
        lines.append(b"Content-Encoding: " + content_encoding)
    if close:
        lines.append(b"Connection: close")
    lines.append(b"\r\n")
    return b"\r\n".join(lines) + (b"" if head_only else body)

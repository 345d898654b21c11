"""Pages for errors from elsewhere: an error target (the hub) or a directory."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from perijove.proxy.core.bodies import Progress, response_reader
from perijove.proxy.core.errors import error_page_path
from perijove.proxy.core.heads import MAX_HEAD, Refusal, parse_response, response_body
from perijove.proxy.core.targets import BadTarget, Target, parse_target
from perijove.proxy.net.logs import log

MAX_PAGE = 1024 * 1024
MAX_FETCHES = 32

TlsFor = Callable[[Target], ssl.SSLContext | None]


class Page(NamedTuple):
    """What an error is answered with."""

    content_type: bytes
    body: bytes
    content_encoding: bytes = b""


def read_pages(directory: Path) -> dict[str, bytes]:
    """Read the ``<status>.html`` and ``error.html`` of a directory. Raises OSError."""
    return {page.stem: page.read_bytes() for page in sorted(directory.glob("*.html"))}


class ErrorPages:
    """Finds the page for an error. With neither target nor files there is none, and the built-in page serves."""

    def __init__(self, target: Target | None, files: dict[str, bytes], timeout: float, tls: TlsFor) -> None:
        self._target = target
        self._tls = tls
        self._files = files
        self._timeout = timeout
        self._fetching = 0

    @property
    def remote(self) -> bool:
        """Whether pages may be fetched now; a storm of errors must not become one on the error target."""
        return self._target is not None and self._fetching < MAX_FETCHES

    def local(self, status: int) -> Page | None:
        """Return a page of the directory."""
        body = self._files.get(str(status), self._files.get("error"))
        return None if body is None else Page(b"text/html", body)

    async def fetch(self, status: int, request_target: bytes, request_id: bytes) -> Page | None:
        """Get the page from the error target; None where that fails or takes too long."""
        if self._target is None:
            return None
        self._fetching += 1
        try:
            return await asyncio.wait_for(self._get(self._target, status, request_target, request_id), self._timeout)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            log.warning("error page %d not fetched: %s request=%s", status, type(error).__name__, request_id.decode())
            return None
        finally:
            self._fetching -= 1

    async def _get(self, target: Target, status: int, request_target: bytes, request_id: bytes) -> Page | None:
        endpoint = target.endpoint
        if endpoint.socket:
            reader, writer = await asyncio.open_unix_connection(endpoint.socket, limit=MAX_HEAD)
        else:
            reader, writer = await asyncio.open_connection(
                endpoint.host, endpoint.port, limit=MAX_HEAD, ssl=self._tls(target)
            )
        try:
            path = error_page_path(target.base, status, request_target)
            writer.write(
                b"GET %b HTTP/1.1\r\nHost: %b\r\nAccept: text/html\r\nX-Request-ID: %b\r\nConnection: close\r\n\r\n"
                % (path, target.authority, request_id)
            )
            raw = await reader.readuntil(b"\r\n\r\n")
            head = parse_response(raw, 0, len(raw))
            if isinstance(head, Refusal) or head.status < 200 or head.status in (204, 304):
                return None
            body = await self._body(reader, response_body(head, b"GET"))
        finally:
            writer.close()
        fields = {name.lower(): value for name, value in head.fields}
        content_type = fields.get(b"content-type", b"")
        if body is None or not content_type:
            return None
        return Page(content_type, body, fields.get(b"content-encoding", b""))

    async def _body(self, reader: asyncio.StreamReader, framing: int) -> bytes | None:
        body = response_reader(framing, unwrap=True)
        parts: list[bytes] = []
        size = 0
        while body is not None:
            data = await reader.read(MAX_HEAD)
            if not data:
                return b"".join(parts) if framing < -1 else None
            fed = body.feed(data)
            parts.append(fed.relay)
            size += len(fed.relay)
            if fed.progress is Progress.BAD or size > MAX_PAGE:
                return None
            if fed.progress is Progress.DONE:
                break
        return b"".join(parts)


def error_pages(target: str, directory: str, timeout: float, tls: TlsFor) -> ErrorPages:
    """Make the error pages that settings ask for; *tls* gives the context for a target.

    Raises:
        ValueError: the target is not one.
        OSError: the directory cannot be read.
    """
    parsed: Target | None = None
    if target:
        found = parse_target(target.rstrip("/"))
        if isinstance(found, BadTarget):
            raise ValueError(found.reason)
        parsed = found
    return ErrorPages(parsed, read_pages(Path(directory)) if directory else {}, timeout, tls)

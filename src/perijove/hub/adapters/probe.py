"""Asks a server over HTTP whether it answers.

A starting server is asked many times, by each hub and mostly in vain: so this is a connection and a line, not a client.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from functools import cached_property
from urllib.parse import quote, urlsplit

REQUEST_TIMEOUT = 5.0
PORTS = {"http": 80, "https": 443}
MAX_LINE = 4096
STATUS = re.compile(rb"HTTP/1\.[01] ([1-9]\d\d)(?: |\r?\n)")
"""RFC 9112 section 4."""
SAFE = "/?&=+:;,@!$'()*~%-._"


class HttpProbe:
    """A `Probe` with one connection per question: the answering server may be another than the one asked before."""

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # Made once, and only where it is needed: reading the system's certificates takes longer than the question.
        return ssl.create_default_context()

    async def answers(self, url: str) -> bool:
        """Say whether ``GET url`` gave any answer below 500, redirects not followed."""
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                return await self._asked(url)
        except (OSError, ValueError):
            return False

    async def _asked(self, url: str) -> bool:
        """Ask. Raises OSError if nobody answers, ValueError for a URL or an answer that is none."""
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or PORTS.get(parts.scheme)
        if not host or port is None or parts.scheme not in PORTS:
            return False
        tls = self._tls if parts.scheme == "https" else None
        reader, writer = await asyncio.open_connection(host, port, ssl=tls, limit=MAX_LINE)
        try:
            target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), SAFE)
            named = quote(parts.netloc.rpartition("@")[2], "[]:")
            writer.write(f"GET {target} HTTP/1.1\r\nHost: {named}\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode())
            status = STATUS.match(await reader.readline())
            return status is not None and int(status[1]) < 500
        finally:
            # The rest is not read: a hostile server's may have no end.
            writer.transport.abort()

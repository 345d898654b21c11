"""How questions reach the hub: Tornado's HTTP client, which every Jupyter Server brings along.

It knows nothing of the hub but its certificates. No redirect is followed and no proxy of the environment is used: both
would carry a token to somewhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse

CONNECT_TIMEOUT = 5.0
REQUEST_TIMEOUT = 10.0
MAX_ANSWER = 1024 * 1024
MAX_CONNECTIONS = 100
BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


class HubUnavailable(Exception):
    """The hub did not answer, or not as a hub that is well does."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class StreamRefused(Exception):
    """There is no stream, but an answer of another status than 200.

    Attributes:
        reply: that answer.
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"status {reply.status}")
        self.reply = reply


class Transport:
    """A pool of connections for one event loop."""

    def __init__(
        self, *, keyfile: str = "", certfile: str = "", client_ca: str = "", max_answer: int = MAX_ANSWER
    ) -> None:
        """Prepare; *keyfile* and *certfile* identify us to the hub, *client_ca* is who vouches for the hub."""
        certificates = {"client_key": keyfile, "client_cert": certfile, "ca_certs": client_ca}
        self._defaults = {"follow_redirects": False, **{name: path for name, path in certificates.items() if path}}
        self._max_answer = max_answer
        self._made: AsyncHTTPClient | None = None

    @property
    def _client(self) -> AsyncHTTPClient:
        # Made late: it belongs to the event loop that runs, and programs are put together before one does.
        if self._made is None:
            self._made = AsyncHTTPClient(
                force_instance=True,
                defaults=self._defaults,
                max_body_size=self._max_answer,
                max_clients=MAX_CONNECTIONS,
            )
        return self._made

    def close(self) -> None:
        """Give back the connections."""
        if self._made is not None:
            self._made.close()

    async def send(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        timeout: float = REQUEST_TIMEOUT,
    ) -> Reply:
        """Return the answer, whatever its status.

        Raises:
            HubUnavailable: no answer within *timeout* seconds.
        """
        request = HTTPRequest(
            url,
            method=method,
            headers=dict(headers or {}),
            body="" if body is None and method not in BODILESS else body,
            connect_timeout=min(CONNECT_TIMEOUT, timeout),
            request_timeout=timeout,
            allow_nonstandard_methods=True,  # a DELETE may have a body
        )
        try:
            response = await self._client.fetch(request, raise_error=False)
        except (OSError, HTTPClientError, ValueError) as error:
            raise HubUnavailable(f"the hub cannot be reached: {type(error).__name__}") from error
        return Reply(response.code, {name.lower(): value for name, value in response.headers.items()}, response.body)

    async def stream(
        self, url: str, *, headers: Mapping[str, str], idle: float, timeout: float
    ) -> AsyncGenerator[bytes, None]:
        """Yield pieces of the answer as they come; whoever stops reading leaves the connection to the hub to close.

        Raises:
            HubUnavailable: no answer, not whole within *timeout* seconds, or nothing new for *idle* seconds.
            StreamRefused: the hub says something else instead.
        """
        status, refusal = 0, bytearray()
        pieces: asyncio.Queue[bytes] = asyncio.Queue()

        def head(line: str) -> None:
            nonlocal status
            if line.startswith("HTTP/"):
                status = int(line.split()[1])

        def take(piece: bytes) -> None:
            if status == 200:
                pieces.put_nowait(piece)
            else:
                refusal.extend(piece)

        request = HTTPRequest(
            url,
            headers=dict(headers),
            connect_timeout=CONNECT_TIMEOUT,
            request_timeout=timeout,
            header_callback=head,
            streaming_callback=take,
        )
        fetching = self._client.fetch(request, raise_error=False)
        fetching.add_done_callback(_read)
        fetching.add_done_callback(lambda _: pieces.put_nowait(b""))
        try:
            while piece := await asyncio.wait_for(pieces.get(), idle):
                yield piece
            await fetching
        except (OSError, HTTPClientError, ValueError, asyncio.TimeoutError) as error:
            raise HubUnavailable(f"the hub cannot be reached: {type(error).__name__}") from error
        if status != 200:
            raise StreamRefused(Reply(status, {}, bytes(refusal)))


def _read(done: asyncio.Future[HTTPResponse]) -> None:
    """Look at how it ended, so that asyncio does not report an error that nobody waits for any more."""
    if not done.cancelled():
        done.exception()

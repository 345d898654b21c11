"""Asks a server over HTTP whether it answers."""

from __future__ import annotations

import ssl

import httpx

REQUEST_TIMEOUT = 5.0


class HttpProbe:
    """A `Probe` with one connection per question: the answering server may be another than the one asked before."""

    def __init__(self) -> None:
        # Made once: reading the certificates of the system takes longer than the question.
        self._tls = ssl.create_default_context()

    async def answers(self, url: str) -> bool:
        """Say whether ``GET url`` gave any answer below 500, redirects not followed."""
        try:
            # Proxies from the environment are for the outside world, never for a server of ours.
            async with (
                httpx.AsyncClient(trust_env=False, timeout=REQUEST_TIMEOUT, verify=self._tls) as client,
                # The body is not read: a hostile server's may have no end.
                client.stream("GET", url, headers={"Connection": "close"}) as response,
            ):
                return response.status_code < 500
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            return False

"""The client of the REST admin API that configurable-http-proxy and the built-in proxy have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import httpcore  # noqa: F401 - httpx loads it with the first client, which holds the event loop up
import httpx

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.routes import Route

RETRY_SECONDS: Final = 5.0
"""How long a call is tried again while the proxy does not answer, or answers that it is at fault."""
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_REQUEST_TIMEOUT = httpx.Timeout(5.0, connect=2.0)
_TABLE_TIMEOUT = httpx.Timeout(60.0, connect=2.0)
_BULK = "bulk-routes"
"""Among the features that the built-in proxy names in ``GET /api/info``: it takes many routes in one call."""
_MARK = "jupyterhub"
"""Set in the data of every route that a hub made."""


def path_of(routespec: str) -> str:
    """Return the path of a route in the API: the routespec, escaped as it is, between slashes but with none at the end.

    A host name is the first segment.
    """
    return f"/api/routes/{routespec.strip('/')}"


def routes_of(listing: Any, *, host_routing: bool = False) -> dict[str, Route]:
    """Return the routes that a hub made out of what ``GET /api/routes`` answered, by routespec.

    The proxy lists paths unescaped and without the slash at the end; a routespec has both. What the proxy adds to the
    data, ``last_activity`` as ISO 8601, stays there. With *host_routing* the first segment of a path is a host.

    Raises:
        PerijoveError: UNAVAILABLE, if that is no table of routes.
    """
    if not isinstance(listing, dict) or not all(isinstance(data, dict) for data in listing.values()):
        raise _unavailable("The proxy did not answer with a table of routes; is something else at its API's address?")
    routes = {}
    for path, data in listing.items():
        if not data.get(_MARK):
            continue
        routespec = quote(path, safe="@/~").rstrip("/") + "/"
        if host_routing and routespec != "/":
            routespec = routespec.removeprefix("/")
        kept = {key: value for key, value in data.items() if key not in (_MARK, "target")}
        routes[routespec] = Route(routespec, str(data.get("target", "")), kept)
    return routes


class AdminApi:
    """Talks to one proxy.

    Args:
        url: where its API is, ``http://host:port``.
        token: what it wants to be shown.
        concurrency: how many calls are under way at most.
        host_routing: whether routespecs begin with a host name.
    """

    def __init__(self, url: str, token: str, concurrency: int, *, host_routing: bool = False) -> None:
        self._host_routing = host_routing
        self.url = url.rstrip("/")
        self._client = httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"token {token}"},
            timeout=_REQUEST_TIMEOUT,
            # Nothing between the hub and its proxy: neither a proxy from the environment nor a .netrc file.
            trust_env=False,
            # Reading the certificates of the system takes longer than all calls of a start.
            verify=self.url.startswith("https:"),
        )
        self._room = asyncio.Semaphore(concurrency)

    async def close(self) -> None:
        """Close the connections to the proxy."""
        await self._client.aclose()

    async def add(self, route: Route) -> None:
        """Add a route in place of the one with its routespec; raises PerijoveError UNAVAILABLE."""
        await self._call("POST", path_of(route.routespec), _body(route))

    async def delete(self, routespec: str) -> None:
        """Delete a route if it is there; raises PerijoveError UNAVAILABLE."""
        await self._call("DELETE", path_of(routespec), fine=(404,))

    async def change(self, add: Sequence[Route], delete: Sequence[str]) -> None:
        """Add and delete routes, in one call where the proxy can; raises PerijoveError UNAVAILABLE."""
        features = (await self.info() or {}).get("features")
        if isinstance(features, list) and _BULK in features:
            table: dict[str, Any] = dict.fromkeys(map(_key, delete))
            table |= {_key(route.routespec): _body(route) for route in add}
            await self._call("PATCH", "/api/routes", table, timeout=_TABLE_TIMEOUT)
            return
        calls = [*map(self.add, add), *map(self.delete, delete)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        for failure in results:
            if failure is not None:
                raise failure

    async def routes(self) -> dict[str, Route]:
        """Return the routes that a hub made; raises PerijoveError UNAVAILABLE."""
        answer = await self._call("GET", "/api/routes")
        try:
            return routes_of(answer.json(), host_routing=self._host_routing)
        except ValueError as error:
            raise _unavailable("The proxy's table of routes is not JSON.") from error

    async def info(self) -> dict[str, Any] | None:
        """Return what the proxy says of itself, ``{}`` if it has no such call, None if nothing answers there.

        Raises:
            PerijoveError: UNAVAILABLE, if something answers that does not take our token or is no such proxy.
        """
        try:
            answer = await self._client.get("/api/info")
        except httpx.ConnectError:
            return None
        except httpx.HTTPError as error:
            raise _unavailable(f"The proxy's API at {self.url} does not answer: {_words(error)}.") from error
        if answer.status_code == 404:
            return {}
        if answer.status_code != 200:
            raise self._refused(answer)
        try:
            content = answer.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise _unavailable(f"What answers at {self.url} is not a proxy's API.")
        return content

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        fine: tuple[int, ...] = (),
        timeout: httpx.Timeout = _REQUEST_TIMEOUT,
    ) -> httpx.Response:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + RETRY_SECONDS
        pause = _FIRST_PAUSE
        while True:
            cause: Exception | None = None
            try:
                async with self._room:
                    answer = await self._client.request(method, path, json=body, timeout=timeout)
            except httpx.HTTPError as error:
                failure, cause = _unavailable(f"The proxy's API at {self.url} does not answer: {_words(error)}."), error
            else:
                if answer.is_success or answer.status_code in fine:
                    return answer
                failure = self._refused(answer)
                if answer.status_code < 500:
                    raise failure
            if loop.time() + pause > deadline:
                raise failure from cause
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _refused(self, answer: httpx.Response) -> PerijoveError:
        if answer.status_code in (401, 403):
            return _unavailable(
                f"The proxy's API at {self.url} does not take the hub's token: c.ConfigurableHTTPProxy.auth_token and "
                "the proxy's CONFIGPROXY_AUTH_TOKEN must be the same."
            )
        return _unavailable(f"The proxy's API at {self.url} answered with status {answer.status_code}.")


def _key(routespec: str) -> str:
    return f"/{routespec.lstrip('/')}"


def _body(route: Route) -> dict[str, Any]:
    return {**route.data, "target": route.target, _MARK: True}


def _unavailable(message: str) -> PerijoveError:
    return PerijoveError(Code.UNAVAILABLE, message)


def _words(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__

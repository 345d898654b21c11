"""The route table: which target serves a path.

A *key* is the canonical form of a prefix: it starts with a slash, has none at its end ("/" alone is the root), and
percent escapes are resolved, so that "/user/a%40b" and "/user/a@b" are the same key. Two escapes stay: %2F, which is
no path separator, and %25, without which the form would be ambiguous. Bytes above 127 stand as Latin-1 characters.
With host routing the first segment of every key is a host name.

The longest key that is a prefix of the path by whole segments wins. A look-up costs one dictionary probe per segment,
whatever the number of routes. A table never changes: adding a route makes a new table, which takes the old one's place.
Routes are spread by hash over a fixed number of small dictionaries, the *shards*; a new table shares with the old one
all shards but those of the routes that differ, so that a change costs microseconds among ten thousand routes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from perijove.proxy.core.targets import Target

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_KEPT_ESCAPES = {"2F": "%2F", "25": "%25"}


def _resolve(escape: re.Match[str]) -> str:
    digits = escape[1].upper()
    return _KEPT_ESCAPES.get(digits) or chr(int(digits, 16))


def canonical_path(path: str) -> str:
    """Return *path* with its percent escapes resolved, except %2F and %25; slashes are left as they are."""
    return _ESCAPE.sub(_resolve, path) if "%" in path else path


def canonical_key(path: str, host_routing: bool = False) -> str:
    """Return the key for the prefix *path*, given with or without slashes at its ends."""
    key = "/" + canonical_path(path).strip("/")
    if host_routing:
        host, slash, rest = key[1:].partition("/")
        key = "/" + host.lower() + slash + rest
    return key


def display_name(key: str) -> str:
    """Return *key* as the admin API lists it: decoded, %2F alone kept."""
    decoded = key.replace("%25", "%")
    try:
        return decoded.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return decoded


@dataclass(frozen=True, slots=True)
class Route:
    """One route. ``data`` is what its maker said of it, without the target; ``prefix`` is its path without a host."""

    key: str
    target: Target
    data: Mapping[str, object] = field(default_factory=dict)
    host_routing: bool = False

    @property
    def prefix(self) -> str:
        """The part of the key that is a path: all of it, or with host routing what follows the host."""
        if not self.host_routing or self.key == "/":
            return self.key
        _, slash, path = self.key[1:].partition("/")
        return slash + path or "/"

    @property
    def is_hub(self) -> bool:
        """Whether the route leads to the hub itself, whose code may act on the whole origin."""
        return self.data.get("hub") is True

    @property
    def is_user(self) -> bool:
        """Whether the route leads to a server in which a user's code runs."""
        return "user" in self.data

    @property
    def kind(self) -> str:
        """Whose it is: ``hub``, ``user``, ``service`` or ``other``."""
        if self.is_hub:
            return "hub"
        return "user" if self.is_user else "service" if "service" in self.data else "other"


SHARDS = 1024
_MASK = SHARDS - 1
_EMPTY: dict[str, Route] = {}


class RouteTable:
    """All routes at one moment; immutable."""

    __slots__ = ("_depth", "_shards", "_size", "host_routing")

    def __init__(self, routes: Iterable[Route] = (), *, host_routing: bool = False) -> None:
        self.host_routing = host_routing
        self._depth = 1
        self._size = 0
        # A shard is never changed once another table may hold it; the empty one is shared by all.
        self._shards: list[dict[str, Route]] = [_EMPTY] * SHARDS
        self._change(routes, ())

    def _change(self, put: Iterable[Route], drop: Iterable[str]) -> None:
        """Change a table that nobody else holds yet: copy each shard that a change falls into, once."""
        shards = self._shards
        own: set[int] = set()

        def shard(key: str) -> dict[str, Route]:
            number = hash(key) & _MASK
            if number not in own:
                own.add(number)
                shards[number] = shards[number].copy()
            return shards[number]

        for key in drop:
            if key in shards[hash(key) & _MASK]:
                del shard(key)[key]
                self._size -= 1
        # The depth is an upper bound: not shrinking it costs a probe, recounting would cost a pass over all routes.
        if not self._size:
            self._depth = 1
        for route in put:
            mine = shard(route.key)
            self._size += route.key not in mine
            mine[route.key] = route
            self._depth = max(self._depth, route.key.count("/"))

    def changed(self, put: Iterable[Route] = (), drop: Iterable[str] = ()) -> RouteTable:
        """Return a table without the routes of the keys *drop*, and with the routes *put* in place of others."""
        table = RouteTable.__new__(RouteTable)
        table.host_routing = self.host_routing
        table._depth = self._depth
        table._size = self._size
        table._shards = self._shards.copy()
        table._change(put, drop)
        return table

    def get(self, key: str) -> Route | None:
        """Return the route with exactly this key."""
        return self._shards[hash(key) & _MASK].get(key)

    def find(self, path: str, host: str = "") -> Route | None:
        """Return the route for a request's path (without query) and lower-case host name (without port)."""
        if self.host_routing:
            path = f"/{host}{path}"
        if "%" in path:
            path = canonical_path(path)
        depth = self._depth
        segments = path.split("/", depth + 1)
        if len(segments) > depth + 1:
            segments.pop()
        shards = self._shards
        while len(segments) > 1:
            key = "/".join(segments)
            route = shards[hash(key) & _MASK].get(key)
            if route is not None:
                return route
            segments.pop()
        return self.get("/")

    def __iter__(self) -> Iterator[Route]:
        """Give all routes, in no particular order."""
        return chain.from_iterable(shard.values() for shard in self._shards if shard)

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"<RouteTable of {self._size}>"

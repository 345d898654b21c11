"""Kills the hub's own process at a chosen point of its work: plug-ins and a store that know when they are called.

A *point* is the moment before or after something that lasts: a transaction that writes, or a call of the spawner or the
proxy that does something to the world. Every point that is reached is written to a file; the one that another file
names is the last, counted since that file was written. Nothing lists what writes, only what does not: what is new in
the hub is a point by itself.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from perijove.hub.adapters.proxies.configurable_http_proxy import ConfigurableHTTPProxy
from perijove.hub.adapters.spawners.local import SimpleLocalProcessSpawner
from perijove.hub.adapters.store.sql import SqlStore, SqlTransaction
from perijove.hub.core.servers import Server
from perijove.hub.ports.traits import call_plugin

READS = frozenset(
    (
        *("auth_state", "by_hash", "by_id", "client", "client_of_service", "count", "effective_of_user", "get"),
        *("groups_of", "list", "list_active", "list_of", "list_to_remove", "members", "named", "names_of", "of"),
        *("scopes_for_user", "with_group", "with_user"),
    )
)
"""The methods of the store that leave nothing behind."""
STEADY = frozenset({"renew"})
"""What is written now and then, whatever happens."""


@contextmanager
def wishes(folder: Path) -> Iterator[None]:
    """Let nobody change the wish in *folder* while this process follows it, or the other way round."""
    with (folder / "wishes").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Points:
    """The points of this process, kept in two files of *folder*."""

    folder: ClassVar[Path]
    _wish: ClassVar[str] = ""
    _reached: ClassVar[Counter[str]] = Counter()

    @classmethod
    def reach(cls, name: str) -> None:
        """Write *name* down, and die here if that is the wish."""
        with wishes(cls.folder):
            cls._reach(name, (cls.folder / "wish").read_text())

    @classmethod
    def _reach(cls, name: str, wish: str) -> None:
        if wish != cls._wish:
            cls._wish, cls._reached = wish, Counter()
        cls._reached[name] += 1
        point = f"{name} #{cls._reached[name]}"
        with (cls.folder / "reached").open("a") as reached:
            reached.write(f"{point}\n")
        if point == wish.partition("\n")[0]:
            (cls.folder / "dies").write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)


class _Repository:
    """A repository whose writing calls are added to *calls*."""

    def __init__(self, inner: Any, name: str, calls: list[str]) -> None:
        self._inner, self._name, self._calls = inner, name, calls

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._inner, method)

        async def noted(*args: Any, **kwargs: Any) -> Any:
            if method not in READS | STEADY:
                what = next((arg.state.value for arg in args if isinstance(arg, Server)), "")
                self._calls.append(f"{self._name}.{method}({what})")
            return await call(*args, **kwargs)

        return noted


class _Transaction:
    """A transaction whose writing calls are added to *calls*."""

    def __init__(self, inner: SqlTransaction, calls: list[str]) -> None:
        self._inner, self._calls = inner, calls

    def __getattr__(self, repository: str) -> Any:
        return _Repository(getattr(self._inner, repository), repository, self._calls)


class MortalStore(SqlStore):
    """A store with a point before and one after each commit that leaves something behind."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """Begin a transaction."""
        calls: list[str] = []
        async with super().transaction() as inner:
            yield _Transaction(inner, calls)
            if calls:
                Points.reach(f"before {', '.join(calls)}")
        if calls:
            Points.reach(f"after {', '.join(calls)}")


class MortalSpawner(SimpleLocalProcessSpawner):
    """A spawner with points around what starts and ends processes."""

    async def start(self) -> tuple[str, int]:
        """Start the server."""
        Points.reach("before spawner.start")
        address = await super().start()
        Points.reach("after spawner.start")
        return address

    async def stop(self, now: bool = False) -> None:
        """Stop the server."""
        Points.reach("before spawner.stop")
        await super().stop(now)
        Points.reach("after spawner.stop")

    async def delete_forever(self) -> None:
        """Delete what outlives the server's runs."""
        Points.reach("before spawner.delete_forever")
        await call_plugin(super().delete_forever)
        Points.reach("after spawner.delete_forever")


class MortalProxy(ConfigurableHTTPProxy):
    """A proxy with points around the change of one route."""

    async def add_route(self, routespec: str, target: str, data: Mapping[str, Any]) -> None:
        """Add a route."""
        Points.reach("before proxy.add_route")
        await super().add_route(routespec, target, data)
        Points.reach("after proxy.add_route")

    async def delete_route(self, routespec: str) -> None:
        """Delete a route."""
        Points.reach("before proxy.delete_route")
        await super().delete_route(routespec)
        Points.reach("after proxy.delete_route")

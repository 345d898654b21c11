"""Services."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from perijove.hub.core.services import Service


class Services(Protocol):
    """Services, of the configuration and made while the hub runs."""

    async def list(self) -> Sequence[Service]:
        """Return all services by name."""
        ...

    async def get(self, name: str) -> Service | None:
        """Return the service called *name*."""
        ...

    async def by_id(self, service_id: int) -> Service | None:
        """Return the service with that id."""
        ...

    async def add(self, service: Service) -> Service:
        """Store a new service and return it with its id. Raises PerijoveError CONFLICT if the name is taken."""
        ...

    async def put(self, service: Service) -> Service:
        """Store the service, or change the one of its name, and return it with its id.

        Raises PerijoveError INVALID if its info holds what JSON cannot.
        """
        ...

    async def delete(self, service_id: int) -> None:
        """Delete it with its tokens, client and role assignments."""
        ...

    async def keep_only(self, names: Collection[str]) -> None:
        """Delete all other services of the configuration; those made while the hub ran stay."""
        ...

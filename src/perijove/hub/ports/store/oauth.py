"""OAuth clients and the codes on their way."""

from __future__ import annotations

from typing import Protocol

from perijove.hub.core.oauth import OAuthClient, OAuthCode


class OAuth(Protocol):
    """OAuth clients and the codes on their way."""

    async def client(self, client_id: str) -> OAuthClient | None:
        """Return the client."""
        ...

    async def put_client(self, client: OAuthClient) -> None:
        """Store the client in place of the one with its id, its server or its service; names are read, not stored."""
        ...

    async def client_of_service(self, service_id: int) -> OAuthClient | None:
        """Return a service's client."""
        ...

    async def delete_client_of(self, server_id: int) -> None:
        """Delete a server's client with the tokens and codes issued to it."""
        ...

    async def delete_client_of_service(self, service_id: int) -> None:
        """Delete a service's client with the tokens and codes issued to it."""
        ...

    async def add_code(self, code: OAuthCode) -> None:
        """Store a code."""
        ...

    async def take_code(self, code_hash: str) -> OAuthCode | None:
        """Return the code and delete it, so that it is used once."""
        ...

"""The audit log, shown to those who may see what everybody does."""

from __future__ import annotations

from typing import Final

from perijove.hub.core.errors import not_found
from perijove.hub.core.principals import Principal
from perijove.hub.ports.audit import AuditPage, AuditQuery, AuditReader

NEEDS: Final = ("read:hub", "admin:users")
"""All of these are needed, each without a limit: the log tells of everybody."""


class AuditTrail:
    """The audit log of this hub, if it keeps one."""

    def __init__(self, reader: AuditReader | None) -> None:
        self._reader = reader

    def may_read(self, principal: Principal) -> bool:
        """Say whether *principal* may read it."""
        return all(principal.may(scope) for scope in NEEDS)

    async def find(self, principal: Principal, query: AuditQuery) -> AuditPage:
        """Return what *query* asks for.

        Raises:
            PerijoveError: FORBIDDEN; NOT_FOUND, if this hub keeps no such log; UNAVAILABLE, if it cannot be read.
        """
        for scope in NEEDS:
            principal.require(scope)
        if self._reader is None:
            raise not_found("This hub keeps no audit log: c.JupyterHub.audit_log_file is empty.")
        return await self._reader.find(query)

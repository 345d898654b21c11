"""What pages for administrators need beside the use cases that everybody has."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from perijove.hub.core.history import History
from perijove.hub.ports.audit import AuditReader
from perijove.hub.settings.effective import OptionValue
from perijove.hub.settings.roles import RoleSpec
from perijove.hub.usecases.audit import AuditTrail
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.health import Health
from perijove.hub.usecases.long_actions import LongActions
from perijove.hub.usecases.parts import Parts
from perijove.hub.usecases.roles import Roles
from perijove.hub.usecases.server_logs import ServerLogs


class Administration(Struct, frozen=True):
    """The use cases of looking after a hub.

    Attributes:
        actions: on many users or servers at once.
        logs: what servers wrote.
        health: how the parts of the hub are.
        audit: who did what.
        roles: which there are and who holds them.
        history: what the hub was like in the last 24 hours.
        options: the configuration in effect.
    """

    actions: LongActions
    logs: ServerLogs
    health: Health
    audit: AuditTrail
    roles: Roles
    history: History
    options: Sequence[OptionValue]

    @classmethod
    def made(
        cls,
        ctx: Context,
        parts: Parts,
        *,
        audit: AuditReader | None,
        history: History,
        options: Sequence[OptionValue],
        roles: Sequence[RoleSpec] = (),
    ) -> Administration:
        """Return what belongs to the hub of these *parts*.

        Args:
            ctx: ports.
            parts: those of the hub.
            audit: finds lines of the audit log; None if the hub keeps none.
            history: what the hub was like.
            options: the configuration in effect.
            roles: the roles of the configuration.
        """
        return cls(
            LongActions(ctx, parts.tasks, parts.servers, parts.removal),
            ServerLogs(ctx, parts.steps.log_of),
            Health(ctx, parts.routes, parts.keeper),
            AuditTrail(audit),
            Roles(ctx, roles),
            history,
            options,
        )

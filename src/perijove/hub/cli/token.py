"""``perijove token``: makes a token for a user, whether a hub runs or not.

It writes one row into the hub's database, beside the hub: SQLite lets processes write in turns, and nothing that a hub
remembers of its database is made wrong by a new token. Whoever can read the database file may do so anyway.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from perijove.hub.cli.configured import configured
from perijove.hub.core.errors import Code, PerijoveError, not_found
from perijove.hub.core.facts import Fact, Origin
from perijove.hub.core.names import normalize_user_name, shorten

if TYPE_CHECKING:
    from perijove.hub.plugins.configuration import Configuration
    from perijove.hub.usecases.tokens import TokenRequest

OK, FAILED = 0, 1


def main(argv: Sequence[str]) -> int:
    """Carry out *argv*, what follows ``perijove token``, and return the exit status."""
    from perijove.hub.usecases.tokens import TokenRequest

    parser = argparse.ArgumentParser(
        prog="perijove token", description="Make an API token for a user and print it, this once."
    )
    parser.add_argument("user", nargs="?", help="whose token it will be; by default your own name on this machine")
    parser.add_argument("-f", "--config", metavar="FILE", type=Path, help="the configuration file of the hub")
    parser.add_argument("--note", default="Made on the command line", help="what it is for")
    parser.add_argument("--expires-in", metavar="SECONDS", type=int, help="how long it is good for")
    parser.add_argument(
        "--scope", action="append", help="what it allows; may be given several times; by default all that the user may"
    )
    line = parser.parse_args(argv)
    if (configuration := configured(line.config)) is None:
        return FAILED
    wanted = TokenRequest(line.note, line.expires_in, tuple(line.scope) if line.scope else None)
    try:
        print(asyncio.run(_make(configuration, line.user or getpass.getuser(), wanted)))
    except PerijoveError as error:
        print(f"perijove: {error.message}", file=sys.stderr)
        return FAILED
    return OK


class _Unheard:
    """Takes facts where there is no audit log: whoever asks sees what came of it."""

    def emit(self, fact: Fact) -> None:
        pass


async def _make(configuration: Configuration, user_name: str, wanted: TokenRequest) -> str:
    from perijove.hub.adapters.clock import SystemClock
    from perijove.hub.adapters.store.sql import SqlStore
    from perijove.hub.adapters.telemetry.audit import AuditLog
    from perijove.hub.adapters.telemetry.logs import configure_logging
    from perijove.hub.core.principals import Principal
    from perijove.hub.core.roles import ADMIN_SCOPES
    from perijove.hub.core.scopes import Holder, expand
    from perijove.hub.ports.telemetry import ORIGIN
    from perijove.hub.usecases import tokens
    from perijove.hub.usecases.context import Context

    options, clock, name = configuration.hub, SystemClock(), getpass.getuser()
    configure_logging("ERROR")
    ORIGIN.set(Origin("operator"))
    operator = Principal("user", name, expand(ADMIN_SCOPES, Holder(user=name)), admin=True)
    store = await SqlStore.open(options.database_url, beside_hub=True)
    try:
        audit = AuditLog(options.audit_log_path, clock) if options.audit_log_path is not None else None
        if audit is not None:
            audit.start()
        try:
            ctx = Context(store, clock, audit or _Unheard())
            view = await tokens.create(
                ctx, operator, normalize_user_name(user_name), wanted, maximum=options.token_expires_in_max_seconds
            )
        except PerijoveError as error:
            if error.code is Code.NOT_FOUND:
                there_is_none = f"There is no user {shorten(user_name)!r}"
                raise not_found(f"{there_is_none}; sign in once, or let an administrator add them") from None
            raise
        finally:
            if audit is not None:
                audit.close()
    finally:
        await store.close()
    return view.value

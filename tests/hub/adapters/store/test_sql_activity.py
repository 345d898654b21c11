"""That activity and attempts are kept is the contract's to test; here, what it costs."""

from __future__ import annotations

from sqlalchemy import event

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.core.attempts import AttemptKey
from perijove.hub.testing.store_samples import NOW, SECOND, add_user


async def test_activity_of_many_takes_one_statement_a_table(sql_store: SqlStore, statements: list[str]) -> None:
    async with sql_store.transaction() as tx:
        ids = [(await add_user(tx, f"u{number}")).id for number in range(10)]
        statements.clear()
        carried_out = []
        event.listen(tx.users.connection, "before_cursor_execute", lambda *what: carried_out.append(what[-1]))
        await tx.activity.record(dict.fromkeys(ids, NOW), {}, {})
        assert (len(statements), carried_out) == (1, [False]), "one statement, and it is not carried out once for each"


async def test_attempts_under_several_keys_take_one_statement(sql_store: SqlStore, statements: list[str]) -> None:
    keys = [AttemptKey("name", "a"), AttemptKey("address", "b")]
    async with sql_store.transaction() as tx:
        statements.clear()
        await tx.attempts.record(keys, NOW, SECOND)
        assert len(statements) == 1
        await tx.attempts.count(keys, NOW, SECOND)
        assert len(statements) == 2

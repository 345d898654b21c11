from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from perijove.hub.adapters.encryption import FernetEncryption
from perijove.hub.usecases.auth_states import StoredAuthState, auth_state_of, sealed
from perijove.hub.usecases.context import Context

House = Any
NEW, OLD = b"n" * 32, b"o" * 32
BOTH = pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)


def context(house: House, *keys: bytes) -> Context:
    ctx: Context = house.ctx
    return replace(ctx, encryption=FernetEncryption(keys) if keys else None)


async def stored(house: House) -> bytes | None:
    async with house.store.transaction() as tx:
        user = await tx.users.get("ada")
        kept: bytes | None = await tx.users.auth_state(user.id)
        return kept


async def access(house: House, *keys: bytes) -> StoredAuthState:
    async with house.store.transaction() as tx:
        return StoredAuthState(context(house, *keys), (await tx.users.get("ada")).id)


@BOTH
async def test_what_is_kept_cannot_be_read_in_the_store(house: House) -> None:
    ada = await access(house, NEW)
    assert await ada.get() is None
    await ada.put({"token": "secret", "nested": {"é": [1, None]}})
    assert await ada.get() == {"token": "secret", "nested": {"é": [1, None]}}
    assert b"secret" not in (await stored(house) or b"")
    await ada.put(None)
    assert await stored(house) is None


async def test_an_older_key_is_replaced_when_the_state_is_read(house: House) -> None:
    await (await access(house, OLD)).put({"a": 1})
    assert await (await access(house, NEW, OLD)).get() == {"a": 1}
    assert await (await access(house, NEW)).get() == {"a": 1}


async def test_what_no_key_fits_is_treated_as_lost_and_stays_where_it_is(house: House) -> None:
    await (await access(house, OLD)).put({"token": "secret"})
    before = await stored(house)
    with capture_logs() as logs:
        assert await (await access(house, NEW)).get() is None
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert "secret" not in str(logs)
    assert await stored(house) == before


@pytest.mark.parametrize("clear", [b"no json", b"[1]", b"[" * 100_000])
async def test_what_is_no_dictionary_is_treated_as_lost(house: House, clear: bytes) -> None:
    ctx = context(house, NEW)
    assert ctx.encryption is not None
    async with house.store.transaction() as tx:
        user = await tx.users.get("ada")
        await tx.users.set_auth_state(user.id, ctx.encryption.encrypt(clear))
        assert await auth_state_of(ctx, tx, user.id) is None


async def test_without_a_key_nothing_is_kept(house: House) -> None:
    await (await access(house, NEW)).put({"a": 1})
    ada = await access(house)
    assert await ada.get() is None
    await ada.put({"a": 2})
    assert sealed(house.ctx, {"a": 1}) is None
    assert await (await access(house, NEW)).get() == {"a": 1}


async def test_a_wrong_state_replaces_nothing(house: House) -> None:
    ada = await access(house, NEW)
    await ada.put({"a": 1})
    with pytest.raises(TypeError):
        await ada.put({"a": b""})
    assert await ada.get() == {"a": 1}

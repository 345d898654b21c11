from __future__ import annotations

import pytest

from perijove.hub.adapters.passwords import Argon2PasswordHasher
from perijove.hub.ports.passwords import PasswordHasher
from perijove.hub.testing.fakes import PlainPasswordHasher


@pytest.mark.parametrize("hasher", [Argon2PasswordHasher(), PlainPasswordHasher()], ids=["argon2", "fake"])
async def test_hashers_keep_the_port(hasher: PasswordHasher) -> None:
    stored = await hasher.hash("hunter2")
    assert stored != "hunter2"
    assert await hasher.verify(stored, "hunter2")
    assert not await hasher.verify(stored, "")
    assert not await hasher.verify("broken", "hunter2")
    assert not await hasher.verify(None, "hunter2")

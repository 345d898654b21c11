from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.ports.store import Store
from perijove.hub.testing.store_contract import StoreContract


class TestSqlStoreInAFile(StoreContract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        opened = await SqlStore.open(f"sqlite:///{tmp_path}/hub.sqlite")
        yield opened
        await opened.close()


class TestSqlStoreInMemory(StoreContract):
    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        opened = await SqlStore.open("sqlite://")
        yield opened
        await opened.close()

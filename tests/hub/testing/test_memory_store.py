from __future__ import annotations

import pytest

from perijove.hub.ports.store import Store
from perijove.hub.testing.memory_store import MemoryStore
from perijove.hub.testing.store_contract import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()

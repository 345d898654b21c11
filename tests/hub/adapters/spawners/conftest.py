from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.accounts import Accounts, environment_for_users, made_accounts


@pytest.fixture(scope="module")
def accounts() -> Iterator[Accounts]:
    """Two accounts of this machine."""
    with made_accounts() as made:
        yield made


@pytest.fixture(scope="module")
def commands() -> Iterator[Path]:
    """The ``bin`` of an environment that these accounts can use."""
    with tempfile.TemporaryDirectory(prefix="perijove-env-") as folder:
        Path(folder).chmod(0o755)
        yield environment_for_users(Path(folder))

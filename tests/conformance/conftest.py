"""Programs of others as they come from the package index, and hubs of ours for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.hubs import RunningHub, installations


@pytest.fixture(scope="session")
def upstream(checkout: Path) -> Path:
    """The programs of an environment with upstream's packages."""
    return programs(checkout, "upstream", "no environment with upstream's packages (scripts/test-peers makes it)")


@pytest.fixture(scope="session")
def python_310(checkout: Path) -> Path:
    """The programs of an environment with Python 3.10 and Jupyter Server."""
    return programs(checkout, "python-3.10", "no Python 3.10 with Jupyter Server (from python3.10 or pyenv)")


@pytest.fixture(scope="session")
def generator(checkout: Path) -> Path:
    """The programs of an environment with a generator of API clients and a type checker."""
    return programs(checkout, "client-generator", "no generator of clients (scripts/test-peers installs one)")


@pytest.fixture(scope="session")
def node_proxy(checkout: Path) -> Path:
    """The command `configurable-http-proxy`."""
    folder = checkout / ".cache" / "peers" / "configurable-http-proxy"
    if not (folder / ".perijove-made").exists():
        pytest.skip("no configurable-http-proxy (scripts/test-peers installs it with npm and Node.js 20 or newer)")
    return folder / "node_modules" / ".bin" / "configurable-http-proxy"


@pytest.fixture(scope="module")
def make_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningHub]]:
    """Make installations that are gone after the module, whatever happened to them."""
    with installations(tmp_path_factory) as make:
        yield make


def programs(checkout: Path, name: str, missing: str) -> Path:
    """Return the folder of an environment's programs, or skip the test for the reason *missing*."""
    folder = checkout / ".cache" / "peers" / name
    if not (folder / ".perijove-made").exists():
        pytest.skip(missing)
    return folder / "bin"

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint

import pytest

from perijove.hub.plugins import discovery

BUILT_IN = {
    "perijove.authenticators": {
        "dummy": "perijove.hub.adapters.authenticators.dummy:DummyAuthenticator",
        "password": "perijove.hub.adapters.authenticators.password:PasswordAuthenticator",
    },
    "perijove.spawners": {
        "localprocess": "perijove.hub.adapters.spawners.local:LocalProcessSpawner",
        "simple": "perijove.hub.adapters.spawners.local:SimpleLocalProcessSpawner",
    },
    "perijove.proxies": {
        "configurable-http-proxy": "perijove.hub.adapters.proxies.configurable_http_proxy:ConfigurableHTTPProxy"
    },
}
Register = Callable[[str, str, str], None]


@pytest.fixture(autouse=True)
def register(monkeypatch: pytest.MonkeyPatch) -> Register:
    """The built-in plug-ins are installed; more can be added as (group, name, value)."""
    points = [EntryPoint(name, value, group) for group, names in BUILT_IN.items() for name, value in names.items()]
    monkeypatch.setattr(
        discovery,
        "_everything",
        lambda: {group: [each for each in points if each.group == group] for group in BUILT_IN},
    )
    return lambda group, name, value: points.append(EntryPoint(name, value, group))
